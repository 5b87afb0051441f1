/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Anything as the API's answer: four bytes choose the status and what went
 * before, the rest is the body. A failure has a kind and a clean sentence;
 * what is taken out of a success is terminated text.
 */
#include "fuzz.h"

#include <jansson.h>

#include "cforigin_cloudflare.h"

static const int statuses[] = {0,   200, 201, 204, 301, 400, 401, 403,
                               404, 409, 429, 500, 502, 520, 530, 999};

static void look_into(apr_pool_t *p, const json_t *envelope)
{
    apr_array_header_t *listed = apr_array_make(p, 4, sizeof(cfo_listed_t));
    cfo_answer_t answer = {0};
    const char *zone, *serial;
    int n;

    if (cfo_envelope_certificate(p, envelope, &answer)) {
        must(answer.certificate && *answer.certificate);
        must(!answer.serial || cfo_wire_is_serial(answer.serial));
    }
    serial = cfo_envelope_serial(p, envelope);
    must(!serial || cfo_wire_is_serial(serial));
    n = cfo_envelope_list(p, envelope, listed);
    must(n >= -1 && listed->nelts <= (n < 0 ? 0 : n));
    for (int i = 0; i < listed->nelts; i++) {
        must(*APR_ARRAY_IDX(listed, i, cfo_listed_t).certificate);
    }
    zone = cfo_envelope_zone(p, envelope, "example.com");
    must(!zone || cfo_wire_is_zone_id(zone));
}

static void run(apr_pool_t *p, char *text, size_t size)
{
    cfo_call_t call = {.p = p, .method = "POST", .path = "/certificates"};
    json_t *envelope = (json_t *)1;
    cfo_result_t result;
    unsigned char how;

    if (size < 4) {
        return;
    }
    how = (unsigned char)text[0];
    call.status = statuses[how & 15];
    call.body = how & 16 ? "{}" : NULL;
    call.sent = how & 32 ? 1 : 0;
    call.fault = how & 64 ? "cut" : NULL;
    call.local = (how & 192) == 192;
    call.content_type = text[1] & 1 ? "text/html" : NULL;
    call.retry_after = text[1] & 2 ? "7" : NULL;
    call.ratelimit = text[1] & 4 ? "\"default\";r=0;t=9" : NULL;
    call.reply = text[1] & 8 ? NULL : text + 4;
    call.reply_len = call.reply ? size - 4 : 0;
    if (call.status == 0) {
        call.fault = "none came";
    }
    result =
        cfo_envelope_read(&call, apr_time_from_sec(1795000000), &envelope);
    if (result.kind == CFO_OK) {
        must(envelope != NULL && call.status / 100 == 2 && !result.lost);
        look_into(p, envelope);
        json_decref(envelope);
        return;
    }
    must(envelope == NULL);
    must(result.message && *result.message);
    must(is_clean(result.message, 1000));
    must(!result.lost || call.sent);
    must(result.retry_after >= -1);
    must(cfo_result_advice(&result) && cfo_result_sentence(p, &result));
}
