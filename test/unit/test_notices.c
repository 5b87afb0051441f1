/* SPDX-License-Identifier: Apache-2.0 */
/** What CFOriginNotifyCommand is told, as stories: a letter a step, and what
 * waits to be told after each. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin_json.h"
#include "cforigin_notices.h"
#include "cforigin_schedule.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECOND apr_time_from_sec(1)
#define NOW apr_time_from_sec(1795420800)

static apr_pool_t *pool;

/* i installed anew, r renewed, k kept, f failed, e ends soon, h an hour
 * passes, d a day, s a second less than that, t told well, x told in vain.
 * What waits is i r c(overed) e f, "-" nothing. */
static const struct {
    const char *steps;
    const char *waits[8];
} rows[] = {
    {"it", {"i", "-"}},
    {"rt", {"r", "-"}},
    {"ix", {"i", "i"}},
    {"ixxrtt", {"i", "i", "i", "ir", "r", "-"}},
    {"ft", {"f", "-"}},
    {"fx", {"f", "-"}},
    {"fthf", {"f", "-", "-", "-"}},
    {"ftsf", {"f", "-", "-", "-"}},
    {"ftdf", {"f", "-", "-", "f"}},
    {"fxdf", {"f", "-", "-", "f"}},
    {"fi", {"f", "i"}},
    {"ftrtt", {"f", "-", "rc", "c", "-"}},
    {"ftitx", {"f", "-", "ic", "c", "c"}},
    {"ftkt", {"f", "-", "c", "-"}},
    {"ftktk", {"f", "-", "c", "-", "-"}},
    {"ftkf", {"f", "-", "c", "-"}},
    {"fthihf", {"f", "-", "-", "ic", "ic", "i"}},
    {"k", {"-"}},
    {"et", {"e", "-"}},
    {"ex", {"e", "-"}},
    {"ethe", {"e", "-", "-", "-"}},
    {"etse", {"e", "-", "-", "-"}},
    {"etde", {"e", "-", "-", "e"}},
    {"ite", {"i", "-", "e"}},
    {"fte", {"f", "-", "e"}},
    {"etf", {"e", "-", "f"}},
    {"er", {"e", "r"}},
    {"ek", {"e", "-"}},
    {"ef", {"e", "ef"}},
};

static const char *waiting(const cfo_notices_t *notices)
{
    static const char letters[CFO_NOTICES + 1] = "ircef";
    char text[CFO_NOTICES + 1];
    int n = 0;

    for (int i = 0; i < CFO_NOTICES; i++)
        if (notices->waiting & (1u << i))
            text[n++] = letters[i];
    text[n] = '\0';
    return apr_pstrdup(pool, n ? text : "-");
}

static void step(cfo_notices_t *notices, char letter, apr_time_t *now)
{
    int next = cfo_notices_next(notices);

    switch (letter) {
    case 'i':
        cfo_notices_installed(notices, 0);
        break;
    case 'r':
        cfo_notices_installed(notices, 1);
        break;
    case 'k':
        cfo_notices_kept(notices);
        break;
    case 'f':
        cfo_notices_failed(notices, *now);
        break;
    case 'e':
        cfo_notices_expiring(notices, *now);
        break;
    case 'h':
        *now += 3600 * SECOND;
        break;
    case 'd':
        *now += 86400 * SECOND;
        break;
    case 's':
        *now += 86399 * SECOND;
        break;
    default:
        assert_true(next >= 0);
        cfo_notices_told(notices, (cfo_notice_t)next, letter == 't', *now,
                         "a.example.com");
    }
}

static void stories(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_notices_t notices = {0};
        apr_time_t now = NOW;

        for (size_t k = 0; rows[i].steps[k]; k++) {
            step(&notices, rows[i].steps[k], &now);
            if (strcmp(waiting(&notices), rows[i].waits[k]))
                fail_msg("%s, step %zu: %s waits", rows[i].steps, k,
                         waiting(&notices));
            assert_int_equal(cfo_notices_next(&notices) == -1,
                             notices.waiting == 0);
        }
    }
}

static void tries_get_rarer(void **state)
{
    cfo_notices_t notices = {0};
    apr_time_t now = NOW;

    (void)state;
    assert_true(cfo_notices_due(&notices) == 0);
    cfo_notices_installed(&notices, 0);
    assert_true(cfo_notices_due(&notices) > 0);
    assert_true(cfo_notices_due(&notices) <= now);
    for (int i = 1; i <= 1000; i++) {
        cfo_notices_told(&notices, CFO_NOTICE_ISSUED, 0, now, "a");
        assert_int_equal(notices.tries, i);
        assert_true(notices.next_try > now);
        assert_true(notices.next_try <= now + CFO_BACKOFF_MAX);
        if (i == 1)
            assert_true(notices.next_try <= now + 36 * SECOND);
        now = cfo_notices_due(&notices);
    }
    assert_true(now > NOW + 900 * CFO_BACKOFF_MAX / 2);
    /* something new is told at once */
    cfo_notices_installed(&notices, 1);
    assert_true(cfo_notices_due(&notices) < NOW);
    cfo_notices_told(&notices, CFO_NOTICE_ISSUED, 0, now, "a");
    assert_true(cfo_notices_due(&notices) > now);
    /* and what waits behind another, once that was taken */
    cfo_notices_told(&notices, CFO_NOTICE_ISSUED, 1, now, "a");
    assert_true(cfo_notices_due(&notices) < NOW && notices.tries == 0);
    cfo_notices_told(&notices, CFO_NOTICE_RENEWED, 1, now, "a");
    assert_true(cfo_notices_due(&notices) == 0 && notices.tries == 0);
    /* what is said once leaves no count behind */
    cfo_notices_failed(&notices, now);
    cfo_notices_told(&notices, CFO_NOTICE_ERRORED, 0, now, "a");
    assert_true(cfo_notices_due(&notices) == 0 && notices.tries == 0);
}

static void a_clock_set_back_silences_nothing(void **state)
{
    cfo_notices_t notices = {0};

    (void)state;
    cfo_notices_failed(&notices, NOW);
    cfo_notices_told(&notices, CFO_NOTICE_ERRORED, 1, NOW, "a");
    cfo_notices_failed(&notices, NOW - SECOND);
    assert_string_equal(waiting(&notices), "f");
}

/* CFOriginNotifyCommand gets them. */
static void words(void **state)
{
    static const char *const expected[] = {"issued", "renewed", "recovered",
                                           "expiring", "errored"};

    (void)state;
    assert_int_equal(COUNT(expected), CFO_NOTICES);
    for (int i = 0; i < CFO_NOTICES; i++)
        assert_string_equal(cfo_notice_word((cfo_notice_t)i), expected[i]);
    assert_string_equal(cfo_notice_word(CFO_NOTICES), "unknown");
}

static void reads_what_it_wrote(void **state)
{
    cfo_notices_t notices = {.waiting = 0x15,
                             .unwell = 1,
                             .told_expiring = NOW,
                             .told_errored = NOW + SECOND,
                             .tries = 3,
                             .next_try = NOW + 90 * SECOND};
    json_t *json = cfo_json_notices(&notices);
    cfo_notices_t back = cfo_json_read_notices(json);

    (void)state;
    assert_int_equal(back.waiting, notices.waiting);
    assert_int_equal(back.unwell, 1);
    assert_true(back.told_expiring == notices.told_expiring);
    assert_true(back.told_errored == notices.told_errored);
    assert_int_equal(back.tries, 3);
    assert_true(back.next_try == notices.next_try);
    json_decref(json);
}

static void rubbish_is_nothing(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "{\"waiting\":7,\"unwell\":2,\"tries\":-4}",
        "{\"waiting\":[1,null,\"no\",[]],\"next_try\":\"never\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        cfo_notices_t notices = cfo_json_read_notices(json);

        assert_int_equal(notices.waiting, 0);
        assert_int_equal(notices.unwell, 0);
        assert_int_equal(notices.tries, 0);
        assert_true(cfo_notices_due(&notices) == 0);
        json_decref(json);
    }
    assert_int_equal(cfo_json_read_notices(NULL).waiting, 0);
}

static void what_another_noted_stays(void **state)
{
    static const struct {
        const char *what;
        cfo_notices_t before, mine, there, merged;
    } meetings[] = {
        {"nothing happened there",
         {.waiting = 3, .unwell = 1},
         {.waiting = 1, .tries = 1, .next_try = 9},
         {.waiting = 3, .unwell = 1},
         {.waiting = 1, .tries = 1, .next_try = 9}},
        {"more waits there",
         {.waiting = 1},
         {0},
         {.waiting = 5},
         {.waiting = 4}},
        {"it was told there",
         {0},
         {.told_errored = 5},
         {.told_errored = 4, .told_expiring = 7, .unwell = 1},
         {.told_errored = 5, .told_expiring = 7, .unwell = 1}},
        {"each of the two was told later by one",
         {0},
         {.told_errored = 4, .told_expiring = 7},
         {.told_errored = 5, .told_expiring = 6},
         {.told_errored = 5, .told_expiring = 7}},
        {"it is well there", {.unwell = 1}, {.unwell = 1}, {0}, {0}},
        {"it is unwell here", {0}, {.unwell = 1}, {0}, {.unwell = 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(meetings) / sizeof(meetings[0]); i++) {
        cfo_notices_t mine = meetings[i].mine;

        cfo_notices_merge(&mine, &meetings[i].before, &meetings[i].there);
        if (memcmp(&mine, &meetings[i].merged, sizeof(mine)) != 0)
            fail_msg("%s", meetings[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stories),
        cmocka_unit_test(tries_get_rarer),
        cmocka_unit_test(a_clock_set_back_silences_nothing),
        cmocka_unit_test(words),
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(rubbish_is_nothing),
        cmocka_unit_test(what_another_noted_stays)};
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
