/* SPDX-License-Identifier: Apache-2.0 */
/** Dates and times, in both directions, where a calendar of fewer bits or of
 * a simpler rule goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "cforigin_calendar.h"
#include "cforigin_child.h"
#include "cforigin_show.h"

static const struct {
    apr_int64_t seconds;
    const char *word;
} moments[] = {
    {0, "1970-01-01T00:00:00Z"},
    {1, "1970-01-01T00:00:01Z"},
    {-1, "1969-12-31T23:59:59Z"},
    {-86400, "1969-12-31T00:00:00Z"},
    {-86401, "1969-12-30T23:59:59Z"},
    {68169599, "1972-02-28T23:59:59Z"},
    {68169600, "1972-02-29T00:00:00Z"},
    {68256000, "1972-03-01T00:00:00Z"},
    {951782400, "2000-02-29T00:00:00Z"},
    {951868800, "2000-03-01T00:00:00Z"},
    {978307199, "2000-12-31T23:59:59Z"},
    {1795000000, "2026-11-18T11:06:40Z"},
    {INT32_MAX, "2038-01-19T03:14:07Z"},
    {INT64_C(2147483648), "2038-01-19T03:14:08Z"},
    {INT64_C(2268038400), "2041-11-14T10:40:00Z"},
    {INT64_C(4102444799), "2099-12-31T23:59:59Z"},
    {INT64_C(4107542399), "2100-02-28T23:59:59Z"},
    {INT64_C(4107542400), "2100-03-01T00:00:00Z"},
    {INT64_C(4294967296), "2106-02-07T06:28:16Z"},
    {INT64_C(13574563200), "2400-02-29T00:00:00Z"},
    {INT64_C(253402300799), "9999-12-31T23:59:59Z"},
    {INT32_MIN, "1901-12-13T20:45:52Z"},
    {INT64_C(-2203977600), "1900-02-28T00:00:00Z"},
    {INT64_C(-2203891200), "1900-03-01T00:00:00Z"},
    {INT64_C(-11670998400), "1600-02-29T00:00:00Z"},
    {INT64_C(-62135596800), "0001-01-01T00:00:00Z"},
    {INT64_C(-62162121600), "0000-02-29T00:00:00Z"},
    {INT64_C(-62167219200), "0000-01-01T00:00:00Z"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char shown[64];

static void show(void *baton, const char *data, apr_size_t len)
{
    (void)baton;
    assert_true(len < sizeof(shown));
    memcpy(shown, data, len);
    shown[len] = '\0';
}

static void test_both_directions(void **state)
{
    char word[CFO_DATE_WORD];

    (void)state;
    for (size_t i = 0; i < COUNT(moments); i++) {
        apr_time_t t = apr_time_from_sec(moments[i].seconds);
        cfo_date_t date = cfo_date_of(t);
        cfo_out_t out;

        assert_string_equal(cfo_date_word(word, t), moments[i].word);
        assert_string_equal(cfo_date_word(word, t + 999999), moments[i].word);
        assert_true(cfo_date_time(&date) == t);
        assert_true(cfo_time_parse(moments[i].word) ==
                    (moments[i].seconds > 0 ? t : 0));
        cfo_out_begin(&out, show, NULL);
        cfo_out_time(&out, t);
        cfo_out_end(&out);
        assert_string_equal(shown, moments[i].word);
    }
}

/* Each day of the four centuries around 1970, after which it all repeats. */
static void test_every_day(void **state)
{
    cfo_date_t last = cfo_date_of(apr_time_from_sec(INT64_C(-73049) * 86400));

    (void)state;
    for (apr_int64_t n = -73048; n < 73049; n++) {
        apr_time_t t = apr_time_from_sec(n * 86400);
        cfo_date_t date = cfo_date_of(t);

        assert_true(cfo_date_time(&date) == t);
        if (date.day > 1) {
            assert_int_equal(date.day, last.day + 1);
            assert_int_equal(date.month, last.month);
            assert_true(date.year == last.year);
        }
        else {
            assert_int_equal(last.day,
                             cfo_date_month_days(last.year, last.month));
            assert_int_equal(date.month, last.month % 12 + 1);
            assert_true(date.year == last.year + (date.month == 1));
        }
        last = date;
    }
}

static void test_what_carries_over(void **state)
{
    const cfo_date_t leap_second = {2016, 12, 31, 23, 59, 60};

    (void)state;
    assert_true(cfo_date_time(&leap_second) == apr_time_from_sec(1483228800));
}

static void test_what_no_date_has_room_for(void **state)
{
    char word[CFO_DATE_WORD];

    (void)state;
    assert_string_equal(cfo_date_word(word, INT64_MAX),
                        "9999-12-31T23:59:59Z");
    assert_string_equal(cfo_date_word(word, INT64_MIN),
                        "0000-01-01T00:00:00Z");
    assert_true(cfo_date_of(INT64_MAX).year == 294247);
    assert_true(cfo_date_of(INT64_MIN).year == -290308);
}

/* However long the machine has been running. */
static void test_the_clock_of_a_round(void **state)
{
    long first = cfo_child_clock();

    (void)state;
    assert_true(first >= 0 && first < 60000);
    assert_true(cfo_child_clock() >= first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_what_carries_over),
        cmocka_unit_test(test_what_no_date_has_room_for),
        cmocka_unit_test(test_the_clock_of_a_round),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
