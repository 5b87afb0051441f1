/* SPDX-License-Identifier: Apache-2.0 */
/** Which generations are to be revoked, and so start a keeper. */
#include "make_store.h"

#include "cforigin_store_write.h"

#define DAY apr_time_from_sec(24 * 60 * 60)
#define NOW apr_time_from_sec((apr_int64_t)MS_NOW)

static apr_pool_t *pool;
static const char *store, *dir;
static ms_pair_t pairs[3];

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    ms_pair(pool, &pairs[0], 0, "1");
    ms_pair(pool, &pairs[1], 0, "2");
    ms_pair(pool, &pairs[2], 0, "3");
    store = ms_open(pool);
    dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    for (int i = 0; i < 3; i++) {
        EVP_PKEY_free(pairs[i].pkey);
    }
    apr_pool_destroy(pool);
    return 0;
}

/* What meta.json says of a generation that came at a time; 0: not when. */
static const char *meta(const char *account, int adopted, apr_time_t came)
{
    const char *word = cfo_time_word(pool, came);

    return apr_psprintf(pool,
                        "{\"adopted\":%s,\"requested_validity\":90,"
                        "\"account\":%s,\"installed\":%s,\"hostnames\":"
                        "[\"a.example.com\"],\"targets\":[]}",
                        adopted ? "true" : "false",
                        account ? apr_psprintf(pool, "\"%s\"", account)
                                : "null",
                        word ? apr_psprintf(pool, "\"%s\"", word) : "null");
}

/* Generations 1 to 3, each so many days old, and 3 is the live one. */
static void make(const char *account, int adopted, int oldest, int live)
{
    ms_run("rm -rf %s", dir);
    for (int i = 0; i < 3; i++) {
        ms_generation(pool, dir, i + 1, &pairs[i],
                      meta(account, adopted,
                           NOW - DAY * (oldest - (oldest - live) / 2 * i)));
    }
    ms_run("ln -s 3 %s/current", dir);
}

/* One of those, told otherwise. */
static void tell(int generation, const char *text)
{
    ms_put(apr_psprintf(pool, "%s/%d/meta.json", dir, generation), text, 0644);
}

static const char *found(const char *account, apr_time_t now)
{
    const cfo_entry_t *live =
        cfo_store_look(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, NULL);
    apr_array_header_t *old = cfo_store_superseded(
        pool, store, MS_FOLDER, CFO_ORIGIN_ECC, live, account, now);
    const char *numbers = "";

    for (int i = 0; i < old->nelts; i++) {
        numbers = apr_psprintf(
            pool, "%s%d", numbers,
            APR_ARRAY_IDX(old, i, const cfo_entry_t *)->generation);
    }
    return numbers;
}

static void what_was_replaced_long_ago(void **state)
{
    (void)state;
    make("00ff", 0, 10, 2);
    assert_string_equal(found("00ff", NOW), "21");
    assert_string_equal(found("00ff", NOW + 91 * DAY), ""); /* expired */
    assert_string_equal(found("00aa", NOW), "");
    assert_string_equal(found(NULL, NOW), "");
    make("00ff", 0, 4, 0);
    assert_string_equal(found("00ff", NOW), "1");
}

static void nothing_but_our_own(void **state)
{
    (void)state;
    make("00ff", 1, 10, 2);
    assert_string_equal(found("00ff", NOW), "");
    make("00ff", 0, 10, 2);
    tell(1, meta("00ff", 1, NOW - 10 * DAY));
    assert_string_equal(found("00ff", NOW), "2");
    tell(1, meta("00aa", 0, NOW - 10 * DAY));
    assert_string_equal(found("00ff", NOW), "2");
    tell(1, meta(NULL, 0, NOW - 10 * DAY));
    assert_string_equal(found("00ff", NOW), "2");
    tell(1, "");
    assert_string_equal(found("00ff", NOW), "2");
    make("00ff", 0, 10, 2);
    tell(3, meta("00aa", 1, NOW - 2 * DAY)); /* whosever the live one is */
    assert_string_equal(found("00ff", NOW), "21");
}

static void never_what_is_live(void **state)
{
    (void)state;
    make("00ff", 0, 10, 2);
    ms_run("cp %s/3/*.pem %s/1", dir, dir); /* the very same once more */
    assert_string_equal(found("00ff", NOW), "2");
    make("00ff", 0, 10, 2);
    ms_run("ln -sfn 2 %s/current", dir); /* 3 replaced nothing */
    assert_string_equal(found("00ff", NOW), "1");
}

static void not_when_its_successor_came_who_knows_when(void **state)
{
    (void)state;
    make("00ff", 0, 10, 2);
    ms_run(": > %s/2/cert.pem", dir);
    assert_string_equal(found("00ff", NOW), "");
    make("00ff", 0, 10, 2);
    tell(2, meta("00ff", 0, 0));
    assert_string_equal(found("00ff", NOW), "2");
}

static void a_refusal_counts_for_a_day(void **state)
{
    apr_time_t now = apr_time_now();

    (void)state;
    make("00ff", 0, 10, 2);
    assert_int_equal(cfo_store_put_refusal(pool, dir, 2).kind, CFO_OK);
    ms_run("touch -d @%ld %s/.refused-2", (long)MS_NOW, dir);
    assert_string_equal(found("00ff", NOW), "1");
    assert_string_equal(found("00ff", NOW + DAY - 1), "1");
    assert_string_equal(found("00ff", NOW + DAY), "21");
    assert_string_equal(found("00ff", NOW - 1), "21"); /* not believed */
    /* it goes as leftovers do */
    cfo_store_prune(pool, dir, now > NOW + 2 * DAY ? now : NOW + 2 * DAY, 1);
    assert_null(strstr(ms_names(pool, dir), "refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_replaced_long_ago),
        cmocka_unit_test(nothing_but_our_own),
        cmocka_unit_test(never_what_is_live),
        cmocka_unit_test(not_when_its_successor_came_who_knows_when),
        cmocka_unit_test(a_refusal_counts_for_a_day),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
