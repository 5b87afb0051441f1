/* SPDX-License-Identifier: Apache-2.0 */
/** The renew marker: it goes when what it asked for was issued, and not
 * before, whatever else makes a generation the live one. */
#include "make_store.h"

#include "cforigin_store_write.h"

static apr_pool_t *pool;
static const char *store, *dir;
static ms_pair_t one, two;

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    ms_pair(pool, &one, 0, "1");
    ms_pair(pool, &two, 0, "2");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(one.pkey);
    EVP_PKEY_free(two.pkey);
    apr_pool_destroy(pool);
    return 0;
}

static int open_store(void **state)
{
    (void)state;
    store = ms_open(pool);
    dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    ms_run("mkdir %s/certs", store);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    return 0;
}

static void ok(cfo_result_t result)
{
    if (result.kind != CFO_OK) {
        fail_msg("%s", result.message);
    }
}

static int is_forced(void)
{
    return cfo_store_look(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, NULL)
        ->stored.forced;
}

/* Times on a disk are as coarse as the kernel's tick. */
static void tick(void)
{
    ms_run("sleep 0.02");
}

static cfo_meta_t meta_of(int adopted)
{
    cfo_meta_t meta = {.adopted = adopted, .serial = "1"};

    meta.installed = apr_time_now();
    meta.hostnames = mc_list(pool, MS_FOLDER);
    return meta;
}

static void adopt(const ms_pair_t *pair)
{
    cfo_meta_t meta = meta_of(1);
    int generation;

    ok(cfo_store_install_pair(pool, dir, &pair->cert, &pair->key, &meta,
                              &generation));
}

static void issue(const ms_pair_t *pair)
{
    cfo_intent_t intent = {.folder = MS_FOLDER, .validity = 90};
    cfo_meta_t meta = meta_of(0);
    cfo_pem_t csr;
    int generation;

    intent.hostnames = mc_list(pool, MS_FOLDER);
    intent.account = "00ff";
    cfo_pki_key_spki(pool, &pair->key, &intent.spki_sha256);
    cfo_pki_csr_make(pool, &pair->key, intent.hostnames, &csr);
    ok(cfo_store_put_pending(pool, dir, &intent, &pair->key, &csr));
    ok(cfo_store_install(pool, dir, &pair->cert, &meta, &generation));
}

static void put_marker(void)
{
    tick();
    ms_run("mkdir -p %s && touch %s/renew", dir, dir);
    tick();
}

/* As if the process had ended before `current` was made to point at it. */
static void cut_short(int generation, int before)
{
    if (before) {
        ms_run("cd %s && ln -sfn %d current", dir, before);
        ms_run("cd %s && touch -h -d '1 hour ago' current", dir);
    }
    else {
        ms_run("rm -f %s/current", dir);
    }
    ms_run("ln -s %d %s/.current.next", generation, dir);
}

static void settle(void)
{
    int changed;

    tick();
    ok(cfo_store_settle(pool, dir, &changed));
    assert_int_equal(changed, 1);
}

static void goes_with_what_was_issued(void **state)
{
    (void)state;
    issue(&one);
    put_marker();
    assert_int_equal(is_forced(), 1);
    issue(&two);
    assert_int_equal(is_forced(), 0);
    assert_null(ms_get(pool, apr_pstrcat(pool, dir, "/renew", NULL)));
}

static void outlives_an_adoption(void **state)
{
    (void)state;
    put_marker();
    adopt(&one);
    assert_int_equal(is_forced(), 1);
    tick();
    adopt(&two);
    assert_int_equal(is_forced(), 1);
    issue(&one);
    assert_int_equal(is_forced(), 0);
}

/* One that was heeded, but could not be removed. */
static void a_spent_one_stays_spent(void **state)
{
    (void)state;
    adopt(&one);
    put_marker();
    ms_run("cd %s && touch -h current", dir);
    assert_int_equal(is_forced(), 0);
    adopt(&two);
    assert_int_equal(is_forced(), 0);
}

/* The clock was ahead when the live one came: the marker is younger all the
 * same, and so is what failed since. */
static void counts_beside_a_link_of_the_future(void **state)
{
    cfo_attempt_t attempt = {.failures = 2};

    (void)state;
    issue(&one);
    ms_run("cd %s && touch -h -d '+400 days' current", dir);
    assert_int_equal(is_forced(), 0);
    attempt.last_error = cfo_result_make(pool, CFO_TRANSIENT, "no");
    ok(cfo_store_put_attempt(pool, dir, &attempt));
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 2);
    put_marker();
    assert_int_equal(is_forced(), 1);
    issue(&two);
    assert_int_equal(is_forced(), 0);
}

static void outlives_a_step_back(void **state)
{
    (void)state;
    issue(&one);
    issue(&two);
    put_marker();
    ok(cfo_store_set_current(pool, dir, 1));
    assert_int_equal(is_forced(), 1);
}

static void is_judged_when_a_crash_is_mended(void **state)
{
    (void)state;
    /* what it asked for came */
    issue(&one);
    put_marker();
    issue(&two);
    ms_run("touch -d '1 hour ago' %s/1", dir);
    cut_short(2, 1);
    settle();
    assert_int_equal(is_forced(), 0);
    /* an older one became the live one */
    put_marker();
    cut_short(1, 2);
    settle();
    assert_int_equal(is_forced(), 1);
}

static void is_kept_when_an_adoption_was_cut_short(void **state)
{
    (void)state;
    put_marker();
    adopt(&one);
    cut_short(1, 0);
    settle();
    assert_int_equal(is_forced(), 1);
}

static void is_dropped_when_an_install_was_cut_short(void **state)
{
    (void)state;
    issue(&one);
    put_marker();
    ms_run("cp -p %s/renew %s/../marker", dir, dir);
    issue(&two);
    ms_run("mv %s/../marker %s/renew && touch %s/2", dir, dir, dir);
    cut_short(2, 1);
    settle();
    assert_int_equal(is_forced(), 0);
    assert_null(ms_get(pool, apr_pstrcat(pool, dir, "/renew", NULL)));
}

int main(void)
{
#define IN_STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
    const struct CMUnitTest tests[] = {
        IN_STORE(goes_with_what_was_issued),
        IN_STORE(outlives_an_adoption),
        IN_STORE(a_spent_one_stays_spent),
        IN_STORE(counts_beside_a_link_of_the_future),
        IN_STORE(outlives_a_step_back),
        IN_STORE(is_judged_when_a_crash_is_mended),
        IN_STORE(is_kept_when_an_adoption_was_cut_short),
        IN_STORE(is_dropped_when_an_install_was_cut_short),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
