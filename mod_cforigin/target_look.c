/* SPDX-License-Identifier: Apache-2.0 */
/* What stands at an administrator's path. Reads certificate files (and keys,
 * when asked), writes nothing, decides nothing. */
#include "cforigin_target_look.h"
#include "cforigin_place.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* What was seen at a path. A first look lives as long as the generation, a
 * further one in a pool of its own, which takes 8 KiB and goes with it. */
typedef struct seen_t {
    cfo_target_look_t look;
    int valid;
    apr_pool_t *pool; /* NULL: the looker's */
} seen_t;

typedef struct seen_key_t {
    cfo_target_key_t key;
    int valid;
} seen_key_t;

struct cfo_looker_t {
    apr_pool_t *pool;
    apr_hash_t *seen; /* path -> seen_t */
    apr_hash_t *keys; /* both paths -> seen_key_t */
    const char *ca_root_file;
    int roots_read;
    const cfo_roots_t *roots;
};

cfo_looker_t *cfo_target_looker(apr_pool_t *p, const char *ca_root_file)
{
    cfo_looker_t *looker = apr_pcalloc(p, sizeof(*looker));

    looker->pool = p;
    looker->seen = apr_hash_make(p);
    looker->keys = apr_hash_make(p);
    looker->ca_root_file = apr_pstrdup(p, ca_root_file);
    return looker;
}

/* Most servers have no file to judge: the roots are read for the first. */
static const cfo_roots_t *roots_of(cfo_looker_t *looker)
{
    cfo_pem_t text;

    if (!looker->roots_read &&
        cfo_store_read_file(looker->pool, looker->ca_root_file, &text) ==
            APR_SUCCESS)
        looker->roots = cfo_pki_roots(looker->pool, text.data, text.len);
    looker->roots_read = 1;
    return looker->roots;
}

/* @param p for the facts */
static void look(cfo_looker_t *looker, const char *path,
                 cfo_target_look_t *found, apr_pool_t *p, apr_pool_t *ptemp)
{
    cfo_pem_t text;
    apr_status_t rv = cfo_place_read(ptemp, path, &text);

    if (APR_STATUS_IS_ENOENT(rv) || (rv == APR_SUCCESS && text.len == 0)) {
        found->class = CFO_TARGET_ABSENT;
        return;
    }
    if (rv != APR_SUCCESS) {
        found->class = CFO_TARGET_UNREADABLE;
        return;
    }
    found->facts = cfo_pki_facts(p, text.data, text.len, 0);
    if (found->facts == NULL)
        found->class = CFO_TARGET_RUBBISH;
    else if (roots_of(looker) &&
             cfo_pki_is_origin_ca(looker->roots, text.data, text.len))
        found->class = CFO_TARGET_ORIGIN;
    else
        found->class = CFO_TARGET_OTHER;
    cfo_pki_wipe(&text); /* one file may hold the key as well */
}

static seen_t *seen_of(cfo_looker_t *looker, const char *certificate)
{
    seen_t *seen =
        apr_hash_get(looker->seen, certificate, APR_HASH_KEY_STRING);

    if (seen == NULL) {
        seen = apr_pcalloc(looker->pool, sizeof(*seen));
        apr_hash_set(looker->seen, apr_pstrdup(looker->pool, certificate),
                     APR_HASH_KEY_STRING, seen);
    }
    return seen;
}

const cfo_target_look_t *cfo_target_look(cfo_looker_t *looker,
                                         const char *certificate)
{
    seen_t *seen = seen_of(looker, certificate);
    apr_pool_t *ptemp;

    if (seen->valid)
        return &seen->look;
    apr_pool_create(&ptemp, looker->pool);
    memset(&seen->look, 0, sizeof(seen->look));
    look(looker, certificate, &seen->look,
         seen->pool ? seen->pool : looker->pool, ptemp);
    apr_pool_destroy(ptemp);
    seen->valid = 1;
    return &seen->look;
}

static seen_key_t *seen_key_of(cfo_looker_t *looker, const char *certificate,
                               const char *key)
{
    apr_pool_t *ptemp;
    const char *both;
    seen_key_t *seen;

    apr_pool_create(&ptemp, looker->pool);
    both = apr_pstrcat(ptemp, certificate, "\n", key, NULL);
    seen = apr_hash_get(looker->keys, both, APR_HASH_KEY_STRING);
    if (seen == NULL) {
        seen = apr_pcalloc(looker->pool, sizeof(*seen));
        apr_hash_set(looker->keys, apr_pstrdup(looker->pool, both),
                     APR_HASH_KEY_STRING, seen);
    }
    apr_pool_destroy(ptemp);
    return seen;
}

void cfo_target_forget(cfo_looker_t *looker, const char *certificate,
                       const char *key)
{
    seen_t *seen = seen_of(looker, certificate);

    seen->valid = 0;
    seen_key_of(looker, certificate, key)->valid = 0;
    if (seen->pool)
        apr_pool_destroy(seen->pool);
    apr_pool_create(&seen->pool, looker->pool);
}

static cfo_target_key_t look_at_key(const char *certificate, const char *key,
                                    apr_pool_t *ptemp)
{
    cfo_target_key_t found = CFO_TARGET_KEY_NONE;
    cfo_pem_t cert_text, key_text;
    apr_status_t rv = cfo_place_read(ptemp, key, &key_text);

    if (rv != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(rv) ? found : CFO_TARGET_KEY_LOCKED;
    if (cfo_pki_key_is_locked(&key_text))
        found = CFO_TARGET_KEY_LOCKED;
    else if (cfo_place_read(ptemp, certificate, &cert_text) == APR_SUCCESS) {
        switch (cfo_pki_pair_matches(cert_text.data, cert_text.len,
                                     key_text.data, key_text.len)) {
        case 1:
            found = CFO_TARGET_KEY_FITS;
            break;
        case 0:
            found = CFO_TARGET_KEY_OTHER;
            break;
        }
        cfo_pki_wipe(&cert_text); /* one file may hold both */
    }
    cfo_pki_wipe(&key_text);
    return found;
}

cfo_target_key_t cfo_target_key_look(cfo_looker_t *looker,
                                     const char *certificate, const char *key)
{
    seen_key_t *seen = seen_key_of(looker, certificate, key);
    apr_pool_t *ptemp;

    if (!seen->valid) {
        apr_pool_create(&ptemp, looker->pool);
        seen->key = look_at_key(certificate, key, ptemp);
        apr_pool_destroy(ptemp);
        seen->valid = 1;
    }
    return seen->key;
}

int cfo_target_is_pair(cfo_looker_t *looker, const char *certificate,
                       const char *key)
{
    return cfo_target_look(looker, certificate)->class == CFO_TARGET_ORIGIN &&
           cfo_target_key_look(looker, certificate, key) ==
               CFO_TARGET_KEY_FITS;
}
