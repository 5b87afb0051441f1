/* SPDX-License-Identifier: Apache-2.0 */
/**
 * CFOriginPack on: vhosts of one account, zone and settings on certificates
 * of up to 200 names. Pure, as all of the plan.
 *
 * Who is on a stored certificate stays there, so that a vhost more or less
 * changes one certificate and no other; that can't be had from the names
 * alone together with full certificates, which is why the plan is told what
 * the store holds. Without a store the order of httpd.conf decides, so a
 * round that was cut short goes on where it stopped.
 */
#include "plan_parts.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cforigin_names.h"

/* Certificates of one key that are tried for a free place: a bound, so that
 * many half full ones don't cost a look each. */
#define OPEN_MAX 16

typedef struct pack_t {
    const char *folder;
    const char *name;
    const char *key;      /* whose vhosts it takes; NULL: nobody's yet */
    cfo_name_list_t list; /* the names wanted on it */
    cfo_group_t *group;   /* what it becomes */
    int unreadable;
    int votes; /* for `key`, of the vhosts that are on it */
} pack_t;

typedef struct packing_t {
    cfo_plan_work_t *work;
    apr_array_header_t *packs; /* pack_t *; the stored ones first, by name */
    apr_hash_t *by_folder;     /* pack_t * */
    apr_hash_t *by_host;       /* a name to the stored packs that have it */
    apr_hash_t *open;          /* a key to the packs that may have room */
    const char **keys;         /* of each group; NULL: is not packed */
    pack_t **pack_of;          /* of each group */
} packing_t;

/* Which zone. */

/* Words that stand below a country's domain where others have their name. */
static int is_public_label(const char *label, size_t len)
{
    static const char *const words[] = {
        "ac", "co",  "com", "edu", "gob", "gov", "go",  "id",  "ltd",
        "me", "mil", "net", "ne",  "nom", "or",  "org", "plc", "sch"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == len && !strncmp(words[i], label, len))
            return 1;
    }
    return 0;
}

/* The zone as far as a name tells: its last two labels, or three below
 * co.uk and the like. Too wide a guess packs two zones together, which the
 * API takes; too narrow a one costs calls. CFOriginZoneID says it for sure.
 */
static const char *zone_of(const char *name)
{
    const char *last = strrchr(name, '.'), *zone = last, *before;

    while (zone > name && zone[-1] != '.')
        zone--;
    if (!last || zone == name || strlen(last + 1) != 2 ||
        !is_public_label(zone, (size_t)(last - zone)))
        return zone ? zone : name;
    before = zone - 1;
    while (before > name && before[-1] != '.')
        before--;
    return *before == '*' ? zone : before;
}

/* All that those who share a certificate must agree on. */
static const char *key_of(const packing_t *packing, const cfo_group_t *group)
{
    int first = APR_ARRAY_IDX(group->vhosts, 0, int);
    const cfo_settings_t *s = &cfo_plan_vhost(packing->work, first)->settings;
    apr_pool_t *p = packing->work->ptemp;

    return apr_psprintf(
        p, "%s\n%s%s\n%u %d %d %s%d %s%d", s->token_file ? s->token_file : "",
        s->zone_id ? "id " : "",
        s->zone_id ? s->zone_id
                   : zone_of(APR_ARRAY_IDX(group->hostnames, 0, const char *)),
        s->request_types, s->validity, !s->renew_manual,
        cfo_window_word(p, &s->renew_window), !s->renew_window.is_default,
        cfo_window_word(p, &s->warn_window), !s->warn_window.is_default);
}

/* Whoever said which names or which files, or has them from a
 * CFOriginCertificate, keeps them. */
static int may_be_packed(const packing_t *packing, const cfo_group_t *group)
{
    if (group->shared)
        return 0;
    for (int i = 0; i < group->vhosts->nelts; i++) {
        const cfo_vhost_t *v = cfo_plan_vhost(
            packing->work, APR_ARRAY_IDX(group->vhosts, i, int));

        if ((v->targets && v->targets->nelts) ||
            (v->hostnames && v->hostnames->nelts))
            return 0;
    }
    return 1;
}

/* What is stored. */

static pack_t *pack_make(packing_t *packing, const char *folder,
                         const char *name)
{
    pack_t *pack = apr_pcalloc(packing->work->ptemp, sizeof *pack);

    pack->folder = folder;
    pack->name = name;
    pack->list = cfo_plan_list_make(packing->work, packing->work->p, 16);
    apr_hash_set(packing->by_folder, folder, APR_HASH_KEY_STRING, pack);
    APR_ARRAY_PUSH(packing->packs, pack_t *) = pack;
    return pack;
}

static apr_array_header_t *list_at(apr_pool_t *p, apr_hash_t *hash,
                                   const char *key)
{
    apr_array_header_t *list = apr_hash_get(hash, key, APR_HASH_KEY_STRING);

    if (!list) {
        list = apr_array_make(p, 1, sizeof(pack_t *));
        apr_hash_set(hash, key, APR_HASH_KEY_STRING, list);
    }
    return list;
}

static int by_folder(const void *a, const void *b)
{
    return strcmp((*(const cfo_pack_t *const *)a)->folder,
                  (*(const cfo_pack_t *const *)b)->folder);
}

static void take_stored(packing_t *packing, const cfo_pack_t *stored)
{
    const char *rest = stored->folder + strlen(CFO_PACK_PREFIX);
    const char *name = stored->folder;
    pack_t *pack;

    if (rest[0] == '_' && rest[1] == '.')
        name =
            apr_pstrcat(packing->work->p, CFO_PACK_PREFIX "*", rest + 1, NULL);
    pack = pack_make(packing, stored->folder, name);
    pack->unreadable = stored->unreadable;
    for (int i = 0; i < stored->hostnames->nelts; i++)
        APR_ARRAY_PUSH(
            list_at(packing->work->ptemp, packing->by_host,
                    APR_ARRAY_IDX(stored->hostnames, i, const char *)),
            pack_t *) = pack;
}

static void take_all_stored(packing_t *packing)
{
    const apr_array_header_t *packs = packing->work->packs;
    size_t count = (size_t)packs->nelts;
    const cfo_pack_t **sorted =
        apr_palloc(packing->work->ptemp, sizeof(*sorted) * (count + 1));

    for (int i = 0; i < packs->nelts; i++)
        sorted[i] = &APR_ARRAY_IDX(packs, i, cfo_pack_t);
    qsort(sorted, count, sizeof *sorted, by_folder);
    for (size_t i = 0; i < count; i++)
        take_stored(packing, sorted[i]);
}

/* Who goes where. */

static int has_room(const pack_t *pack, const cfo_group_t *group)
{
    int more = 0;

    for (int i = 0; i < group->hostnames->nelts; i++)
        more += !apr_hash_get(pack->list.seen,
                              APR_ARRAY_IDX(group->hostnames, i, const char *),
                              APR_HASH_KEY_STRING);
    return pack->list.names->nelts + more <= CFO_HOSTNAMES_MAX;
}

static int takes(const pack_t *pack, const char *key, const cfo_group_t *group)
{
    return (!pack->key || !strcmp(pack->key, key)) && has_room(pack, group);
}

static void put(packing_t *packing, pack_t *pack, int index)
{
    const cfo_group_t *group =
        APR_ARRAY_IDX(packing->work->groups, index, cfo_group_t *);

    pack->key = packing->keys[index];
    packing->pack_of[index] = pack;
    for (int i = 0; i < group->hostnames->nelts; i++)
        cfo_plan_list_add(&pack->list,
                          APR_ARRAY_IDX(group->hostnames, i, const char *));
}

static int has_name(const packing_t *packing, const pack_t *pack,
                    const char *name)
{
    const apr_array_header_t *list =
        apr_hash_get(packing->by_host, name, APR_HASH_KEY_STRING);

    for (int i = 0; list && i < list->nelts; i++) {
        if (APR_ARRAY_IDX(list, i, pack_t *) == pack)
            return 1;
    }
    return 0;
}

static int has_all(const packing_t *packing, const pack_t *pack,
                   const apr_array_header_t *names)
{
    for (int i = 0; i < names->nelts; i++) {
        if (!has_name(packing, pack, APR_ARRAY_IDX(names, i, const char *)))
            return 0;
    }
    return 1;
}

/* A stored pack is for those settings that most of its vhosts have: one that
 * changed its own leaves, and does not drive the others out. */
static void vote(packing_t *packing, int index, apr_hash_t *votes)
{
    const cfo_group_t *group =
        APR_ARRAY_IDX(packing->work->groups, index, cfo_group_t *);
    const apr_array_header_t *list = apr_hash_get(
        packing->by_host, APR_ARRAY_IDX(group->hostnames, 0, const char *),
        APR_HASH_KEY_STRING);

    for (int i = 0; list && i < list->nelts; i++) {
        pack_t *pack = APR_ARRAY_IDX(list, i, pack_t *);
        const char *slip = apr_pstrcat(packing->work->ptemp, pack->folder,
                                       "\n", packing->keys[index], NULL);
        int *count = apr_hash_get(votes, slip, APR_HASH_KEY_STRING);

        if (!count) {
            count = apr_pcalloc(packing->work->ptemp, sizeof *count);
            apr_hash_set(votes, slip, APR_HASH_KEY_STRING, count);
        }
        if (++*count > pack->votes) {
            pack->votes = *count;
            pack->key = packing->keys[index];
        }
    }
}

/* Into the stored pack that has all of its names; or, `grown`, its first. */
static void stay(packing_t *packing, int index, int grown)
{
    const cfo_group_t *group =
        APR_ARRAY_IDX(packing->work->groups, index, cfo_group_t *);
    const apr_array_header_t *names = group->hostnames;
    const apr_array_header_t *list =
        apr_hash_get(packing->by_host, APR_ARRAY_IDX(names, 0, const char *),
                     APR_HASH_KEY_STRING);

    for (int i = 0; list && i < list->nelts; i++) {
        pack_t *pack = APR_ARRAY_IDX(list, i, pack_t *);

        if ((grown || has_all(packing, pack, names)) &&
            takes(pack, packing->keys[index], group)) {
            put(packing, pack, index);
            return;
        }
    }
}

/* Named for its first vhost, so that two servers on one store, with other
 * vhosts each, have other packs. */
static pack_t *pack_new(packing_t *packing, const cfo_group_t *group)
{
    apr_pool_t *p = packing->work->p;
    const char *folder = apr_pstrcat(p, CFO_PACK_PREFIX, group->folder, NULL);
    const char *name = apr_pstrcat(p, CFO_PACK_PREFIX, group->name, NULL);
    const char *first = folder;
    pack_t *pack;

    for (int i = 2;; i++) {
        pack = apr_hash_get(packing->by_folder, folder, APR_HASH_KEY_STRING);
        if (!pack)
            return pack_make(packing, folder, name);
        if (!pack->key)
            return pack;
        folder = apr_psprintf(p, "%s+%d", first, i);
        name = apr_psprintf(p, CFO_PACK_PREFIX "%s+%d", group->name, i);
    }
}

static pack_t *find_open(apr_array_header_t *open, const char *key,
                         const cfo_group_t *group)
{
    for (int i = 0; i < open->nelts; i++) {
        pack_t *pack = APR_ARRAY_IDX(open, i, pack_t *);

        if (takes(pack, key, group))
            return pack;
    }
    return NULL;
}

/* The one with the least room gives way. */
static void close_fullest(apr_array_header_t *open)
{
    int fullest = 0;

    for (int i = 1; i < open->nelts; i++) {
        if (APR_ARRAY_IDX(open, i, pack_t *)->list.names->nelts >
            APR_ARRAY_IDX(open, fullest, pack_t *)->list.names->nelts)
            fullest = i;
    }
    for (int i = fullest; i + 1 < open->nelts; i++)
        APR_ARRAY_IDX(open, i, pack_t *) =
            APR_ARRAY_IDX(open, i + 1, pack_t *);
    open->nelts--;
}

static void add_open(packing_t *packing, pack_t *pack)
{
    apr_array_header_t *open =
        list_at(packing->work->ptemp, packing->open, pack->key);

    APR_ARRAY_PUSH(open, pack_t *) = pack;
    if (open->nelts > OPEN_MAX)
        close_fullest(open);
}

/* On a sick disk a vhost that is nowhere may well be on what can't be read:
 * it waits there, since for such a one nothing is asked. */
static pack_t *find_unreadable(const packing_t *packing, int index)
{
    const cfo_group_t *group =
        APR_ARRAY_IDX(packing->work->groups, index, cfo_group_t *);

    for (int i = 0; i < packing->work->packs->nelts; i++) {
        pack_t *pack = APR_ARRAY_IDX(packing->packs, i, pack_t *);

        if (pack->unreadable && takes(pack, packing->keys[index], group))
            return pack;
    }
    return NULL;
}

static void find_place(packing_t *packing, int index)
{
    const char *key = packing->keys[index];
    const cfo_group_t *group =
        APR_ARRAY_IDX(packing->work->groups, index, cfo_group_t *);
    pack_t *pack = find_unreadable(packing, index);

    if (!pack)
        pack = find_open(list_at(packing->work->ptemp, packing->open, key),
                         key, group);
    if (pack) {
        put(packing, pack, index);
        return;
    }
    pack = pack_new(packing, group);
    put(packing, pack, index);
    add_open(packing, pack);
}

/* What becomes of it. */

static void join_pack(packing_t *packing, apr_array_header_t *groups,
                      pack_t *pack, const cfo_group_t *group)
{
    if (!pack->group) {
        pack->group = apr_pmemdup(packing->work->p, group, sizeof *group);
        pack->group->name = pack->name;
        pack->group->folder = pack->folder;
        pack->group->hostnames = pack->list.names;
        pack->group->vhosts = apr_array_make(
            packing->work->p, pack->list.names->nelts, sizeof(int));
        APR_ARRAY_PUSH(groups, cfo_group_t *) = pack->group;
    }
    apr_array_cat(pack->group->vhosts, group->vhosts);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void replace_groups(packing_t *packing)
{
    const apr_array_header_t *old = packing->work->groups;
    apr_array_header_t *groups = apr_array_make(
        packing->work->ptemp, old->nelts, sizeof(cfo_group_t *));

    for (int i = 0; i < old->nelts; i++) {
        cfo_group_t *group = APR_ARRAY_IDX(old, i, cfo_group_t *);

        if (packing->pack_of[i])
            join_pack(packing, groups, packing->pack_of[i], group);
        else
            APR_ARRAY_PUSH(groups, cfo_group_t *) = group;
    }
    for (int i = 0; i < groups->nelts; i++) {
        apr_array_header_t *vhosts =
            APR_ARRAY_IDX(groups, i, cfo_group_t *)->vhosts;

        qsort(vhosts->elts, (size_t)vhosts->nelts, sizeof(int), by_number);
    }
    packing->work->groups = groups;
}

static void packing_begin(packing_t *packing, cfo_plan_work_t *work)
{
    size_t count = (size_t)work->groups->nelts + 1;

    packing->work = work;
    packing->packs =
        apr_array_make(work->ptemp, work->packs->nelts, sizeof(pack_t *));
    packing->by_folder = apr_hash_make(work->ptemp);
    packing->by_host = apr_hash_make(work->ptemp);
    packing->open = apr_hash_make(work->ptemp);
    packing->keys = apr_pcalloc(work->ptemp, sizeof(*packing->keys) * count);
    packing->pack_of =
        apr_pcalloc(work->ptemp, sizeof(*packing->pack_of) * count);
    for (int i = 0; i < work->groups->nelts; i++) {
        const cfo_group_t *group =
            APR_ARRAY_IDX(work->groups, i, cfo_group_t *);

        if (may_be_packed(packing, group))
            packing->keys[i] = key_of(packing, group);
    }
    take_all_stored(packing);
}

void cfo_plan_pack(cfo_plan_work_t *work)
{
    packing_t packing;
    apr_hash_t *votes;
    int count = work->groups->nelts;

    packing_begin(&packing, work);
    votes = apr_hash_make(work->ptemp);
    for (int i = 0; i < count; i++) {
        if (packing.keys[i])
            vote(&packing, i, votes);
    }
    /* 1. Who is on a stored one stays: that changes nothing there. */
    for (int i = 0; i < count; i++) {
        if (packing.keys[i])
            stay(&packing, i, 0);
    }
    /* 2. Who got a name more stays, while there is room. */
    for (int i = 0; i < count; i++) {
        if (packing.keys[i] && !packing.pack_of[i])
            stay(&packing, i, 1);
    }
    for (int i = 0; i < packing.packs->nelts; i++) {
        pack_t *pack = APR_ARRAY_IDX(packing.packs, i, pack_t *);

        if (pack->key)
            add_open(&packing, pack);
    }
    /* 3. Everybody else: where there is room, or a new one. */
    for (int i = 0; i < count; i++) {
        if (packing.keys[i] && !packing.pack_of[i])
            find_place(&packing, i);
    }
    replace_groups(&packing);
}
