/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives a generation. Memory only. Every pointer in here leads to
 * the process's pool or a child of it; hash tables use APR's own functions. */
#include "cforigin_retained.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <http_config.h>

/* Changes whenever the meaning of anything kept here does; the size of the
 * record goes into the key besides. */
#define LAYOUT "mod_cforigin:" CFO_VERSION ":9"

static apr_hash_t *table(apr_pool_t **pool, apr_pool_t *parent)
{
    apr_pool_create(pool, parent);
    return apr_hash_make(*pool);
}

static const char *key_of(apr_pool_t *p)
{
    return apr_psprintf(p, LAYOUT ":%u", (unsigned)sizeof(cfo_retained_t));
}

const cfo_retained_t *cfo_retained_find(apr_pool_t *ptemp)
{
    return ap_retained_data_get(key_of(ptemp));
}

cfo_retained_t *cfo_retained_get(process_rec *process)
{
    const char *key = key_of(process->pconf);
    cfo_retained_t *r = ap_retained_data_get(key);

    if (r)
        return r;
    r = ap_retained_data_create(apr_pstrdup(process->pool, key), sizeof(*r));
    r->process_pool = process->pool;
    r->keeper_fd = -1;
    r->attempts = table(&r->attempts_pool, process->pool);
    cfo_known_make(&r->known, process->pool);
    r->taken = table(&r->taken_pool, process->pool);
    r->targets = table(&r->targets_pool, process->pool);
    r->notices = apr_hash_make(process->pool);
    r->tokens = apr_hash_make(process->pool);
    r->confirm = table(&r->confirm_pool, process->pool);
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

cfo_kept_token_t *cfo_retained_token(cfo_retained_t *r, const char *account)
{
    cfo_kept_token_t *kept =
        apr_hash_get(r->tokens, account, APR_HASH_KEY_STRING);

    if (kept == NULL) {
        kept = apr_pcalloc(r->process_pool, sizeof(*kept));
        apr_hash_set(r->tokens, apr_pstrdup(r->process_pool, account),
                     APR_HASH_KEY_STRING, kept);
    }
    return kept;
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

static apr_hash_t *replace(apr_pool_t **pool, apr_pool_t *parent,
                           const apr_array_header_t *words)
{
    apr_hash_t *set;
    int i;

    apr_pool_destroy(*pool);
    set = table(pool, parent);
    for (i = 0; i < words->nelts; i++) {
        const char *word =
            apr_pstrdup(*pool, APR_ARRAY_IDX(words, i, const char *));

        apr_hash_set(set, word, APR_HASH_KEY_STRING, word);
    }
    return set;
}

void cfo_retained_put_taken(cfo_retained_t *r,
                            const apr_array_header_t *labels)
{
    r->taken = replace(&r->taken_pool, r->process_pool, labels);
}

void cfo_retained_put_targets(cfo_retained_t *r,
                              const apr_array_header_t *paths)
{
    r->targets = replace(&r->targets_pool, r->process_pool, paths);
}
