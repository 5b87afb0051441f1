/* SPDX-License-Identifier: Apache-2.0 */
/* Checked pairs over generations. Memory only; hash tables use APR's own
 * functions. */
#include "cforigin_known.h"

#include <apr_strings.h>

/* So many may be gone before the rest moves: a renewal now and then should
 * not copy thousands. */
#define FEW 64

typedef struct kept_t {
    cfo_entry_t entry; /* first: the store takes it for one */
    unsigned generation;
} kept_t;

static void make_tables(cfo_known_t *known)
{
    apr_pool_create(&known->pool, known->parent);
    known->pairs = apr_hash_make(known->pool);
    known->words = apr_hash_make(known->pool);
    known->gone = 0;
}

void cfo_known_make(cfo_known_t *known, apr_pool_t *parent)
{
    known->parent = parent;
    known->generation = 0;
    make_tables(known);
}

/* --- copies --- */

static const apr_array_header_t *copy_names(apr_pool_t *p,
                                            const apr_array_header_t *names)
{
    apr_array_header_t *copy =
        apr_array_make(p, names->nelts, sizeof(const char *));
    int i;

    for (i = 0; i < names->nelts; i++)
        APR_ARRAY_PUSH(copy, const char *) =
            apr_pstrdup(p, APR_ARRAY_IDX(names, i, const char *));
    return copy;
}

static cfo_cert_facts_t *copy_own(apr_pool_t *p, const cfo_cert_facts_t *facts)
{
    cfo_cert_facts_t *copy = apr_pmemdup(p, facts, sizeof(*copy));

    copy->hostnames = copy_names(p, facts->hostnames);
    copy->serial = apr_pstrdup(p, facts->serial);
    copy->sha256 = apr_pstrdup(p, facts->sha256);
    copy->spki_sha256 = apr_pstrdup(p, facts->spki_sha256);
    return copy;
}

cfo_cert_facts_t *cfo_known_copy_facts(apr_pool_t *p,
                                       const cfo_cert_facts_t *facts)
{
    cfo_cert_facts_t *copy = copy_own(p, facts);

    copy->key = apr_pstrdup(p, facts->key);
    copy->issuer = apr_pstrdup(p, facts->issuer);
    return copy;
}

/* One copy for all who say the same. */
static const char *word(cfo_known_t *known, const char *text)
{
    const char *have = apr_hash_get(known->words, text, APR_HASH_KEY_STRING);

    if (have == NULL) {
        have = apr_pstrdup(known->pool, text);
        apr_hash_set(known->words, have, APR_HASH_KEY_STRING, have);
    }
    return have;
}

static const cfo_entry_t *remember(cfo_known_t *known,
                                   const cfo_entry_t *entry,
                                   unsigned generation)
{
    kept_t *kept = apr_pcalloc(known->pool, sizeof(*kept));
    cfo_cert_facts_t *facts = copy_own(known->pool, entry->stored.facts);

    facts->key = word(known, facts->key);
    facts->issuer = word(known, facts->issuer);
    kept->entry = *entry;
    kept->entry.stored.facts = facts;
    kept->entry.cert_path = apr_pstrdup(known->pool, entry->cert_path);
    kept->entry.key_path = apr_pstrdup(known->pool, entry->key_path);
    kept->entry.meta = NULL;
    kept->generation = generation;
    apr_hash_set(known->pairs, kept->entry.cert_path, APR_HASH_KEY_STRING,
                 kept);
    return &kept->entry;
}

const cfo_entry_t *cfo_known_copy(apr_pool_t *p, const cfo_entry_t *entry)
{
    cfo_entry_t *copy = apr_pmemdup(p, entry, sizeof(*copy));

    if (entry->stored.facts)
        copy->stored.facts = cfo_known_copy_facts(p, entry->stored.facts);
    copy->cert_path = apr_pstrdup(p, entry->cert_path);
    copy->key_path = apr_pstrdup(p, entry->key_path);
    copy->fault = apr_pstrdup(p, entry->fault);
    copy->meta = NULL;
    return copy;
}

/* --- a generation --- */

void cfo_known_begin(cfo_known_t *known)
{
    apr_pool_t *before = known->pool;
    apr_hash_t *pairs = known->pairs;
    apr_hash_index_t *at;
    void *found;

    known->generation++;
    if (known->gone < apr_hash_count(pairs) + FEW)
        return;
    make_tables(known);
    for (at = apr_hash_first(NULL, pairs); at; at = apr_hash_next(at)) {
        const kept_t *kept;

        apr_hash_this(at, NULL, NULL, &found);
        kept = found;
        remember(known, &kept->entry, kept->generation);
    }
    apr_pool_destroy(before);
}

/* One that anybody would find again just so. */
static int is_sound(const cfo_entry_t *entry)
{
    return entry->stored.state == CFO_STORED_PAIR && !entry->fell_back &&
           entry->fault == NULL && entry->cert_path && entry->stored.facts;
}

const cfo_entry_t *cfo_known_keep(cfo_known_t *known, const cfo_entry_t *entry)
{
    kept_t *kept;

    if (!is_sound(entry))
        return NULL;
    kept = apr_hash_get(known->pairs, entry->cert_path, APR_HASH_KEY_STRING);
    if (kept && strcmp(kept->entry.stored.facts->sha256,
                       entry->stored.facts->sha256) != 0) {
        apr_hash_set(known->pairs, kept->entry.cert_path, APR_HASH_KEY_STRING,
                     NULL);
        known->gone++;
        kept = NULL;
    }
    if (kept == NULL)
        return remember(known, entry, known->generation);
    kept->entry.stamp = entry->stamp; /* perhaps touched since */
    kept->entry.stored.installed = entry->stored.installed;
    kept->entry.server = entry->server;
    kept->entry.stored.adopted = entry->stored.adopted;
    kept->generation = known->generation;
    return &kept->entry;
}

void cfo_known_end(cfo_known_t *known)
{
    apr_hash_index_t *at;
    void *found;

    for (at = apr_hash_first(NULL, known->pairs); at; at = apr_hash_next(at)) {
        const kept_t *kept;

        apr_hash_this(at, NULL, NULL, &found);
        kept = found;
        if (kept->generation == known->generation)
            continue;
        apr_hash_set(known->pairs, kept->entry.cert_path, APR_HASH_KEY_STRING,
                     NULL);
        known->gone++;
    }
}
