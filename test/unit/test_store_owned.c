/* SPDX-License-Identifier: Apache-2.0 */
/** Which certificates are the store's own, and which of them a target may give
 * back. */
#include "make_store.h"

#include <apr_hash.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What the store has: two generations of the one type, one of the other,
 * another virtual host's; and one that nobody has. */
enum { LIVE, OLDER, OTHER, ANOTHERS, STRANGER, PAIRS };

static apr_pool_t *pool;
static const char *store;
static ms_pair_t pairs[PAIRS];
static const cfo_cert_facts_t *facts[PAIRS];

static const char *meta(const char *former)
{
    return apr_psprintf(pool,
                        "{\"adopted\":false,\"requested_validity\":90,"
                        "\"hostnames\":[\"a.example.com\"],\"targets\":[],"
                        "\"former\":[%s]}",
                        former);
}

static int setup(void **state)
{
    const char *ecc, *rsa, *another;

    (void)state;
    apr_pool_create(&pool, NULL);
    for (int i = 0; i < PAIRS; i++) {
        ms_pair(pool, &pairs[i], i == OTHER, apr_itoa(pool, i + 1));
        facts[i] =
            cfo_pki_facts(pool, pairs[i].cert.data, pairs[i].cert.len, 0);
    }
    store = ms_open(pool);
    ecc = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    rsa = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_RSA);
    another = cfo_store_dir(pool, store, "b.example.com", CFO_ORIGIN_ECC);
    ms_generation(pool, ecc, 1, &pairs[OLDER], meta("\"gone\",\"before\""));
    ms_generation(pool, ecc, 2, &pairs[LIVE], meta(""));
    ms_run("ln -s 2 %s/current", ecc);
    ms_generation(pool, ecc, 3, &pairs[LIVE], "no JSON");
    ms_run("echo no certificate > %s/3/cert.pem", ecc);
    ms_generation(pool, rsa, 1, &pairs[OTHER], meta("\"rsa\""));
    ms_generation(pool, another, 7, &pairs[ANOTHERS], meta(""));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    for (int i = 0; i < PAIRS; i++) {
        EVP_PKEY_free(pairs[i].pkey);
    }
    apr_pool_destroy(pool);
    return 0;
}

static void all_that_it_has_or_had(void **state)
{
    static const char *const former[] = {"gone", "before", "rsa"};
    apr_hash_t *own = cfo_store_certificates(pool, store);

    (void)state;
    for (int i = 0; i < STRANGER; i++) {
        assert_non_null(apr_hash_get(own, facts[i]->sha256, -1));
    }
    for (size_t i = 0; i < COUNT(former); i++) {
        assert_non_null(apr_hash_get(own, former[i], -1));
    }
    assert_int_equal(apr_hash_count(own), STRANGER + COUNT(former));
    assert_int_equal(apr_hash_count(cfo_store_certificates(pool, "/none")), 0);
}

static int has(const char *where, const cfo_stored_t *stored,
               const cfo_cert_facts_t *found)
{
    return cfo_store_has_certificate(pool, where, MS_FOLDER, CFO_ORIGIN_ECC,
                                     stored, found);
}

/* A backup that was put back into the files, and what is not one. */
static void what_was_found_in_the_files(void **state)
{
    static const cfo_cert_facts_t gone = {.sha256 = "gone"},
                                  gone_rsa = {.sha256 = "rsa"};
    const struct {
        const char *about;
        const cfo_cert_facts_t *found;
        int with_pair, without; /* what is expected */
    } rows[] = {
        {"the live one", facts[LIVE], 1, 0},
        {"an older one", facts[OLDER], 1, 0},
        {"one that went", &gone, 1, 0},
        {"the other type's", facts[OTHER], 1, 1},
        {"the other type's that went", &gone_rsa, 1, 1},
        {"another virtual host's", facts[ANOTHERS], 0, 0},
        {"one made by hand", facts[STRANGER], 0, 0},
    };
    cfo_stored_t pair = {.state = CFO_STORED_PAIR, .facts = facts[LIVE]};
    cfo_stored_t none = {.state = CFO_STORED_DAMAGED};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (has(store, &pair, rows[i].found) != rows[i].with_pair ||
            has(store, &none, rows[i].found) != rows[i].without)
            fail_msg("%s", rows[i].about);
    }
}

/* Nothing is read for it, and it may be served from elsewhere. */
static void the_live_one_needs_no_store(void **state)
{
    cfo_stored_t pair = {.state = CFO_STORED_PAIR, .facts = facts[STRANGER]};

    (void)state;
    assert_true(has("/none", &pair, facts[STRANGER]));
    assert_false(has("/none", &pair, facts[LIVE]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_it_has_or_had),
        cmocka_unit_test(what_was_found_in_the_files),
        cmocka_unit_test(the_live_one_needs_no_store),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
