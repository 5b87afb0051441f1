/* SPDX-License-Identifier: Apache-2.0 */
/** The plan and the events between parent and keeper: what is written reads
 * back the same, and what is no plan is refused with a reason. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin_json.h"
#include "cforigin_round_wire.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECOND apr_time_from_sec(1)
#define NOW apr_time_from_sec(1795420800)

static apr_pool_t *pool;

static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a = apr_array_make(pool, 4, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

static const char *joined(const apr_array_header_t *texts)
{
    return texts ? apr_array_pstrcat(pool, texts, ' ') : "(none)";
}

static cfo_item_t *full_item(void)
{
    cfo_item_t *item = apr_pcalloc(pool, sizeof(*item));
    cfo_wanted_t *wanted = &item->wanted;
    apr_array_header_t *targets =
        apr_array_make(pool, 1, sizeof(cfo_target_t));
    cfo_target_t target = {"/etc/ssl/c.pem", "/etc/ssl/cl\xe9.key",
                           "ssl.conf:7", 1, CFO_ORIGIN_RSA};

    APR_ARRAY_PUSH(targets, cfo_target_t) = target;
    wanted->index = 41;
    wanted->name = "*.apps.example.org";
    wanted->folder = "_.apps.example.org";
    wanted->request_type = CFO_ORIGIN_RSA;
    wanted->hostnames = strings("*.apps.example.org apps.example.org");
    wanted->settings.first_type = CFO_ORIGIN_ECC;
    wanted->settings.validity = 90;
    wanted->settings.renew_manual = 1;
    wanted->settings.renew_window = (cfo_window_t){0, 33, 0};
    wanted->settings.warn_window = (cfo_window_t){14 * 86400 * SECOND, 0, 1};
    wanted->settings.zone_id = "zone1";
    wanted->account = 0;
    wanted->targets = targets;
    item->failures = 3;
    item->issue = 1;
    item->notices.waiting = 5;
    item->notices.told_errored = NOW;
    item->expiring = 1;
    item->not_after = NOW + SECOND / 2;
    item->serial = "5009";
    return item;
}

static const cfo_served_t full_served = {.name = "*.b.example.com",
                                         .folder = "_.b.example.com",
                                         .request_type = CFO_ORIGIN_RSA,
                                         .address = "::1",
                                         .port = 8443,
                                         .sni = "x.b.example.com",
                                         .one_of_two = 1,
                                         .sha256 = "ab12",
                                         .revoke = 1,
                                         .account = 0};

static cfo_round_t *full_round(void)
{
    cfo_round_t *round = apr_pcalloc(pool, sizeof(*round));
    cfo_account_t account = {"00ff", "token", "/etc/cf/token"};

    round->store = "/var/lib/store";
    round->libexec = "/usr/lib";
    round->ca_root_file = "/usr/share/roots.pem";
    round->api = "https://api/client/v4";
    round->api_ca_file = "/etc/ca.pem";
    round->proxy = "http://proxy:3128";
    round->user_agent = "mod_cforigin/1";
    round->server = "0123456789abcdef";
    round->host = "web1";
    round->max_concurrent = 16;
    round->uid = 33;
    round->gid = 34;
    round->user = 35;
    round->lock_wait = 5 * SECOND;
    round->reload_argv = strings("/usr/sbin/httpd -f a\"b -f \xff\xe9 -t");
    round->reload_cwd = "/etc";
    round->start_waits = 10 * SECOND;
    round->notify_argv = strings("/bin/notify");
    round->revoke_superseded = 1;
    round->accounts = apr_array_make(pool, 1, sizeof(cfo_account_t));
    APR_ARRAY_PUSH(round->accounts, cfo_account_t) = account;
    round->items = apr_array_make(pool, 1, sizeof(cfo_item_t *));
    APR_ARRAY_PUSH(round->items, cfo_item_t *) = full_item();
    round->notices = apr_array_make(pool, 1, sizeof(cfo_item_t *));
    APR_ARRAY_PUSH(round->notices, cfo_item_t *) = full_item();
    round->served = apr_array_make(pool, 1, sizeof(cfo_served_t *));
    APR_ARRAY_PUSH(round->served, cfo_served_t *) =
        apr_pmemdup(pool, &full_served, sizeof(full_served));
    return round;
}

static void compare_items(const cfo_item_t *a, const cfo_item_t *b)
{
    const cfo_wanted_t *v = &a->wanted, *w = &b->wanted;
    const cfo_target_t *s = &APR_ARRAY_IDX(v->targets, 0, cfo_target_t);
    const cfo_target_t *t = &APR_ARRAY_IDX(w->targets, 0, cfo_target_t);

    assert_int_equal(v->index, w->index);
    assert_string_equal(v->name, w->name);
    assert_string_equal(v->folder, w->folder);
    assert_int_equal(v->request_type, w->request_type);
    assert_string_equal(joined(v->hostnames), joined(w->hostnames));
    assert_int_equal(w->settings.request_types, 1u << CFO_ORIGIN_RSA);
    assert_int_equal(v->settings.first_type, w->settings.first_type);
    assert_int_equal(v->settings.validity, w->settings.validity);
    assert_int_equal(v->settings.renew_manual, w->settings.renew_manual);
    assert_memory_equal(&v->settings.renew_window, &w->settings.renew_window,
                        sizeof(cfo_window_t));
    assert_memory_equal(&v->settings.warn_window, &w->settings.warn_window,
                        sizeof(cfo_window_t));
    assert_string_equal(v->settings.zone_id, w->settings.zone_id);
    assert_string_equal("/etc/cf/token", w->settings.token_file);
    assert_int_equal(v->account, w->account);
    assert_int_equal(1, w->targets->nelts);
    assert_string_equal(s->certificate, t->certificate);
    assert_string_equal(s->key, t->key);
    assert_string_equal(s->where, t->where);
    assert_int_equal(s->has_type, t->has_type);
    assert_int_equal(s->type, t->type);
    assert_int_equal(a->failures, b->failures);
    assert_int_equal(a->issue, b->issue);
    assert_int_equal(a->notices.waiting, b->notices.waiting);
    assert_true(a->notices.told_errored == b->notices.told_errored);
    assert_int_equal(a->expiring, b->expiring);
    assert_true(a->not_after == b->not_after);
    assert_string_equal(a->serial, b->serial);
}

static void compare_served(const cfo_served_t *a, const cfo_served_t *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->folder, b->folder);
    assert_int_equal(a->request_type, b->request_type);
    assert_string_equal(a->address, b->address);
    assert_int_equal(a->port, b->port);
    assert_string_equal(a->sni, b->sni);
    assert_int_equal(a->one_of_two, b->one_of_two);
    assert_string_equal(a->sha256, b->sha256);
    assert_int_equal(a->revoke, b->revoke);
    assert_int_equal(a->account, b->account);
}

static void test_plan_round_trip(void **state)
{
    cfo_round_t *a = full_round(), *b;
    const char *text = cfo_round_write(pool, a);
    const char *fault;
    const cfo_account_t *account;

    (void)state;
    b = cfo_round_read(pool, text, strlen(text), &fault);
    if (!b)
        fail_msg("%s", fault);
    assert_string_equal(a->store, b->store);
    assert_string_equal(a->libexec, b->libexec);
    assert_string_equal(a->ca_root_file, b->ca_root_file);
    assert_string_equal(a->api, b->api);
    assert_string_equal(a->api_ca_file, b->api_ca_file);
    assert_string_equal(a->proxy, b->proxy);
    assert_string_equal(a->user_agent, b->user_agent);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->server, b->server);
    assert_int_equal(a->max_concurrent, b->max_concurrent);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_int_equal(a->user, b->user);
    assert_true(a->lock_wait == b->lock_wait);
    assert_string_equal(joined(a->reload_argv), joined(b->reload_argv));
    assert_true(a->start_waits == b->start_waits);
    assert_string_equal(a->reload_cwd, b->reload_cwd);
    assert_string_equal(joined(a->notify_argv), joined(b->notify_argv));
    assert_int_equal(a->revoke_superseded, b->revoke_superseded);
    assert_int_equal(1, b->accounts->nelts);
    account = &APR_ARRAY_IDX(b->accounts, 0, cfo_account_t);
    assert_string_equal("00ff", account->id);
    assert_string_equal("token", account->name);
    assert_int_equal(1, b->items->nelts);
    compare_items(APR_ARRAY_IDX(a->items, 0, cfo_item_t *),
                  APR_ARRAY_IDX(b->items, 0, cfo_item_t *));
    assert_int_equal(1, b->notices->nelts);
    compare_items(APR_ARRAY_IDX(a->notices, 0, cfo_item_t *),
                  APR_ARRAY_IDX(b->notices, 0, cfo_item_t *));
    assert_int_equal(1, b->served->nelts);
    compare_served(&full_served, APR_ARRAY_IDX(b->served, 0, cfo_served_t *));
}

static void test_optional_fields_stay_null(void **state)
{
    cfo_round_t *a = full_round(), *b;
    const char *fault, *text;

    (void)state;
    a->api_ca_file = a->proxy = a->reload_cwd = NULL;
    a->reload_argv = a->notify_argv = NULL;
    a->items->nelts = 0;
    text = cfo_round_write(pool, a);
    b = cfo_round_read(pool, text, strlen(text), &fault);
    assert_non_null(b);
    assert_null(b->api_ca_file);
    assert_null(b->proxy);
    assert_null(b->reload_argv);
    assert_null(b->notify_argv);
    assert_int_equal(0, b->items->nelts);
}

/* A plan with one piece replaced, and what must be said about it. */
static const struct {
    const char *from, *to, *fault;
} bad_plans[] = {
    {"\"version\":1", "\"version\":2",
     "line 1 of the plan: \"version\" is another: the module that httpd has "
     "loaded is older or newer than cforigin-keeper; reload httpd"},
    {"\"store\":", "\"Store\":", "line 1 of the plan: \"store\" is missing"},
    {"\"max_concurrent\":16", "\"max_concurrent\":0",
     "line 1 of the plan: \"max_concurrent\" is no number in its range"},
    {"[\"/bin/notify\"]", "[7]",
     "line 1 of the plan: \"notify_argv\" holds something that is no text"},
    {"\"line\":\"round\"", "\"line\":\"account\"",
     "line 1 of the plan: \"line\" stands in the wrong place, or is unknown"},
    {"\"line\":\"account\"", "\"line\":\"round\"",
     "line 2 of the plan: \"line\" stands in the wrong place, or is unknown"},
    {"\"id\":\"00ff\"", "\"id\":\"../00ff\"",
     "line 2 of the plan: \"id\" is no account's id"},
    {"\"_.apps.example.org\"", "\"../x\"",
     "line 3 of the plan: \"folder\" is no folder's name"},
    {"\"_.apps.example.org\"", "\"..\"",
     "line 3 of the plan: \"folder\" is no folder's name"},
    {"\"request_type\":\"origin-rsa\",\"f", "\"request_type\":\"rsa\",\"f",
     "line 3 of the plan: \"request_type\" is no request type"},
    {"[\"*.apps.example.org\",\"apps.example.org\"]", "[]",
     "line 3 of the plan: \"hostnames\" is empty"},
    {"\"account\":0", "\"account\":1",
     "*.apps.example.org: there is no account 1"},
    {"\"index\":41", "\"index\":41.5",
     "line 3 of the plan: \"index\" is no number in its range"},
    {"\"_.b.example.com\"", "\"../x\"",
     "line 5 of the plan: \"folder\" is no folder's name"},
    {"\"port\":8443", "\"port\":0",
     "line 5 of the plan: \"port\" is no number in its range"},
    {"\"sha256\":\"ab12\"", "\"sha256\":7",
     "line 5 of the plan: \"sha256\" is missing"},
    {"\"revoke\":1,\"account\":0", "\"revoke\":1,\"account\":9",
     "*.b.example.com: there is no account 9"},
    {"{\"line\":\"account\"", "[\"line\",\"account\"",
     "line 2 of the plan: is no JSON object"},
};

static const char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    if (!at)
        fail_msg("the plan has no %s: %s", from, text);
    return apr_psprintf(pool, "%.*s%s%s", (int)(at - text), text, to,
                        at + strlen(from));
}

static void test_bad_plans(void **state)
{
    const char *text = cfo_round_write(pool, full_round());

    (void)state;
    for (size_t i = 0; i < COUNT(bad_plans); i++) {
        const char *bad = replace(text, bad_plans[i].from, bad_plans[i].to);
        const char *fault = NULL;

        assert_null(cfo_round_read(pool, bad, strlen(bad), &fault));
        assert_string_equal(bad_plans[i].fault, fault);
    }
}

/* Cut anywhere, it is no plan: either fewer lines or one that is cut off. */
static void test_cut_plans(void **state)
{
    const char *text = cfo_round_write(pool, full_round());
    apr_size_t len = strlen(text);

    (void)state;
    for (apr_size_t n = 0; n < len; n++) {
        char *copy = apr_pstrmemdup(pool, text, n);
        const char *fault = NULL;
        cfo_round_t *round = cfo_round_read(pool, copy, n, &fault);

        if (round)
            assert_true(n && copy[n - 1] == '\n' && round->served->nelts == 0);
        else
            assert_non_null(fault);
    }
}

static const cfo_event_t events[] = {
    {.kind = CFO_EVENT_LOG, .level = CFO_LEVEL_WARNING, .message = "m \"q\""},
    {.kind = CFO_EVENT_TRYING,
     .name = "a.x.org",
     .request_type = CFO_ORIGIN_RSA,
     .reason = CFO_RENEW_WINDOW},
    {.kind = CFO_EVENT_INSTALLED,
     .name = "a.x.org",
     .generation = 7,
     .reason = CFO_MISSING},
    {.kind = CFO_EVENT_KEPT, .name = "a.x.org", .generation = 2},
    {.kind = CFO_EVENT_FAILED,
     .name = "a.x.org",
     .attempt = {2,
                 NOW,
                 NOW + 30 * SECOND,
                 {CFO_PERMANENT, 1010, 400, "not yours", "8f-FRA", -1, 0}}},
    {.kind = CFO_EVENT_FAILED,
     .name = "a.x.org",
     .attempt = {1,
                 NOW,
                 NOW + 30 * SECOND,
                 {CFO_RATE_LIMITED, 971, 429, "slow down", NULL, 12, 0}}},
    {.kind = CFO_EVENT_FAILED,
     .name = "a.x.org",
     .attempt = {1,
                 NOW,
                 NOW + 30 * SECOND,
                 {CFO_TRANSIENT, 0, 0, "cut", NULL, -1, 1}}},
    {.kind = CFO_EVENT_ACCOUNT,
     .account = "00ff",
     .account_state = {NOW, NOW - SECOND}},
    {.kind = CFO_EVENT_RELOAD_CHECK, .ok = 1, .message = "abc"},
    {.kind = CFO_EVENT_RELOAD_CHECK, .ok = 0, .message = "Syntax error"},
    {.kind = CFO_EVENT_CALLS,
     .op = 4,
     .outcome = CFO_RATE_LIMITED,
     .calls = 3},
    {.kind = CFO_EVENT_CALLS, .op = 0, .outcome = CFO_OK, .calls = 1},
    {.kind = CFO_EVENT_CLOCK, .offset = -apr_time_from_sec(86400) - 7},
    {.kind = CFO_EVENT_SERVED, .name = "a.x.org", .ok = 1, .sha256 = "ab"},
    {.kind = CFO_EVENT_SERVED, .name = "a.x.org", .ok = -1, .message = "no"},
    {.kind = CFO_EVENT_NOTICES,
     .name = "a.x.org",
     .request_type = CFO_ORIGIN_RSA,
     .ok = 1,
     .notices = {.waiting = 3, .unwell = 1, .tries = 2, .next_try = NOW}},
    {.kind = CFO_EVENT_TELLING},
    {.kind = CFO_EVENT_DONE},
};

static void same_text(const char *a, const char *b)
{
    assert_string_equal(a ? a : "(null)", b ? b : "(null)");
}

static void same_attempt(const cfo_attempt_t *a, const cfo_attempt_t *b)
{
    assert_int_equal(a->failures, b->failures);
    assert_true(a->last_try == b->last_try);
    assert_true(a->next_try == b->next_try);
    assert_int_equal(a->last_error.kind, b->last_error.kind);
    assert_int_equal(a->last_error.code, b->last_error.code);
    assert_int_equal(a->last_error.http, b->last_error.http);
    same_text(a->last_error.message, b->last_error.message);
    same_text(a->last_error.ray, b->last_error.ray);
    assert_int_equal(a->last_error.lost, b->last_error.lost);
    if (a->last_error.kind != CFO_OK)
        assert_int_equal(a->last_error.retry_after, b->last_error.retry_after);
}

static void test_events_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(events); i++) {
        const cfo_event_t *a = &events[i], *b;
        const char *line = cfo_event_write(pool, a);
        const char *fault;

        assert_null(strchr(line, '\n'));
        b = cfo_event_read(pool, line, &fault);
        if (!b)
            fail_msg("%s: %s", line, fault);
        assert_int_equal(a->kind, b->kind);
        if (a->kind == CFO_EVENT_LOG)
            assert_int_equal(a->level, b->level);
        same_text(a->message, b->message);
        same_text(a->name, b->name);
        assert_int_equal(a->request_type, b->request_type);
        assert_int_equal(a->reason, b->reason);
        assert_int_equal(a->generation, b->generation);
        same_text(a->account, b->account);
        assert_true(a->account_state.paused_until ==
                    b->account_state.paused_until);
        assert_true(a->account_state.last_success ==
                    b->account_state.last_success);
        assert_int_equal(a->ok, b->ok);
        assert_int_equal(a->outcome, b->outcome);
        assert_int_equal(a->calls, b->calls);
        same_text(a->sha256, b->sha256);
        assert_true(a->offset == b->offset);
        assert_int_equal(a->notices.waiting, b->notices.waiting);
        assert_int_equal(a->notices.tries, b->notices.tries);
        assert_true(a->notices.next_try == b->notices.next_try);
        if (a->kind == CFO_EVENT_CALLS)
            assert_int_equal(a->op, b->op);
        if (a->kind == CFO_EVENT_FAILED)
            same_attempt(&a->attempt, &b->attempt);
    }
}

/* A word that a newer keeper may know is no reason to lose the rest. */
static void test_unknown_words(void **state)
{
    const char *fault;
    const cfo_event_t *event = cfo_event_read(
        pool, "{\"event\":\"log\",\"level\":\"loud\",\"message\":\"m\"}",
        &fault);

    (void)state;
    assert_int_equal(event->level, CFO_LEVEL_INFO);
    event =
        cfo_event_read(pool,
                       "{\"event\":\"failed\",\"name\":\"a\",\"request_type\":"
                       "\"origin-ecc\",\"attempt\":{\"failures\":2,"
                       "\"last_error\":{\"kind\":\"odd\",\"code\":7}}}",
                       &fault);
    assert_int_equal(event->attempt.failures, 2);
    assert_int_equal(event->attempt.last_error.kind, CFO_LOCAL);
    assert_int_equal(event->attempt.last_error.code, 7);
    event =
        cfo_event_read(pool,
                       "{\"event\":\"failed\",\"name\":\"a\",\"request_type\":"
                       "\"origin-ecc\",\"attempt\":{\"failures\":2,"
                       "\"last_error\":{}}}",
                       &fault);
    assert_int_equal(event->attempt.last_error.kind, CFO_LOCAL);
    assert_int_equal(event->attempt.last_error.retry_after, -1);
}

static void test_bad_events(void **state)
{
    static const char *const lines[] = {
        "",
        "[]",
        "{\"event\":\"log\"",
        "{\"event\":\"log\"}",
        "{\"event\":\"unheard\"}",
        "{\"event\":7}",
        "{\"event\":\"installed\"}",
        "{\"event\":\"installed\",\"name\":\"a\"}",
        "{\"event\":\"installed\",\"name\":\"a\",\"request_type\":\"x\"}",
        "{\"event\":\"trying\",\"name\":\"a\",\"request_type\":"
        "\"origin-ecc\",\"reason\":\"whim\"}",
        "{\"event\":\"failed\",\"name\":\"a\",\"request_type\":"
        "\"origin-ecc\"}",
        "{\"event\":\"account\"}",
        "{\"event\":\"calls\",\"op\":\"create\",\"outcome\":\"ok\"}",
        "{\"event\":\"calls\",\"op\":\"x\",\"outcome\":\"ok\",\"calls\":1}",
        "{\"event\":\"calls\",\"op\":\"get\",\"outcome\":\"x\",\"calls\":1}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        const char *fault = NULL;

        if (cfo_event_read(pool, lines[i], &fault))
            fail_msg("taken for an event: %s", lines[i]);
        assert_non_null(fault);
    }
}

/* Text of a stranger never breaks a line, and never vanishes. */
static void test_hostile_text(void **state)
{
    cfo_event_t event = {.kind = CFO_EVENT_LOG, .message = "a\nb\xff\x1b[2J"};
    const char *fault;
    const cfo_event_t *read =
        cfo_event_read(pool, cfo_event_write(pool, &event), &fault);

    (void)state;
    assert_non_null(read);
    assert_string_equal("a?b??[2J", read->message);
}

/* Times are written in seconds; a next try must never come out earlier. */
static void test_next_try_is_rounded_up(void **state)
{
    cfo_attempt_t a = {1, NOW, NOW + 1, {.kind = CFO_LOCAL}}, b;
    json_t *json = cfo_json_attempt(&a);

    (void)state;
    assert_int_equal(1, cfo_json_read_attempt(pool, json, &b));
    assert_true(b.next_try == NOW + SECOND);
    json_decref(json);
}

static void test_rubbish_attempts(void **state)
{
    static const char *const texts[] = {"[]",
                                        "7",
                                        "{}",
                                        "null",
                                        "{\"failures\":-3}",
                                        "{\"failures\":\"many\"}"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *json = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        cfo_attempt_t attempt;

        assert_int_equal(0, cfo_json_read_attempt(pool, json, &attempt));
        assert_int_equal(0, attempt.failures);
        json_decref(json);
    }
}

static int make_pool(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL);
}

static int drop_pool(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plan_round_trip),
        TEST(test_optional_fields_stay_null),
        TEST(test_bad_plans),
        TEST(test_cut_plans),
        TEST(test_events_round_trip),
        TEST(test_unknown_words),
        TEST(test_bad_events),
        TEST(test_hostile_text),
        TEST(test_next_try_is_rounded_up),
        TEST(test_rubbish_attempts),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
