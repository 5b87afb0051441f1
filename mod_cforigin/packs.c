/* SPDX-License-Identifier: Apache-2.0 */
/* Packed certificates as the store has them. Only reads it. */
#include "cforigin_packs.h"

#include <apr_hash.h>
#include <apr_strings.h>

static int is_pack(const char *folder)
{
    return !strncmp(folder, CFO_PACK_PREFIX, strlen(CFO_PACK_PREFIX));
}

/* The names of one type's certificate, or of what was made for it. */
static void add_names(apr_pool_t *p, const char *store, cfo_pack_t *pack,
                      apr_array_header_t *hostnames, cfo_request_type_t type,
                      apr_hash_t *known)
{
    const cfo_entry_t *entry =
        cfo_store_look(p, store, pack->folder, type, known);
    cfo_pending_t *pending;

    if (entry->stored.state == CFO_STORED_UNREADABLE)
        pack->unreadable = 1;
    if (entry->stored.facts) {
        apr_array_cat(hostnames, entry->stored.facts->hostnames);
        return;
    }
    pending =
        cfo_store_pending(p, cfo_store_dir(p, store, pack->folder, type));
    if (pending == NULL)
        return;
    apr_array_cat(hostnames, pending->intent.hostnames);
    cfo_pki_wipe(&pending->key);
}

/* Both types have the same names; one is enough. */
apr_array_header_t *cfo_packs_stored(apr_pool_t *p, const char *store,
                                     apr_hash_t *known)
{
    apr_array_header_t *folders = cfo_store_folders(p, store);
    apr_array_header_t *packs = apr_array_make(p, 4, sizeof(cfo_pack_t));
    int i;

    for (i = 0; i < folders->nelts; i++) {
        const char *folder = APR_ARRAY_IDX(folders, i, const char *);
        apr_array_header_t *hostnames;
        cfo_pack_t *pack;

        if (!is_pack(folder))
            continue;
        hostnames = apr_array_make(p, 8, sizeof(const char *));
        pack = apr_array_push(packs);
        memset(pack, 0, sizeof(*pack));
        pack->folder = folder;
        pack->hostnames = hostnames;
        add_names(p, store, pack, hostnames, CFO_ORIGIN_ECC, known);
        if (hostnames->nelts == 0)
            add_names(p, store, pack, hostnames, CFO_ORIGIN_RSA, known);
    }
    return packs;
}
