/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The API's answers as values. Nothing in an answer is believed to have the
 * type that the documentation says. Pure: touches nothing.
 */
#include "cforigin_cloudflare.h"
#include "cforigin_hide.h"
#include "cforigin_pace.h"

#include <apr_strings.h>
#include <ctype.h>
#include <jansson.h>
#include <string.h>

#define MESSAGE_MAX 600
#define QUOTE_MAX 200

/* A text with a zero byte in it is as good as none. */
static const char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);

    return text && *text && strlen(text) == json_string_length(value) ? text
                                                                      : NULL;
}

/* NULL when there is none, or nothing in it. */
static const char *clean_of(apr_pool_t *p, const json_t *object,
                            const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = cfo_text_clean(p, json_string_value(value),
                                      json_string_length(value), MESSAGE_MAX);

    return text && *text ? text : NULL;
}

static int code_of(const json_t *error)
{
    double code = json_number_value(json_object_get(error, "code"));

    return code >= 1 && code <= 0x7fffffff ? (int)code : 0;
}

/* "Invalid request headers: Invalid format for Authorization header (6111)":
 * what is really wrong often stands in the chain alone. */
static const char *message_of(apr_pool_t *p, const json_t *error)
{
    const json_t *chain =
        json_array_get(json_object_get(error, "error_chain"), 0);
    const char *first = clean_of(p, error, "message");
    const char *deeper = clean_of(p, chain, "message");
    const char *text = first;

    if (deeper) {
        text = apr_pstrcat(p, first ? first : "", first ? ": " : "", deeper,
                           NULL);
        if (code_of(chain)) {
            text = apr_psprintf(p, "%s (%d)", text, code_of(chain));
        }
    }
    return text ? cfo_text_clean(p, text, strlen(text), MESSAGE_MAX) : NULL;
}

/* The first printable bytes of a body that is not the API's, on one line. */
static const char *quote(apr_pool_t *p, const char *body, apr_size_t len)
{
    apr_size_t n = len < 4 * QUOTE_MAX ? len : 4 * QUOTE_MAX, out = 0;
    char *line = apr_palloc(p, n + 1);

    for (apr_size_t i = 0; i < n; i++) {
        if (!isspace((unsigned char)body[i])) {
            line[out++] = body[i];
        }
        else if (out > 0 && line[out - 1] != ' ') {
            line[out++] = ' ';
        }
    }
    while (out > 0 && line[out - 1] == ' ') {
        out--;
    }
    return cfo_text_clean(p, line, out, QUOTE_MAX);
}

static int told_to_wait(const cfo_call_t *call, apr_time_t wall)
{
    int seconds = -1;

    if (call->status == 429 || call->status >= 500) {
        seconds = cfo_pace_retry_after(call->retry_after, call->date, wall);
    }
    if (call->status == 429 && seconds < 0) {
        seconds = cfo_pace_ratelimit(call->ratelimit);
    }
    return seconds;
}

/* 1 when the API may have carried a create out, whatever came back: it was not
 * turned away on the road. */
static int may_be_made(const cfo_call_t *call)
{
    int turned_away = call->status >= 300 && call->status < 500;

    return call->body && call->sent && !turned_away;
}

/* No whole answer, or one that somebody else gave. */
static void not_the_api(const cfo_call_t *call, const char *why,
                        cfo_result_t *result)
{
    result->kind = call->local                      ? CFO_LOCAL
                   : call->status == 429            ? CFO_RATE_LIMITED
                   : call->too_large && !call->body ? CFO_PERMANENT
                                                    : CFO_TRANSIENT;
    result->message = why;
    result->lost = may_be_made(call);
}

static const char *why_not(const cfo_call_t *call)
{
    const char *seen = quote(call->p, call->reply, call->reply_len);

    if (call->fault) {
        return apr_psprintf(call->p, "no whole answer from the API: %s",
                            call->fault);
    }
    if (!*seen) {
        return "the answer is empty, not the API's JSON";
    }
    return apr_psprintf(call->p,
                        "the answer is not the API's JSON%s%s: \"%s\"",
                        call->content_type ? " but " : "",
                        call->content_type ? call->content_type : "", seen);
}

/* The API's own words: an object that says success, or lists errors. */
static int is_envelope(const json_t *body)
{
    return json_is_boolean(json_object_get(body, "success")) ||
           json_array_size(json_object_get(body, "errors")) > 0;
}

/* jansson refuses a whole body for one integer that is too large for it, as a
 * certificate's id would be if it came as a number. */
static json_t *read_body(const cfo_call_t *call)
{
    json_t *body;

    if (call->fault || !call->reply) {
        return NULL;
    }
    body = json_loadb(call->reply, call->reply_len, JSON_ALLOW_NUL, NULL);
    if (!body) {
        body = json_loadb(call->reply, call->reply_len,
                          JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    }
    cfo_hide_json(call->p, call->secret, body);
    return body;
}

cfo_result_t cfo_envelope_read(const cfo_call_t *call, apr_time_t wall,
                               json_t **envelope)
{
    cfo_result_t result = cfo_result_ok();
    json_t *body = read_body(call);
    const json_t *error;
    int says_success = json_is_true(json_object_get(body, "success"));

    *envelope = NULL;
    result.http = call->status;
    result.ray = call->ray;
    result.retry_after = told_to_wait(call, wall);
    if (!is_envelope(body)) {
        not_the_api(call, why_not(call), &result);
        json_decref(body);
        return result;
    }
    if (call->status >= 200 && call->status < 300 && says_success) {
        *envelope = body;
        return result;
    }
    error = json_array_get(json_object_get(body, "errors"), 0);
    result.code = code_of(error);
    result.message = message_of(call->p, error);
    result.kind =
        cfo_result_classify(result.http, result.code, result.message);
    if (!result.message) {
        result.message = result.code ? "the API refused without a message"
                                     : "the API refused and did not say why";
    }
    result.lost = says_success && may_be_made(call);
    json_decref(body);
    return result;
}

/* An id is a decimal text of up to 49 digits. One that came as a number has
 * lost some of them, and is as good as none, as is what is no serial. */
static const char *serial_of(apr_pool_t *p, const json_t *result)
{
    const char *id = text_of(result, "id");

    return id && cfo_wire_is_serial(id) ? apr_pstrdup(p, id) : NULL;
}

int cfo_envelope_certificate(apr_pool_t *p, const json_t *envelope,
                             cfo_answer_t *answer)
{
    const json_t *result = json_object_get(envelope, "result");
    const char *certificate = text_of(result, "certificate");

    if (!certificate) {
        return 0;
    }
    answer->certificate = apr_pstrdup(p, certificate);
    answer->serial = serial_of(p, result);
    return 1;
}

const char *cfo_envelope_serial(apr_pool_t *p, const json_t *envelope)
{
    return serial_of(p, json_object_get(envelope, "result"));
}

/* Go writes the year 1 for a time that was never set. */
static int is_revoked(const json_t *entry)
{
    const char *at = text_of(entry, "revoked_at");

    return at && strncmp(at, "0001-01-01", 10) != 0;
}

/* As JSON, which writes a control character as six bytes. */
static int fits_a_line(const char *text)
{
    apr_size_t len = 0;

    for (; *text && len <= CFO_WIRE_CERTIFICATE_MAX; text++) {
        len += (unsigned char)*text < 0x20     ? 6
               : *text == '"' || *text == '\\' ? 2
                                               : 1;
    }
    return len <= CFO_WIRE_CERTIFICATE_MAX;
}

int cfo_envelope_list(apr_pool_t *p, const json_t *envelope,
                      apr_array_header_t *listed)
{
    const json_t *result = json_object_get(envelope, "result");
    size_t n = json_array_size(result);

    if (!json_is_array(result) && !json_is_null(result)) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(result, i);
        const char *certificate = text_of(entry, "certificate");

        if (certificate && fits_a_line(certificate)) {
            cfo_listed_t *one = apr_array_push(listed);

            one->certificate = apr_pstrdup(p, certificate);
            one->serial = serial_of(p, entry);
            one->revoked = is_revoked(entry);
        }
    }
    return (int)n;
}

const char *cfo_envelope_zone(apr_pool_t *p, const json_t *envelope,
                              const char *name)
{
    const json_t *result = json_object_get(envelope, "result");

    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *zone = json_array_get(result, i);
        const char *id = text_of(zone, "id");
        const char *called = text_of(zone, "name");
        const char *status = text_of(zone, "status");

        if (id && cfo_wire_is_zone_id(id) && called &&
            !strcasecmp(called, name) &&
            (!status || !strcmp(status, "active"))) {
            return apr_pstrdup(p, id);
        }
    }
    return NULL;
}
