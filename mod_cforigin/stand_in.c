/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of the store by the names on them; made when a vhost first needs one,
 * which a good store's start never does. Only reads. */
#include "cforigin_stand_in.h"
#include "cforigin_clock.h"
#include "cforigin_names.h"

#include <apr_hash.h>
#include <apr_strings.h>

typedef struct pair_t {
    const cfo_entry_t *entry;
    cfo_request_type_t type;
} pair_t;

/* --- the index --- */

static void add(cfo_generation_t *gen, const cfo_entry_t *entry,
                cfo_request_type_t type)
{
    const apr_array_header_t *names = entry->stored.facts->hostnames;
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        apr_array_header_t *pairs =
            apr_hash_get(gen->by_name, name, APR_HASH_KEY_STRING);
        pair_t *pair;

        if (pairs == NULL) {
            pairs = apr_array_make(gen->pool, 1, sizeof(pair_t));
            apr_hash_set(gen->by_name, name, APR_HASH_KEY_STRING, pairs);
        }
        pair = apr_array_push(pairs);
        pair->entry = entry;
        pair->type = type;
    }
}

static void make_index(cfo_generation_t *gen)
{
    apr_array_header_t *folders =
        cfo_store_folders(gen->pool, gen->global->store);
    cfo_request_type_t type;
    int i;

    gen->by_name = apr_hash_make(gen->pool);
    for (i = 0; i < folders->nelts; i++) {
        for (type = 0; type < CFO_REQUEST_TYPES; type++) {
            const cfo_entry_t *entry =
                cfo_store_look(gen->pool, gen->global->store,
                               APR_ARRAY_IDX(folders, i, const char *), type,
                               gen->retained->known.pairs);

            if (entry->cert_path)
                add(gen, entry, type);
        }
    }
}

/* --- the choice --- */

static void spell(const char *name, apr_array_header_t *names)
{
    const char *spelled;

    if (name && cfo_name_spell(names->pool, name, &spelled) == CFO_NAME_OK)
        APR_ARRAY_PUSH(names, const char *) = spelled;
}

/* What the vhost would have a certificate for. */
static apr_array_header_t *names_of(const cfo_vhost_t *v, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(const char *));
    const apr_array_header_t *more = v->hostnames ? v->hostnames : v->aliases;
    int i;

    if (v->hostnames == NULL)
        spell(v->server_name, names);
    for (i = 0; more && i < more->nelts; i++)
        spell(APR_ARRAY_IDX(more, i, const char *), names);
    return names;
}

typedef struct merit_t {
    int in_date;
    int first; /* it has the vhost's first name */
    int names; /* and so many of all */
    apr_time_t not_before;
} merit_t;

static int is_on(const cfo_cert_facts_t *facts, const char *name)
{
    int i;

    for (i = 0; i < facts->hostnames->nelts; i++) {
        if (cfo_name_covers(APR_ARRAY_IDX(facts->hostnames, i, const char *),
                            name))
            return 1;
    }
    return 0;
}

static merit_t merit_of(const cfo_entry_t *entry,
                        const apr_array_header_t *names, apr_time_t now)
{
    const cfo_cert_facts_t *facts = entry->stored.facts;
    merit_t merit = {!now || now < facts->not_after, 0, 0, facts->not_before};
    int i;

    for (i = 0; i < names->nelts; i++) {
        int there = is_on(facts, APR_ARRAY_IDX(names, i, const char *));

        merit.first |= i == 0 && there;
        merit.names += there;
    }
    return merit;
}

static int is_better(const merit_t *a, const merit_t *b)
{
    if (a->in_date != b->in_date)
        return a->in_date > b->in_date;
    if (a->first != b->first)
        return a->first > b->first;
    if (a->names != b->names)
        return a->names > b->names;
    return a->not_before > b->not_before;
}

typedef struct choice_t {
    const apr_array_header_t *names;
    cfo_request_type_t type;
    apr_time_t now;
    const cfo_entry_t *best;
    merit_t merit;
} choice_t;

static void choose(const cfo_generation_t *gen, const char *name,
                   choice_t *choice)
{
    const apr_array_header_t *pairs =
        apr_hash_get(gen->by_name, name, APR_HASH_KEY_STRING);
    int i;

    for (i = 0; pairs && i < pairs->nelts; i++) {
        const pair_t *pair = &APR_ARRAY_IDX(pairs, i, pair_t);
        merit_t merit;

        if (pair->type != choice->type)
            continue;
        merit = merit_of(pair->entry, choice->names, choice->now);
        if (choice->best == NULL || is_better(&merit, &choice->merit)) {
            choice->best = pair->entry;
            choice->merit = merit;
        }
    }
}

const cfo_entry_t *cfo_stand_in_find(cfo_generation_t *gen, int vhost,
                                     cfo_request_type_t type, apr_time_t now)
{
    choice_t choice = {NULL, type, cfo_clock_trusted(gen, now), NULL, {0}};
    apr_pool_t *ptemp;
    int i;

    if (gen->by_name == NULL)
        make_index(gen);
    if (apr_hash_count(gen->by_name) == 0)
        return NULL;
    apr_pool_create(&ptemp, gen->pool);
    choice.names =
        names_of(&APR_ARRAY_IDX(gen->vhosts, vhost, cfo_vhost_t), ptemp);
    for (i = 0; i < choice.names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(choice.names, i, const char *);

        choose(gen, name, &choice);
        if (name[0] != '*')
            choose(gen, apr_pstrcat(ptemp, "*", strchr(name, '.'), NULL),
                   &choice);
    }
    apr_pool_destroy(ptemp);
    return choice.best;
}
