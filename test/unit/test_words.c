/* SPDX-License-Identifier: Apache-2.0 */
/** Words: durations, windows, times, request types, sets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static apr_pool_t *pool;

static void request_types(void **state)
{
    static const struct {
        const char *word;
        int ok;
        cfo_request_type_t type;
    } rows[] = {
        {"origin-ecc", 1, CFO_ORIGIN_ECC},
        {"origin-rsa", 1, CFO_ORIGIN_RSA},
        {"keyless-certificate", 0, 0},
        {"Origin-ECC", 0, 0},
        {"origin-ecc ", 0, 0},
        {"", 0, 0},
        {NULL, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_request_type_t type = CFO_ORIGIN_ECC;

        assert_int_equal(cfo_request_type_parse(rows[i].word, &type),
                         rows[i].ok);
        if (rows[i].ok) {
            assert_int_equal(type, rows[i].type);
            assert_string_equal(cfo_request_type_word(type), rows[i].word);
        }
    }
    assert_string_equal(cfo_request_type_word(CFO_REQUEST_TYPES), "unknown");
    assert_int_equal(cfo_request_type_other(CFO_ORIGIN_ECC), CFO_ORIGIN_RSA);
    assert_int_equal(cfo_request_type_other(CFO_ORIGIN_RSA), CFO_ORIGIN_ECC);
}

static void validities(void **state)
{
    static const struct {
        long days;
        int ok;
    } rows[] = {
        {7, 1},    {30, 1},   {90, 1}, {365, 1}, {730, 1},  {1095, 1},
        {5475, 1}, {7300, 0}, {0, 0},  {-7, 0},  {5476, 0}, {8, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(cfo_validity_is_allowed(rows[i].days), rows[i].ok);
    assert_true(cfo_validity_is_allowed(CFO_VALIDITY_DEFAULT));
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t seconds; /* -1: none */
        const char *word;
    } rows[] = {
        {"0", 0, "0"},
        {"0s", 0, "0"},
        {"90s", 90, "90s"},
        {"60s", 60, "1m"},
        {"5m", 300, "5m"},
        {"12h", 43200, "12h"},
        {"24h", 86400, "1d"},
        {"30d", 2592000, "30d"},
        {"36h", 129600, "36h"},
        {"007d", 604800, "7d"},
        {"36525d", APR_INT64_C(3155760000), "36525d"},
        {"36526d", -1, NULL},
        {"3155760000s", APR_INT64_C(3155760000), "36525d"},
        {"3155760001s", -1, NULL},
        {"876601h", -1, NULL},
        {"99999999999999999999999999999d", -1, NULL},
        {"18446744073709551617s", -1, NULL},
        {"", -1, NULL},
        {"d", -1, NULL},
        {"5", -1, NULL},
        {"00", -1, NULL},
        {"-1d", -1, NULL},
        {"+1d", -1, NULL},
        {" 1d", -1, NULL},
        {"1d ", -1, NULL},
        {"1 d", -1, NULL},
        {"1D", -1, NULL},
        {"1w", -1, NULL},
        {"1ms", -1, NULL},
        {"1d12h", -1, NULL},
        {"1.5d", -1, NULL},
        {"0x10s", -1, NULL},
        {"33%", -1, NULL},
        {NULL, -1, NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_interval_time_t length = 42;
        int ok = cfo_duration_parse(rows[i].text, &length);

        if (ok != (rows[i].seconds >= 0))
            fail_msg("duration \"%s\" gave %d", rows[i].text, ok);
        if (!ok) {
            assert_int_equal(length, 42);
            continue;
        }
        assert_true(length == apr_time_from_sec(rows[i].seconds));
        assert_string_equal(cfo_duration_word(pool, length), rows[i].word);
    }
}

static void windows(void **state)
{
    static const struct {
        const char *text;
        int ok, percent;
        apr_int64_t seconds;
        const char *word;
    } rows[] = {
        {"33%", 1, 33, 0, "33%"},    {"1%", 1, 1, 0, "1%"},
        {"100%", 1, 100, 0, "100%"}, {"30d", 1, 0, 2592000, "30d"},
        {"0", 1, 0, 0, "0"},         {"0%", 0, 0, 0, NULL},
        {"101%", 0, 0, 0, NULL},     {"4294967329%", 0, 0, 0, NULL},
        {"33%%", 0, 0, 0, NULL},     {"33.3%", 0, 0, 0, NULL},
        {"%", 0, 0, 0, NULL},        {"33", 0, 0, 0, NULL},
        {"", 0, 0, 0, NULL},         {NULL, 0, 0, 0, NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_window_t w = {1, 2, 3};
        int ok = cfo_window_parse(rows[i].text, &w);

        if (ok != rows[i].ok)
            fail_msg("window \"%s\" gave %d", rows[i].text, ok);
        if (!ok) {
            assert_int_equal(w.percent, 2);
            continue;
        }
        assert_int_equal(w.percent, rows[i].percent);
        assert_true(w.length == apr_time_from_sec(rows[i].seconds));
        assert_int_equal(w.is_default, 0);
        assert_string_equal(cfo_window_word(pool, &w), rows[i].word);
    }
}

static void times(void **state)
{
    static const struct {
        const char *text;
        apr_time_t time; /* 0: none */
        const char *word;
    } rows[] = {
        {"2026-11-23T08:00:00Z", APR_INT64_C(1795420800000000),
         "2026-11-23T08:00:00Z"},
        {"2026-11-23t08:00:00z", APR_INT64_C(1795420800000000),
         "2026-11-23T08:00:00Z"},
        {"2026-11-24T07:59:00+23:59", APR_INT64_C(1795420800000000),
         "2026-11-23T08:00:00Z"},
        {"2014-01-01T05:20:00.12345Z", APR_INT64_C(1388553600123450),
         "2014-01-01T05:20:00Z"},
        {"2014-01-01T05:20:00.123456789Z", APR_INT64_C(1388553600123456),
         "2014-01-01T05:20:00Z"},
        {"2026-11-23T09:30:00+01:30", APR_INT64_C(1795420800000000),
         "2026-11-23T08:00:00Z"},
        {"2026-11-22t22:00:00-10:00", APR_INT64_C(1795420800000000),
         "2026-11-23T08:00:00Z"},
        {"2025-04-01 10:11:00 +0000 UTC", APR_INT64_C(1743502260000000),
         "2025-04-01T10:11:00Z"},
        {"2025-04-01 10:11:00.5 +0200 CEST", APR_INT64_C(1743495060500000),
         "2025-04-01T08:11:00Z"},
        {"2025-04-01 10:11:00 +0000", APR_INT64_C(1743502260000000),
         "2025-04-01T10:11:00Z"},
        {"2024-02-29T00:00:00Z", APR_INT64_C(1709164800000000),
         "2024-02-29T00:00:00Z"},
        {"2000-02-29T23:59:59Z", APR_INT64_C(951868799000000),
         "2000-02-29T23:59:59Z"},
        {"1970-01-01T00:00:01Z", APR_INT64_C(1000000), "1970-01-01T00:00:01Z"},
        {"9999-12-31T23:59:59Z", APR_INT64_C(253402300799000000),
         "9999-12-31T23:59:59Z"},
        {"2016-12-31T23:59:60Z", APR_INT64_C(1483228800000000),
         "2017-01-01T00:00:00Z"},
        {"9999-12-31T23:59:60Z", 0, NULL},
        {"9999-12-31T23:59:59-01:00", 0, NULL},
        {"1970-01-01T00:00:00+01:00", 0, NULL},
        {"1969-12-31T23:59:59Z", 0, NULL},
        {"2023-02-29T00:00:00Z", 0, NULL},
        {"2100-02-29T00:00:00Z", 0, NULL},
        {"2026-13-01T00:00:00Z", 0, NULL},
        {"2026-00-01T00:00:00Z", 0, NULL},
        {"2026-04-31T00:00:00Z", 0, NULL},
        {"2026-01-00T00:00:00Z", 0, NULL},
        {"2026-01-01T24:00:00Z", 0, NULL},
        {"2026-01-01T00:60:00Z", 0, NULL},
        {"2026-01-01T00:00:61Z", 0, NULL},
        {"2026-01-01T00:00:00", 0, NULL},
        {"2026-01-01T00:00:00.Z", 0, NULL},
        {"2026-01-01T00:00:00+24:00", 0, NULL},
        {"2026-01-01T00:00:00+01:60", 0, NULL},
        {"2026-01-01T00:00:00+01:0", 0, NULL},
        {"2026-01-01T00:00:00*01:00", 0, NULL},
        {"2026-01-01X00:00:00Z", 0, NULL},
        {"2026-1/-01T00:00:00Z", 0, NULL},
        {"2026-01-01T00:00:00Zx", 0, NULL},
        {"2026-01-01T00:00:00Z UTC", 0, NULL},
        {"2026-01-01 00:00:00 UTC", 0, NULL},
        {"2026-01-01 00:00:00 +0000 ", 0, NULL},
        {"2026-01-01 00:00:00 +0000 UTC m=+1", 0, NULL},
        {"2026-1-1T00:00:00Z", 0, NULL},
        {"12026-01-01T00:00:00Z", 0, NULL},
        {"2026-01-01", 0, NULL},
        {"2026", 0, NULL},
        {"", 0, NULL},
        {NULL, 0, NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_time_t t = cfo_time_parse(rows[i].text);

        if (t != rows[i].time)
            fail_msg("\"%s\" gave %" APR_TIME_T_FMT, rows[i].text, t);
        if (rows[i].word)
            assert_string_equal(cfo_time_word(pool, t), rows[i].word);
    }
    assert_null(cfo_time_word(pool, 0));
    /* a certificate may begin before 1970 */
    assert_string_equal(cfo_time_word(pool, -1), "1969-12-31T23:59:59Z");
    assert_string_equal(cfo_time_word(pool, apr_time_from_sec(-86400)),
                        "1969-12-31T00:00:00Z");
}

/* Every day of four centuries comes back as it went. */
static void every_day(void **state)
{
    apr_pool_t *p;
    (void)state;

    apr_pool_create(&p, pool);
    for (apr_int64_t day = 1; day < 146097; day++) {
        apr_time_t t = apr_time_from_sec(day * 86400);

        assert_true(cfo_time_parse(cfo_time_word(p, t)) == t);
        if (day % 1000 == 0)
            apr_pool_clear(p);
    }
    apr_pool_destroy(p);
}

/* "a b" -> array; NULL stays NULL */
static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a;
    char *rest, *word;

    if (!text)
        return NULL;
    a = apr_array_make(pool, 4, sizeof(const char *));
    word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);
    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

static void sets(void **state)
{
    static const struct {
        const char *a, *b;
        int equal;
    } rows[] = {
        {"a b", "b a", 1},   {"a a b", "b a", 1}, {"a b", "a b c", 0},
        {"a b c", "a b", 0}, {"a b", "a c", 0},   {"", "", 1},
        {"a", "", 0},        {NULL, "", 1},       {NULL, "a", 0},
        {"a", "A", 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(cfo_strings_equal_as_sets(strings(rows[i].a),
                                                   strings(rows[i].b), pool),
                         rows[i].equal);
}

static void unions(void **state)
{
    static const struct {
        const char *a, *b, *both;
    } rows[] = {
        {"", "", ""},
        {"a", "", "a"},
        {"", "a b", "a b"},
        {"b a", "a", "b a"},
        {"a b", "c a d", "a b c d"},
        {"a", "b b a", "a b"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_array_header_t *a = strings(rows[i].a);
        int before = a->nelts;

        assert_string_equal(
            apr_array_pstrcat(
                pool, cfo_strings_union(pool, a, strings(rows[i].b)), ' '),
            rows[i].both);
        assert_int_equal(a->nelts, before);
    }
}

/* The published FNV-1a vectors: ids on disk are made from it. */
static void hashes(void **state)
{
    (void)state;
    assert_true(cfo_hash_text("") == APR_UINT64_C(0xcbf29ce484222325));
    assert_true(cfo_hash_text("a") == APR_UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(cfo_hash_text("foobar") == APR_UINT64_C(0x85944171f73967e8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_types), cmocka_unit_test(validities),
        cmocka_unit_test(durations),     cmocka_unit_test(windows),
        cmocka_unit_test(times),         cmocka_unit_test(every_day),
        cmocka_unit_test(sets),          cmocka_unit_test(unions),
        cmocka_unit_test(hashes),
    };
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
