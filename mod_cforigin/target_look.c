/* SPDX-License-Identifier: Apache-2.0 */
/* What stands at an administrator's path. Reads certificate files (and keys,
 * when asked), writes nothing, decides nothing. */
#include "cforigin_target_look.h"
#include "cforigin_place.h"

#include <apr_hash.h>
#include <apr_strings.h>

struct cfo_looker_t {
    apr_pool_t *pool;
    apr_hash_t *seen; /* path -> cfo_target_look_t */
    apr_hash_t *keys; /* both paths -> cfo_target_key_t */
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

static void look(cfo_looker_t *looker, const char *path,
                 cfo_target_look_t *found, apr_pool_t *ptemp)
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
    found->facts = cfo_pki_facts(looker->pool, text.data, text.len, 0);
    if (found->facts == NULL)
        found->class = CFO_TARGET_RUBBISH;
    else if (roots_of(looker) &&
             cfo_pki_is_origin_ca(looker->roots, text.data, text.len))
        found->class = CFO_TARGET_ORIGIN;
    else
        found->class = CFO_TARGET_OTHER;
    cfo_pki_wipe(&text); /* one file may hold the key as well */
}

const cfo_target_look_t *cfo_target_look(cfo_looker_t *looker,
                                         const char *certificate)
{
    cfo_target_look_t *found =
        apr_hash_get(looker->seen, certificate, APR_HASH_KEY_STRING);
    apr_pool_t *ptemp;

    if (found)
        return found;
    found = apr_pcalloc(looker->pool, sizeof(*found));
    apr_pool_create(&ptemp, looker->pool);
    look(looker, certificate, found, ptemp);
    apr_pool_destroy(ptemp);
    apr_hash_set(looker->seen, apr_pstrdup(looker->pool, certificate),
                 APR_HASH_KEY_STRING, found);
    return found;
}

void cfo_target_forget(cfo_looker_t *looker, const char *certificate,
                       const char *key)
{
    const char *both = apr_pstrcat(looker->pool, certificate, "\n", key, NULL);

    apr_hash_set(looker->seen, certificate, APR_HASH_KEY_STRING, NULL);
    apr_hash_set(looker->keys, both, APR_HASH_KEY_STRING, NULL);
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
    const char *both = apr_pstrcat(looker->pool, certificate, "\n", key, NULL);
    cfo_target_key_t *found =
        apr_hash_get(looker->keys, both, APR_HASH_KEY_STRING);
    apr_pool_t *ptemp;

    if (found)
        return *found;
    apr_pool_create(&ptemp, looker->pool);
    found = apr_palloc(looker->pool, sizeof(*found));
    *found = look_at_key(certificate, key, ptemp);
    apr_pool_destroy(ptemp);
    apr_hash_set(looker->keys, both, APR_HASH_KEY_STRING, found);
    return *found;
}

int cfo_target_is_pair(cfo_looker_t *looker, const char *certificate,
                       const char *key)
{
    return cfo_target_look(looker, certificate)->class == CFO_TARGET_ORIGIN &&
           cfo_target_key_look(looker, certificate, key) ==
               CFO_TARGET_KEY_FITS;
}
