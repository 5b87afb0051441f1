/* SPDX-License-Identifier: Apache-2.0 */
/** The graceful restart of our own: each obstacle alone, in their order, and
 * how the interval grows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "cforigin_reload_decide.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECOND apr_time_from_sec(1)
#define NOW apr_time_from_sec(1795420800)
#define MINUTE (60 * SECOND)

/* Wanted, tested a moment ago, nothing in the way. */
#define GOOD                                                                  \
    .wanted = 1, .slots = 16, .interval = MINUTE, .tested = 1,                \
    .tested_at = NOW - SECOND

static apr_pool_t *pool;

static const struct {
    const char *what;
    cfo_reload_facts_t facts;
    cfo_reload_action_t action;
    const char *reason; /* a part of it, NULL: none */
} rows[] = {
    {"nothing to load", {.tested = 1}, CFO_RELOAD_NONE, NULL},
    {"nothing, though off", {.off = 1}, CFO_RELOAD_NONE, NULL},
    {"all is well", {GOOD}, CFO_RELOAD_NOW, NULL},
    {"off", {GOOD, .off = 1}, CFO_RELOAD_WAIT, "CFOriginReload is off"},
    {"-X", {GOOD, .one_process = 1}, CFO_RELOAD_WAIT, "-X"},
    {"too soon",
     {GOOD, .last = NOW - MINUTE + 1},
     CFO_RELOAD_WAIT,
     "less than 1m ago, as CFOriginReloadInterval says"},
    {"too soon, and doubled twice",
     {.wanted = 1,
      .slots = 16,
      .last = NOW - MINUTE,
      .interval = 4 * MINUTE,
      .doubled = 1},
     CFO_RELOAD_WAIT,
     "less than 4m ago, CFOriginReloadInterval doubled"},
    {"just late enough", {GOOD, .last = NOW - MINUTE}, CFO_RELOAD_NOW, NULL},
    {"this very moment", {GOOD, .last = NOW}, CFO_RELOAD_WAIT, "less than 1m"},
    {"the clock was set back", {GOOD, .last = NOW + 1}, CFO_RELOAD_NOW, NULL},
    {"a fallback doesn't wait it out",
     {GOOD, .last = NOW - SECOND, .on_fallback = 1, .early = 2},
     CFO_RELOAD_NOW,
     NULL},
    {"but not for ever",
     {GOOD, .last = NOW - SECOND, .on_fallback = 1, .early = 3},
     CFO_RELOAD_WAIT,
     "CFOriginReloadInterval"},
    {"half of the scoreboard", {GOOD, .slots_old = 8}, CFO_RELOAD_NOW, NULL},
    {"more than half",
     {GOOD, .slots_old = 9},
     CFO_RELOAD_WAIT,
     "older generations"},
    {"more than half, on the fallback",
     {GOOD, .slots_old = 9, .on_fallback = 1},
     CFO_RELOAD_WAIT,
     "older generations"},
    {"a neighbour's file",
     {GOOD, .neighbour = "/etc/x.pem"},
     CFO_RELOAD_WAIT,
     "/etc/x.pem"},
    {"not tested",
     {.wanted = 1, .slots = 16},
     CFO_RELOAD_TEST,
     "being tested"},
    {"not tested, whatever its time says",
     {.wanted = 1, .slots = 16, .tested_at = NOW},
     CFO_RELOAD_TEST,
     "being tested"},
    {"the test is old",
     {.wanted = 1, .slots = 16, .tested = 1, .tested_at = NOW - MINUTE},
     CFO_RELOAD_TEST,
     "being tested"},
    {"passed just now",
     {.wanted = 1, .slots = 16, .tested = 1, .tested_at = NOW},
     CFO_RELOAD_NOW,
     NULL},
    {"passed three seconds ago",
     {.wanted = 1, .slots = 16, .tested = 1, .tested_at = NOW - 3 * SECOND},
     CFO_RELOAD_NOW,
     NULL},
    {"a few seconds are time enough for an edit",
     {.wanted = 1,
      .slots = 16,
      .tested = 1,
      .tested_at = NOW - 3 * SECOND - 1},
     CFO_RELOAD_TEST,
     "being tested"},
    {"the test is of tomorrow",
     {.wanted = 1, .slots = 16, .tested = 1, .tested_at = NOW + SECOND},
     CFO_RELOAD_TEST,
     "being tested"},
    {"refused within the minute",
     {.wanted = 1,
      .slots = 16,
      .tested = -1,
      .tested_at = NOW - MINUTE + 1,
      .test_message = "half an edit"},
     CFO_RELOAD_WAIT,
     "half an edit"},
    {"refused, says a clock that was ahead",
     {.wanted = 1,
      .slots = 16,
      .tested = -1,
      .tested_at = NOW + 1,
      .test_message = "half an edit"},
     CFO_RELOAD_TEST,
     "being tested"},
    {"refused a while ago",
     {.wanted = 1,
      .slots = 16,
      .tested = -1,
      .tested_at = NOW - MINUTE,
      .test_message = "half an edit"},
     CFO_RELOAD_TEST,
     "being tested"},
};

static void decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *reason = "untouched";
        cfo_reload_action_t action =
            cfo_reload_decide(&rows[i].facts, NOW, pool, &reason);

        if (action != rows[i].action)
            fail_msg("%s: %d", rows[i].what, (int)action);
        if (rows[i].reason == NULL ? reason != NULL
                                   : !strstr(reason, rows[i].reason))
            fail_msg("%s: %s", rows[i].what, reason ? reason : "no reason");
    }
}

static void interval_doubles_while_they_linger(void **state)
{
    cfo_reload_facts_t facts = {GOOD, .slots_old = 1};
    int doublings = 0;

    (void)state;
    for (; facts.interval < 60 * MINUTE; doublings++) {
        apr_interval_time_t next = cfo_reload_interval(&facts);

        assert_true(next == (facts.interval < 30 * MINUTE ? 2 * facts.interval
                                                          : 60 * MINUTE));
        facts.interval = next;
    }
    assert_int_equal(doublings, 6);
    assert_true(cfo_reload_interval(&facts) == 60 * MINUTE);
    facts.slots_old = 0;
    assert_true(cfo_reload_interval(&facts) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides),
        cmocka_unit_test(interval_doubles_while_they_linger)};
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
