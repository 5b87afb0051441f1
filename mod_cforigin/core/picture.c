/* SPDX-License-Identifier: Apache-2.0 */
/* What a picture says in sum and in sentences, whichever way it is rendered.
 * Pure. */
#include "cforigin_picture.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

static const char *const state_words[CFO_STATES] = {
    [CFO_STATE_OK] = "ok",
    [CFO_STATE_EXPIRING] = "expiring",
    [CFO_STATE_RENEWING] = "renewing",
    [CFO_STATE_PENDING] = "pending",
    [CFO_STATE_ERROR] = "error",
    [CFO_STATE_DEGRADED] = "degraded",
    [CFO_STATE_EXPIRED] = "expired",
    [CFO_STATE_ADOPTED] = "adopted",
    [CFO_STATE_FOREIGN] = "foreign",
};

const char *cfo_state_word(cfo_state_t state)
{
    return state_words[state];
}

cfo_state_t cfo_state_of(const cfo_state_facts_t *f, apr_time_t now)
{
    if (f->served && f->not_after <= now)
        return CFO_STATE_EXPIRED;
    if (f->foreign)
        return CFO_STATE_FOREIGN;
    if (f->failures > 0)
        return f->served ? CFO_STATE_DEGRADED : CFO_STATE_ERROR;
    if (!f->served)
        return CFO_STATE_PENDING;
    if (f->warn_at <= now)
        return CFO_STATE_EXPIRING;
    if (f->issuing)
        return CFO_STATE_RENEWING;
    return f->adopted ? CFO_STATE_ADOPTED : CFO_STATE_OK;
}

static const char *const reason_sentences[CFO_REASONS] = {
    [CFO_VALID] = "everything is as it should be",
    [CFO_MISSING] = "there is none yet",
    [CFO_DAMAGED] = "what the store has can't be used",
    [CFO_UNREADABLE] = "the store can't be read at the moment",
    [CFO_KEY_MISMATCH] = "certificate and key in the store are no pair",
    [CFO_NAMES_CHANGED] = "a name was added that is not on it",
    [CFO_TYPE_CHANGED] = "another request type is wanted",
    [CFO_VALIDITY_CHANGED] = "another validity is wanted",
    [CFO_RENEW_WINDOW] = "it is time to renew it",
    [CFO_EXPIRED] = "it has ended",
    [CFO_FORCED] = "somebody asked for a new one",
    [CFO_FOREIGN] = "not of the Origin CA, left as it is",
    [CFO_ADOPTED] = "made by hand, taken over",
};

const char *cfo_reason_sentence(cfo_reason_t reason)
{
    return reason_sentences[reason];
}

/* --- sums --- */

#define CERT(status, i)                                                       \
    (&APR_ARRAY_IDX((status)->certificates, i, cfo_status_cert_t))

void cfo_status_add_up(cfo_status_t *status)
{
    int i;

    memset(status->totals, 0, sizeof(status->totals));
    status->soonest_not_after = 0;
    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c = CERT(status, i);

        status->totals[c->state]++;
        if (c->not_after && (status->soonest_not_after == 0 ||
                             c->not_after < status->soonest_not_after))
            status->soonest_not_after = c->not_after;
    }
}

int cfo_status_narrow(cfo_status_t *status, const char *name)
{
    int i, kept = 0;

    for (i = 0; i < status->certificates->nelts; i++) {
        if (!strcasecmp(CERT(status, i)->name, name))
            *CERT(status, kept++) = *CERT(status, i);
    }
    status->certificates->nelts = kept;
    if (kept == 0)
        return 0;
    status->only = CERT(status, 0)->name;
    cfo_status_add_up(status);
    return 1;
}

static int holds(const char *text, const char *part)
{
    return text && strcasestr(text, part) != NULL;
}

static int one_holds(const apr_array_header_t *list, const char *part)
{
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        if (holds(APR_ARRAY_IDX(list, i, const char *), part))
            return 1;
    }
    return 0;
}

int cfo_status_shows(const cfo_status_t *status, const cfo_status_cert_t *c)
{
    if (status->state >= 0 && (int)c->state != status->state)
        return 0;
    if (status->q == NULL || status->q[0] == '\0')
        return 1;
    return holds(c->name, status->q) || one_holds(c->hostnames, status->q) ||
           one_holds(c->vhosts, status->q) || holds(c->serial, status->q) ||
           holds(c->sha256, status->q);
}

/* --- alarms --- */

/* What ?check answers 503 for: the contract's list, no more and no less. */
static int alarms(const cfo_status_cert_t *c)
{
    return c->state == CFO_STATE_ERROR || c->state == CFO_STATE_EXPIRED ||
           c->state == CFO_STATE_EXPIRING ||
           (c->state == CFO_STATE_DEGRADED && c->inside_warn_window);
}

int cfo_status_needs_attention(const cfo_status_cert_t *c)
{
    return alarms(c) || c->state == CFO_STATE_DEGRADED ||
           (c->state == CFO_STATE_FOREIGN && c->inside_warn_window);
}

int cfo_status_alarm(apr_pool_t *p, const cfo_status_t *status,
                     const char **line)
{
    int i, bad = 0, n = status->certificates->nelts;
    const cfo_status_cert_t *first = NULL;

    for (i = 0; i < n; i++) {
        if (!alarms(CERT(status, i)))
            continue;
        bad++;
        if (first == NULL)
            first = CERT(status, i);
    }
    if (first)
        *line = apr_psprintf(p, "CRITICAL - %d of %d certificate%s: %s is %s",
                             bad, n, n == 1 ? "" : "s", first->name,
                             cfo_state_word(first->state));
    else
        *line = apr_psprintf(p, "OK - %d certificate%s", n, n == 1 ? "" : "s");
    return first != NULL;
}

/* --- sentences --- */

static apr_time_t next_renewal(const cfo_status_t *status)
{
    apr_time_t next = 0;
    int i;

    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c = CERT(status, i);

        if (c->renew_at > status->now && !c->manual &&
            (next == 0 || c->renew_at < next))
            next = c->renew_at;
    }
    return next;
}

/* "1 error, 2 expired", of the states that are asked for. */
static const char *count_states(apr_pool_t *p, const int *counts)
{
    static const cfo_state_t order[] = {CFO_STATE_EXPIRED,  CFO_STATE_ERROR,
                                        CFO_STATE_EXPIRING, CFO_STATE_FOREIGN,
                                        CFO_STATE_DEGRADED, CFO_STATE_PENDING,
                                        CFO_STATE_RENEWING};
    const char *text = "";
    unsigned i;

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (counts[order[i]])
            text = apr_psprintf(p, "%s%s%d %s", text, *text ? ", " : "",
                                counts[order[i]], cfo_state_word(order[i]));
    }
    return text;
}

const char *cfo_status_sentence(apr_pool_t *p, const cfo_status_t *status)
{
    int wrong[CFO_STATES] = {0}, coming[CFO_STATES] = {0};
    int i, bad = 0, n = status->certificates->nelts, under_way;
    apr_time_t next = next_renewal(status);
    char words[CFO_RELATIVE_MAX];
    const char *text;

    if (n == 0)
        return "No certificate is managed: write CFOrigin on into a virtual "
               "host that has SSLEngine on.";
    for (i = 0; i < n; i++) {
        if (cfo_status_needs_attention(CERT(status, i))) {
            wrong[CERT(status, i)->state]++;
            bad++;
        }
    }
    coming[CFO_STATE_PENDING] = status->totals[CFO_STATE_PENDING];
    coming[CFO_STATE_RENEWING] = status->totals[CFO_STATE_RENEWING];
    under_way = coming[CFO_STATE_PENDING] + coming[CFO_STATE_RENEWING];
    if (bad)
        text = apr_psprintf(p, "%d of %d certificate%s need%s attention: %s",
                            bad, n, n == 1 ? "" : "s", bad == 1 ? "s" : "",
                            count_states(p, wrong));
    else if (under_way)
        text = apr_psprintf(p, "%d certificate%s, nothing to do", n,
                            n == 1 ? "" : "s");
    else
        text = n == 1 ? "1 certificate, fine"
                      : apr_psprintf(p, "%d certificates, all fine", n);
    if (under_way)
        text = apr_pstrcat(p, text, "; under way: ", count_states(p, coming),
                           NULL);
    if (next)
        text = apr_pstrcat(p, text, "; the next renewal is ",
                           cfo_show_relative(words, next, status->now), NULL);
    return apr_pstrcat(p, text, ".", NULL);
}

const char *cfo_status_watch_fault(apr_pool_t *p, const cfo_status_t *status)
{
    char words[CFO_RELATIVE_MAX];

    if (status->one_process)
        return "The server runs as one process (-X): nothing is watched or "
               "renewed after its start.";
    if (status->looked_at && status->now - status->looked_at > CFO_STATUS_LATE)
        return apr_psprintf(
            p,
            "What stands here may be old: httpd's parent process last looked "
            "%s, and should look every ten seconds. Look at that process and "
            "at the error log.",
            cfo_show_relative(words, status->looked_at, status->now));
    if (status->keeper_overdue && !status->keeper_running)
        return apr_psprintf(
            p,
            "The keeper should have run %s and did not. Look into the error "
            "log for why it can't be started.",
            cfo_show_relative(words, status->keeper_overdue, status->now));
    return NULL;
}

static const char *state_advice(const cfo_status_cert_t *c)
{
    if (c->installed_generation)
        return "A newer one is installed and served after the next reload of "
               "httpd.";
    if (c->reason == CFO_FOREIGN)
        return "Renew it where it came from, or remove its "
               "SSLCertificateFile and SSLCertificateKeyFile lines so that "
               "one of the Origin CA takes its place.";
    if (c->reason == CFO_UNREADABLE)
        return "Repair the disk or the permissions of CFOriginStoreDir; "
               "nothing is asked for until it can be read again.";
    if (c->manual)
        return "CFOriginRenewMode is manual here: set it to auto, or force "
               "one renewal with the renew marker in the store.";
    return "Nothing to do: the next try is planned.";
}

const char *cfo_status_advice(const cfo_status_cert_t *c)
{
    if (c->last_error.kind != CFO_OK)
        return cfo_result_advice(&c->last_error);
    return cfo_status_needs_attention(c) ? state_advice(c) : NULL;
}
