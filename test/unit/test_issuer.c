/* SPDX-License-Identifier: Apache-2.0 */
/* The issuer's pure parts: headers about waiting, the gate, envelopes, and
 * requests as calls. */
#include "cforigin_hide.h"
#include "cforigin_job.h"
#include "cforigin_pace.h"

#include <apr_strings.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static apr_pool_t *pool;

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

/* ---- headers ---- */

#define NOON "Mon, 23 Nov 2026 12:00:00 GMT"
#define NOON_WALL apr_time_from_sec(1795435200)

static void test_retry_after(void **state)
{
    static const struct {
        const char *value, *date;
        int seconds;
    } cases[] = {
        {NULL, NULL, -1},
        {"", NULL, -1},
        {"0", NULL, 0},
        {"12", NULL, 12},
        {" 12 ", NULL, 12},
        {"12s", NULL, -1},
        {"1.5", NULL, -1},
        {"-5", NULL, -1},
        {"99999999999999999999", NULL, CFO_PACE_LONGEST},
        {"Mon, 23 Nov 2026 12:00:30 GMT", NULL, 30},
        {"Mon, 23 Nov 2026 12:00:30 GMT", NOON, 30},
        {"Mon, 23 Nov 2026 12:00:30 GMT", "rubbish", 30},
        /* the API's clock counts, not ours */
        {"Mon, 23 Nov 2026 15:00:30 GMT", "Mon, 23 Nov 2026 15:00:00 GMT", 30},
        {"Mon, 23 Nov 2026 11:00:00 GMT", NULL, 0},
        {"Monday, 23-Nov-26 12:00:10 GMT", NULL, 10},
        {"Mon Nov 23 12:00:10 2026", NULL, 10},
        {"Mon, 23 Nov 2099 12:00:00 GMT", NULL, CFO_PACE_LONGEST},
        {"soon", NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got =
            cfo_pace_retry_after(cases[i].value, cases[i].date, NOON_WALL);

        if (got != cases[i].seconds) {
            fail_msg("\"%s\": %d, not %d", cases[i].value, got,
                     cases[i].seconds);
        }
    }
}

static void test_ratelimit(void **state)
{
    static const struct {
        const char *value;
        int seconds;
    } cases[] = {
        {NULL, -1},
        {"", -1},
        {"\"default\";r=0;t=30", 30},
        {"\"default\";r=50;t=30", -1},
        {"\"default\"; r=0 ; t=30", 30},
        {"\"default\";t=30;r=0", 30},
        {"default;r=0;t=30", 30},
        {"\"a;r=0\";t=5", -1},
        {"\"a,b\";r=0;t=5", 5},
        {"\"a\";r=5;t=100, \"b\";r=0;t=3", 3},
        {"\"a\";r=0;t=2,\"b\";r=0;t=7", 7},
        {"\"a\";r=0", -1},
        {"\"a\";r=;t=", -1},
        {"\"a\\\"b\";r=0;t=4", 4},
        {"\"never ends", -1},
        {";;;;,,,;=", -1},
        {"\"default\";r=00000000000000000000;t=99999999999", CFO_PACE_LONGEST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = cfo_pace_ratelimit(cases[i].value);

        if (got != cases[i].seconds) {
            fail_msg("%s: %d, not %d", cases[i].value, got, cases[i].seconds);
        }
    }
}

static void test_quota(void **state)
{
    static const struct {
        const char *value;
        int left, seconds;
    } cases[] = {
        {NULL, -1, -1},
        {"rubbish", -1, -1},
        {"\"default\";r=50;t=30", 50, 30},
        {"\"default\";r=50", -1, -1},
        {"\"default\";t=30", -1, -1},
        {"\"a\";r=9;t=100, \"b\";r=3;t=5", 3, 5},
        {"\"a\";r=3;t=5, \"b\";r=9;t=100", 3, 5},
        {"\"a\";r=3;t=5, \"b\";r=3;t=100, \"c\";r=3;t=7", 3, 100},
        {"\"a\";r=3, \"b\";r=9;t=1", 9, 1},
        {"\"a;r=0;t=9, b\";r=5;t=7", 5, 7}, /* a name may hold anything */
        {"\"a\\\";r=0;t=9, b\";r=5;t=7", 5, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_quota_t got = cfo_pace_quota(cases[i].value);

        assert_int_equal(got.left, cases[i].left);
        assert_int_equal(got.seconds, cases[i].seconds);
    }
}

/* Answers overtake each other: the least that was told counts. */
static void test_more_after_a_pause(void **state)
{
    static const int steps[][3] = {/* limit, max, then */
                                   {0, 16, 0},   {1, 16, 2},  {2, 16, 3},
                                   {14, 16, 15}, {15, 16, 0}, {0, 1, 0},
                                   {1, 1, 0},    {1, 2, 0},   {1, 3, 2}};
    (void)state;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        assert_int_equal(cfo_pace_more(steps[i][0], steps[i][1]), steps[i][2]);
}

static void test_budget(void **state)
{
    apr_time_t now = apr_time_from_sec(1000), later = apr_time_from_sec(1030);
    cfo_budget_t budget = {0, 0};

    (void)state;
    assert_int_equal(cfo_budget_in_flight(&budget, 16, now), 16);
    cfo_budget_learn(&budget, (cfo_quota_t){-1, -1}, now);
    assert_int_equal(cfo_budget_in_flight(&budget, 16, now), 16);
    cfo_budget_learn(&budget, (cfo_quota_t){1199, 30}, now);
    assert_int_equal(cfo_budget_in_flight(&budget, 16, now), 16);
    cfo_budget_learn(&budget, (cfo_quota_t){5, 30}, now);
    cfo_budget_learn(&budget, (cfo_quota_t){7, 30}, now);
    cfo_budget_learn(&budget, (cfo_quota_t){-1, -1}, now); /* says nothing */
    assert_int_equal(cfo_budget_in_flight(&budget, 16, now), 5);
    assert_int_equal(cfo_budget_in_flight(&budget, 3, now), 3);
    cfo_budget_learn(&budget, (cfo_quota_t){0, 30}, now);
    assert_int_equal(cfo_budget_in_flight(&budget, 16, later - 1), 0);
    assert_int_equal(cfo_budget_in_flight(&budget, 16, later), 16);
    cfo_budget_learn(&budget, (cfo_quota_t){8, 30}, later);
    assert_int_equal(cfo_budget_in_flight(&budget, 16, later), 8);
}

static void test_reach(void **state)
{
    apr_time_t now = apr_time_from_sec(1000);
    cfo_reach_t reach = {0, 0};

    (void)state;
    assert_int_equal(cfo_reach_left(&reach, now), 0);
    for (int misses = 1; misses < CFO_PACE_TRIES; misses++) {
        cfo_reach_missed(&reach, now, 7);
        assert_true(cfo_reach_left(&reach, now) > 0);
        assert_false(cfo_reach_is_lost(&reach, now));
        now += cfo_reach_left(&reach, now);
        assert_int_equal(cfo_reach_left(&reach, now), 0);
        assert_int_equal(cfo_reach_left(&reach, now + 1), 0);
    }
    assert_true(now < apr_time_from_sec(1002));
    /* then once in a while, and never for good */
    for (int times = 0; times < 3; times++) {
        cfo_reach_missed(&reach, now, 7);
        assert_true(cfo_reach_is_lost(&reach, now));
        assert_int_equal(cfo_reach_left(&reach, now), CFO_PACE_AGAIN);
        now += CFO_PACE_AGAIN;
        assert_false(cfo_reach_is_lost(&reach, now));
    }
    reach.misses = 0;
    cfo_reach_missed(&reach, now, 7);
    reach.misses = 0; /* a connection */
    assert_int_equal(cfo_reach_left(&reach, now), 0);
}

static void test_pauses(void **state)
{
    apr_interval_time_t half = apr_time_from_sec(1) / 2;

    (void)state;
    for (int tries = 0; tries <= 7; tries++) { /* 8 s at the most */
        int doublings = tries < 1 ? 0 : tries > 5 ? 4 : tries - 1;

        assert_true(cfo_pace_pause(tries, 250) == half << doublings);
    }
    for (unsigned random = 0; random < 3000; random += 7) {
        for (int tries = 1; tries <= 3; tries++) {
            apr_interval_time_t middle = half << (tries - 1);
            apr_interval_time_t pause = cfo_pace_pause(tries, random);

            assert_true(pause >= middle * 3 / 4 && pause <= middle * 5 / 4);
        }
    }
    assert_int_not_equal(cfo_pace_pause(1, 0), cfo_pace_pause(1, 500));
    assert_true(cfo_pace_pause(1000000, 250) == half << 4);
}

static void test_gate(void **state)
{
    apr_time_t now = apr_time_from_sec(1000);
    cfo_gate_t gate = {0, 0};

    (void)state;
    assert_int_equal(cfo_gate_left(&gate, now), 0);
    cfo_gate_hold(&gate, now, 0);
    assert_int_equal(cfo_gate_left(&gate, now), 0);
    cfo_gate_hold(&gate, now, 30);
    cfo_gate_hold(&gate, now, 10); /* a shorter wait opens nothing */
    assert_int_equal(cfo_gate_left(&gate, now), apr_time_from_sec(30));
    assert_int_equal(cfo_gate_seconds(&gate, now + 1), 30);
    assert_int_equal(cfo_gate_seconds(&gate, now + apr_time_from_sec(1)), 29);
    assert_int_equal(cfo_gate_left(&gate, now + apr_time_from_sec(30)), 0);
    now += apr_time_from_sec(100);
    cfo_gate_hold(&gate, now, -1);
    assert_int_equal(cfo_gate_left(&gate, now),
                     apr_time_from_sec(CFO_UNTOLD_SECONDS));
    assert_int_equal(cfo_gate_seconds(&gate, now), -1);
    cfo_gate_hold(&gate, now, 500);
    assert_int_equal(cfo_gate_seconds(&gate, now), 500);
}

static void test_token_faults(void **state)
{
    static const struct {
        const char *token, *fault;
    } cases[] = {
        {"cfut_0123456789", NULL},
        {"x", NULL},
        {"v1.0", NULL},
        {"", "no token"},
        {"a b", "white space"},
        {"a\nb", "white space"},
        {"a\tb", "white space"},
        {"a\x01", "control"},
        {"a\x7f", "control"},
        {"t\xc3\xb6k", "control"},
        {"v1.0-abc", "an Origin CA key, a kind of credential that Cloudflare "
                     "switched off on 2026-09-30; create an API token with "
                     "Zone / SSL and Certificates / Edit"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *fault =
            cfo_cloudflare_token_fault(cases[i].token, strlen(cases[i].token));

        assert_int_equal(fault == NULL, cases[i].fault == NULL);
        assert_true(!fault || strstr(fault, cases[i].fault));
    }
    assert_non_null(cfo_cloudflare_token_fault("a\0b", 3));
}

/* ---- envelopes ---- */

static cfo_call_t call_of(int status, const char *body, int is_create)
{
    cfo_call_t call;

    memset(&call, 0, sizeof(call));
    call.p = pool;
    call.status = status;
    call.reply = apr_pstrdup(pool, body);
    call.reply_len = body ? strlen(body) : 0;
    call.body = is_create ? "{}" : NULL;
    call.sent = is_create;
    return call;
}

#define ERRORS(code, message)                                                 \
    "{\"success\":false,\"errors\":[{\"code\":" code                          \
    ",\"message\":\"" message "\"}]}"

#define LONG_NUMBER "500912345678901234567890123456789012345678901234"

/* Answers to a create. */
static const struct {
    int status;
    const char *body;
    cfo_kind_t kind;
    int code, lost;
    const char *words; /* in the message */
} envelopes[] = {
    {200, "{\"success\":true,\"result\":{}}", CFO_OK, 0, 0, NULL},
    {200, "{\"success\":true,\"errors\":[],\"messages\":[{\"code\":10000}]}",
     CFO_OK, 0, 0, NULL},
    {200, "{\"success\":true,\"errors\":null,\"messages\":7}", CFO_OK, 0, 0,
     NULL},
    {201, "{\"success\":true}", CFO_OK, 0, 0, NULL},
    {400, "{\"success\":true}", CFO_TRANSIENT, 0, 0, "did not say why"},
    {400, ERRORS("1100", "Failed to write"), CFO_TRANSIENT, 1100, 0,
     "Failed to write"},
    {200, ERRORS("1100", "Failed to write"), CFO_TRANSIENT, 1100, 0,
     "Failed to write"},
    {400, ERRORS("1010", "no zone"), CFO_PERMANENT, 1010, 0, "no zone"},
    {400, ERRORS("1010", "Get \\\"https://i/v4\\\": EOF"), CFO_TRANSIENT, 1010,
     0, "EOF"},
    {400, ERRORS("10000", "Authentication error"), CFO_AUTH, 10000, 0,
     "Authentication error"},
    {500, ERRORS("4242", "sick"), CFO_TRANSIENT, 4242, 0, "sick"},
    {429, ERRORS("971", "too many"), CFO_RATE_LIMITED, 971, 0, "too many"},
    {400,
     "{\"success\":false,\"errors\":[{\"code\":6003,\"message\":\"Invalid\","
     "\"error_chain\":[{\"code\":6111,\"message\":\"format\"}]}]}",
     CFO_AUTH, 6003, 0, "Invalid: format (6111)"},
    {400,
     "{\"success\":false,\"errors\":[{\"code\":6003,\"error_chain\":"
     "[{\"message\":\"format\"}]}]}",
     CFO_AUTH, 6003, 0, "format"},
    {400, "{\"errors\":[{\"code\":1007,\"message\":\"CSR\"}]}", CFO_PERMANENT,
     1007, 0, "CSR"},
    {400, "{\"success\":false}", CFO_TRANSIENT, 0, 0, "did not say why"},
    {400, "{\"success\":false,\"errors\":[]}", CFO_TRANSIENT, 0, 0,
     "did not say why"},
    {400, "{\"success\":false,\"errors\":{}}", CFO_TRANSIENT, 0, 0,
     "did not say why"},
    {400, "{\"success\":false,\"errors\":[7]}", CFO_TRANSIENT, 0, 0,
     "did not say why"},
    {400, "{\"success\":false,\"errors\":[{\"code\":\"1100\"}]}",
     CFO_TRANSIENT, 0, 0, "did not say why"},
    {400, "{\"success\":false,\"errors\":[{\"code\":-3}]}", CFO_TRANSIENT, 0,
     0, "did not say why"},
    {400, "{\"success\":false,\"errors\":[{\"code\":1100}]}", CFO_TRANSIENT,
     1100, 0, "without a message"},
    {400, ERRORS("1100", ""), CFO_TRANSIENT, 1100, 0, "without a message"},
    {400, ERRORS("1100", "a\\r\\nb\\u0000\\u001b[31m"), CFO_TRANSIENT, 1100, 0,
     "a??b??[31m"},
    /* it says that it did, and that it failed to */
    {500, "{\"success\":true,\"result\":{}}", CFO_TRANSIENT, 0, 1,
     "did not say why"},
    {503, "{\"success\":true,\"errors\":[{\"code\":1100}]}", CFO_TRANSIENT,
     1100, 1, "without a message"},
    {500, "{\"success\":false,\"errors\":[]}", CFO_TRANSIENT, 0, 0,
     "did not say why"},
    /* a number that is too large is no reason to believe nothing of it */
    {200, "{\"success\":true,\"result\":{\"id\":" LONG_NUMBER "}}", CFO_OK, 0,
     0, NULL},
    {400,
     "{\"errors\":[{\"code\":1007,\"message\":\"CSR\"}],\"id\":" LONG_NUMBER
     "}",
     CFO_PERMANENT, 1007, 0, "CSR"},
    {400, "{\"errors\":[{\"code\":1e99}],\"id\":" LONG_NUMBER "}",
     CFO_TRANSIENT, 0, 0, "did not say why"},
    /* not the API's: lost when it may have been carried out */
    {200, "", CFO_TRANSIENT, 0, 1, "empty"},
    {200, "null", CFO_TRANSIENT, 0, 1, "null"},
    {200, "[]", CFO_TRANSIENT, 0, 1, "[]"},
    {200, "{\"result\":{}}", CFO_TRANSIENT, 0, 1, "result"},
    {200, "{\"success\":\"true\"}", CFO_TRANSIENT, 0, 1, "success"},
    {200, "{\"success\":true", CFO_TRANSIENT, 0, 1, "success"},
    {502, "<html>\n\n <b>Bad\tGateway\n", CFO_TRANSIENT, 0, 1,
     "\"<html> <b>Bad Gateway\""},
    {520, "x", CFO_TRANSIENT, 0, 1, "x"},
    {403, "error code: 1010", CFO_TRANSIENT, 0, 0, "error code: 1010"},
    {401, "no", CFO_TRANSIENT, 0, 0, "no"},
    {302, "", CFO_TRANSIENT, 0, 0, "empty"},
    {429, "slow down", CFO_RATE_LIMITED, 0, 0, "slow down"},
    {0, "", CFO_TRANSIENT, 0, 1, "empty"},
};

/* A body that ends too soon, at whichever byte, is no answer, also when HTTP
 * says that it is whole. */
static void test_an_envelope_cut_anywhere(void **state)
{
    static const char whole[] =
        "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{\"id\":"
        "\"5009\",\"certificate\":\"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----"
        "END "
        "CERTIFICATE-----\\n\",\"hostnames\":[\"a.example.com\",\"\\u00e9\"],"
        "\"expires_on\":\"2041-11-19T13:12:00Z\",\"requested_validity\":5475}"
        "}";

    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        cfo_call_t call = call_of(200, apr_pstrmemdup(pool, whole, n), 1);
        json_t *envelope;
        cfo_result_t result = cfo_envelope_read(&call, NOON_WALL, &envelope);

        assert_int_equal(result.kind == CFO_OK, n == sizeof(whole) - 1);
        assert_int_equal(result.lost, n < sizeof(whole) - 1);
        json_decref(envelope);
    }
}

static void test_envelopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
        cfo_call_t call = call_of(envelopes[i].status, envelopes[i].body, 1);
        json_t *envelope;
        cfo_result_t result = cfo_envelope_read(&call, NOON_WALL, &envelope);

        if (result.kind != envelopes[i].kind ||
            result.code != envelopes[i].code ||
            result.lost != envelopes[i].lost ||
            result.http != envelopes[i].status ||
            (envelope != NULL) != (result.kind == CFO_OK) ||
            (result.message != NULL) != (envelopes[i].words != NULL) ||
            (result.message && !strstr(result.message, envelopes[i].words))) {
            fail_msg("%d %s: %s %d lost %d: %s", envelopes[i].status,
                     envelopes[i].body, cfo_kind_word(result.kind),
                     result.code, result.lost, result.message);
        }
        json_decref(envelope);
        call = call_of(envelopes[i].status, envelopes[i].body, 0);
        result = cfo_envelope_read(&call, NOON_WALL, &envelope);
        assert_int_equal(result.lost, 0); /* only a create can be */
        json_decref(envelope);
    }
}

static void test_calls_without_a_whole_answer(void **state)
{
    static const struct {
        int status, sent, local;
        cfo_kind_t kind;
        int lost;
    } cases[] = {
        {0, 0, 0, CFO_TRANSIENT, 0},   /* no connection */
        {0, 1, 0, CFO_TRANSIENT, 1},   /* cut before the answer */
        {200, 1, 0, CFO_TRANSIENT, 1}, /* cut in its middle */
        {503, 1, 0, CFO_TRANSIENT, 1},    {400, 1, 0, CFO_TRANSIENT, 0},
        {429, 1, 0, CFO_RATE_LIMITED, 0}, {0, 0, 1, CFO_LOCAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* what came looks like an answer, and is not the whole of it */
        cfo_call_t call = call_of(cases[i].status, "{\"success\":true}", 1);
        json_t *envelope;
        cfo_result_t result;

        call.sent = cases[i].sent;
        call.local = cases[i].local;
        call.fault = "it broke";
        result = cfo_envelope_read(&call, NOON_WALL, &envelope);
        assert_null(envelope);
        assert_int_equal(result.kind, cases[i].kind);
        assert_int_equal(result.lost, cases[i].lost);
        assert_non_null(strstr(result.message, "it broke"));
    }
}

/* What can't be taken once can't be taken again: whoever looked for a lost
 * certificate there goes on without. A create is lost by it. */
static void test_an_answer_that_is_too_large(void **state)
{
    (void)state;
    for (int is_create = 0; is_create < 2; is_create++) {
        cfo_call_t call = call_of(200, "{\"success\":tr", is_create);
        json_t *envelope;
        cfo_result_t result;

        call.fault = "the answer is larger than that";
        call.too_large = 1;
        result = cfo_envelope_read(&call, NOON_WALL, &envelope);
        assert_int_equal(result.kind,
                         is_create ? CFO_TRANSIENT : CFO_PERMANENT);
        assert_int_equal(result.lost, is_create);
        assert_null(envelope);
    }
}

static void test_told_to_wait(void **state)
{
    static const struct {
        int status;
        const char *retry_after, *ratelimit;
        int seconds;
    } cases[] = {
        {429, "12", NULL, 12},
        {429, "12", "\"d\";r=0;t=40", 12},
        {429, NULL, "\"d\";r=0;t=40", 40},
        {429, NULL, NULL, -1},
        {503, "7", NULL, 7},
        {503, "Mon, 23 Nov 2026 12:00:09 GMT", NULL, 9},
        {503, NULL, "\"d\";r=0;t=40", -1},
        {400, "7", NULL, -1},
        {200, "7", NULL, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_call_t call = call_of(cases[i].status, "{\"success\":true}", 0);
        json_t *envelope;

        call.retry_after = cases[i].retry_after;
        call.ratelimit = cases[i].ratelimit;
        assert_int_equal(
            cfo_envelope_read(&call, NOON_WALL, &envelope).retry_after,
            cases[i].seconds);
        json_decref(envelope);
    }
}

static void test_a_body_is_quoted_in_short(void **state)
{
    char body[5000];
    cfo_call_t call;
    json_t *envelope;
    cfo_result_t result;

    (void)state;
    memset(body, '\xff', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    call = call_of(502, body, 0);
    call.content_type = "text/html";
    result = cfo_envelope_read(&call, NOON_WALL, &envelope);
    assert_true(strlen(result.message) < 300);
    assert_non_null(strstr(result.message, "text/html: \"?????"));
}

/* ---- the token, quoted ---- */

#define TOKEN "cfut_0123456789abcdefghijABCDEFGHIJ"
#define STARS "***********************************"

static void test_what_is_hidden(void **state)
{
    static const struct {
        const char *text, *left;
    } cases[] = {
        {"", ""},
        {"nothing to see", "nothing to see"},
        {TOKEN, STARS},
        {"Bearer " TOKEN ".", "Bearer " STARS "."},
        {TOKEN TOKEN, STARS STARS},
        {TOKEN "x" TOKEN, STARS "x" STARS},
        /* pieces: of eight, not of seven */
        {"cfut_01", "cfut_01"},
        {"cfut_012", "********"},
        {"(cfut_012...)", "(********...)"},
        {"xDEFGHIJ", "xDEFGHIJ"},
        {"xCDEFGHIJ", "x********"},
        {"3456789a or efghijAB", "******** or ********"},
        {"cfut_cfut_0123", "cfut_*********"},
        {"cfut_012cfut_01", "********cfut_01"},
        {"3456789a and efghijAB", "******** an* ********"}, /* d e f … */
        /* parted */
        {"cfut_0123\n456789abcd", "*********\n**********"},
        {"c f u t _ 0 1 2", "* * * * * * * *"},
        {"cfut_\x01\xc3\xa9"
         "0123456",
         "*****\x01\xc3\xa9*******"},
        {"cfut_   ", "cfut_   "},
        /* its letters, and not it */
        {"CFUT_0123", "CFUT_0123"},
        {"abcdefgABCDEFG", "abcdefgABCDEFG"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = apr_pstrdup(pool, cases[i].text);
        int found = cfo_hide(TOKEN, text, strlen(text));

        assert_string_equal(text, cases[i].left);
        assert_int_equal(found, strcmp(cases[i].text, text) != 0);
        assert_int_equal(cfo_hide(NULL, text, strlen(text)), 0);
        assert_int_equal(cfo_hide("", text, strlen(text)), 0);
        assert_int_equal(cfo_hide("short", text, strlen(text)), 0);
    }
}

/* Whatever an answer quotes of it, and wherever that begins and ends. */
static void test_no_piece_is_left(void **state)
{
    const size_t len = sizeof(TOKEN) - 1;

    (void)state;
    for (size_t from = 0; from < len; from++) {
        for (size_t n = 1; from + n <= len; n++) {
            const char *piece = apr_pstrmemdup(pool, TOKEN + from, n);
            char *text = apr_pstrcat(pool, "<", piece, ">", NULL);

            cfo_hide(TOKEN, text, strlen(text));
            assert_int_equal(strstr(text, piece) == NULL, n >= CFO_HIDE_PIECE);
            assert_true(text[0] == '<' && text[n + 1] == '>');
        }
    }
}

/* UTF-16, as a page may be: zeros between the letters. */
static void test_zeros_hide_nothing(void **state)
{
    char text[2 * sizeof(TOKEN)] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(TOKEN) - 1; i++) {
        text[2 * i] = TOKEN[i];
    }
    assert_int_equal(cfo_hide(TOKEN, text, sizeof(text)), 1);
    for (size_t i = 0; i < sizeof(TOKEN) - 1; i++) {
        assert_int_equal(text[2 * i], '*');
        assert_int_equal(text[2 * i + 1], 0);
    }
}

/* http.c hides what is there as it is; here is what decoding brings to
 * light, also where a message is cut. */
static void test_an_envelope_that_quotes_the_token(void **state)
{
    static const struct {
        const char *body;
        int ok;
    } cases[] = {
        {ERRORS("1100", "\\u0063fut_0123456789abcdefghijABCDEFGHI\\u004a"), 0},
        {"{\"success\":false,\"errors\":[{\"code\":6003,\"error_chain\":[{"
         "\"message\":\"\\u0063fut_\\u0030123456789abcdefghijABCDEFGHIJ\"}]}]"
         "}",
         0},
        {"{\"success\":true,\"result\":{\"id\":\"cfut\\u005f0123456789\","
         "\"certificate\":\"-----BEGIN\\ncfut\\u005f0123456789\"}}",
         1},
        {"{\"success\":true,\"result\":[[{\"a\":{\"id\":"
         "\"cfut\\u005f0123456789\"}}]]}",
         1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_call_t call = call_of(cases[i].ok ? 200 : 400, cases[i].body, 1);
        json_t *envelope;
        cfo_result_t result;
        char *text;

        call.secret = TOKEN;
        result = cfo_envelope_read(&call, NOON_WALL, &envelope);
        assert_int_equal(result.kind == CFO_OK, cases[i].ok);
        text = json_dumps(envelope, JSON_ENCODE_ANY);
        for (size_t at = 0; at + CFO_HIDE_PIECE < sizeof(TOKEN); at++) {
            const char *piece =
                apr_pstrmemdup(pool, TOKEN + at, CFO_HIDE_PIECE);

            assert_true(!result.message || !strstr(result.message, piece));
            assert_true(!text || !strstr(text, piece));
        }
        assert_non_null(strstr(cases[i].ok ? text : result.message, "****"));
        free(text);
        json_decref(envelope);
    }
}

static void test_a_message_that_is_cut_within_the_token(void **state)
{
    (void)state;
    for (int before = 540; before < 610; before++) {
        char pad[700];
        cfo_call_t call;
        json_t *envelope;
        cfo_result_t result;

        memset(pad, '-', sizeof(pad));
        pad[before] = '\0';
        call = call_of(
            400,
            apr_pstrcat(pool, "{\"errors\":[{\"code\":1100,\"message\":\"",
                        pad, "\\u0063fut_0123456789\"}]}", NULL),
            1);
        call.secret = TOKEN;
        result = cfo_envelope_read(&call, NOON_WALL, &envelope);
        assert_null(strstr(result.message, "c"));
        assert_null(strstr(result.message, "f"));
    }
}

/* ---- requests as calls ---- */

static cfo_job_t *begin(cfo_request_t *request)
{
    cfo_job_t *job = apr_palloc(pool, sizeof(*job));

    cfo_job_begin(job, pool, request);
    cfo_job_call(job);
    return job;
}

static int read_answer(cfo_job_t *job, const char *text, cfo_result_t *result)
{
    json_t *envelope = json_loads(text, 0, NULL);
    int done;

    assert_non_null(envelope);
    *result = cfo_result_ok();
    done = cfo_job_read(job, envelope, result);
    json_decref(envelope);
    return done;
}

#define TEN_DIGITS "0123456789"
#define SEVENTY_DIGITS                                                        \
    TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS TEN_DIGITS         \
        TEN_DIGITS

static void test_create_job(void **state)
{
    static const struct {
        const char *envelope, *certificate, *serial;
    } cases[] = {
        {"{\"result\":{\"certificate\":\"PEM\",\"id\":\"12\"}}", "PEM", "12"},
        {"{\"result\":{\"certificate\":\"PEM\"}}", "PEM", NULL},
        {"{\"result\":{\"certificate\":\"PEM\",\"id\":12}}", "PEM", NULL},
        {"{\"result\":{\"certificate\":\"PEM\",\"id\":\"12a\"}}", "PEM", NULL},
        {"{\"result\":{\"certificate\":\"PEM\",\"id\":\"" SEVENTY_DIGITS
         "\"}}",
         "PEM", NULL},
        {"{\"result\":{\"certificate\":\"\"}}", NULL, NULL},
        {"{\"result\":{\"certificate\":[]}}", NULL, NULL},
        {"{\"result\":[]}", NULL, NULL},
        {"{\"result\":null}", NULL, NULL},
        {"{}", NULL, NULL},
    };
    apr_array_header_t *names = apr_array_make(pool, 2, sizeof(char *));
    cfo_request_t request = {.op = CFO_OP_CREATE, .csr = "C\n"};
    cfo_result_t result;

    (void)state;
    APR_ARRAY_PUSH(names, const char *) = "*.b.example";
    APR_ARRAY_PUSH(names, const char *) = "a.example";
    request.hostnames = names;
    request.request_type = "origin-rsa";
    request.requested_validity = 5475;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_job_t *job = begin(&request);

        assert_string_equal(job->call.method, "POST");
        assert_string_equal(job->call.path, "/certificates");
        assert_string_equal(
            job->call.body,
            "{\"csr\":\"C\\n\",\"hostnames\":[\"*.b.example\",\"a.example\"],"
            "\"request_type\":\"origin-rsa\",\"requested_validity\":5475}");
        assert_true(read_answer(job, cases[i].envelope, &result));
        assert_int_equal(result.kind == CFO_OK, cases[i].certificate != NULL);
        assert_int_equal(result.lost, cases[i].certificate == NULL);
        if (cases[i].certificate) {
            assert_string_equal(job->answer.certificate, cases[i].certificate);
        }
        assert_int_equal(!job->answer.serial, !cases[i].serial);
        assert_true(!cases[i].serial ||
                    !strcmp(job->answer.serial, cases[i].serial));
    }
}

static void test_list_job(void **state)
{
    cfo_request_t request = {.op = CFO_OP_LIST, .zone_id = "z&1"};
    cfo_job_t *job = begin(&request);
    cfo_result_t result;
    const cfo_listed_t *rows;
    char *large = apr_palloc(pool, CFO_WIRE_CERTIFICATE_MAX + 2);

    (void)state;
    memset(large, 'A', CFO_WIRE_CERTIFICATE_MAX + 1);
    large[CFO_WIRE_CERTIFICATE_MAX + 1] = '\0';
    assert_string_equal(job->call.path,
                        "/certificates?zone_id=z%261&page=1&per_page=50");
    assert_false(read_answer(
        job,
        "{\"result\":[{\"id\":\"1\",\"certificate\":\"A\"},{\"id\":\"2\"},7,"
        "{\"id\":\"3\",\"certificate\":\"B\",\"revoked_at\":\"2026-01-01\"}]}",
        &result));
    assert_int_equal(job->listed->nelts, 2);
    rows = (const cfo_listed_t *)(void *)job->listed->elts;
    assert_string_equal(rows[1].serial, "3");
    assert_string_equal(rows[1].certificate, "B");
    assert_false(rows[0].revoked);
    assert_true(rows[1].revoked);
    cfo_job_call(job);
    assert_string_equal(job->call.path,
                        "/certificates?zone_id=z%261&page=2&per_page=50");
    assert_false(read_answer(
        job,
        apr_pstrcat(pool, "{\"result\":[{\"id\":\"3\",\"certificate\":\"",
                    large,
                    "\"},{\"id\":\"4\",\"certificate\":\"C\",\"revoked_at\":"
                    "\"0001-01-01T00:00:00Z\"}]}",
                    NULL),
        &result));
    assert_int_equal(job->listed->nelts, 1);
    rows = (const cfo_listed_t *)(void *)job->listed->elts;
    assert_string_equal(rows[0].serial, "4");
    assert_false(rows[0].revoked);
    cfo_job_call(job);
    assert_true(read_answer(job, "{\"result\":[]}", &result));
    assert_int_equal(result.kind, CFO_OK);
}

static void test_lists_that_are_none(void **state)
{
    static const struct {
        const char *envelope;
        cfo_kind_t kind;
    } cases[] = {
        {"{\"result\":null}", CFO_OK},
        {"{\"result\":{}}", CFO_TRANSIENT},
        {"{\"result\":\"x\"}", CFO_TRANSIENT},
        {"{}", CFO_TRANSIENT},
    };
    cfo_request_t request = {.op = CFO_OP_LIST, .zone_id = "z"};
    cfo_result_t result;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_job_t *job = begin(&request);

        assert_true(read_answer(job, cases[i].envelope, &result));
        assert_int_equal(result.kind, cases[i].kind);
        assert_int_equal(result.lost, 0);
    }
}

static void test_a_list_without_an_end_is_given_up(void **state)
{
    cfo_request_t request = {.op = CFO_OP_LIST, .zone_id = "z"};
    cfo_job_t *job = begin(&request);
    cfo_result_t result;
    int pages = 1;

    (void)state;
    while (!read_answer(
        job,
        apr_psprintf(pool,
                     "{\"result\":[{\"id\":\"%d\",\"certificate\":\"A\"}]}",
                     pages),
        &result)) {
        pages++;
        assert_true(pages <= CFO_WIRE_PAGES_MAX);
    }
    assert_int_equal(result.kind, CFO_PERMANENT);
}

/* The largest certificates are listed, and the bytes of all have an end. */
static void test_a_list_has_so_many_bytes_at_most(void **state)
{
    enum { LARGEST = 250 * 1024 };
    cfo_request_t request = {.op = CFO_OP_LIST, .zone_id = "z"};
    cfo_job_t *job = begin(&request);
    char *pem = apr_palloc(pool, LARGEST + 1);
    cfo_result_t result = cfo_result_ok();
    apr_size_t taken = 0;
    int done;

    (void)state;
    assert_true(job->call.max >= (apr_size_t)50 * LARGEST);
    memset(pem, 'A', LARGEST);
    pem[LARGEST] = '\0';
    for (int n = 0; result.kind == CFO_OK; n++) {
        json_t *envelope = json_pack("{s:[{s:s+, s:s}]}", "result", "id", "1",
                                     apr_itoa(pool, n), "certificate", pem);

        assert_non_null(envelope);
        job->call.reply_len = 12 * 1024 * 1024; /* whatever else there is */
        done = cfo_job_read(job, envelope, &result);
        assert_int_equal(done, result.kind != CFO_OK);
        json_decref(envelope);
        if (!done) {
            assert_int_equal(job->listed->nelts, 1);
            cfo_job_call(job);
            taken += LARGEST;
        }
        assert_true(taken <= CFO_WIRE_LIST_MAX);
    }
    assert_int_equal(result.kind, CFO_PERMANENT);
    assert_true(taken > CFO_WIRE_LIST_MAX - 2 * LARGEST);
}

static void test_zone_job(void **state)
{
    cfo_request_t request = {.op = CFO_OP_ZONE, .hostname = "*.a.b.example"};
    cfo_job_t *job = begin(&request);
    cfo_result_t result;

    (void)state;
    assert_string_equal(job->call.path,
                        "/zones?name=a.b.example&status=active");
    assert_false(read_answer(job, "{\"result\":[]}", &result));
    cfo_job_call(job);
    assert_string_equal(job->call.path, "/zones?name=b.example&status=active");
    /* another's, one that is pending, one that is no id, then ours */
    assert_true(read_answer(
        job,
        "{\"result\":[{\"id\":\"1\",\"name\":\"xb.example\"},"
        "{\"id\":\"2\",\"name\":\"b.example\",\"status\":\"pending\"},"
        "{\"id\":\"../3\",\"name\":\"b.example\",\"status\":\"active\"},"
        "{\"id\":\"3\",\"name\":\"B.example\",\"status\":\"active\"}]}",
        &result));
    assert_string_equal(job->answer.zone_id, "3");
    assert_string_equal(job->answer.zone, "b.example");

    request.hostname = "b.example";
    job = begin(&request);
    assert_true(read_answer(job, "{\"result\":null}", &result));
    assert_int_equal(result.kind, CFO_OK);
    assert_null(job->answer.zone_id);

    job = begin(&request);
    assert_true(read_answer(job, "{\"result\":{}}", &result));
    assert_int_equal(result.kind, CFO_TRANSIENT);
    assert_false(result.lost);
}

static void test_revoke_and_get_jobs(void **state)
{
    cfo_request_t request = {.op = CFO_OP_REVOKE, .serial = "5/0?9"};
    cfo_job_t *job = begin(&request);
    cfo_result_t result;

    (void)state;
    assert_string_equal(job->call.method, "DELETE");
    assert_string_equal(job->call.path, "/certificates/5%2F0%3F9");
    assert_true(read_answer(job, "{\"result\":{\"id\":\"7\"}}", &result));
    assert_string_equal(job->answer.serial, "7");
    assert_true(read_answer(job, "{}", &result));
    assert_string_equal(job->answer.serial, "5/0?9");

    job = begin(&request);
    result = cfo_result_make(pool, CFO_PERMANENT, "revoked already");
    result.code = 1101;
    assert_false(cfo_job_forgives(job, &result));
    result.code = 1014;
    assert_true(cfo_job_forgives(job, &result));
    assert_int_equal(result.kind, CFO_OK);
    assert_string_equal(job->answer.serial, "5/0?9");

    request.op = CFO_OP_GET;
    job = begin(&request);
    assert_string_equal(job->call.method, "GET");
    result.kind = CFO_PERMANENT;
    result.code = 1014;
    assert_false(cfo_job_forgives(job, &result));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_ratelimit),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_more_after_a_pause),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_token_faults),
        cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_an_envelope_cut_anywhere),
        cmocka_unit_test(test_calls_without_a_whole_answer),
        cmocka_unit_test(test_an_answer_that_is_too_large),
        cmocka_unit_test(test_told_to_wait),
        cmocka_unit_test(test_a_body_is_quoted_in_short),
        cmocka_unit_test(test_what_is_hidden),
        cmocka_unit_test(test_no_piece_is_left),
        cmocka_unit_test(test_zeros_hide_nothing),
        cmocka_unit_test(test_an_envelope_that_quotes_the_token),
        cmocka_unit_test(test_a_message_that_is_cut_within_the_token),
        cmocka_unit_test(test_create_job),
        cmocka_unit_test(test_list_job),
        cmocka_unit_test(test_lists_that_are_none),
        cmocka_unit_test(test_a_list_without_an_end_is_given_up),
        cmocka_unit_test(test_a_list_has_so_many_bytes_at_most),
        cmocka_unit_test(test_zone_job),
        cmocka_unit_test(test_revoke_and_get_jobs),
    };

    apr_initialize();
    atexit(apr_terminate);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
