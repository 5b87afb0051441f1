/* SPDX-License-Identifier: Apache-2.0 */
/* ?auto: "Key: value" lines, flat, as mod_status writes them. What is not
 * known has no line. */
#include "cforigin_picture.h"

#define P "CFOrigin"

/* A key, and of which certificate or account; -1: of none. */
static void key(cfo_out_t *out, const char *group, int index, const char *name)
{
    cfo_out_text(out, P);
    cfo_out_text(out, group);
    if (index >= 0) {
        CFO_SAY(out, "[");
        cfo_out_number(out, index);
        CFO_SAY(out, "]");
    }
    cfo_out_text(out, name);
    CFO_SAY(out, ": ");
}

static void text(cfo_out_t *out, const char *group, int index,
                 const char *name, const char *value)
{
    if (value == NULL)
        return;
    key(out, group, index, name);
    cfo_out_line(out, value);
    CFO_SAY(out, "\n");
}

static void number(cfo_out_t *out, const char *group, int index,
                   const char *name, apr_int64_t value)
{
    key(out, group, index, name);
    cfo_out_number(out, value);
    CFO_SAY(out, "\n");
}

static void time_of(cfo_out_t *out, const char *group, int index,
                    const char *name, apr_time_t t)
{
    if (t == 0)
        return;
    key(out, group, index, name);
    cfo_out_time(out, t);
    CFO_SAY(out, "\n");
}

static void list(cfo_out_t *out, const char *group, int index,
                 const char *name, const apr_array_header_t *values)
{
    int i;

    key(out, group, index, name);
    for (i = 0; values && i < values->nelts; i++) {
        if (i)
            CFO_SAY(out, " ");
        cfo_out_line(out, APR_ARRAY_IDX(values, i, const char *));
    }
    CFO_SAY(out, "\n");
}

#define C "Certificate"

static void last_error(cfo_out_t *out, int i, const cfo_result_t *error)
{
    if (error->kind == CFO_OK)
        return;
    text(out, C, i, "ErrorKind", cfo_kind_word(error->kind));
    if (error->code)
        number(out, C, i, "ErrorCode", error->code);
    if (error->http)
        number(out, C, i, "ErrorHTTP", error->http);
    text(out, C, i, "ErrorMessage", error->message);
    text(out, C, i, "ErrorRay", error->ray);
}

static void certificate(cfo_out_t *out, int i, const cfo_status_cert_t *c)
{
    text(out, C, i, "Name", c->name);
    text(out, C, i, "RequestType", c->request_type);
    list(out, C, i, "Hostnames", c->hostnames);
    list(out, C, i, "Vhosts", c->vhosts);
    text(out, C, i, "State", cfo_state_word(c->state));
    text(out, C, i, "Reason", cfo_reason_word(c->reason));
    text(out, C, i, "Serial", c->serial);
    text(out, C, i, "SHA256", c->sha256);
    text(out, C, i, "Key", c->key);
    text(out, C, i, "Issuer", c->issuer);
    if (c->generation)
        number(out, C, i, "Generation", c->generation);
    if (c->installed_generation)
        number(out, C, i, "InstalledGeneration", c->installed_generation);
    time_of(out, C, i, "NotBefore", c->not_before);
    time_of(out, C, i, "NotAfter", c->not_after);
    time_of(out, C, i, "RenewAt", c->renew_at);
    if (c->requested_validity)
        number(out, C, i, "RequestedValidity", c->requested_validity);
    number(out, C, i, "Failures", c->failures);
    time_of(out, C, i, "LastTry", c->last_try);
    time_of(out, C, i, "NextTry", c->next_try);
    last_error(out, i, &c->last_error);
    text(out, C, i, "Advice", cfo_status_advice(c));
}

static void sums(cfo_out_t *out, const cfo_status_t *status)
{
    static const char *const names[CFO_STATES] = {
        [CFO_STATE_OK] = "OK",
        [CFO_STATE_EXPIRING] = "Expiring",
        [CFO_STATE_RENEWING] = "Renewing",
        [CFO_STATE_PENDING] = "Pending",
        [CFO_STATE_ERROR] = "Error",
        [CFO_STATE_DEGRADED] = "Degraded",
        [CFO_STATE_EXPIRED] = "Expired",
        [CFO_STATE_ADOPTED] = "Adopted",
        [CFO_STATE_FOREIGN] = "Foreign",
    };
    int i;

    number(out, "Certificates", -1, "Total", status->certificates->nelts);
    for (i = 0; i < CFO_STATES; i++)
        number(out, "Certificates", -1, names[i], status->totals[i]);
    time_of(out, "", -1, "SoonestNotAfter", status->soonest_not_after);
}

void cfo_status_auto(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    text(out, "", -1, "Module", CFO_MODULE);
    sums(out, status);
    text(out, "", -1, "ReloadWanted", status->reload_wanted ? "Yes" : "No");
    text(out, "", -1, "ReloadWantedReason", status->reload_wanted);
    number(out, "", -1, "Reloads", status->reloads);
    text(out, "", -1, "KeeperRunning", status->keeper_running ? "Yes" : "No");
    time_of(out, "", -1, "KeeperLastRun", status->keeper_last_run);
    time_of(out, "", -1, "KeeperNextRun", status->keeper_next_run);
    text(out, "", -1, "KeeperOverdue", status->keeper_overdue ? "Yes" : "No");
    time_of(out, "", -1, "LookedAt", status->looked_at);
    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *a =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);

        text(out, "Account", i, "Name", a->account);
        time_of(out, "Account", i, "PausedUntil", a->paused_until);
        time_of(out, "Account", i, "LastSuccess", a->last_success);
    }
    for (i = 0; i < status->certificates->nelts; i++)
        certificate(
            out, i,
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t));
}
