/* SPDX-License-Identifier: Apache-2.0 */
/* ?format=json: the schema of the contract, written certificate by
 * certificate so that thousands of them need no tree of their own. */
#include "cforigin_status.h"

#include <http_protocol.h>
#include <jansson.h>

static json_t *text_or_null(const char *text)
{
    json_t *json = text ? json_string(text) : NULL;

    return json ? json : json_null();
}

static json_t *time_or_null(apr_pool_t *p, apr_time_t t)
{
    return text_or_null(cfo_time_word(p, t));
}

static json_t *number_or_null(int number)
{
    return number ? json_integer(number) : json_null();
}

static json_t *texts(const apr_array_header_t *list)
{
    json_t *json = json_array();
    int i;

    for (i = 0; list && i < list->nelts; i++)
        json_array_append_new(
            json, text_or_null(APR_ARRAY_IDX(list, i, const char *)));
    return json;
}

static json_t *error_of(const cfo_result_t *error)
{
    json_t *json;

    if (error->kind == CFO_OK)
        return json_null();
    json = json_object();
    json_object_set_new(json, "kind", json_string(cfo_kind_word(error->kind)));
    json_object_set_new(json, "code", number_or_null(error->code));
    json_object_set_new(json, "http", number_or_null(error->http));
    json_object_set_new(json, "message", text_or_null(error->message));
    json_object_set_new(json, "ray", text_or_null(error->ray));
    json_object_set_new(json, "advice",
                        text_or_null(cfo_result_advice(error)));
    return json;
}

static json_t *certificate(apr_pool_t *p, const cfo_status_cert_t *c)
{
    json_t *json = json_object();

#define SET(key, value) json_object_set_new(json, key, value)
    SET("name", text_or_null(c->name));
    SET("request_type", text_or_null(c->request_type));
    SET("hostnames", texts(c->hostnames));
    SET("vhosts", texts(c->vhosts));
    SET("state", json_string(cfo_state_word(c->state)));
    SET("reason", text_or_null(c->reason));
    SET("serial", text_or_null(c->serial));
    SET("sha256", text_or_null(c->sha256));
    SET("key", text_or_null(c->key));
    SET("issuer", text_or_null(c->issuer));
    SET("generation", number_or_null(c->generation));
    SET("not_before", time_or_null(p, c->not_before));
    SET("not_after", time_or_null(p, c->not_after));
    SET("renew_at", time_or_null(p, c->renew_at));
    SET("requested_validity", number_or_null(c->requested_validity));
    SET("failures", json_integer(c->failures));
    SET("last_try", time_or_null(p, c->last_try));
    SET("next_try", time_or_null(p, c->next_try));
    SET("last_error", error_of(&c->last_error));
    return json;
}

static json_t *totals(const cfo_status_t *status)
{
    json_t *json = json_object();
    int i;

    SET("certificates", json_integer(status->certificates->nelts));
    for (i = 0; i < CFO_STATES; i++)
        SET(cfo_state_word((cfo_state_t)i), json_integer(status->totals[i]));
    return json;
}

static json_t *keeper(apr_pool_t *p, const cfo_status_t *status)
{
    json_t *json = json_object();

    SET("running", json_boolean(status->keeper_running));
    SET("last_run", time_or_null(p, status->keeper_last_run));
    SET("next_run", time_or_null(p, status->keeper_next_run));
    return json;
}

static json_t *accounts(apr_pool_t *p, const cfo_status_t *status)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *account =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);
        json_t *json = json_object();

        SET("account", text_or_null(account->account));
        SET("paused_until", time_or_null(p, account->paused_until));
        SET("last_success", time_or_null(p, account->last_success));
        json_array_append_new(list, json);
    }
    return list;
}
#undef SET

static void put(request_rec *r, const char *before, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    ap_rputs(before, r);
    ap_rputs(text ? text : "null", r);
    free(text);
    json_decref(json);
}

void cfo_status_json(request_rec *r, const cfo_status_t *status)
{
    apr_pool_t *p = r->pool;
    int i;

    ap_set_content_type(r, "application/json");
    ap_rputs("{\"schema\":1,\"module\":\"" CFO_MODULE "\"", r);
    put(r, ",\"server\":", text_or_null(status->server));
    put(r, ",\"now\":", time_or_null(p, status->now));
    put(r, ",\"totals\":", totals(status));
    put(r,
        ",\"soonest_not_after\":", time_or_null(p, status->soonest_not_after));
    ap_rputs(status->reload_wanted ? ",\"reload_wanted\":true"
                                   : ",\"reload_wanted\":false",
             r);
    put(r, ",\"reload_wanted_reason\":", text_or_null(status->reload_wanted));
    put(r, ",\"keeper\":", keeper(p, status));
    put(r, ",\"accounts\":", accounts(p, status));
    ap_rputs(",\"certificates\":[", r);
    for (i = 0; i < status->certificates->nelts; i++)
        put(r, i ? ",\n" : "\n",
            certificate(p, &APR_ARRAY_IDX(status->certificates, i,
                                          cfo_status_cert_t)));
    ap_rputs("]}\n", r);
}
