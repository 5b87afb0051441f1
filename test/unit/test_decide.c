/* SPDX-License-Identifier: Apache-2.0 */
/** Decide: wanted, stored, now -> one action and one reason. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin_decide.h"
#include "cforigin_schedule.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define DAY apr_time_from_sec(86400)
#define NOW (20000 * DAY)

static apr_pool_t *pool;

/* "a b" -> array */
static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a = apr_array_make(pool, 4, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

/* What differs from a certificate that has a year left of its 5475 days, is
 * wanted as origin-ecc for a.x.org and b.x.org, and is just that. */
typedef struct row_t {
    const char *about;
    cfo_stored_state_t state;
    int adopted, other_type, forced, anothers, adoptable, manual;
    int wants_rsa;
    int no_type;       /* the key is of neither request type */
    const char *names; /* on the certificate; NULL: those wanted */
    int left;          /* days until not_after; 0: a year */
    int lifetime;      /* days; 0: 5475 */
    int validity;      /* wanted; 0: 5475 */
    int no_clock;
    cfo_action_t action;
    cfo_reason_t reason;
} row_t;

#define ROW(text, ...)                                                        \
    {                                                                         \
        .about = text, __VA_ARGS__                                            \
    }
#define PAIR .state = CFO_STORED_PAIR
#define GIVES(a, r) .action = a, .reason = r

static const row_t rows[] = {
    ROW("nothing", GIVES(CFO_ISSUE, CFO_MISSING)),
    ROW("nothing, manual", .manual = 1, GIVES(CFO_ISSUE, CFO_MISSING)),
    ROW("nothing, forced", .forced = 1, GIVES(CFO_ISSUE, CFO_MISSING)),
    ROW("nothing of this type", .other_type = 1,
        GIVES(CFO_ISSUE, CFO_TYPE_CHANGED)),
    ROW("nothing, targets", .adoptable = 1, GIVES(CFO_ADOPT, CFO_ADOPTED)),
    ROW("nothing, no clock", .no_clock = 1, GIVES(CFO_ISSUE, CFO_MISSING)),
    ROW("damaged", .state = CFO_STORED_DAMAGED, GIVES(CFO_ISSUE, CFO_DAMAGED)),
    ROW("damaged, targets", .state = CFO_STORED_DAMAGED, .adoptable = 1,
        GIVES(CFO_ADOPT, CFO_ADOPTED)),
    ROW("mismatch", .state = CFO_STORED_KEY_MISMATCH,
        GIVES(CFO_ISSUE, CFO_KEY_MISMATCH)),
    ROW("unreadable", .state = CFO_STORED_UNREADABLE,
        GIVES(CFO_KEEP, CFO_UNREADABLE)),
    ROW("unreadable, forced", .state = CFO_STORED_UNREADABLE, .forced = 1,
        GIVES(CFO_KEEP, CFO_UNREADABLE)),
    ROW("unreadable, targets", .state = CFO_STORED_UNREADABLE, .adoptable = 1,
        GIVES(CFO_KEEP, CFO_UNREADABLE)),
    ROW("good", PAIR, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("good, no clock", PAIR, .no_clock = 1, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("good, targets", PAIR, .adoptable = 1, GIVES(CFO_ADOPT, CFO_ADOPTED)),
    ROW("adopted", PAIR, .adopted = 1, GIVES(CFO_KEEP, CFO_ADOPTED)),
    ROW("more names", PAIR, .names = "c.x.org b.x.org a.x.org",
        GIVES(CFO_KEEP, CFO_VALID)),
    ROW("wildcard", PAIR, .names = "*.x.org", GIVES(CFO_KEEP, CFO_VALID)),
    ROW("fewer names", PAIR, .names = "a.x.org",
        GIVES(CFO_ISSUE, CFO_NAMES_CHANGED)),
    ROW("fewer names, manual", PAIR, .names = "a.x.org", .manual = 1,
        GIVES(CFO_KEEP, CFO_NAMES_CHANGED)),
    ROW("fewer names, adopted", PAIR, .names = "a.x.org", .adopted = 1,
        GIVES(CFO_ISSUE, CFO_NAMES_CHANGED)),
    ROW("other type", PAIR, .wants_rsa = 1,
        GIVES(CFO_ISSUE, CFO_TYPE_CHANGED)),
    ROW("other type, adopted", PAIR, .wants_rsa = 1, .adopted = 1,
        GIVES(CFO_KEEP, CFO_ADOPTED)),
    ROW("no type", PAIR, .wants_rsa = 1, .no_type = 1,
        GIVES(CFO_KEEP, CFO_VALID)),
    ROW("shorter", PAIR, .lifetime = 365,
        GIVES(CFO_ISSUE, CFO_VALIDITY_CHANGED)),
    ROW("longer", PAIR, .validity = 365,
        GIVES(CFO_ISSUE, CFO_VALIDITY_CHANGED)),
    ROW("a day shorter", PAIR, .lifetime = 5474, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("a day longer", PAIR, .lifetime = 5476, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("two days off", PAIR, .lifetime = 5473,
        GIVES(CFO_ISSUE, CFO_VALIDITY_CHANGED)),
    ROW("shorter, another server's", PAIR, .lifetime = 365, .anothers = 1,
        .left = 200, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("fewer names, another server's", PAIR, .names = "a.x.org",
        .anothers = 1, GIVES(CFO_ISSUE, CFO_NAMES_CHANGED)),
    ROW("forced, another server's", PAIR, .forced = 1, .anothers = 1,
        GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("shorter, adopted", PAIR, .lifetime = 365, .adopted = 1, .left = 200,
        GIVES(CFO_KEEP, CFO_ADOPTED)),
    ROW("forced", PAIR, .forced = 1, GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("forced, manual", PAIR, .forced = 1, .manual = 1,
        GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("forced, adopted", PAIR, .forced = 1, .adopted = 1,
        GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("forced, no clock", PAIR, .forced = 1, .no_clock = 1,
        GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("near its end", PAIR, .left = 20, GIVES(CFO_ISSUE, CFO_RENEW_WINDOW)),
    ROW("near its end, adopted", PAIR, .left = 20, .adopted = 1,
        GIVES(CFO_ISSUE, CFO_RENEW_WINDOW)),
    ROW("near its end, manual", PAIR, .left = 20, .manual = 1,
        GIVES(CFO_KEEP, CFO_RENEW_WINDOW)),
    ROW("near its end, no clock", PAIR, .left = 20, .no_clock = 1,
        GIVES(CFO_KEEP, CFO_VALID)),
    ROW("before its window", PAIR, .left = 31, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("expired", PAIR, .left = -1, GIVES(CFO_ISSUE, CFO_EXPIRED)),
    ROW("expired, manual", PAIR, .left = -1, .manual = 1,
        GIVES(CFO_KEEP, CFO_EXPIRED)),
    ROW("expired, manual, forced", PAIR, .left = -1, .manual = 1, .forced = 1,
        GIVES(CFO_ISSUE, CFO_EXPIRED)),
    ROW("expired, no clock", PAIR, .left = -1, .no_clock = 1,
        GIVES(CFO_KEEP, CFO_VALID)),
    ROW("expired before names", PAIR, .left = -1, .names = "c.x.org",
        GIVES(CFO_ISSUE, CFO_EXPIRED)),
    ROW("names before type", PAIR, .names = "c.x.org", .wants_rsa = 1,
        GIVES(CFO_ISSUE, CFO_NAMES_CHANGED)),
    ROW("type before validity", PAIR, .wants_rsa = 1, .lifetime = 365,
        .left = 20, GIVES(CFO_ISSUE, CFO_TYPE_CHANGED)),
    ROW("forced before window", PAIR, .forced = 1, .left = 20,
        GIVES(CFO_ISSUE, CFO_FORCED)),
    ROW("seven days, three left", PAIR, .lifetime = 7, .validity = 7,
        .left = 3, GIVES(CFO_KEEP, CFO_VALID)),
    ROW("seven days, two left", PAIR, .lifetime = 7, .validity = 7, .left = 2,
        GIVES(CFO_ISSUE, CFO_RENEW_WINDOW)),
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const row_t *row = &rows[i];
        cfo_wanted_t wanted = {0};
        cfo_cert_facts_t facts = {0};
        cfo_stored_t stored = {
            row->state, NULL,        row->adopted,  row->other_type,
            0,          row->forced, row->anothers, row->adoptable};
        cfo_decision_t d;

        wanted.hostnames = strings("a.x.org b.x.org");
        wanted.request_type = row->wants_rsa ? CFO_ORIGIN_RSA : CFO_ORIGIN_ECC;
        wanted.settings.validity = row->validity ? row->validity : 5475;
        wanted.settings.renew_manual = row->manual;
        wanted.settings.renew_window.length = 30 * DAY;
        facts.hostnames = row->names ? strings(row->names) : wanted.hostnames;
        facts.not_after = NOW + (row->left ? row->left : 365) * DAY;
        facts.not_before =
            facts.not_after - (row->lifetime ? row->lifetime : 5475) * DAY;
        facts.serial = "1";
        facts.has_type = !row->no_type;
        facts.type = CFO_ORIGIN_ECC;
        if (row->state == CFO_STORED_PAIR)
            stored.facts = &facts;

        d = cfo_decide(&wanted, &stored, "host", row->no_clock ? 0 : NOW,
                       pool);
        if (d.action != row->action || d.reason != row->reason)
            fail_msg("%s: %s, %s", row->about, cfo_action_word(d.action),
                     cfo_reason_word(d.reason));
        assert_true(d.renew_at ==
                    (stored.facts
                         ? cfo_schedule_renew_at(
                               facts.not_before, facts.not_after,
                               &wanted.settings.renew_window, "host", "1")
                         : 0));
    }
}

static void to_the_microsecond(void **state)
{
    cfo_wanted_t wanted = {0};
    cfo_cert_facts_t facts = {0};
    cfo_stored_t stored = {.state = CFO_STORED_PAIR, .facts = &facts};
    apr_time_t at;
    (void)state;

    wanted.settings.validity = 90;
    wanted.settings.renew_window.percent = 10;
    facts.not_before = NOW;
    facts.not_after = NOW + 90 * DAY;
    at = cfo_decide(&wanted, &stored, "h", NOW, pool).renew_at;
    assert_int_equal(cfo_decide(&wanted, &stored, "h", at - 1, pool).reason,
                     CFO_VALID);
    assert_int_equal(cfo_decide(&wanted, &stored, "h", at, pool).reason,
                     CFO_RENEW_WINDOW);
    at = facts.not_after;
    assert_int_equal(cfo_decide(&wanted, &stored, "h", at - 1, pool).reason,
                     CFO_RENEW_WINDOW);
    assert_int_equal(cfo_decide(&wanted, &stored, "h", at, pool).reason,
                     CFO_EXPIRED);
}

/* One whose dates say when it comes that it is to be renewed: it is not asked
 * for again and again. */
static void late_when_it_comes(void **state)
{
    cfo_wanted_t wanted = {0};
    cfo_cert_facts_t facts = {0};
    cfo_stored_t stored = {.state = CFO_STORED_PAIR, .facts = &facts};
    cfo_decision_t d;
    (void)state;

    wanted.settings.validity = 7;
    wanted.settings.renew_window.length = 30 * DAY;
    facts.not_before = NOW - 6 * DAY;
    facts.not_after = NOW + DAY;
    assert_int_equal(cfo_decide(&wanted, &stored, "h", NOW, pool).reason,
                     CFO_RENEW_WINDOW);
    stored.installed = NOW;
    d = cfo_decide(&wanted, &stored, "h", NOW, pool);
    assert_int_equal(d.reason, CFO_VALID);
    assert_true(d.renew_at == NOW + DAY / 2);
    d = cfo_decide(&wanted, &stored, "h", NOW + DAY / 2, pool);
    assert_int_equal(d.reason, CFO_RENEW_WINDOW);
    stored.adopted = 1;
    d = cfo_decide(&wanted, &stored, "h", NOW, pool);
    assert_int_equal(d.reason, CFO_RENEW_WINDOW);
    stored.adopted = 0;
    stored.installed = facts.not_before;
    d = cfo_decide(&wanted, &stored, "h", NOW, pool);
    assert_int_equal(d.reason, CFO_RENEW_WINDOW);
    stored.installed = facts.not_after + DAY; /* says a wrong clock */
    d = cfo_decide(&wanted, &stored, "h", NOW, pool);
    assert_int_equal(d.reason, CFO_RENEW_WINDOW);
}

/* A pair in the targets, made `age` days ago, against one in the store that
 * was made ten days ago. */
static void over_what_is_stored(void **state)
{
    static const struct {
        const char *about;
        cfo_stored_state_t state;
        const char *stored_names, *names; /* NULL: those wanted */
        int stored_left, left, age;       /* days */
        int no_clock, expected;
    } cases[] = {
        {"nothing stored", CFO_STORED_NONE, NULL, NULL, 0, 9, 20, 0, 1},
        {"nothing stored, expired", CFO_STORED_NONE, NULL, NULL, 0, -1, 20, 0,
         1},
        {"damaged", CFO_STORED_DAMAGED, NULL, NULL, 0, 9, 20, 0, 1},
        {"sick", CFO_STORED_UNREADABLE, NULL, NULL, 0, 9, 1, 0, 0},
        {"younger", CFO_STORED_PAIR, NULL, NULL, 90, 9, 5, 0, 1},
        {"of the same minute", CFO_STORED_PAIR, NULL, NULL, 90, 9, 10, 0, 1},
        {"older", CFO_STORED_PAIR, NULL, NULL, 90, 9, 20, 0, 0},
        {"older, stored lacks a name", CFO_STORED_PAIR, "a.x.org", NULL, 90, 9,
         20, 0, 1},
        {"older, stored is expired", CFO_STORED_PAIR, NULL, NULL, 0, 9, 20, 0,
         1},
        {"lacks a name", CFO_STORED_PAIR, NULL, "a.x.org", 90, 9, 5, 0, 0},
        {"another's", CFO_STORED_PAIR, NULL, "c.x.org", 90, 9, 5, 0, 0},
        {"both lack it", CFO_STORED_PAIR, "a.x.org", "a.x.org", 90, 9, 5, 0,
         1},
        {"both lack it, older", CFO_STORED_PAIR, "a.x.org", "a.x.org", 90, 9,
         20, 0, 0},
        {"expired", CFO_STORED_PAIR, NULL, NULL, 90, 0, 5, 0, 0},
        {"expired, says a wrong clock", CFO_STORED_PAIR, NULL, NULL, 90, 0, 5,
         1, 1},
        {"both expired", CFO_STORED_PAIR, NULL, NULL, 0, 0, 5, 0, 1},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cfo_wanted_t wanted = {.hostnames = strings("a.x.org b.x.org")};
        cfo_cert_facts_t mine = {.hostnames = wanted.hostnames}, found = mine;
        cfo_stored_t stored = {.state = cases[i].state};

        if (cases[i].stored_names)
            mine.hostnames = strings(cases[i].stored_names);
        if (cases[i].names)
            found.hostnames = strings(cases[i].names);
        mine.not_before = NOW - 10 * DAY;
        mine.not_after = NOW + cases[i].stored_left * DAY;
        found.not_before = NOW - cases[i].age * DAY;
        found.not_after = NOW + cases[i].left * DAY;
        if (cases[i].state == CFO_STORED_PAIR)
            stored.facts = &mine;
        if (cfo_decide_adoptable(&wanted, &stored, &found,
                                 cases[i].no_clock ? 0 : NOW,
                                 pool) != cases[i].expected)
            fail_msg("%s", cases[i].about);
    }
}

/* The words are a contract with whoever reads the status. */
static void words(void **state)
{
    static const char *const expected[] = {
        "valid",        "missing",       "damaged",      "unreadable",
        "key-mismatch", "names-changed", "type-changed", "validity-changed",
        "renew-window", "expired",       "forced",       "foreign",
        "adopted",
    };
    cfo_reason_t reason;
    (void)state;

    assert_int_equal(COUNT(expected), CFO_REASONS);
    for (int i = 0; i < CFO_REASONS; i++) {
        assert_string_equal(cfo_reason_word((cfo_reason_t)i), expected[i]);
        assert_true(cfo_reason_parse(expected[i], &reason));
        assert_int_equal(reason, i);
    }
    assert_false(cfo_reason_parse("Valid", &reason));
    assert_false(cfo_reason_parse("", &reason));
    assert_false(cfo_reason_parse(NULL, &reason));
    assert_string_equal(cfo_reason_word(CFO_REASONS), "unknown");
    assert_string_equal(cfo_action_word(CFO_KEEP), "keep");
    assert_string_equal(cfo_action_word(CFO_ISSUE), "issue");
    assert_string_equal(cfo_action_word(CFO_ADOPT), "adopt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(late_when_it_comes),
        cmocka_unit_test(to_the_microsecond),
        cmocka_unit_test(over_what_is_stored),
        cmocka_unit_test(words),
    };
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
