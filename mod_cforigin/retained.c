/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives a generation. Memory only. Every pointer in here leads to
 * the process's pool or a child of it; hash tables use APR's own functions. */
#include "cforigin_retained.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <http_config.h>
#include <unistd.h>

/* Changes whenever the meaning of anything kept here does; the size of the
 * record goes into the key besides. */
#define LAYOUT "mod_cforigin:" CFO_VERSION ":5"

static apr_hash_t *table(apr_pool_t **pool, apr_pool_t *parent)
{
    apr_pool_create(pool, parent);
    return apr_hash_make(*pool);
}

cfo_retained_t *cfo_retained_get(process_rec *process)
{
    const char *key = apr_psprintf(process->pconf, LAYOUT ":%u",
                                   (unsigned)sizeof(cfo_retained_t));
    cfo_retained_t *r = ap_retained_data_get(key);

    if (r)
        return r;
    r = ap_retained_data_create(apr_pstrdup(process->pool, key), sizeof(*r));
    r->process_pool = process->pool;
    r->keeper_fd = -1;
    r->attempts = table(&r->attempts_pool, process->pool);
    r->known = table(&r->known_pool, process->pool);
    r->taken = table(&r->taken_pool, process->pool);
    r->notices = apr_hash_make(process->pool);
    r->confirm = table(&r->confirm_pool, process->pool);
    /* httpd goes to "/" when it detaches; its own arguments may be relative
     * to where it was started. */
    if (getcwd(r->cwd, sizeof(r->cwd)) == NULL)
        r->cwd[0] = '\0';
    return r;
}

/* One remembered attempt; its pool goes when it is replaced. */
typedef struct kept_t {
    apr_pool_t *pool;
    const char *key;
    cfo_attempt_t attempt;
} kept_t;

static void keep_attempt(cfo_retained_t *r, const char *key,
                         const cfo_attempt_t *attempt)
{
    apr_pool_t *pool;
    kept_t *kept;

    apr_pool_create(&pool, r->attempts_pool);
    kept = apr_pcalloc(pool, sizeof(*kept));
    kept->pool = pool;
    kept->key = apr_pstrdup(pool, key);
    kept->attempt = *attempt;
    kept->attempt.last_error.message =
        apr_pstrdup(pool, attempt->last_error.message);
    kept->attempt.last_error.ray = apr_pstrdup(pool, attempt->last_error.ray);
    apr_hash_set(r->attempts, kept->key, APR_HASH_KEY_STRING, kept);
}

void cfo_retained_put_attempt(cfo_retained_t *r, const char *key,
                              const cfo_attempt_t *attempt)
{
    kept_t *old = apr_hash_get(r->attempts, key, APR_HASH_KEY_STRING);

    if (old)
        apr_hash_set(r->attempts, old->key, APR_HASH_KEY_STRING, NULL);
    if (attempt && attempt->failures > 0)
        keep_attempt(r, key, attempt);
    if (old)
        apr_pool_destroy(old->pool);
}

const cfo_attempt_t *cfo_retained_attempt(const cfo_retained_t *r,
                                          const char *key)
{
    const kept_t *kept = apr_hash_get(r->attempts, key, APR_HASH_KEY_STRING);

    return kept ? &kept->attempt : NULL;
}

/* One record a certificate that was ever warned of, written over in place. */
void cfo_retained_put_notices(cfo_retained_t *r, const char *key,
                              const cfo_kept_notices_t *notices)
{
    cfo_kept_notices_t *kept =
        apr_hash_get(r->notices, key, APR_HASH_KEY_STRING);

    if (kept == NULL) {
        kept = apr_palloc(r->process_pool, sizeof(*kept));
        apr_hash_set(r->notices, apr_pstrdup(r->process_pool, key),
                     APR_HASH_KEY_STRING, kept);
    }
    *kept = *notices;
}

const cfo_kept_notices_t *cfo_retained_notices(const cfo_retained_t *r,
                                               const char *key)
{
    return apr_hash_get(r->notices, key, APR_HASH_KEY_STRING);
}

void cfo_retained_put_taken(cfo_retained_t *r,
                            const apr_array_header_t *labels)
{
    int i;

    apr_pool_destroy(r->taken_pool);
    r->taken = table(&r->taken_pool, r->process_pool);
    for (i = 0; i < labels->nelts; i++) {
        const char *label =
            apr_pstrdup(r->taken_pool, APR_ARRAY_IDX(labels, i, const char *));

        apr_hash_set(r->taken, label, APR_HASH_KEY_STRING, label);
    }
}

static const apr_array_header_t *copy_strings(apr_pool_t *p,
                                              const apr_array_header_t *list)
{
    apr_array_header_t *copy;
    int i;

    if (list == NULL)
        return NULL;
    copy = apr_array_make(p, list->nelts, sizeof(const char *));
    for (i = 0; i < list->nelts; i++)
        APR_ARRAY_PUSH(copy, const char *) =
            apr_pstrdup(p, APR_ARRAY_IDX(list, i, const char *));
    return copy;
}

static const cfo_cert_facts_t *copy_facts(apr_pool_t *p,
                                          const cfo_cert_facts_t *facts)
{
    cfo_cert_facts_t *copy = apr_pmemdup(p, facts, sizeof(*copy));

    copy->hostnames = copy_strings(p, facts->hostnames);
    copy->serial = apr_pstrdup(p, facts->serial);
    copy->sha256 = apr_pstrdup(p, facts->sha256);
    copy->spki_sha256 = apr_pstrdup(p, facts->spki_sha256);
    copy->key = apr_pstrdup(p, facts->key);
    copy->issuer = apr_pstrdup(p, facts->issuer);
    return copy;
}

static const cfo_meta_t *copy_meta(apr_pool_t *p, const cfo_meta_t *meta)
{
    cfo_meta_t *copy = apr_pmemdup(p, meta, sizeof(*copy));
    apr_array_header_t *targets;
    int i;

    copy->account = apr_pstrdup(p, meta->account);
    copy->zone_id = apr_pstrdup(p, meta->zone_id);
    copy->ray = apr_pstrdup(p, meta->ray);
    copy->serial = apr_pstrdup(p, meta->serial);
    copy->hostnames = copy_strings(p, meta->hostnames);
    if (meta->targets == NULL)
        return copy;
    targets = apr_array_make(p, meta->targets->nelts, sizeof(cfo_target_t));
    for (i = 0; i < meta->targets->nelts; i++) {
        const cfo_target_t *from =
            &APR_ARRAY_IDX(meta->targets, i, cfo_target_t);
        cfo_target_t *to = apr_array_push(targets);

        memset(to, 0, sizeof(*to));
        to->certificate = apr_pstrdup(p, from->certificate);
        to->key = apr_pstrdup(p, from->key);
    }
    copy->targets = targets;
    return copy;
}

static void know(apr_pool_t *pool, apr_hash_t *known, const cfo_entry_t *entry)
{
    cfo_known_t *copy = apr_pcalloc(pool, sizeof(*copy));

    copy->stamp = entry->stamp;
    copy->facts = copy_facts(pool, entry->stored.facts);
    copy->meta = entry->meta ? copy_meta(pool, entry->meta) : NULL;
    apr_hash_set(known, apr_pstrdup(pool, entry->cert_path),
                 APR_HASH_KEY_STRING, copy);
}

void cfo_retained_know(apr_array_header_t *entries, const cfo_entry_t *entry)
{
    if (entry->cert_path && entry->stored.facts)
        APR_ARRAY_PUSH(entries, const cfo_entry_t *) = entry;
}

/* Its facts are the very ones that were remembered. */
static int is_known(const cfo_retained_t *r, const cfo_entry_t *entry)
{
    const cfo_known_t *known =
        apr_hash_get(r->known, entry->cert_path, APR_HASH_KEY_STRING);

    return known && known->facts == entry->stored.facts &&
           known->meta == entry->meta;
}

void cfo_retained_end_known(cfo_retained_t *r,
                            const apr_array_header_t *entries)
{
    apr_pool_t *before = r->known_before;
    int i, same = apr_hash_count(r->known) == (unsigned)entries->nelts;

    for (i = 0; same && i < entries->nelts; i++)
        same = is_known(r, APR_ARRAY_IDX(entries, i, const cfo_entry_t *));
    r->known_before = NULL;
    if (!same) {
        /* These entries point into what is replaced here. */
        r->known_before = r->known_pool;
        r->known = table(&r->known_pool, r->process_pool);
        for (i = 0; i < entries->nelts; i++)
            know(r->known_pool, r->known,
                 APR_ARRAY_IDX(entries, i, const cfo_entry_t *));
    }
    if (before)
        apr_pool_destroy(before);
}
