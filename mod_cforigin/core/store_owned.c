/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which certificates are the store's own: those of its generations, and those
 * of the generations that went, whose names the later ones keep. Reads only.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "store_files.h"
#include "store_json.h"

static void note(apr_pool_t *p, apr_hash_t *set, const char *sha256)
{
    apr_hash_set(set, apr_pstrdup(p, sha256), APR_HASH_KEY_STRING, "");
}

static void note_generation(apr_pool_t *p, apr_pool_t *ptemp, apr_hash_t *set,
                            const char *named)
{
    const cfo_cert_facts_t *facts = NULL;
    const cfo_meta_t *meta;
    cfo_pem_t text;

    if (cfo_store_read_file(ptemp, cfo_store_path(ptemp, named, CFO_FILE_CERT),
                            &text) == APR_SUCCESS) {
        facts = cfo_pki_facts(ptemp, text.data, text.len, 0);
    }
    if (facts) {
        note(p, set, facts->sha256);
    }
    cfo_store_read_file(ptemp, cfo_store_path(ptemp, named, CFO_FILE_META),
                        &text);
    meta = cfo_store_meta_parse(ptemp, &text);
    for (int i = 0; meta && i < meta->former->nelts; i++) {
        note(p, set, APR_ARRAY_IDX(meta->former, i, const char *));
    }
}

static void note_folder(apr_pool_t *p, apr_hash_t *set, const char *store,
                        const char *folder, cfo_request_type_t type)
{
    const char *dir;
    apr_array_header_t *all;
    apr_pool_t *ptemp;

    apr_pool_create(&ptemp, p);
    dir = cfo_store_dir(ptemp, store, folder, type);
    all = cfo_store_generations(ptemp, dir);
    for (int i = 0; i < all->nelts; i++) {
        note_generation(
            p, ptemp, set,
            cfo_store_numbered(ptemp, dir, APR_ARRAY_IDX(all, i, int)));
    }
    apr_pool_destroy(ptemp);
}

apr_hash_t *cfo_store_certificates(apr_pool_t *p, const char *store)
{
    apr_hash_t *set = apr_hash_make(p);
    apr_array_header_t *folders = cfo_store_folders(p, store);

    for (int i = 0; i < folders->nelts; i++) {
        const char *folder = APR_ARRAY_IDX(folders, i, const char *);

        note_folder(p, set, store, folder, CFO_ORIGIN_ECC);
        note_folder(p, set, store, folder, CFO_ORIGIN_RSA);
    }
    return set;
}

int cfo_store_has_certificate(apr_pool_t *p, const char *store,
                              const char *folder, cfo_request_type_t type,
                              const cfo_stored_t *stored,
                              const cfo_cert_facts_t *found)
{
    int is_pair = stored->state == CFO_STORED_PAIR, has;
    apr_pool_t *ptemp;
    apr_hash_t *set;

    if (is_pair && !strcmp(stored->facts->sha256, found->sha256)) {
        return 1;
    }
    apr_pool_create(&ptemp, p);
    set = apr_hash_make(ptemp);
    note_folder(ptemp, set, store, folder, cfo_request_type_other(type));
    if (is_pair) {
        note_folder(ptemp, set, store, folder, type);
    }
    has = apr_hash_get(set, found->sha256, APR_HASH_KEY_STRING) != NULL;
    apr_pool_destroy(ptemp);
    return has;
}

const apr_array_header_t *cfo_store_former(apr_pool_t *p,
                                           const cfo_entry_t *live)
{
    apr_array_header_t *former = apr_array_make(p, 1, sizeof(const char *));
    int known = live->meta ? live->meta->former->nelts : 0;
    int is_pair = live->stored.state == CFO_STORED_PAIR;
    int i = known + is_pair - CFO_FORMER_MAX;

    for (i = i > 0 ? i : 0; i < known; i++) {
        APR_ARRAY_PUSH(former, const char *) =
            APR_ARRAY_IDX(live->meta->former, i, const char *);
    }
    if (is_pair) {
        APR_ARRAY_PUSH(former, const char *) = live->stored.facts->sha256;
    }
    return former;
}
