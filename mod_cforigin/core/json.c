/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Small helpers over jansson. Touches nothing but memory.
 */
#include "cforigin_json.h"
#include "cforigin_result.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The longest message, in bytes, that is written. */
#define MESSAGE_MAX 2000

#define BYTES "bytes"

static json_t *bytes_json(const char *text)
{
    json_t *json = json_object();
    apr_size_t len = strlen(text);
    char *hex = malloc(2 * len + 1);

    if (hex && apr_escape_hex(hex, text, len, 0, NULL) == APR_SUCCESS)
        json_object_set_new(json, BYTES, json_string(hex));
    free(hex);
    return json;
}

json_t *cfo_json_string(const char *text)
{
    json_t *json = json_string(text);

    return json ? json : bytes_json(text);
}

const char *cfo_json_string_value(apr_pool_t *p, const json_t *value)
{
    const char *text = json_string_value(value);
    const void *bytes = NULL;
    apr_size_t len = 0;

    if (text)
        return apr_pstrdup(p, text);
    text = json_string_value(json_object_get(value, BYTES));
    if (text)
        bytes = apr_punescape_hex(p, text, 0, &len);
    return bytes ? apr_pstrmemdup(p, bytes, len) : NULL; /* adds the end */
}

void cfo_json_put_text(json_t *json, const char *key, const char *text)
{
    if (text)
        json_object_set_new(json, key, cfo_json_string(text));
}

void cfo_json_put_number(json_t *json, const char *key, apr_int64_t number)
{
    json_object_set_new(json, key, json_integer((json_int_t)number));
}

void cfo_json_put_message(apr_pool_t *p, json_t *json, const char *key,
                          const char *text)
{
    if (text)
        cfo_json_put_text(json, key,
                          cfo_text_clean(p, text, strlen(text), MESSAGE_MAX));
}

void cfo_json_put_time(apr_pool_t *p, json_t *json, const char *key,
                       apr_time_t t)
{
    cfo_json_put_text(json, key, cfo_time_word(p, t));
}

const char *cfo_json_text(apr_pool_t *p, const json_t *json, const char *key)
{
    return cfo_json_string_value(p, json_object_get(json, key));
}

apr_int64_t cfo_json_number(const json_t *json, const char *key,
                            apr_int64_t otherwise)
{
    const json_t *value = json_object_get(json, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

int cfo_json_int(const json_t *json, const char *key, int otherwise)
{
    apr_int64_t number = cfo_json_number(json, key, otherwise);

    return number < INT_MIN || number > INT_MAX ? otherwise : (int)number;
}

apr_time_t cfo_json_time(const json_t *json, const char *key)
{
    return cfo_time_parse(json_string_value(json_object_get(json, key)));
}

const char *cfo_json_line(apr_pool_t *p, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    const char *line = text ? apr_pstrdup(p, text) : "{}";

    free(text);
    json_decref(json);
    return line;
}
