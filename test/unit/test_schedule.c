/* SPDX-License-Identifier: Apache-2.0 */
/** Schedule: renewal and its spread, warning, the next try, what is due. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include <apr_strings.h>

#include "cforigin_schedule.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SEC apr_time_from_sec(1)
#define HOUR apr_time_from_sec(3600)
#define DAY apr_time_from_sec(86400)
#define YEAR (365 * DAY)
#define NOW (20000 * DAY)

static apr_pool_t *pool;

static void renew_windows(void **state)
{
    static const struct {
        apr_interval_time_t lifetime;
        cfo_window_t window;
        apr_interval_time_t length; /* of the window that results */
    } rows[] = {
        {15 * YEAR, {30 * DAY, 0, 1}, 30 * DAY},
        {15 * YEAR, {10 * YEAR, 0, 0}, 5 * YEAR},
        {90 * DAY, {30 * DAY, 0, 1}, 30 * DAY},
        {90 * DAY, {31 * DAY, 0, 0}, 30 * DAY},
        {7 * DAY, {30 * DAY, 0, 1}, 7 * DAY / 3},
        {7 * DAY, {12 * HOUR, 0, 0}, 12 * HOUR},
        {100 * DAY, {0, 1, 0}, DAY},
        {100 * DAY, {0, 20, 0}, 20 * DAY},
        {90 * DAY, {0, 33, 0}, 90 * DAY / 100 * 33},
        {90 * DAY, {0, 34, 0}, 30 * DAY},
        {90 * DAY, {0, 100, 0}, 30 * DAY},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_time_t end = NOW + rows[i].lifetime;
        apr_time_t begin = end - rows[i].length;

        for (int h = 0; h < 200; h++) {
            const char *host = apr_psprintf(pool, "host%d", h);
            apr_time_t at = cfo_schedule_renew_at(NOW, end, &rows[i].window,
                                                  host, "500900");

            assert_true(at >= begin);
            assert_true(at <= begin + rows[i].length / 10);
            assert_true(at < end);
            assert_true(at == cfo_schedule_renew_at(NOW, end, &rows[i].window,
                                                    host, "500900"));
        }
    }
}

static void renew_odd(void **state)
{
    cfo_window_t none = {0, 0, 0};
    cfo_window_t month = {30 * DAY, 0, 1};
    (void)state;

    assert_true(cfo_schedule_renew_at(NOW, NOW + DAY, &none, "h", "1") <
                NOW + DAY);
    assert_true(cfo_schedule_renew_at(NOW, NOW + 1, &month, "h", "1") <
                NOW + 1);
    assert_true(cfo_schedule_renew_at(NOW, NOW, &month, "h", "1") < NOW);
    assert_true(cfo_schedule_renew_at(NOW, NOW - DAY, &month, "h", "1") <
                NOW - DAY);
    assert_true(cfo_schedule_renew_at(NOW, NOW + YEAR, &month, NULL, NULL) <
                NOW + YEAR);
}

/* A fleet with one certificate, and a machine with many whose serials differ
 * in the last digits, renew in every tenth of the time there is for it. */
static void renewals_spread(void **state)
{
    cfo_window_t month = {30 * DAY, 0, 1};
    int by_host[10] = {0}, by_serial[10] = {0};
    apr_time_t begin = NOW + 15 * YEAR - 30 * DAY;
    (void)state;

    for (int i = 0; i < 1000; i++) {
        const char *text = apr_psprintf(pool, "%d", 50090000 + i);
        apr_time_t h =
            cfo_schedule_renew_at(NOW, NOW + 15 * YEAR, &month, text, "7");
        apr_time_t s =
            cfo_schedule_renew_at(NOW, NOW + 15 * YEAR, &month, "web1", text);

        by_host[(h - begin) * 10 / (3 * DAY + 1)]++;
        by_serial[(s - begin) * 10 / (3 * DAY + 1)]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(by_host[i], 50, 150);
        assert_in_range(by_serial[i], 50, 150);
    }
}

static void warnings(void **state)
{
    static const struct {
        apr_interval_time_t lifetime;
        cfo_window_t window;
        apr_interval_time_t before; /* not_after */
    } rows[] = {
        {15 * YEAR, {14 * DAY, 0, 1}, 14 * DAY},
        {90 * DAY, {14 * DAY, 0, 1}, 9 * DAY},
        {90 * DAY, {14 * DAY, 0, 0}, 14 * DAY},
        {7 * DAY, {14 * DAY, 0, 1}, 7 * DAY / 10},
        {7 * DAY, {14 * DAY, 0, 0}, 7 * DAY},
        {100 * DAY, {0, 1, 0}, DAY},
        {100 * DAY, {0, 50, 0}, 50 * DAY},
        {100 * DAY, {0, 100, 0}, 100 * DAY},
        {100 * DAY, {0, 0, 0}, 0},
        {-DAY, {14 * DAY, 0, 0}, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_time_t end = NOW + rows[i].lifetime;

        assert_true(cfo_schedule_warn_at(NOW, end, &rows[i].window) ==
                    end - rows[i].before);
    }
}

static void next_tries(void **state)
{
    static const struct {
        cfo_kind_t kind;
        int failures, retry_after;
        apr_interval_time_t least, most;
    } rows[] = {
        {CFO_TRANSIENT, 1, -1, 24 * SEC, 36 * SEC},
        {CFO_TRANSIENT, 2, -1, 48 * SEC, 72 * SEC},
        {CFO_TRANSIENT, 3, -1, 96 * SEC, 144 * SEC},
        {CFO_TRANSIENT, 8, -1, 3072 * SEC, 4608 * SEC},
        {CFO_TRANSIENT, 12, -1, 49152 * SEC, 73728 * SEC},
        {CFO_TRANSIENT, 13, -1, 69120 * SEC, DAY},
        {CFO_TRANSIENT, 1000, -1, 69120 * SEC, DAY},
        {CFO_TRANSIENT, INT_MAX, -1, 69120 * SEC, DAY},
        {CFO_TRANSIENT, 0, -1, 24 * SEC, 36 * SEC},
        {CFO_TRANSIENT, INT_MIN, -1, 24 * SEC, 36 * SEC},
        {CFO_TRANSIENT, 1, 100, 100 * SEC, 100 * SEC},
        {CFO_AUTH, 1, -1, 24 * SEC, 36 * SEC},
        {CFO_LOCAL, 2, -1, 48 * SEC, 72 * SEC},
        {CFO_RATE_LIMITED, 1, -1, 24 * SEC, 36 * SEC},
        {CFO_RATE_LIMITED, 1, 0, 24 * SEC, 36 * SEC},
        {CFO_RATE_LIMITED, 5, 0, 384 * SEC, 576 * SEC},
        {CFO_RATE_LIMITED, 1, 12, 24 * SEC, 37 * SEC},
        {CFO_RATE_LIMITED, 5, 1, 24 * SEC, 37 * SEC},
        {CFO_RATE_LIMITED, 1, 300, 300 * SEC, 315 * SEC},
        {CFO_RATE_LIMITED, 5, 300, 300 * SEC, 315 * SEC},
        {CFO_RATE_LIMITED, 99, 300, 300 * SEC, 315 * SEC},
        {CFO_RATE_LIMITED, 5, -1, 384 * SEC, 576 * SEC},
        {CFO_RATE_LIMITED, 1, INT_MAX, DAY, DAY},
        {CFO_PERMANENT, 1, -1, DAY, DAY},
        {CFO_PERMANENT, 9, -1, DAY, DAY},
        {CFO_CHECK, 1, -1, DAY, DAY},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_result_t result = {.kind = rows[i].kind,
                               .retry_after = rows[i].retry_after};

        for (int s = 0; s < 50; s++) {
            const char *seed = apr_psprintf(pool, "%d.x.org", s);
            apr_time_t at =
                cfo_schedule_next_try(&result, rows[i].failures, NOW, seed);

            if (at < NOW + rows[i].least || at > NOW + rows[i].most ||
                at % SEC)
                fail_msg("row %d: %" APR_TIME_T_FMT " s", (int)i,
                         (at - NOW) / SEC);
        }
    }
    assert_true(cfo_schedule_next_try(NULL, 1, 0, NULL) >= 24 * SEC);
    assert_true(cfo_schedule_next_try(NULL, 1, -NOW, "x") > 0);
}

/* A quarter comes before `low`, a quarter after `high`. */
static void assert_spread(const cfo_result_t *result, int low, int high)
{
    int before = 0, after = 0;

    for (int i = 0; i < 1000; i++) {
        apr_time_t at = cfo_schedule_next_try(
            result, 1, NOW, apr_psprintf(pool, "%d.x.org", i));

        before += at < NOW + low * SEC;
        after += at > NOW + high * SEC;
    }
    assert_in_range(before, 150, 350);
    assert_in_range(after, 150, 350);
}

static void tries_spread(void **state)
{
    cfo_result_t failed = {.kind = CFO_TRANSIENT, .retry_after = -1};
    cfo_result_t told = {.kind = CFO_RATE_LIMITED, .retry_after = 4000};
    (void)state;

    assert_spread(&failed, 27, 33);
    assert_spread(&told, 4050, 4150);
}

static void due(void **state)
{
    static const struct {
        const char *about;
        int failures;
        apr_interval_time_t last, next, paused; /* from now; 0: not paused */
        cfo_cause_t cause;
        apr_interval_time_t due; /* from now */
    } rows[] = {
        {"none", 0, 0, HOUR, 0, CFO_CAUSE_TICK, 0},
        {"none, paused", 0, 0, 0, HOUR, CFO_CAUSE_RELOAD, HOUR},
        {"pause over", 0, 0, 0, -HOUR, CFO_CAUSE_TICK, 0},
        {"tick", 1, -SEC, 29 * SEC, 0, CFO_CAUSE_TICK, 29 * SEC},
        {"tick, due", 1, -HOUR, -SEC, 0, CFO_CAUSE_TICK, 0},
        {"own", 1, -SEC, HOUR, 0, CFO_CAUSE_OWN_RELOAD, HOUR},
        {"start", 3, -HOUR, HOUR, 0, CFO_CAUSE_START, 0},
        {"start, at once", 3, 0, HOUR, 0, CFO_CAUSE_START, 60 * SEC},
        {"start, quiet", 3, -SEC, HOUR, 0, CFO_CAUSE_START, 59 * SEC},
        {"reload", 3, -HOUR, HOUR, 0, CFO_CAUSE_RELOAD, 0},
        {"reload, quiet", 3, -59 * SEC, HOUR, 0, CFO_CAUSE_RELOAD, SEC},
        {"reload, over", 3, -60 * SEC, HOUR, 0, CFO_CAUSE_RELOAD, 0},
        {"reload, paused", 3, -HOUR, HOUR, 2 * HOUR, CFO_CAUSE_RELOAD,
         2 * HOUR},
        {"tick after pause", 3, -HOUR, HOUR, SEC, CFO_CAUSE_TICK, HOUR},
        {"no next try", 3, -HOUR, -NOW, 0, CFO_CAUSE_TICK, 0},
        /* clocks that jumped */
        {"next far", 1, -HOUR, 9 * YEAR, 0, CFO_CAUSE_TICK, 23 * HOUR},
        {"both far", 1, 9 * YEAR, 9 * YEAR + HOUR, 0, CFO_CAUSE_TICK, 0},
        {"both far, start", 1, 9 * YEAR, 9 * YEAR, 0, CFO_CAUSE_START, 0},
        {"both far, own", 1, 9 * YEAR, 9 * YEAR, 0, CFO_CAUSE_OWN_RELOAD, 0},
        {"back an hour", 1, HOUR, 25 * HOUR, 0, CFO_CAUSE_TICK, DAY},
        {"back a day", 1, DAY, 2 * DAY, 0, CFO_CAUSE_TICK, DAY},
        {"back a bit", 1, SEC, 30 * SEC, 0, CFO_CAUSE_TICK, 30 * SEC},
        {"back a bit, start", 1, SEC, 30 * SEC, 0, CFO_CAUSE_START, 0},
        {"long pause", 0, 0, 0, 3 * DAY, CFO_CAUSE_TICK, DAY},
        {"a week's pause", 0, 0, 0, 7 * DAY, CFO_CAUSE_TICK, DAY},
        {"more than that", 0, 0, 0, 7 * DAY + 1, CFO_CAUSE_TICK, 0},
        {"pause of years", 0, 0, 0, 9 * YEAR, CFO_CAUSE_TICK, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_attempt_t attempt = {.failures = rows[i].failures,
                                 .last_try = NOW + rows[i].last,
                                 .next_try = NOW + rows[i].next};
        apr_time_t at =
            cfo_schedule_due(&attempt, rows[i].cause,
                             rows[i].paused ? NOW + rows[i].paused : 0, NOW);

        if (at != NOW + rows[i].due)
            fail_msg("%s: %" APR_TIME_T_FMT " s", rows[i].about,
                     (at - NOW) / SEC);
    }
    assert_true(cfo_schedule_due(NULL, CFO_CAUSE_TICK, 0, NOW) == NOW);
}

/* No wait is longer than a day: what lies further ahead was counted by a clock
 * that was wrong. */
static void a_wait_is_over(void **state)
{
    (void)state;

    assert_true(cfo_schedule_is_over(0, NOW));
    assert_true(cfo_schedule_is_over(NOW, NOW));
    assert_false(cfo_schedule_is_over(NOW + 1, NOW));
    assert_false(cfo_schedule_is_over(NOW + DAY, NOW));
    assert_false(cfo_schedule_is_over(NOW + DAY + SEC - 1, NOW));
    assert_true(cfo_schedule_is_over(NOW + DAY + 2 * SEC, NOW));
    assert_true(cfo_schedule_is_over(NOW + 9 * YEAR, NOW));
}

static void rubbish_is_due(void **state)
{
    cfo_attempt_t attempt = {
        .failures = 1, .last_try = APR_INT64_MAX, .next_try = APR_INT64_MAX};
    (void)state;

    for (int c = CFO_CAUSE_TICK; c <= CFO_CAUSE_OWN_RELOAD; c++)
        assert_true(cfo_schedule_due(&attempt, (cfo_cause_t)c, APR_INT64_MAX,
                                     NOW) == NOW);
    attempt.last_try = attempt.next_try = APR_INT64_MIN;
    for (int c = CFO_CAUSE_TICK; c <= CFO_CAUSE_OWN_RELOAD; c++)
        assert_true(cfo_schedule_due(&attempt, (cfo_cause_t)c, APR_INT64_MIN,
                                     NOW) == NOW);
}

static void counts(void **state)
{
    cfo_attempt_t attempt = {.failures = 5};
    (void)state;

    assert_int_equal(cfo_schedule_failures(&attempt, CFO_CAUSE_TICK), 5);
    assert_int_equal(cfo_schedule_failures(&attempt, CFO_CAUSE_START), 5);
    assert_int_equal(cfo_schedule_failures(&attempt, CFO_CAUSE_OWN_RELOAD), 5);
    assert_int_equal(cfo_schedule_failures(&attempt, CFO_CAUSE_RELOAD), 0);
    assert_int_equal(cfo_schedule_failures(NULL, CFO_CAUSE_TICK), 0);
    attempt.failures = -1;
    assert_int_equal(cfo_schedule_failures(&attempt, CFO_CAUSE_TICK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renew_windows),
        cmocka_unit_test(renew_odd),
        cmocka_unit_test(renewals_spread),
        cmocka_unit_test(warnings),
        cmocka_unit_test(next_tries),
        cmocka_unit_test(tries_spread),
        cmocka_unit_test(due),
        cmocka_unit_test(a_wait_is_over),
        cmocka_unit_test(rubbish_is_due),
        cmocka_unit_test(counts),
    };
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
