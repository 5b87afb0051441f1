/* SPDX-License-Identifier: Apache-2.0 */
/* Results: every code and status of the API reference with its kind and its
 * advice, and a stranger's text made fit to be shown. */
#include "cforigin_result.h"

#include <apr_strings.h>
#include <errno.h>
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

#define NOT_YOURS                                                             \
    "Failed to validate SAN timeout.example.com: This zone is either not "    \
    "part of your account, or you do not have access to it"

/* {status, code, message, kind, a word of the advice} */
static const struct {
    int http, code;
    const char *message;
    cfo_kind_t kind;
    const char *advice;
} answers[] = {
    {400, 1000, NULL, CFO_TRANSIENT, "Nothing to do"},
    {401, 1000, "Invalid API Token", CFO_AUTH, "permission Zone / SSL"},
    {403, 1000, NULL, CFO_AUTH, "permissions"},
    {400, 1001, NULL, CFO_AUTH, "token file"},
    {400, 1002, NULL, CFO_PERMANENT, "CFOriginRequestType"},
    {400, 1003, NULL, CFO_PERMANENT, "CFOriginProxy"},
    {400, 1004, NULL, CFO_PERMANENT, "CFOriginProxy"},
    {400, 1005, NULL, CFO_PERMANENT, "fewer hosts"},
    {400, 1006, NULL, CFO_PERMANENT, "written twice"},
    {400, 1007, NULL, CFO_PERMANENT, "Report"},
    {400, 1008, NULL, CFO_TRANSIENT, "Nothing to do"},
    {400, 1009, NULL, CFO_PERMANENT, CFO_VALIDITIES},
    {400, 1010, NULL, CFO_PERMANENT, "zone is active"},
    {400, 1010, NOT_YOURS, CFO_PERMANENT, "zone is active"},
    {400, 1010,
     "Failed to validate SAN a.example.com: Get \"https://i.api.example/v4/"
     "zones?name=a\": read tcp 10.0.0.1:1->10.0.0.2:443: read: connection "
     "reset by peer",
     CFO_TRANSIENT, "Nothing to do"},
    {400, 1010, "Failed to validate: context deadline exceeded", CFO_TRANSIENT,
     "Nothing to do"},
    {400, 1010, "Failed to validate: Get \"https://i.api.example/v4/zones\"",
     CFO_TRANSIENT, "Nothing to do"},
    {403, 1010, NULL, CFO_PERMANENT, "zone is active"},
    {400, 1011, NULL, CFO_PERMANENT, "Report"},
    {400, 1011, "read tcp: connection reset", CFO_PERMANENT, "Report"},
    {400, 1012, NULL, CFO_PERMANENT, "CFOriginZoneID"},
    {400, 1013, NULL, CFO_PERMANENT, "Report"},
    {400, 1014, NULL, CFO_PERMANENT, "revoked before"},
    {400, 1016, NULL, CFO_AUTH, "permission Zone / SSL"},
    {400, 1100, NULL, CFO_TRANSIENT, "Nothing to do"},
    {400, 1101, NULL, CFO_TRANSIENT, "Nothing to do"},
    {404, 1101, NULL, CFO_PERMANENT, "does not know this certificate"},
    {400, 1200, NULL, CFO_TRANSIENT, "Nothing to do"},
    {400, 1201, NULL, CFO_TRANSIENT, "Nothing to do"},
    {400, 1300, NULL, CFO_PERMANENT, "Keyless"},
    {400, 1301, NULL, CFO_PERMANENT, "Keyless"},
    {400, 1302, NULL, CFO_PERMANENT, "Keyless"},
    {400, 1303, NULL, CFO_PERMANENT, "Keyless"},
    {400, 6003, NULL, CFO_AUTH, "token file holds"},
    {400, 6102, NULL, CFO_AUTH, "API token"},
    {400, 6103, NULL, CFO_AUTH, "API token"},
    {400, 6111, NULL, CFO_AUTH, "token file holds"},
    {400, 7003, NULL, CFO_PERMANENT, "/client/v4"},
    {404, 7003, NULL, CFO_PERMANENT, "/client/v4"},
    {403, 9109, NULL, CFO_AUTH, "IP address filter"},
    {400, 10000, NULL, CFO_AUTH, "Certificates / Edit"},
    {403, 10000, NULL, CFO_AUTH, "Certificates / Edit"},
    /* codes nobody told us of: the status decides */
    {400, 4242, NULL, CFO_PERMANENT, "Read the API's message"},
    {401, 4242, NULL, CFO_AUTH, "permission Zone / SSL"},
    {403, 4242, NULL, CFO_AUTH, "permissions"},
    {404, 4242, NULL, CFO_PERMANENT, "/client/v4"},
    {408, 4242, NULL, CFO_TRANSIENT, "Nothing to do"},
    {409, 4242, NULL, CFO_TRANSIENT, "Nothing to do"},
    {399, 4242, NULL, CFO_TRANSIENT, "redirects"},
    {499, 4242, NULL, CFO_PERMANENT, "Read the API's message"},
    {500, 4242, NULL, CFO_TRANSIENT, "Nothing to do"},
    {200, 4242, NULL, CFO_TRANSIENT, "Nothing to do"},
    {429, 4242, NULL, CFO_RATE_LIMITED, "account waits"},
    {429, 10000, NULL, CFO_RATE_LIMITED, "account waits"},
    /* no code at all */
    {0, 0, NULL, CFO_TRANSIENT, "reaches the API"},
    {200, 0, NULL, CFO_TRANSIENT, "Nothing to do"},
    {299, 0, NULL, CFO_TRANSIENT, "Nothing to do"},
    {300, 0, NULL, CFO_TRANSIENT, "redirects"},
    {301, 0, NULL, CFO_TRANSIENT, "redirects"},
    {400, 0, NULL, CFO_TRANSIENT, "CFOriginAPI"},
    {401, 0, NULL, CFO_AUTH, "permission Zone / SSL"},
    {403, 0, NULL, CFO_AUTH, "firewall"},
    {404, 0, NULL, CFO_TRANSIENT, "/client/v4"},
    {405, 0, NULL, CFO_TRANSIENT, "CFOriginProxy"},
    {407, 0, NULL, CFO_TRANSIENT, "user name"},
    {413, 0, NULL, CFO_TRANSIENT, "size"},
    {415, 0, NULL, CFO_TRANSIENT, "Content-Type"},
    {429, 0, NULL, CFO_RATE_LIMITED, "account waits"},
    {500, 0, NULL, CFO_TRANSIENT, "Nothing to do"},
    {502, 0, NULL, CFO_TRANSIENT, "Nothing to do"},
    {520, 0, NULL, CFO_TRANSIENT, "Nothing to do"},
};

static void test_kind_and_advice(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        cfo_result_t result = cfo_result_ok();
        const char *advice;

        result.http = answers[i].http;
        result.code = answers[i].code;
        result.kind =
            cfo_result_classify(result.http, result.code, answers[i].message);
        if (result.kind != answers[i].kind) {
            fail_msg("HTTP %d, code %d: %s, not %s", result.http, result.code,
                     cfo_kind_word(result.kind),
                     cfo_kind_word(answers[i].kind));
        }
        advice = cfo_result_advice(&result);
        if (!advice || !strstr(advice, answers[i].advice) ||
            advice[strlen(advice) - 1] != '.') {
            fail_msg("HTTP %d, code %d: %s", result.http, result.code, advice);
        }
    }
}

static void test_advice_without_the_api(void **state)
{
    cfo_result_t result = cfo_result_ok();

    (void)state;
    assert_null(cfo_result_advice(&result));
    result.kind = CFO_AUTH; /* a token file that holds no token */
    assert_non_null(strstr(cfo_result_advice(&result), "and nothing else."));
    result.kind = CFO_CHECK;
    assert_non_null(strstr(cfo_result_advice(&result), "CFOriginCARootFile"));
    result.kind = CFO_LOCAL;
    assert_non_null(strstr(cfo_result_advice(&result), "this machine"));
}

static void test_kind_words(void **state)
{
    static const char *const words[] = {
        "ok",   "transient", "permanent", "rate-limited",
        "auth", "check",     "local"};
    cfo_kind_t kind;

    (void)state;
    for (int i = 0; i < 7; i++) {
        assert_string_equal(cfo_kind_word((cfo_kind_t)i), words[i]);
        assert_true(cfo_kind_parse(words[i], &kind));
        assert_int_equal(kind, i);
    }
    assert_string_equal(cfo_kind_word((cfo_kind_t)7), "local");
    assert_string_equal(cfo_kind_word((cfo_kind_t)-1), "local");
    assert_false(cfo_kind_parse("Ok", &kind));
    assert_false(cfo_kind_parse("", &kind));
    assert_false(cfo_kind_parse(NULL, &kind));
}

#define DOTS "\xe2\x80\xa6"

static void test_clean(void **state)
{
    static const struct {
        const char *in;
        size_t max;
        const char *out;
    } cases[] = {
        {"", 10, ""},
        {"plain", 10, "plain"},
        {"plain", 5, "plain"},
        {"plainer", 6, "pla" DOTS},
        {"a\nb\tc\x1b[31m\x7f", 40, "a?b?c?[31m?"},
        {"m\xc3\xbcn", 10, "m\xc3\xbcn"},
        {"\xf0\x9f\x98\x80", 10, "\xf0\x9f\x98\x80"},
        {"a\xff\xfe"
         "b",
         10, "a??b"},
        {"a\xc3", 10, "a?"}, /* cut in a character */
        {"a\xc0\xaf"
         "b",
         10, "a??b"},                           /* an overlong slash */
        {"\xed\xa0\x80", 10, "???"},            /* a surrogate */
        {"\xf4\x90\x80\x80", 10, "????"},       /* past U+10FFFF */
        {"\xc2\x85", 10, "?"},                  /* next line, a C1 control */
        {"\xe2\x80\xa8\xe2\x80\xae", 10, "??"}, /* line end, right-to-left */
        {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", 10, "???"}, /* other marks */
        {"abc\xc3\xbc\xc3\xbc", 7, "abc\xc3\xbc\xc3\xbc"},
        {"abc\xc3\xbc\xc3\xbcx", 7, "abc" DOTS}, /* never half of a letter */
        {"\xff\xff\xff\xff\xff\xff", 5, "??" DOTS},
        {"abcd", 3, DOTS},
        {"abc", 2, ""},
        {"abc", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].in);
        char *exact = malloc(len + 1); /* a reader past the end is seen */
        const char *out;

        memcpy(exact, cases[i].in, len);
        out = cfo_text_clean(pool, exact, len, cases[i].max);
        free(exact);
        assert_string_equal(out, cases[i].out);
        assert_true(strlen(out) <= cases[i].max);
    }
    assert_null(cfo_text_clean(pool, NULL, 0, 10));
    assert_string_equal(cfo_text_clean(pool, "a\0b", 3, 10), "a?b");
}

static void test_make_and_sentence(void **state)
{
    cfo_result_t result =
        cfo_result_make(pool, CFO_LOCAL, "%s: %d\n", "token", 7);

    (void)state;
    assert_int_equal(result.kind, CFO_LOCAL);
    assert_int_equal(result.code, 0);
    assert_int_equal(result.http, 0);
    assert_int_equal(result.retry_after, -1);
    assert_int_equal(result.lost, 0);
    assert_string_equal(result.message, "token: 7?");
    assert_string_equal(cfo_result_sentence(pool, &result), "token: 7?");
    result.http = 502;
    assert_string_equal(cfo_result_sentence(pool, &result),
                        "HTTP 502: token: 7?");
    result.code = 1010;
    result.http = 400;
    result.ray = "8f-FRA";
    assert_string_equal(cfo_result_sentence(pool, &result),
                        "1010 (HTTP 400): token: 7? [ray 8f-FRA]");
    result.message = NULL;
    assert_string_equal(
        cfo_result_sentence(pool, &result),
        "1010 (HTTP 400): a hostname was refused [ray 8f-FRA]");
    result.http = 0;
    assert_string_equal(cfo_result_sentence(pool, &result),
                        "1010: a hostname was refused [ray 8f-FRA]");
    result.code = 0;
    result.http = 429;
    result.ray = NULL;
    assert_string_equal(cfo_result_sentence(pool, &result),
                        "HTTP 429: too many requests for this account");
    result = cfo_result_make(pool, CFO_LOCAL, "%2000d", 1);
    assert_int_equal(strlen(result.message), 1000);
    result = cfo_result_ok();
    assert_string_equal(cfo_result_sentence(pool, &result), "ok");
}

static void test_remedies(void **state)
{
    static const struct {
        int err;
        const char *words;
    } rows[] = {{ENOSPC, "room"},       {EDQUOT, "quota"},
                {EROFS, "read-write"},  {EACCES, "owner and mode"},
                {EPERM, "AppArmor"},    {EIO, "disk"},
                {EMFILE, "LimitNOFILE"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *remedy = cfo_result_remedy(rows[i].err);

        assert_memory_equal(remedy, "; ", 2);
        assert_non_null(strstr(remedy, rows[i].words));
    }
    assert_string_equal(cfo_result_remedy(ENOENT), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_and_advice),
        cmocka_unit_test(test_advice_without_the_api),
        cmocka_unit_test(test_kind_words),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_make_and_sentence),
        cmocka_unit_test(test_remedies),
    };

    apr_initialize();
    atexit(apr_terminate);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
