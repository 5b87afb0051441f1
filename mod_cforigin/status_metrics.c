/* SPDX-License-Identifier: Apache-2.0 */
/* ?format=metrics: OpenMetrics text. A table of families; a certificate's
 * samples have the labels name and request_type. */
#include "cforigin_picture.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#define P "cforigin_"

typedef struct family_t {
    const char *name, *type, *unit, *help;
} family_t;

static void begin(cfo_out_t *out, const family_t *family)
{
    cfo_out_text(out, "# TYPE " P);
    cfo_out_text(out, family->name);
    CFO_SAY(out, " ");
    cfo_out_text(out, family->type);
    if (family->unit) {
        cfo_out_text(out, "\n# UNIT " P);
        cfo_out_text(out, family->name);
        CFO_SAY(out, " ");
        cfo_out_text(out, family->unit);
    }
    cfo_out_text(out, "\n# HELP " P);
    cfo_out_text(out, family->name);
    CFO_SAY(out, " ");
    cfo_out_text(out, family->help);
    CFO_SAY(out, "\n");
}

static void value(cfo_out_t *out, apr_int64_t number)
{
    CFO_SAY(out, " ");
    cfo_out_number(out, number);
    CFO_SAY(out, "\n");
}

/* --- a sample a certificate --- */

/* A series may stand there once. Vhosts on several ports with one foreign
 * certificate have one name: the first one speaks for them. */
static apr_array_header_t *series_of(const cfo_status_t *status, apr_pool_t *p)
{
    apr_hash_t *seen = apr_hash_make(p);
    apr_array_header_t *series = apr_array_make(
        p, status->certificates->nelts + 1, sizeof(const cfo_status_cert_t *));
    int i;

    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);
        const char *key = apr_pstrcat(
            p, c->request_type ? c->request_type : "", " ", c->name, NULL);

        if (apr_hash_get(seen, key, APR_HASH_KEY_STRING))
            continue;
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, c);
        APR_ARRAY_PUSH(series, const cfo_status_cert_t *) = c;
    }
    return series;
}

static void sample(cfo_out_t *out, const family_t *family,
                   const cfo_status_cert_t *c)
{
    cfo_out_text(out, P);
    cfo_out_text(out, family->name);
    CFO_SAY(out, "{name=");
    cfo_out_label(out, c->name);
    CFO_SAY(out, ",request_type=");
    cfo_out_label(out, c->request_type);
}

#define EACH(series, c)                                                       \
    for (int at = 0;                                                          \
         at < (series)->nelts &&                                              \
         ((c) = APR_ARRAY_IDX(series, at, const cfo_status_cert_t *));        \
         at++)

static void times_of(cfo_out_t *out, const apr_array_header_t *series,
                     const family_t *family, apr_size_t member)
{
    const cfo_status_cert_t *c;

    begin(out, family);
    EACH(series, c)
    {
        apr_time_t t =
            *(const apr_time_t *)(const void *)((const char *)c + member);

        if (t == 0)
            continue;
        sample(out, family, c);
        CFO_SAY(out, "}");
        value(out, apr_time_sec(t));
    }
}

static void certificate_times(cfo_out_t *out, const apr_array_header_t *series)
{
    static const struct {
        family_t family;
        apr_size_t member;
    } times[] = {
        {{"certificate_not_after_timestamp_seconds", "gauge", "seconds",
          "When the certificate that is served ends."},
         offsetof(cfo_status_cert_t, not_after)},
        {{"certificate_not_before_timestamp_seconds", "gauge", "seconds",
          "When the certificate that is served begins."},
         offsetof(cfo_status_cert_t, not_before)},
        {{"certificate_renewal_timestamp_seconds", "gauge", "seconds",
          "When its renewal begins."},
         offsetof(cfo_status_cert_t, renew_at)},
        {{"certificate_next_try_timestamp_seconds", "gauge", "seconds",
          "When something is tried next, while something is to be done."},
         offsetof(cfo_status_cert_t, next_try)},
    };
    unsigned i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        times_of(out, series, &times[i].family, times[i].member);
}

static void certificate_states(cfo_out_t *out,
                               const apr_array_header_t *series)
{
    static const family_t family = {"certificate_state", "stateset", NULL,
                                    "The state of a certificate."};
    const cfo_status_cert_t *c;
    int state;

    begin(out, &family);
    EACH(series, c)
    {
        for (state = 0; state < CFO_STATES; state++) {
            sample(out, &family, c);
            CFO_SAY(out, ",cforigin_certificate_state=\"");
            cfo_out_text(out, cfo_state_word((cfo_state_t)state));
            cfo_out_text(out, (int)c->state == state ? "\"} 1\n" : "\"} 0\n");
        }
    }
}

static void certificate_failures(cfo_out_t *out,
                                 const apr_array_header_t *series)
{
    static const family_t family = {"failures", "gauge", NULL,
                                    "Failed tries in a row."};
    const cfo_status_cert_t *c;

    begin(out, &family);
    EACH(series, c)
    {
        sample(out, &family, c);
        CFO_SAY(out, "}");
        value(out, c->failures);
    }
}

/* --- the server as a whole --- */

static void api_requests(cfo_out_t *out, const cfo_status_t *status)
{
    static const family_t family = {
        "api_requests", "counter", NULL,
        "HTTP requests to the API since the start, by what came of it in the "
        "end; a request that was repeated counts each time."};
    int op, outcome;

    begin(out, &family);
    for (op = 0; op < CFO_CALL_OPS; op++) {
        for (outcome = 0; outcome < CFO_KINDS; outcome++) {
            apr_uint64_t n = status->calls[op][outcome];

            /* ok is always there, for rates from the first one on. */
            if (n == 0 && outcome != CFO_OK)
                continue;
            CFO_SAY(out, P "api_requests_total{op=");
            cfo_out_label(out, cfo_call_op_word(op));
            CFO_SAY(out, ",outcome=");
            cfo_out_label(out, cfo_kind_word((cfo_kind_t)outcome));
            CFO_SAY(out, "}");
            value(out, (apr_int64_t)n);
        }
    }
}

static void accounts(cfo_out_t *out, const cfo_status_t *status)
{
    static const family_t family = {
        "account_paused_until_timestamp_seconds", "gauge", "seconds",
        "Until when nothing is asked from the account; 0: it is not paused."};
    int i;

    begin(out, &family);
    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *account =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);

        CFO_SAY(out, P "account_paused_until_timestamp_seconds{account=");
        cfo_out_label(out, account->account);
        CFO_SAY(out, "}");
        value(out, apr_time_sec(account->paused_until));
    }
}

static void single(cfo_out_t *out, const family_t *family, const char *suffix,
                   apr_int64_t number)
{
    begin(out, family);
    cfo_out_text(out, P);
    cfo_out_text(out, family->name);
    cfo_out_text(out, suffix);
    value(out, number);
}

static void server(cfo_out_t *out, const cfo_status_t *status)
{
    static const family_t last = {
        "keeper_last_run_timestamp_seconds", "gauge", "seconds",
        "When the keeper last worked; absent: not since the start."};
    static const family_t looked = {
        "watch_last_look_timestamp_seconds", "gauge", "seconds",
        "When httpd's parent last looked around, as it does every ten "
        "seconds."};
    static const family_t overdue = {
        "keeper_overdue", "gauge", NULL,
        "1 when work should have been begun and was not."};
    static const family_t wanted = {
        "reload_wanted", "gauge", NULL,
        "1 when a certificate waits for a reload of httpd."};
    static const family_t reloads = {
        "reloads", "counter", NULL,
        "Graceful restarts that the module asked for since the start."};
    static const family_t build = {"build", "info", NULL, "The module."};

    if (status->keeper_last_run)
        single(out, &last, "", apr_time_sec(status->keeper_last_run));
    else
        begin(out, &last);
    if (status->looked_at)
        single(out, &looked, "", apr_time_sec(status->looked_at));
    single(out, &overdue, "", status->keeper_overdue != 0);
    single(out, &wanted, "", status->reload_wanted != NULL);
    single(out, &reloads, "_total", status->reloads);
    begin(out, &build);
    CFO_SAY(out, P "build_info{version=\"" CFO_VERSION "\",server=");
    cfo_out_label(out, status->server);
    CFO_SAY(out, "} 1\n");
}

void cfo_status_metrics(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p)
{
    const apr_array_header_t *series = series_of(status, p);

    certificate_times(out, series);
    certificate_states(out, series);
    certificate_failures(out, series);
    api_requests(out, status);
    accounts(out, status);
    server(out, status);
    CFO_SAY(out, "# EOF\n");
}
