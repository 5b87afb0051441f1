/* SPDX-License-Identifier: Apache-2.0 */
/* Checked pairs over generations: what is shared, what is forgotten, and that
 * nothing kept leads into a pool that went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_strings.h>
#include <cmocka.h>

#include "cforigin_known.h"

static apr_pool_t *pool;
static cfo_known_t known;

static int open_known(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    cfo_known_make(&known, pool);
    cfo_known_begin(&known);
    return 0;
}

static int close_known(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

/* A good pair as a look finds it, in a pool of its own. */
static cfo_entry_t *found(apr_pool_t *p, const char *name, const char *sha256)
{
    cfo_entry_t *entry = apr_pcalloc(p, sizeof(*entry));
    cfo_cert_facts_t *facts = apr_pcalloc(p, sizeof(*facts));
    apr_array_header_t *names = apr_array_make(p, 1, sizeof(const char *));

    APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(p, name);
    facts->hostnames = names;
    facts->serial = apr_pstrcat(p, "1", name, NULL);
    facts->sha256 = apr_pstrdup(p, sha256);
    facts->spki_sha256 = apr_pstrdup(p, sha256);
    facts->key = apr_pstrdup(p, "EC P-256");
    facts->issuer = apr_pstrdup(p, "an issuer");
    entry->stored.state = CFO_STORED_PAIR;
    entry->stored.facts = facts;
    entry->stored.installed = 3;
    entry->generation = 1;
    entry->server = 5;
    entry->stamp.size[1] = 6;
    entry->cert_path = apr_pstrcat(p, "/s/", name, "/cert.pem", NULL);
    entry->key_path = apr_pstrcat(p, "/s/", name, "/key.pem", NULL);
    entry->meta = apr_pcalloc(p, sizeof(cfo_meta_t));
    return entry;
}

static void spoil(const void *memory, size_t size)
{
    memset((void *)(uintptr_t)memory, '?', size);
}

/* As when its pool is gone, and something else has taken the memory. */
static void spoil_entry(cfo_entry_t *entry)
{
    const cfo_cert_facts_t *facts = entry->stored.facts;
    const char *texts[] = {facts->serial,
                           facts->sha256,
                           facts->key,
                           facts->spki_sha256,
                           facts->issuer,
                           entry->cert_path,
                           entry->key_path,
                           entry->fault,
                           APR_ARRAY_IDX(facts->hostnames, 0, const char *)};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i])
            spoil(texts[i], strlen(texts[i]));
    }
    spoil(facts->hostnames->elts, sizeof(const char *));
    spoil(facts->hostnames, sizeof(*facts->hostnames));
    spoil(facts, sizeof(*facts));
    spoil(entry, sizeof(*entry));
}

/* Keep what a look found whose memory is written over at once. */
static const cfo_entry_t *keep(const char *name, const char *sha256)
{
    cfo_entry_t *entry = found(pool, name, sha256);
    const cfo_entry_t *kept = cfo_known_keep(&known, entry);

    spoil_entry(entry);
    return kept;
}

/* All of "a" with "hash" as it was found, but for its meta. */
static void assert_whole(const cfo_entry_t *entry)
{
    const cfo_cert_facts_t *facts = entry->stored.facts;

    assert_string_equal(entry->cert_path, "/s/a/cert.pem");
    assert_string_equal(entry->key_path, "/s/a/key.pem");
    assert_int_equal(entry->stored.state, CFO_STORED_PAIR);
    assert_true(entry->stored.installed == 3);
    assert_int_equal(entry->generation, 1);
    assert_true(entry->server == 5);
    assert_true(entry->stamp.size[1] == 6);
    assert_null(entry->meta);
    assert_string_equal(facts->serial, "1a");
    assert_string_equal(facts->sha256, "hash");
    assert_string_equal(facts->spki_sha256, "hash");
    assert_string_equal(facts->key, "EC P-256");
    assert_string_equal(facts->issuer, "an issuer");
    assert_int_equal(facts->hostnames->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(facts->hostnames, 0, const char *), "a");
}

static void what_is_kept_stands_alone(void **state)
{
    (void)state;
    assert_whole(keep("a", "hash"));
}

static void an_unchanged_pair_is_held_once(void **state)
{
    const cfo_entry_t *a = keep("a", "hash");

    (void)state;
    assert_ptr_equal(keep("a", "hash"), a);
    assert_ptr_equal(keep("b", "hash")->stored.facts->issuer,
                     a->stored.facts->issuer);
    assert_ptr_not_equal(keep("a", "other"), a);
    assert_string_equal(a->stored.facts->sha256, "hash");
}

static void a_touched_pair_has_its_new_stamp(void **state)
{
    cfo_entry_t *entry = found(pool, "a", "hash");
    const cfo_entry_t *kept = cfo_known_keep(&known, entry);

    (void)state;
    entry->stamp.ctime_sec[1] = 7;
    entry->stored.installed = 8;
    entry->stored.adopted = 1;
    entry->server = 9;
    assert_ptr_equal(cfo_known_keep(&known, entry), kept);
    assert_true(kept->stamp.ctime_sec[1] == 7);
    assert_true(kept->stored.installed == 8);
    assert_int_equal(kept->stored.adopted, 1);
    assert_true(kept->server == 9);
}

static void what_is_not_sound_is_not_kept(void **state)
{
    cfo_entry_t *entry;
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        entry = found(pool, "a", "hash");
        switch (i) {
        case 0:
            entry->stored.state = CFO_STORED_UNREADABLE;
            break;
        case 1:
            entry->fell_back = 1;
            break;
        case 2:
            entry->fault = "meta.json: is not what belongs there";
            break;
        case 3:
            entry->cert_path = NULL;
            break;
        default:
            entry->stored.facts = NULL;
        }
        assert_null(cfo_known_keep(&known, entry));
    }
    assert_int_equal(apr_hash_count(known.pairs), 0);
}

static void a_copy_stands_alone(void **state)
{
    cfo_entry_t *entry = found(pool, "a", "hash"), nothing = {0};
    const cfo_entry_t *copy;

    (void)state;
    entry->fault = apr_pstrdup(pool, "why");
    copy = cfo_known_copy(pool, entry);
    spoil_entry(entry);
    assert_string_equal(copy->fault, "why");
    assert_whole(copy);
    copy = cfo_known_copy(pool, &nothing);
    assert_true(!copy->stored.facts && !copy->cert_path && !copy->fault);
}

static void what_a_generation_did_not_see_is_forgotten(void **state)
{
    const cfo_entry_t *a = keep("a", "hash"), *b;

    (void)state;
    keep("b", "hash");
    cfo_known_end(&known);
    assert_int_equal(apr_hash_count(known.pairs), 2);
    cfo_known_begin(&known);
    assert_ptr_equal(keep("a", "hash"), a);
    b = apr_hash_get(known.pairs, "/s/b/cert.pem", APR_HASH_KEY_STRING);
    cfo_known_end(&known);
    assert_int_equal(apr_hash_count(known.pairs), 1);
    assert_string_equal(b->cert_path, "/s/b/cert.pem"); /* for this one */
}

static apr_status_t count_one(void *data)
{
    ++*(int *)data;
    return APR_SUCCESS;
}

static void memory_of_what_went_is_given_back(void **state)
{
    const cfo_entry_t *a = keep("a", "hash"), *moved;
    static int given_back;
    int i;
    unsigned most = 0;

    (void)state;
    apr_pool_cleanup_register(known.pool, &given_back, count_one,
                              apr_pool_cleanup_null);
    for (i = 0; i < 1000; i++) {
        cfo_known_begin(&known);
        moved = keep("a", "hash");
        keep("b", apr_psprintf(pool, "hash %d", i));
        cfo_known_end(&known);
        most = known.gone > most ? known.gone : most;
        assert_int_equal(apr_hash_count(known.pairs), 2);
    }
    assert_ptr_not_equal(moved, a);
    assert_whole(moved);
    assert_in_range(most, 10, 100);
    assert_int_equal(given_back, 1);
}

static void what_left_counts_too(void **state)
{
    apr_pool_t *first = known.pool;

    (void)state;
    for (int i = 0; i < 100; i++) {
        cfo_known_begin(&known);
        keep(apr_itoa(pool, i), "hash");
        cfo_known_end(&known);
    }
    assert_ptr_not_equal(known.pool, first);
    assert_in_range(known.gone, 10, 90);
}

/* The move to fresh memory is no look at anything. */
static void what_was_moved_was_not_seen(void **state)
{
    unsigned before;

    (void)state;
    do {
        keep("a", "hash");
        keep("b", "hash");
        keep("c", apr_psprintf(pool, "hash %u", known.generation));
        cfo_known_end(&known);
        before = known.gone;
        cfo_known_begin(&known);
    } while (known.gone >= before && known.generation < 1000);
    assert_in_range(known.generation, 10, 999);
    assert_int_equal(apr_hash_count(known.pairs), 3);
    keep("a", "hash");
    cfo_known_end(&known);
    assert_int_equal(apr_hash_count(known.pairs), 1);
}

int main(void)
{
#define KNOWN_TEST(name)                                                      \
    cmocka_unit_test_setup_teardown(name, open_known, close_known)
    const struct CMUnitTest tests[] = {
        KNOWN_TEST(what_is_kept_stands_alone),
        KNOWN_TEST(an_unchanged_pair_is_held_once),
        KNOWN_TEST(a_touched_pair_has_its_new_stamp),
        KNOWN_TEST(what_is_not_sound_is_not_kept),
        KNOWN_TEST(a_copy_stands_alone),
        KNOWN_TEST(what_a_generation_did_not_see_is_forgotten),
        KNOWN_TEST(memory_of_what_went_is_given_back),
        KNOWN_TEST(what_left_counts_too),
        KNOWN_TEST(what_was_moved_was_not_seen),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
