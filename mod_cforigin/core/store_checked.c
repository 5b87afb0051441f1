/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A checked pair, remembered by the bytes of its files. Touches memory only.
 */
#include <string.h>

#include <apr_strings.h>

#include "cforigin_json.h"
#include "store_checked.h"

/* Changes whenever the facts are made in another way. */
#define VERSION 1

/* The last one that a certificate can name, in the year 9999. */
#define SECONDS_MAX APR_INT64_C(253402300799)

json_t *cfo_checked_print(apr_pool_t *p, const cfo_pem_t *cert,
                          const cfo_pem_t *key)
{
    int matches = 0;
    const cfo_cert_facts_t *facts =
        cfo_pki_pair(p, cert->data, cert->len, key->data, key->len, &matches);
    json_t *json, *names;

    if (!facts || matches != 1) {
        return NULL;
    }
    json = json_object();
    names = json_array();
    for (int i = 0; i < facts->hostnames->nelts; i++) {
        json_array_append_new(names, json_string(APR_ARRAY_IDX(
                                         facts->hostnames, i, const char *)));
    }
    cfo_json_put_number(json, "version", VERSION);
    cfo_json_put_text(json, "cert.pem",
                      cfo_pki_sha256(p, cert->data, cert->len));
    cfo_json_put_text(json, "key.pem", cfo_pki_sha256(p, key->data, key->len));
    json_object_set_new(json, "hostnames", names);
    json_object_set_new(
        json, "not_before",
        json_integer((json_int_t)apr_time_sec(facts->not_before)));
    json_object_set_new(
        json, "not_after",
        json_integer((json_int_t)apr_time_sec(facts->not_after)));
    cfo_json_put_text(json, "serial", facts->serial);
    cfo_json_put_text(json, "sha256", facts->sha256);
    cfo_json_put_text(json, "spki_sha256", facts->spki_sha256);
    cfo_json_put_text(json, "key", facts->key);
    cfo_json_put_text(json, "issuer", facts->issuer);
    if (facts->has_type) {
        cfo_json_put_text(json, "request_type",
                          cfo_request_type_word(facts->type));
    }
    return json;
}

static int is_hash_of(apr_pool_t *p, const json_t *json, const char *key,
                      const cfo_pem_t *text)
{
    const char *kept = json_string_value(json_object_get(json, key));
    const char *hash = cfo_pki_sha256(p, text->data, text->len);

    return kept && strlen(kept) == 64 && !strcmp(kept, hash);
}

static apr_array_header_t *names_of(apr_pool_t *p, const json_t *json)
{
    const json_t *array = json_object_get(json, "hostnames");
    size_t n = json_array_size(array);
    apr_array_header_t *names =
        apr_array_make(p, (int)n, sizeof(const char *));

    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(array, i));

        if (!name) {
            return NULL;
        }
        APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(p, name);
    }
    return json_is_array(array) ? names : NULL;
}

static int time_of(const json_t *json, const char *key, apr_time_t *t)
{
    const json_t *number = json_object_get(json, key);
    json_int_t seconds = json_integer_value(number);

    if (!json_is_integer(number) || seconds < -SECONDS_MAX ||
        seconds > SECONDS_MAX) {
        return 0;
    }
    *t = apr_time_from_sec((apr_time_t)seconds);
    return 1;
}

const cfo_cert_facts_t *cfo_checked_read(apr_pool_t *p, const json_t *json,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key)
{
    cfo_cert_facts_t *facts;
    const char *type;

    if (cfo_json_int(json, "version", 0) != VERSION ||
        !is_hash_of(p, json, "cert.pem", cert) ||
        !is_hash_of(p, json, "key.pem", key)) {
        return NULL;
    }
    facts = apr_pcalloc(p, sizeof(*facts));
    facts->hostnames = names_of(p, json);
    facts->serial = cfo_json_text(p, json, "serial");
    facts->sha256 = cfo_json_text(p, json, "sha256");
    facts->spki_sha256 = cfo_json_text(p, json, "spki_sha256");
    facts->key = cfo_json_text(p, json, "key");
    facts->issuer = cfo_json_text(p, json, "issuer");
    type = json_string_value(json_object_get(json, "request_type"));
    facts->has_type = type && cfo_request_type_parse(type, &facts->type);
    if (!facts->hostnames || !facts->serial || !facts->sha256 ||
        !facts->spki_sha256 || !facts->key || !facts->issuer ||
        !time_of(json, "not_before", &facts->not_before) ||
        !time_of(json, "not_after", &facts->not_after)) {
        return NULL;
    }
    return facts;
}
