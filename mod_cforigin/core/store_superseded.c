/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which generations are to be revoked: the parent starts no keeper where
 * there are none, and the keeper takes no others. Reads only.
 */
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "store_files.h"

#define DAY apr_time_from_sec(24 * 60 * 60)

const char *cfo_store_refusal(apr_pool_t *p, int generation)
{
    return apr_psprintf(p, ".refused-%d", generation);
}

/* A time ahead of the clock is not believed. */
static int was_refused(apr_pool_t *p, const char *dir, int generation,
                       apr_time_t now)
{
    const char *path =
        cfo_store_path(p, dir, cfo_store_refusal(p, generation));
    struct stat st;
    apr_time_t at;

    if (lstat(path, &st) != 0) {
        return 0;
    }
    at = apr_time_from_sec(st.st_mtim.tv_sec);
    return at <= now && now - at < DAY;
}

static int is_to_be_revoked(const cfo_entry_t *entry, const cfo_entry_t *live,
                            const char *account, apr_time_t now)
{
    const cfo_meta_t *meta = entry->meta;
    const cfo_cert_facts_t *facts = entry->stored.facts;

    return meta && !meta->adopted && meta->account &&
           strcmp(meta->account, account) == 0 &&
           strcmp(facts->serial, live->stored.facts->serial) != 0 &&
           facts->not_after > now;
}

/* Each generation below the live one ceased to be it when the next came. */
apr_array_header_t *cfo_store_superseded(apr_pool_t *p, const char *store,
                                         const char *folder,
                                         cfo_request_type_t type,
                                         const cfo_entry_t *live,
                                         const char *account, apr_time_t now)
{
    const char *dir = cfo_store_dir(p, store, folder, type);
    apr_array_header_t *all = cfo_store_generations(p, dir);
    apr_array_header_t *old = apr_array_make(p, 2, sizeof(cfo_entry_t *));
    apr_time_t replaced = live->stored.installed;

    for (int i = all->nelts - 1; account && i >= 0; i--) {
        int number = APR_ARRAY_IDX(all, i, int);
        const cfo_entry_t *entry;

        if (number >= live->generation) {
            continue;
        }
        entry = cfo_store_generation(p, store, folder, type, number);
        if (entry && replaced && replaced <= now - DAY &&
            is_to_be_revoked(entry, live, account, now) &&
            !was_refused(p, dir, number, now)) {
            APR_ARRAY_PUSH(old, const cfo_entry_t *) = entry;
        }
        replaced = entry ? entry->stored.installed : 0;
    }
    return old;
}
