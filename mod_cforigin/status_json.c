/* SPDX-License-Identifier: Apache-2.0 */
/* ?format=json: the schema of the contract, written straight out, so that
 * thousands of certificates need no tree. */
#include "cforigin_picture.h"

static void text(cfo_out_t *out, const char *key, const char *value)
{
    cfo_out_text(out, key);
    cfo_out_json(out, value);
}

static void number(cfo_out_t *out, const char *key, apr_int64_t value)
{
    cfo_out_text(out, key);
    cfo_out_number(out, value);
}

/* 0 is "not known". */
static void number_or_null(cfo_out_t *out, const char *key, int value)
{
    if (value)
        number(out, key, value);
    else
        text(out, key, NULL);
}

static void time_or_null(cfo_out_t *out, const char *key, apr_time_t t)
{
    if (t == 0) {
        text(out, key, NULL);
        return;
    }
    cfo_out_text(out, key);
    CFO_SAY(out, "\"");
    cfo_out_time(out, t);
    CFO_SAY(out, "\"");
}

static void texts(cfo_out_t *out, const char *key,
                  const apr_array_header_t *list)
{
    int i;

    cfo_out_text(out, key);
    CFO_SAY(out, "[");
    for (i = 0; list && i < list->nelts; i++)
        text(out, i ? "," : "", APR_ARRAY_IDX(list, i, const char *));
    CFO_SAY(out, "]");
}

static void last_error(cfo_out_t *out, const cfo_result_t *error)
{
    if (error->kind == CFO_OK) {
        text(out, ",\"last_error\":", NULL);
        return;
    }
    text(out, ",\"last_error\":{\"kind\":", cfo_kind_word(error->kind));
    number_or_null(out, ",\"code\":", error->code);
    number_or_null(out, ",\"http\":", error->http);
    text(out, ",\"message\":", error->message);
    text(out, ",\"ray\":", error->ray);
    text(out, ",\"advice\":", cfo_result_advice(error));
    CFO_SAY(out, "}");
}

static void certificate(cfo_out_t *out, const cfo_status_cert_t *c)
{
    text(out, "{\"name\":", c->name);
    text(out, ",\"request_type\":", c->request_type);
    texts(out, ",\"hostnames\":", c->hostnames);
    texts(out, ",\"vhosts\":", c->vhosts);
    text(out, ",\"state\":", cfo_state_word(c->state));
    text(out, ",\"reason\":", cfo_reason_word(c->reason));
    text(out, ",\"serial\":", c->serial);
    text(out, ",\"sha256\":", c->sha256);
    text(out, ",\"key\":", c->key);
    text(out, ",\"issuer\":", c->issuer);
    number_or_null(out, ",\"generation\":", c->generation);
    time_or_null(out, ",\"not_before\":", c->not_before);
    time_or_null(out, ",\"not_after\":", c->not_after);
    time_or_null(out, ",\"renew_at\":", c->renew_at);
    number_or_null(out, ",\"requested_validity\":", c->requested_validity);
    number(out, ",\"failures\":", c->failures);
    time_or_null(out, ",\"last_try\":", c->last_try);
    time_or_null(out, ",\"next_try\":", c->next_try);
    last_error(out, &c->last_error);
    CFO_SAY(out, "}");
}

static void totals(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    number(out, ",\"totals\":{\"certificates\":", status->certificates->nelts);
    for (i = 0; i < CFO_STATES; i++) {
        text(out, ",", cfo_state_word((cfo_state_t)i));
        number(out, ":", status->totals[i]);
    }
    CFO_SAY(out, "}");
}

static void accounts(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    CFO_SAY(out, ",\"accounts\":[");
    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *account =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);

        text(out, i ? ",{\"account\":" : "{\"account\":", account->account);
        time_or_null(out, ",\"paused_until\":", account->paused_until);
        time_or_null(out, ",\"last_success\":", account->last_success);
        CFO_SAY(out, "}");
    }
    CFO_SAY(out, "]");
}

void cfo_status_json(cfo_out_t *out, const cfo_status_t *status)
{
    int i, first = 1;

    CFO_SAY(out, "{\"schema\":1,\"module\":\"" CFO_MODULE "\"");
    text(out, ",\"server\":", status->server);
    time_or_null(out, ",\"now\":", status->now);
    totals(out, status);
    time_or_null(out, ",\"soonest_not_after\":", status->soonest_not_after);
    cfo_out_text(out, status->reload_wanted ? ",\"reload_wanted\":true"
                                            : ",\"reload_wanted\":false");
    text(out, ",\"reload_wanted_reason\":", status->reload_wanted);
    cfo_out_text(out, status->keeper_running
                          ? ",\"keeper\":{\"running\":true"
                          : ",\"keeper\":{\"running\":false");
    time_or_null(out, ",\"last_run\":", status->keeper_last_run);
    time_or_null(out, ",\"next_run\":", status->keeper_next_run);
    CFO_SAY(out, "}");
    accounts(out, status);
    CFO_SAY(out, ",\"certificates\":[");
    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        if (!cfo_status_shows(status, c))
            continue;
        cfo_out_text(out, first ? "\n" : ",\n");
        certificate(out, c);
        first = 0;
    }
    CFO_SAY(out, "]}\n");
}
