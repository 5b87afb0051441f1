/* SPDX-License-Identifier: Apache-2.0 */
/* Packed certificates as the store has them. Only reads it. */
#include "cforigin_packs.h"
#include "cforigin_names.h"

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

/* --- standing in ----------------------------------------------------------
 */

static const cfo_entry_t *pair_of(cfo_generation_t *gen, const char *folder,
                                  const char *name, cfo_request_type_t type)
{
    const cfo_entry_t *entry =
        cfo_store_look(gen->pool, gen->global->store, folder, type,
                       gen->retained->known.pairs);
    apr_array_header_t *names;

    if (entry->cert_path == NULL)
        return NULL;
    names = apr_array_make(gen->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(names, const char *) = name;
    return cfo_names_uncovered(names, entry->stored.facts->hostnames,
                               gen->pool)
               ? NULL
               : entry;
}

/* A name to the folder of the pack that has it; made when it is needed. */
static void index_packs(cfo_generation_t *gen)
{
    apr_array_header_t *packs = cfo_packs_stored(gen->pool, gen->global->store,
                                                 gen->retained->known.pairs);
    int i, n;

    gen->packed = apr_hash_make(gen->pool);
    for (i = 0; i < packs->nelts; i++) {
        const cfo_pack_t *pack = &APR_ARRAY_IDX(packs, i, cfo_pack_t);

        for (n = 0; n < pack->hostnames->nelts; n++)
            apr_hash_set(gen->packed,
                         APR_ARRAY_IDX(pack->hostnames, n, const char *),
                         APR_HASH_KEY_STRING, pack->folder);
    }
}

const cfo_entry_t *cfo_packs_stand_in(cfo_generation_t *gen, int vhost,
                                      cfo_request_type_t type)
{
    const cfo_vhost_t *v = &APR_ARRAY_IDX(gen->vhosts, vhost, cfo_vhost_t);
    const char *name, *folder;

    if (v->server_name == NULL ||
        cfo_name_spell(gen->pool, v->server_name, &name) != CFO_NAME_OK)
        return NULL;
    if (gen->global->pack)
        return pair_of(gen, cfo_name_folder(gen->pool, name), name, type);
    if (gen->packed == NULL)
        index_packs(gen);
    folder = apr_hash_get(gen->packed, name, APR_HASH_KEY_STRING);
    return folder ? pair_of(gen, folder, name, type) : NULL;
}
