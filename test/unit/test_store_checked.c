/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A pair that was checked when it was installed is not decoded again, and
 * gives the same facts; and any byte that differs is noticed all the same.
 */
#include "make_store.h"

#include <apr_strings.h>
#include <jansson.h>

#include "../../mod_cforigin/core/store_checked.h"
#include "cforigin_store_write.h"

static apr_pool_t *pool;
static const char *store, *dir, *named;
static ms_pair_t one, two;

static void install(const ms_pair_t *pair)
{
    cfo_meta_t meta = {0};
    int generation;

    meta.validity = 90;
    meta.hostnames = apr_array_make(pool, 0, sizeof(const char *));
    meta.targets = apr_array_make(pool, 0, sizeof(cfo_target_t));
    assert_int_equal(cfo_store_prepare(pool, store).kind, CFO_OK);
    assert_int_equal(cfo_store_install_pair(pool, dir, &pair->cert, &pair->key,
                                            &meta, &generation)
                         .kind,
                     CFO_OK);
    assert_int_equal(generation, 1);
}

static const cfo_stored_t *look(void)
{
    return &cfo_store_look(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, NULL)
                ->stored;
}

static const char *path_of(const char *file)
{
    return apr_pstrcat(pool, named, "/", file, NULL);
}

static json_t *read_meta(void)
{
    json_t *json = json_loads(ms_get(pool, path_of(CFO_FILE_META)), 0, NULL);

    assert_non_null(json);
    return json;
}

static void write_meta(json_t *json)
{
    char *text = json_dumps(json, 0);

    ms_put(path_of(CFO_FILE_META), text, 0644);
    free(text);
    json_decref(json);
}

static void expect_same(const cfo_cert_facts_t *a, const cfo_cert_facts_t *b)
{
    assert_non_null(a);
    assert_true(cfo_strings_equal_as_sets(a->hostnames, b->hostnames, pool));
    assert_true(a->not_before == b->not_before);
    assert_true(a->not_after == b->not_after);
    assert_string_equal(a->serial, b->serial);
    assert_string_equal(a->sha256, b->sha256);
    assert_string_equal(a->spki_sha256, b->spki_sha256);
    assert_string_equal(a->key, b->key);
    assert_string_equal(a->issuer, b->issuer);
    assert_int_equal(a->has_type, b->has_type);
    assert_int_equal(a->type, b->type);
}

static void the_same_facts(void **state)
{
    (void)state;
    install(&one);
    assert_int_equal(look()->state, CFO_STORED_PAIR);
    expect_same(look()->facts,
                cfo_pki_facts(pool, one.cert.data, one.cert.len, 0));
}

/* It is read from there: a word changed there is seen. */
static void it_is_used(void **state)
{
    json_t *json;

    (void)state;
    install(&one);
    json = read_meta();
    json_object_set_new(json_object_get(json, "checked"), "issuer",
                        json_string("somebody"));
    write_meta(json);
    assert_string_equal(look()->facts->issuer, "somebody");
}

static void another_key_is_noticed(void **state)
{
    (void)state;
    install(&one);
    ms_put(path_of(CFO_FILE_KEY), two.key.data, 0600);
    assert_int_equal(look()->state, CFO_STORED_KEY_MISMATCH);
}

static void another_certificate_is_noticed(void **state)
{
    (void)state;
    install(&one);
    ms_put(path_of(CFO_FILE_CERT), two.cert.data, 0644);
    assert_int_equal(look()->state, CFO_STORED_KEY_MISMATCH);
}

static void another_pair_is_taken_as_it_is(void **state)
{
    (void)state;
    install(&one);
    ms_put(path_of(CFO_FILE_CERT), two.cert.data, 0644);
    ms_put(path_of(CFO_FILE_KEY), two.key.data, 0600);
    expect_same(look()->facts,
                cfo_pki_facts(pool, two.cert.data, two.cert.len, 0));
}

static void one_byte_is_noticed(void **state)
{
    static const char *const files[] = {CFO_FILE_CERT, CFO_FILE_KEY};

    const char *sha256;

    (void)state;
    install(&one);
    sha256 = look()->facts->sha256;
    for (int i = 0; i < 2; i++) {
        const char *good = ms_get(pool, path_of(files[i]));
        char *bad = apr_pstrdup(pool, good);

        bad[60] = bad[60] == 'A' ? 'B' : 'A';
        ms_put(path_of(files[i]), bad, 0600);
        /* a certificate's signature is nobody's business here */
        assert_true(look()->state != CFO_STORED_PAIR ||
                    strcmp(look()->facts->sha256, sha256));
        ms_put(path_of(files[i]), good, 0600);
        assert_int_equal(look()->state, CFO_STORED_PAIR);
    }
}

/* Nobody is to take for checked what was not. */
static void no_pair_is_not_kept(void **state)
{
    cfo_pem_t none = {apr_pstrdup(pool, "none"), 4};
    json_t *json = cfo_checked_print(pool, &one.cert, &one.key);

    (void)state;
    assert_non_null(json);
    json_decref(json);
    assert_null(cfo_checked_print(pool, &one.cert, &two.key));
    assert_null(cfo_checked_print(pool, &one.cert, &none));
    assert_null(cfo_checked_print(pool, &none, &one.key));
}

/* Whatever became of it, the pair is as good as without; and nothing else of
 * it is believed. */
static void rubbish_in_it(void **state)
{
    static const struct {
        const char *key, *value;
    } rows[] = {
        {"version", "null"},     {"version", "2"},
        {"cert.pem", "null"},    {"key.pem", "null"},
        {"hostnames", "null"},   {"hostnames", "[7]"},
        {"not_before", "null"},  {"not_before", "-253402300800"},
        {"not_after", "null"},   {"not_after", "253402300800"},
        {"serial", "null"},      {"sha256", "null"},
        {"spki_sha256", "null"}, {"key", "null"},
        {"issuer", "null"},
    };

    (void)state;
    install(&one);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_t *json = read_meta();
        json_t *checked = json_object_get(json, "checked");

        assert_non_null(json_object_get(checked, rows[i].key));
        json_object_set_new(checked, "issuer", json_string("somebody"));
        json_object_set_new(checked, rows[i].key,
                            json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        write_meta(json);
        expect_same(look()->facts,
                    cfo_pki_facts(pool, one.cert.data, one.cert.len, 0));
        json = read_meta();
        json_object_set_new(json, "checked", json_array());
        write_meta(json);
        expect_same(look()->facts,
                    cfo_pki_facts(pool, one.cert.data, one.cert.len, 0));
        ms_run("rm -rf %s/certs", store);
        install(&one);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 1;
    store = ms_open(pool);
    dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    named = apr_pstrcat(pool, dir, "/1", NULL);
    ms_pair(pool, &one, 0, "1");
    ms_pair(pool, &two, 0, "2");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    EVP_PKEY_free(one.pkey);
    EVP_PKEY_free(two.pkey);
    apr_pool_destroy(pool);
    return 0;
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_same_facts),
        EACH(it_is_used),
        EACH(another_key_is_noticed),
        EACH(another_certificate_is_noticed),
        EACH(another_pair_is_taken_as_it_is),
        EACH(one_byte_is_noticed),
        EACH(no_pair_is_not_kept),
        EACH(rubbish_in_it),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
