/* SPDX-License-Identifier: Apache-2.0 */
/**
 * meta.json, intent.json, attempt.json and accounts/<id>.json. Touches
 * nothing but memory.
 */
#include <string.h>

#include <apr_strings.h>

#include "cforigin_json.h"
#include "cforigin_round_wire.h"
#include "store_checked.h"
#include "store_json.h"

static cfo_pem_t text_of(apr_pool_t *p, json_t *json)
{
    cfo_pem_t text;

    text.data = apr_pstrcat(p, cfo_json_line(p, json), "\n", NULL);
    text.len = strlen(text.data);
    return text;
}

static json_t *object_of(const cfo_pem_t *text)
{
    json_t *json = NULL;

    if (text->data && text->len) {
        json = json_loadb(text->data, text->len, 0, NULL);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        json = NULL;
    }
    return json;
}

static void put_strings(json_t *json, const char *key,
                        const apr_array_header_t *strings)
{
    json_t *array = json_array();
    int i;

    for (i = 0; strings && i < strings->nelts; i++) {
        json_array_append_new(
            array, json_string(APR_ARRAY_IDX(strings, i, const char *)));
    }
    json_object_set_new(json, key, array);
}

static apr_array_header_t *strings_of(apr_pool_t *p, const json_t *json,
                                      const char *key)
{
    const json_t *array = json_object_get(json, key);
    apr_array_header_t *strings = apr_array_make(p, 4, sizeof(const char *));
    size_t i;

    for (i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text) {
            APR_ARRAY_PUSH(strings, const char *) = apr_pstrdup(p, text);
        }
    }
    return strings;
}

/* ---- meta.json ---- */

static void put_targets(json_t *json, const apr_array_header_t *targets)
{
    json_t *array = json_array();
    int i;

    for (i = 0; targets && i < targets->nelts; i++) {
        const cfo_target_t *target = &APR_ARRAY_IDX(targets, i, cfo_target_t);
        json_t *one = json_object();

        cfo_json_put_text(one, "certificate", target->certificate);
        cfo_json_put_text(one, "key", target->key);
        json_array_append_new(array, one);
    }
    json_object_set_new(json, "targets", array);
}

static apr_array_header_t *targets_of(apr_pool_t *p, const json_t *json)
{
    const json_t *array = json_object_get(json, "targets");
    apr_array_header_t *targets = apr_array_make(p, 2, sizeof(cfo_target_t));
    size_t i;

    for (i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        cfo_target_t target;

        memset(&target, 0, sizeof(target));
        target.certificate = cfo_json_text(p, one, "certificate");
        target.key = cfo_json_text(p, one, "key");
        if (target.certificate && target.key) {
            APR_ARRAY_PUSH(targets, cfo_target_t) = target;
        }
    }
    return targets;
}

static json_t *meta_json(apr_pool_t *p, const cfo_meta_t *meta)
{
    json_t *json = json_object();

    json_object_set_new(json, "adopted", json_boolean(meta->adopted));
    cfo_json_put_number(json, "requested_validity", meta->validity);
    cfo_json_put_text(json, "account", meta->account);
    cfo_json_put_text(json, "zone_id", meta->zone_id);
    cfo_json_put_message(p, json, "ray", meta->ray);
    cfo_json_put_text(json, "serial", meta->serial);
    cfo_json_put_time(p, json, "installed", meta->installed);
    cfo_json_put_text(json, "server", meta->server);
    put_strings(json, "hostnames", meta->hostnames);
    put_strings(json, "former", meta->former);
    put_targets(json, meta->targets);
    return json;
}

cfo_pem_t cfo_store_meta_print(apr_pool_t *p, const cfo_meta_t *meta)
{
    return text_of(p, meta_json(p, meta));
}

cfo_pem_t cfo_store_meta_print_checked(apr_pool_t *p, const cfo_meta_t *meta,
                                       const cfo_pem_t *cert,
                                       const cfo_pem_t *key)
{
    json_t *json = meta_json(p, meta);
    json_t *checked = cfo_checked_print(p, cert, key);

    if (checked) {
        json_object_set_new(json, "checked", checked);
    }
    return text_of(p, json);
}

static cfo_meta_t *meta_of(apr_pool_t *p, const json_t *json)
{
    cfo_meta_t *meta = apr_pcalloc(p, sizeof(*meta));

    meta->adopted = json_is_true(json_object_get(json, "adopted"));
    meta->validity = cfo_json_int(json, "requested_validity", 0);
    meta->account = cfo_json_text(p, json, "account");
    meta->zone_id = cfo_json_text(p, json, "zone_id");
    meta->ray = cfo_json_text(p, json, "ray");
    meta->serial = cfo_json_text(p, json, "serial");
    meta->installed = cfo_json_time(json, "installed");
    meta->server = cfo_json_text(p, json, "server");
    meta->hostnames = strings_of(p, json, "hostnames");
    meta->former = strings_of(p, json, "former");
    meta->targets = targets_of(p, json);
    return meta;
}

cfo_meta_t *cfo_store_meta_parse(apr_pool_t *p, const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    cfo_meta_t *meta = json ? meta_of(p, json) : NULL;

    json_decref(json);
    return meta;
}

cfo_meta_t *cfo_store_meta_parse_checked(apr_pool_t *p, const cfo_pem_t *text,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key,
                                         const cfo_cert_facts_t **facts)
{
    json_t *json = object_of(text);
    cfo_meta_t *meta = json ? meta_of(p, json) : NULL;

    *facts = cfo_checked_read(p, json_object_get(json, "checked"), cert, key);
    json_decref(json);
    return meta;
}

/* ---- intent.json ---- */

cfo_pem_t cfo_store_intent_print(apr_pool_t *p, const cfo_intent_t *intent)
{
    json_t *json = json_object();

    cfo_json_put_text(json, "folder", intent->folder);
    cfo_json_put_text(json, "request_type",
                      cfo_request_type_word(intent->request_type));
    put_strings(json, "hostnames", intent->hostnames);
    cfo_json_put_number(json, "requested_validity", intent->validity);
    cfo_json_put_text(json, "account", intent->account);
    cfo_json_put_text(json, "spki_sha256", intent->spki_sha256);
    cfo_json_put_time(p, json, "created", intent->created);
    json_object_set_new(json, "asked", json_boolean(intent->asked));
    return text_of(p, json);
}

int cfo_store_intent_parse(apr_pool_t *p, const cfo_pem_t *text,
                           cfo_intent_t *intent)
{
    json_t *json = object_of(text);
    const char *type =
        json_string_value(json_object_get(json, "request_type"));
    int ok;

    memset(intent, 0, sizeof(*intent));
    intent->folder = cfo_json_text(p, json, "folder");
    intent->hostnames = strings_of(p, json, "hostnames");
    intent->validity = cfo_json_int(json, "requested_validity", 0);
    intent->account = cfo_json_text(p, json, "account");
    intent->spki_sha256 = cfo_json_text(p, json, "spki_sha256");
    intent->created = cfo_json_time(json, "created");
    /* when in doubt it was asked: the list is looked at first */
    intent->asked = !json_is_false(json_object_get(json, "asked"));
    ok = type && cfo_request_type_parse(type, &intent->request_type) &&
         intent->spki_sha256 && intent->hostnames->nelts > 0;
    json_decref(json);
    return ok;
}

/* ---- attempt.json ---- */

cfo_pem_t cfo_store_attempt_print(apr_pool_t *p, const cfo_attempt_t *attempt)
{
    return text_of(p, cfo_json_attempt(attempt));
}

cfo_attempt_t cfo_store_attempt_parse(apr_pool_t *p, const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    cfo_attempt_t attempt;

    if (!json || !cfo_json_read_attempt(p, json, &attempt) ||
        !attempt.failures) {
        memset(&attempt, 0, sizeof(attempt));
        attempt.last_error = cfo_result_ok();
    }
    json_decref(json);
    return attempt;
}

int cfo_store_attempt_is_whole(const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    int whole = cfo_json_int(json, "failures", -1) >= 0;

    json_decref(json);
    return whole;
}

/* ---- notify.json ---- */

cfo_pem_t cfo_store_notices_print(apr_pool_t *p, const cfo_notices_t *notices)
{
    return text_of(p, cfo_json_notices(notices));
}

cfo_notices_t cfo_store_notices_parse(const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    cfo_notices_t notices = cfo_json_read_notices(json);

    json_decref(json);
    return notices;
}

/* ---- accounts/<id>.json ---- */

cfo_pem_t cfo_store_account_print(apr_pool_t *p,
                                  const cfo_account_state_t *state)
{
    json_t *json = json_object();

    cfo_json_put_time(p, json, "paused_until", state->paused_until);
    cfo_json_put_time(p, json, "last_success", state->last_success);
    return text_of(p, json);
}

cfo_account_state_t cfo_store_account_parse(const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    cfo_account_state_t state;

    state.paused_until = cfo_json_time(json, "paused_until");
    state.last_success = cfo_json_time(json, "last_success");
    json_decref(json);
    return state;
}

int cfo_store_account_is_whole(const cfo_pem_t *text)
{
    json_t *json = object_of(text);
    int whole = json != NULL;

    json_decref(json);
    return whole;
}
