/* SPDX-License-Identifier: Apache-2.0 */
/** When each wanted certificate is tried, as httpd's parent sees it: what is
 * remembered, what a start or a reload grants, how long an account waits. */
#include "make_store.h"

#include "cforigin_tries.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SECOND apr_time_from_sec(1)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOW apr_time_from_sec((apr_int64_t)MS_NOW)

/* ---- what httpd has ---- */

module AP_MODULE_DECLARE_DATA cforigin_module;
static int logged;

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    (void)file, (void)line, (void)module_index, (void)level, (void)status;
    (void)s, (void)fmt;
    logged++;
}

void *ap_retained_data_create(const char *key, apr_size_t size)
{
    (void)key;
    return calloc(1, size);
}

void *ap_retained_data_get(const char *key)
{
    (void)key;
    return NULL;
}

/* ---- three certificates of one account, and one of another ---- */

enum { A, B, C, OTHER, WANTED };

static apr_pool_t *pool;
static const char *dir;
static cfo_global_t global;
static cfo_generation_t gen;
static cfo_wanted_t wanted[WANTED];
static cfo_standing_t standings[WANTED];
static cfo_account_state_t accounts[2];
static apr_time_t refused_until[2];

static void put_account(const char *id)
{
    cfo_account_t *account = apr_array_push(gen.plan->accounts);

    account->id = account->name = id;
}

static int set_up(void **state)
{
    static const char *const names[] = {"a.example.com", "b.example.com",
                                        "c.example.com", "other.example.com"};
    static const cfo_attempt_t none;
    process_rec process = {0};

    (void)state;
    apr_pool_create(&pool, NULL);
    process.pool = process.pconf = pool;
    memset(&gen, 0, sizeof(gen));
    memset(standings, 0, sizeof(standings));
    memset(accounts, 0, sizeof(accounts));
    memset(refused_until, 0, sizeof(refused_until));
    global.store = ms_open(pool);
    gen.pool = pool;
    gen.global = &global;
    gen.retained = cfo_retained_get(&process);
    gen.plan = apr_pcalloc(pool, sizeof(*gen.plan));
    gen.plan->wanted = apr_array_make(pool, WANTED, sizeof(cfo_wanted_t *));
    gen.plan->accounts = apr_array_make(pool, 2, sizeof(cfo_account_t));
    gen.standings = standings;
    gen.accounts = accounts;
    gen.refused_until = refused_until;
    put_account("00aa");
    put_account("00bb");
    for (int i = 0; i < WANTED; i++) {
        memset(&wanted[i], 0, sizeof(wanted[i]));
        wanted[i].name = wanted[i].folder = names[i];
        wanted[i].account = i == OTHER;
        APR_ARRAY_PUSH(gen.plan->wanted, cfo_wanted_t *) = &wanted[i];
        standings[i].wanted = &wanted[i];
        standings[i].folder = names[i];
        standings[i].key = apr_pstrcat(pool, names[i], "/origin-ecc", NULL);
        standings[i].attempt = &none;
        standings[i].decision.action = CFO_ISSUE;
    }
    dir = cfo_store_dir(pool, global.store, names[A], CFO_ORIGIN_ECC);
    ms_run("mkdir -p %s", dir);
    logged = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ms_run("rm -rf %s", global.store);
    free(gen.retained);
    apr_pool_destroy(pool);
    return 0;
}

/* What the store remembers of A. */
static void store_attempt(int failures, apr_time_t last, apr_time_t next)
{
    ms_put(apr_pstrcat(pool, dir, "/attempt.json", NULL),
           apr_psprintf(pool,
                        "{\"failures\":%d,\"last_try\":\"%s\",\"next_try\":"
                        "\"%s\",\"last_error\":{\"kind\":\"transient\"}}",
                        failures, cfo_time_word(pool, last),
                        cfo_time_word(pool, next)),
           0644);
}

static void look(int which, cfo_cause_t cause)
{
    cfo_tries_look(&gen, &standings[which], cause, NOW, pool);
}

/* ---- what is remembered ---- */

static void the_newer_memory_counts(void **state)
{
    static const struct {
        apr_interval_time_t kept; /* after what is stored */
        int failures;
    } rows[] = {{-SECOND, 3}, {0, 3}, {SECOND, 7}};
    cfo_attempt_t kept = {.failures = 7, .next_try = NOW + DAY};

    (void)state;
    store_attempt(3, NOW - HOUR, NOW + HOUR);
    for (size_t i = 0; i < COUNT(rows); i++) {
        kept.last_try = NOW - HOUR + rows[i].kept;
        cfo_retained_put_attempt(gen.retained, standings[A].key, &kept);
        look(A, CFO_CAUSE_TICK);
        assert_int_equal(standings[A].failures, rows[i].failures);
        assert_int_equal(standings[A].attempt->failures, rows[i].failures);
        assert_int_equal(logged, 0);
        assert_true(standings[A].due_at ==
                    NOW +
                        (rows[i].failures == 7 ? DAY - HOUR + SECOND : HOUR));
    }
}

static void a_failure_stays_with_its_words(void **state)
{
    char message[] = "no answer", ray[] = "8f-FRA";
    const cfo_attempt_t failed = {
        .failures = 2,
        .last_try = NOW,
        .next_try = NOW + HOUR,
        .last_error = {.kind = CFO_TRANSIENT, .message = message, .ray = ray}};

    (void)state;
    cfo_tries_failed(&gen, &standings[A], &failed);
    memset(message, '?', strlen(message));
    memset(ray, '?', strlen(ray));
    assert_int_equal(standings[A].failures, 2);
    assert_true(standings[A].due_at == NOW + HOUR);
    for (int i = 0; i < 2; i++) { /* now, and after a look at an empty store */
        assert_int_equal(standings[A].attempt->failures, 2);
        assert_string_equal(standings[A].attempt->last_error.message,
                            "no answer");
        assert_string_equal(standings[A].attempt->last_error.ray, "8f-FRA");
        look(A, CFO_CAUSE_TICK);
    }
}

static void damage_is_told_once(void **state)
{
    (void)state;
    ms_put(apr_pstrcat(pool, dir, "/attempt.json", NULL), "half a li", 0644);
    gen.cold_pass = 1;
    cfo_tries_rest(&gen, &standings[A], CFO_CAUSE_START, NOW, pool);
    assert_int_equal(logged, 0);
    gen.cold_pass = 2;
    cfo_tries_rest(&gen, &standings[A], CFO_CAUSE_TICK, NOW, pool);
    assert_int_equal(logged, 0);
    cfo_tries_rest(&gen, &standings[A], CFO_CAUSE_START, NOW, pool);
    assert_int_equal(logged, 1);
    look(A, CFO_CAUSE_TICK);
    assert_int_equal(logged, 1);
    assert_true(standings[A].due_at <= NOW);
}

static void what_cant_be_read_is_a_failure(void **state)
{
    cfo_entry_t entry = {.fault = "/store: Input/output error"};
    cfo_standing_t *st = &standings[A];

    (void)state;
    st->entry = &entry;
    st->decision.reason = CFO_UNREADABLE;
    st->failures = 4;
    cfo_tries_rest(&gen, st, CFO_CAUSE_TICK, NOW, pool);
    assert_int_equal(st->failures, 0);
    assert_true(st->due_at == NOW + 60 * SECOND);
    assert_true(st->attempt->last_try == NOW);
    assert_int_equal(st->attempt->last_error.kind, CFO_LOCAL);
    assert_non_null(
        strstr(st->attempt->last_error.message, "Input/output error"));
    entry.fault = NULL;
    cfo_tries_rest(&gen, st, CFO_CAUSE_TICK, NOW, pool);
    assert_non_null(strstr(st->attempt->last_error.message, "a.example.com"));
    st->decision.reason = CFO_VALID;
    cfo_tries_rest(&gen, st, CFO_CAUSE_TICK, NOW, pool);
    assert_true(st->due_at == 0 && st->attempt->failures == 0);
}

/* ---- what the administrator grants ---- */

static void what_our_own_reload_takes_back(void **state)
{
    static const struct {
        const char *about;
        cfo_cause_t cause, by;
        apr_interval_time_t pardoned, token; /* from the failure; 0: never */
        int of_other;                        /* the other account's token */
        int waits, failures;
    } rows[] = {
        {"nothing was granted", CFO_CAUSE_OWN_RELOAD, 0, 0, 0, 0, 1, 5},
        {"a start after it", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_START, SECOND, 0,
         0, 0, 5},
        {"a reload after it", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_RELOAD, SECOND,
         0, 0, 0, 0},
        {"a start in its second", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_START, 1, 0,
         0, 1, 5},
        {"a reload in its second", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_RELOAD, 1,
         0, 0, 0, 0},
        {"a reload before it", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_RELOAD, -1, 0,
         0, 1, 5},
        {"a reload of tomorrow", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_RELOAD, DAY,
         0, 0, 1, 5},
        {"its token after it", CFO_CAUSE_OWN_RELOAD, CFO_CAUSE_START, -HOUR,
         SECOND, 0, 0, 0},
        {"its token in its second", CFO_CAUSE_OWN_RELOAD, 0, 0, 1, 0, 0, 0},
        {"its token before it", CFO_CAUSE_OWN_RELOAD, 0, 0, -1, 0, 1, 5},
        {"its token tomorrow", CFO_CAUSE_OWN_RELOAD, 0, 0, DAY, 0, 1, 5},
        {"another's token", CFO_CAUSE_OWN_RELOAD, 0, 0, SECOND, 1, 1, 5},
        {"a tick", CFO_CAUSE_TICK, CFO_CAUSE_RELOAD, SECOND, 0, 0, 1, 5},
        {"a start", CFO_CAUSE_START, 0, 0, 0, 0, 0, 5},
        {"a reload", CFO_CAUSE_RELOAD, 0, 0, 0, 0, 0, 0},
    };
    apr_time_t failed = NOW - 2 * HOUR;

    (void)state;
    store_attempt(5, failed, NOW + HOUR);
    for (size_t i = 0; i < COUNT(rows); i++) {
        apr_time_t pardoned = rows[i].pardoned ? failed + rows[i].pardoned : 0;
        apr_time_t token = rows[i].token ? failed + rows[i].token : 0;

        cfo_tries_pardon(&gen, rows[i].by, pardoned);
        cfo_retained_token(gen.retained, "00aa")->changed =
            rows[i].of_other ? 0 : token;
        cfo_retained_token(gen.retained, "00bb")->changed =
            rows[i].of_other ? token : 0;
        look(A, rows[i].cause);
        if (standings[A].failures != rows[i].failures ||
            standings[A].due_at != (rows[i].waits ? NOW + HOUR : NOW))
            fail_msg("%s: %d failures, %d", rows[i].about,
                     standings[A].failures, standings[A].due_at > NOW);
    }
}

/* ---- how long an account waits ---- */

static void fails(cfo_standing_t *st, cfo_kind_t kind, apr_time_t due)
{
    const cfo_attempt_t failed = {.failures = 1,
                                  .last_try = NOW - HOUR,
                                  .next_try = due,
                                  .last_error = {.kind = kind}};

    cfo_tries_failed(&gen, st, &failed);
}

static apr_interval_time_t at(int which)
{
    return cfo_tries_at(&gen, &standings[which]) - NOW;
}

static void a_refused_token_holds_its_account(void **state)
{
    (void)state;
    fails(&standings[A], CFO_AUTH, NOW + 2 * HOUR);
    fails(&standings[B], CFO_AUTH, NOW + 3 * HOUR);
    standings[C].due_at = standings[OTHER].due_at = NOW;
    cfo_tries_look_at_accounts(&gen, NOW);
    assert_true(at(A) == 2 * HOUR && at(B) == 2 * HOUR);
    assert_true(at(C) == 2 * HOUR);
    assert_true(at(OTHER) == 0);
    standings[C].due_at = NOW + 4 * HOUR; /* it has reasons of its own */
    assert_true(at(C) == 4 * HOUR);
    standings[C].due_at = NOW; /* to take a pair over takes no token */
    standings[C].decision.action = CFO_ADOPT;
    assert_true(at(C) == 0);
    standings[C].decision.action = CFO_ISSUE;
    accounts[0].last_success = NOW - HOUR - 1; /* before it was refused */
    cfo_tries_look_at_accounts(&gen, NOW);
    assert_true(at(C) == 2 * HOUR);
    accounts[0].last_success = NOW - HOUR; /* and since: one zone's matter */
    cfo_tries_look_at_accounts(&gen, NOW);
    assert_true(at(A) == 2 * HOUR && at(B) == 3 * HOUR && at(C) == 0);
}

static void nothing_else_holds_it(void **state)
{
    (void)state;
    fails(&standings[A], CFO_TRANSIENT, NOW + HOUR);
    fails(&standings[B], CFO_AUTH, NOW + HOUR);
    standings[B].decision.action = CFO_KEEP; /* it came, in another way */
    standings[C].due_at = NOW;
    cfo_tries_look_at_accounts(&gen, NOW);
    assert_true(at(C) == 0);
    accounts[0].paused_until = NOW + 2 * HOUR;
    assert_true(at(A) == 2 * HOUR && at(C) == 2 * HOUR);
    assert_true(at(OTHER) == -NOW);
    accounts[0].paused_until = NOW + HOUR / 2;
    assert_true(at(A) == HOUR);
}

/* ---- whose time has come ---- */

static void is_due(void **state)
{
    static const struct {
        const char *about;
        cfo_action_t action;
        int repair, trying, handed_over, asked;
        apr_interval_time_t due, paused; /* from now */
        int expected;
    } rows[] = {
        {"issue", CFO_ISSUE, 0, 0, 0, 0, 0, 0, 1},
        {"adopt", CFO_ADOPT, 0, 0, 0, 0, -1, 0, 1},
        {"keep", CFO_KEEP, 0, 0, 0, 0, 0, 0, 0},
        {"repair", CFO_KEEP, 1, 0, 0, 0, 0, 0, 1},
        {"in hand", CFO_ISSUE, 0, 1, 0, 0, 0, 0, 0},
        {"not yet", CFO_ISSUE, 0, 0, 0, 0, 1, 0, 0},
        {"paused", CFO_ISSUE, 0, 0, 0, 0, 0, 1, 0},
        {"pause over", CFO_ISSUE, 0, 0, 0, 0, 0, -1, 1},
        {"a pause of years", CFO_ISSUE, 0, 0, 0, 0, 0, 999 * DAY, 1},
        {"mod_ssl's", CFO_ISSUE, 0, 0, 1, 1, 0, 0, 1},
        {"another module's", CFO_ISSUE, 0, 0, 1, 0, 0, 0, 0},
    };
    cfo_standing_t *st = &standings[A];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        st->decision.action = rows[i].action;
        st->repair = rows[i].repair;
        st->trying = rows[i].trying;
        st->asked = rows[i].asked;
        st->due_at = NOW + rows[i].due;
        gen.handed_over = rows[i].handed_over;
        accounts[0].paused_until = NOW + rows[i].paused;
        if (cfo_tries_is_due(&gen, st, NOW) != rows[i].expected)
            fail_msg("%s", rows[i].about);
    }
    fails(&standings[B], CFO_AUTH, NOW + 1);
    accounts[0].paused_until = 0;
    st->due_at = NOW;
    st->asked = 1;
    cfo_tries_look_at_accounts(&gen, NOW);
    assert_false(cfo_tries_is_due(&gen, st, NOW));
    assert_true(cfo_tries_is_due(&gen, st, NOW + 1));
}

static void the_next_of_all(void **state)
{
    (void)state;
    for (int i = 0; i < WANTED; i++) {
        standings[i].decision.action = CFO_KEEP;
        standings[i].decision.renew_at = 0;
    }
    assert_true(cfo_tries_next(&gen) == 0);
    standings[A].decision.renew_at = NOW + 7 * DAY;
    standings[B].decision.renew_at = NOW + 9 * DAY;
    standings[C].decision.renew_at = NOW + 8 * DAY;
    assert_true(cfo_tries_next(&gen) == NOW + 7 * DAY);
    wanted[A].settings.renew_manual = 1;
    assert_true(cfo_tries_next(&gen) == NOW + 8 * DAY);
    wanted[C].settings.renew_manual = 1;
    assert_true(cfo_tries_next(&gen) == NOW + 9 * DAY);
    standings[C].decision.action = CFO_ISSUE; /* forced */
    standings[C].due_at = NOW + HOUR;
    assert_true(cfo_tries_next(&gen) == NOW + HOUR);
    accounts[0].paused_until = NOW + 2 * HOUR;
    assert_true(cfo_tries_next(&gen) == NOW + 2 * HOUR);
}

static void accounts_are_read(void **state)
{
    (void)state;
    ms_run("mkdir -p %s/accounts", global.store);
    ms_put(apr_pstrcat(pool, global.store, "/accounts/00bb.json", NULL),
           apr_psprintf(pool, "{\"paused_until\":\"%s\"}",
                        cfo_time_word(pool, NOW)),
           0600);
    cfo_tries_read_account(&gen, 0);
    cfo_tries_read_account(&gen, 1);
    assert_true(accounts[0].paused_until == 0);
    assert_true(accounts[1].paused_until == NOW);
    assert_int_equal(logged, 0);
    ms_run("echo half >%s/accounts/00aa.json", global.store);
    gen.cold_pass = 1;
    cfo_tries_read_account(&gen, 0);
    assert_int_equal(logged, 0);
    gen.cold_pass = 0;
    cfo_tries_read_account(&gen, 0);
    assert_int_equal(logged, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_newer_memory_counts),
        TEST(a_failure_stays_with_its_words),
        TEST(damage_is_told_once),
        TEST(what_cant_be_read_is_a_failure),
        TEST(what_our_own_reload_takes_back),
        TEST(a_refused_token_holds_its_account),
        TEST(nothing_else_holds_it),
        TEST(is_due),
        TEST(the_next_of_all),
        TEST(accounts_are_read),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
