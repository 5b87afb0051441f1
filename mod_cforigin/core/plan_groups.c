/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Who shares a certificate: CFOriginCertificate first, then whoever begins
 * with one name or names one target; and whether those who share agree on
 * the settings. Pure, as all of the plan. Everything is found by hash.
 */
#include "plan_parts.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cforigin_names.h"

#define SHARED_NAME_MAX 100

/* A CFOriginCertificate line that can be used. */
typedef struct offer_t {
    const cfo_shared_t *shared;
    const char *name;     /* lower-case */
    cfo_name_list_t list; /* its names, spelled */
    apr_hash_t *suffixes; /* ".b.c" for each "*.b.c" */
    cfo_group_t *group;   /* once a vhost uses it */
} offer_t;

typedef struct offers_t {
    apr_array_header_t *all; /* offer_t *, in order */
    apr_hash_t *by_name;     /* offer_t * */
    apr_hash_t *by_host;     /* a name, or ".b.c" for "*.b.c", to the
                              * ascending indexes (int) of those with it */
} offers_t;

/* CFOriginCertificate lines. */

static const char *shared_name(apr_pool_t *p, const char *name)
{
    char *c, *copy = apr_pstrdup(p, name);

    for (c = copy; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    if (strspn(copy, "abcdefghijklmnopqrstuvwxyz0123456789._-") !=
            strlen(copy) ||
        strlen(copy) > SHARED_NAME_MAX || !*copy || *copy == '.')
        return NULL;
    return copy;
}

static void index_host(cfo_plan_work_t *work, offers_t *offers,
                       const char *key)
{
    apr_array_header_t *list =
        apr_hash_get(offers->by_host, key, APR_HASH_KEY_STRING);

    if (!list) {
        list = apr_array_make(work->ptemp, 1, sizeof(int));
        apr_hash_set(offers->by_host, key, APR_HASH_KEY_STRING, list);
    }
    APR_ARRAY_PUSH(list, int) = offers->all->nelts;
}

static void take_hosts(cfo_plan_work_t *work, offers_t *offers, offer_t *offer)
{
    const cfo_shared_t *shared = offer->shared;

    for (int i = 0; shared->hostnames && i < shared->hostnames->nelts; i++) {
        const char *host = APR_ARRAY_IDX(shared->hostnames, i, const char *);
        const char *spelled;
        cfo_name_fault_t fault = cfo_name_spell(work->p, host, &spelled);

        if (fault == CFO_NAME_OK)
            cfo_plan_list_add(&offer->list, spelled);
        else
            cfo_plan_say(work, CFO_PLAN_ERROR, -1, shared->where,
                         "CFOriginCertificate %s: \"%s\" %s", shared->name,
                         host, cfo_name_fault_text(fault));
    }
    for (int i = 0; i < offer->list.names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(offer->list.names, i, const char *);

        index_host(work, offers, name);
        if (name[0] != '*')
            continue;
        index_host(work, offers, name + 1);
        apr_hash_set(offer->suffixes, name + 1, APR_HASH_KEY_STRING, name);
    }
}

static void take_offer(cfo_plan_work_t *work, offers_t *offers,
                       const cfo_shared_t *shared)
{
    offer_t *offer = apr_pcalloc(work->ptemp, sizeof *offer);
    offer_t *same;

    offer->shared = shared;
    offer->name = shared_name(work->p, shared->name);
    if (!offer->name) {
        cfo_plan_say(work, CFO_PLAN_ERROR, -1, shared->where,
                     "CFOriginCertificate: the name \"%s\" can't be that of "
                     "a folder; allowed are up to %d letters, digits, '.', "
                     "'_' and '-', not beginning with '.'",
                     shared->name, SHARED_NAME_MAX);
        return;
    }
    same = apr_hash_get(offers->by_name, offer->name, APR_HASH_KEY_STRING);
    if (same) {
        cfo_plan_say(work, CFO_PLAN_ERROR, -1, shared->where,
                     "CFOriginCertificate %s is already defined%s%s; give "
                     "each a name of its own, or write all hosts on one "
                     "line",
                     shared->name, same->shared->where ? " at " : "",
                     same->shared->where ? same->shared->where : "");
        return;
    }
    apr_hash_set(offers->by_name, offer->name, APR_HASH_KEY_STRING, offer);
    offer->list = cfo_plan_list_make(work, work->p, 4);
    offer->suffixes = apr_hash_make(work->ptemp);
    take_hosts(work, offers, offer);
    APR_ARRAY_PUSH(offers->all, offer_t *) = offer;
}

static int offer_covers(const offer_t *offer, const apr_array_header_t *names)
{
    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *suffix = strchr(name, '.');

        if (!apr_hash_get(offer->list.seen, name, APR_HASH_KEY_STRING) &&
            !apr_hash_get(offer->suffixes, suffix, APR_HASH_KEY_STRING))
            return 0;
    }
    return 1;
}

/* The first of those listed under key that covers all names, and comes before
 * `best`; else best. */
static int better_offer(const offers_t *offers, const char *key,
                        const apr_array_header_t *names, int best)
{
    const apr_array_header_t *list =
        apr_hash_get(offers->by_host, key, APR_HASH_KEY_STRING);

    for (int i = 0; list && i < list->nelts; i++) {
        int index = APR_ARRAY_IDX(list, i, int);

        if (index >= best)
            break;
        if (offer_covers(APR_ARRAY_IDX(offers->all, index, offer_t *), names))
            return index;
    }
    return best;
}

static offer_t *find_offer(const offers_t *offers,
                           const apr_array_header_t *names)
{
    const char *first = APR_ARRAY_IDX(names, 0, const char *);
    int none = offers->all->nelts;
    int best = better_offer(offers, first, names, none);

    best = better_offer(offers, strchr(first, '.'), names, best);
    return best < none ? APR_ARRAY_IDX(offers->all, best, offer_t *) : NULL;
}

/* Vhosts that share because of a name or a target: union and find. */

static int find_root(int *parent, int vhost)
{
    while (parent[vhost] != vhost) {
        parent[vhost] = parent[parent[vhost]];
        vhost = parent[vhost];
    }
    return vhost;
}

static void join(int *parent, int a, int b)
{
    parent[find_root(parent, b)] = find_root(parent, a);
}

/* Join vhost with whoever came first under this key. */
static void join_by(apr_hash_t *firsts, int *parent, int *ids, const char *key,
                    int vhost)
{
    int *first = apr_hash_get(firsts, key, APR_HASH_KEY_STRING);

    if (first)
        join(parent, *first, vhost);
    else
        apr_hash_set(firsts, key, APR_HASH_KEY_STRING, &ids[vhost]);
}

static int *join_vhosts(cfo_plan_work_t *work, offer_t **offer_of)
{
    size_t count = (size_t)work->vhosts->nelts;
    int *parent = apr_palloc(work->ptemp, sizeof(int) * (count + 1));
    int *ids = apr_palloc(work->ptemp, sizeof(int) * (count + 1));
    apr_hash_t *by_name = apr_hash_make(work->ptemp);
    apr_hash_t *by_target = apr_hash_make(work->ptemp);

    for (int i = 0; i < work->vhosts->nelts; i++)
        parent[i] = ids[i] = i;
    for (int i = 0; i < work->vhosts->nelts; i++) {
        const apr_array_header_t *targets = cfo_plan_vhost(work, i)->targets;

        if (!work->names[i] || offer_of[i])
            continue;
        join_by(by_name, parent, ids,
                APR_ARRAY_IDX(work->names[i], 0, const char *), i);
        for (int t = 0; targets && t < targets->nelts; t++)
            join_by(by_target, parent, ids,
                    APR_ARRAY_IDX(targets, t, cfo_target_t).certificate, i);
    }
    return parent;
}

/* Groups. */

static cfo_group_t *group_make(cfo_plan_work_t *work, const char *name)
{
    cfo_group_t *group = apr_pcalloc(work->ptemp, sizeof *group);

    group->name = name;
    group->folder = cfo_name_folder(work->p, name);
    group->vhosts = apr_array_make(work->p, 1, sizeof(int));
    for (int t = 0; t < CFO_REQUEST_TYPES; t++)
        group->wanted[t] = -1;
    APR_ARRAY_PUSH(work->groups, cfo_group_t *) = group;
    return group;
}

static void use_offer(cfo_plan_work_t *work, offer_t *offer, int vhost)
{
    if (!offer->group) {
        offer->group = group_make(work, offer->name);
        offer->group->folder = offer->name;
        offer->group->shared = offer->shared;
        offer->group->hostnames = offer->list.names;
    }
    APR_ARRAY_PUSH(offer->group->vhosts, int) = vhost;
}

typedef struct own_t {
    cfo_group_t *group;
    cfo_name_list_t list;
} own_t;

static void use_own(cfo_plan_work_t *work, own_t *own, int vhost)
{
    const apr_array_header_t *names = work->names[vhost];

    if (!own->group) {
        own->list = cfo_plan_list_make(work, work->p, names->nelts);
        own->group = group_make(work, APR_ARRAY_IDX(names, 0, const char *));
        own->group->hostnames = own->list.names;
    }
    for (int i = 0; i < names->nelts; i++)
        cfo_plan_list_add(&own->list, APR_ARRAY_IDX(names, i, const char *));
    APR_ARRAY_PUSH(own->group->vhosts, int) = vhost;
}

static void gather(cfo_plan_work_t *work, const offers_t *offers)
{
    size_t count = (size_t)work->vhosts->nelts + 1;
    offer_t **offer_of = apr_pcalloc(work->ptemp, sizeof(*offer_of) * count);
    own_t *own = apr_pcalloc(work->ptemp, sizeof(*own) * count);
    int *parent;

    for (int i = 0; i < work->vhosts->nelts; i++) {
        if (work->names[i])
            offer_of[i] = find_offer(offers, work->names[i]);
    }
    parent = join_vhosts(work, offer_of);
    for (int i = 0; i < work->vhosts->nelts; i++) {
        if (!work->names[i])
            continue;
        if (offer_of[i])
            use_offer(work, offer_of[i], i);
        else
            use_own(work, &own[find_root(parent, i)], i);
    }
}

/* What is wrong with a group. */

/* "a (x.conf:1), b (x.conf:9) and 7 more" */
static const char *vhosts_text(const cfo_plan_work_t *work,
                               const cfo_group_t *group)
{
    const char *text = "";
    int shown = group->vhosts->nelts < 5 ? group->vhosts->nelts : 5;

    for (int i = 0; i < shown; i++)
        text = apr_pstrcat(
            work->p, text, i ? ", " : "",
            cfo_plan_vhost_text(work, APR_ARRAY_IDX(group->vhosts, i, int)),
            NULL);
    if (shown < group->vhosts->nelts)
        text = apr_psprintf(work->p, "%s and %d more", text,
                            group->vhosts->nelts - shown);
    return text;
}

static void check_count(cfo_plan_work_t *work, const cfo_group_t *group)
{
    int first = APR_ARRAY_IDX(group->vhosts, 0, int);

    if (group->hostnames->nelts <= CFO_HOSTNAMES_MAX || group->shared)
        return;
    cfo_plan_say(work, CFO_PLAN_ERROR, first,
                 cfo_plan_vhost(work, first)->where,
                 "the certificate %s would carry %d names, those of %s; the "
                 "Origin CA signs at most %d on one; write fewer "
                 "ServerAlias or CFOriginHostnames, or a wildcard with "
                 "CFOriginCertificate",
                 group->name, group->hostnames->nelts,
                 vhosts_text(work, group), CFO_HOSTNAMES_MAX);
}

static const char *types_word(apr_pool_t *p, unsigned types)
{
    const char *ecc = cfo_request_type_word(CFO_ORIGIN_ECC);
    const char *rsa = cfo_request_type_word(CFO_ORIGIN_RSA);

    if (types == (1u << CFO_ORIGIN_ECC))
        return ecc;
    if (types == (1u << CFO_ORIGIN_RSA))
        return rsa;
    return apr_pstrcat(p, ecc, " ", rsa, NULL);
}

static int windows_equal(const cfo_window_t *a, const cfo_window_t *b)
{
    return a->percent == b->percent &&
           (a->percent > 0 || a->length == b->length);
}

static const char *or_none(const char *text)
{
    return text ? text : "(none)";
}

/* The first directive on which the two differ, with both values, or NULL. */
static const char *difference(apr_pool_t *p, const cfo_settings_t *a,
                              const cfo_settings_t *b, const char **left,
                              const char **right)
{
    if (a->request_types != b->request_types) {
        *left = types_word(p, a->request_types);
        *right = types_word(p, b->request_types);
        return "CFOriginRequestType";
    }
    if (a->validity != b->validity) {
        *left = apr_psprintf(p, "%d", a->validity);
        *right = apr_psprintf(p, "%d", b->validity);
        return "CFOriginValidity";
    }
    if (!a->renew_manual != !b->renew_manual) {
        *left = a->renew_manual ? "manual" : "auto";
        *right = b->renew_manual ? "manual" : "auto";
        return "CFOriginRenewMode";
    }
    if (!windows_equal(&a->renew_window, &b->renew_window)) {
        *left = cfo_window_word(p, &a->renew_window);
        *right = cfo_window_word(p, &b->renew_window);
        return "CFOriginRenewWindow";
    }
    if (!windows_equal(&a->warn_window, &b->warn_window)) {
        *left = cfo_window_word(p, &a->warn_window);
        *right = cfo_window_word(p, &b->warn_window);
        return "CFOriginWarnWindow";
    }
    *left = or_none(a->token_file);
    *right = or_none(b->token_file);
    if (strcmp(*left, *right))
        return "CFOriginTokenFile";
    *left = or_none(a->zone_id);
    *right = or_none(b->zone_id);
    return strcmp(*left, *right) ? "CFOriginZoneID" : NULL;
}

static void check_settings(cfo_plan_work_t *work, const cfo_group_t *group)
{
    int first = APR_ARRAY_IDX(group->vhosts, 0, int);
    const cfo_settings_t *settings = &cfo_plan_vhost(work, first)->settings;

    for (int i = 1; i < group->vhosts->nelts; i++) {
        int other = APR_ARRAY_IDX(group->vhosts, i, int);
        const cfo_vhost_t *v = cfo_plan_vhost(work, other);
        const char *left, *right;
        const char *directive =
            difference(work->p, settings, &v->settings, &left, &right);

        if (directive)
            cfo_plan_say(work, CFO_PLAN_ERROR, other, v->where,
                         "%s and %s share the certificate %s but differ in "
                         "%s: %s and %s; write the same in both",
                         cfo_plan_vhost_text(work, first),
                         cfo_plan_vhost_text(work, other), group->name,
                         directive, left, right);
    }
}

/* Folder -> group of those that are not a CFOriginCertificate's. */
static apr_hash_t *own_folders(const cfo_plan_work_t *work)
{
    apr_hash_t *folders = apr_hash_make(work->ptemp);

    for (int i = 0; i < work->groups->nelts; i++) {
        const cfo_group_t *group =
            APR_ARRAY_IDX(work->groups, i, cfo_group_t *);

        if (!group->shared)
            apr_hash_set(folders, group->folder, APR_HASH_KEY_STRING, group);
    }
    return folders;
}

static void check_offer(cfo_plan_work_t *work, const offer_t *offer,
                        apr_hash_t *folders)
{
    const cfo_shared_t *shared = offer->shared;
    const cfo_group_t *same =
        apr_hash_get(folders, offer->name, APR_HASH_KEY_STRING);

    if (same)
        cfo_plan_say(
            work, CFO_PLAN_ERROR, -1, shared->where,
            "CFOriginCertificate %s has the name of the certificate of %s; "
            "give it another, such as apps",
            shared->name,
            cfo_plan_vhost_text(work, APR_ARRAY_IDX(same->vhosts, 0, int)));
    if (offer->list.names->nelts > CFO_HOSTNAMES_MAX)
        cfo_plan_say(work, CFO_PLAN_ERROR, -1, shared->where,
                     "CFOriginCertificate %s has %d names; the Origin CA "
                     "signs at most %d on one; split it, or write a "
                     "wildcard such as *.example.com",
                     shared->name, offer->list.names->nelts,
                     CFO_HOSTNAMES_MAX);
    else if (!offer->group)
        cfo_plan_say(work, CFO_PLAN_WARNING, -1, shared->where,
                     "CFOriginCertificate %s is not asked for: there is no "
                     "managed virtual host all of whose names it covers and "
                     "no line before it; add the names that are missing, or "
                     "remove the line",
                     shared->name);
}

void cfo_plan_groups(cfo_plan_work_t *work)
{
    apr_hash_t *folders;
    offers_t offers;
    int lines = work->shared ? work->shared->nelts : 0;

    offers.all = apr_array_make(work->ptemp, lines, sizeof(offer_t *));
    offers.by_name = apr_hash_make(work->ptemp);
    offers.by_host = apr_hash_make(work->ptemp);
    work->groups = apr_array_make(work->ptemp, work->vhosts->nelts,
                                  sizeof(cfo_group_t *));
    for (int i = 0; i < lines; i++)
        take_offer(work, &offers,
                   &APR_ARRAY_IDX(work->shared, i, cfo_shared_t));
    gather(work, &offers);
    folders = own_folders(work);
    for (int i = 0; i < offers.all->nelts; i++)
        check_offer(work, APR_ARRAY_IDX(offers.all, i, offer_t *), folders);
    for (int i = 0; i < work->groups->nelts; i++) {
        const cfo_group_t *group =
            APR_ARRAY_IDX(work->groups, i, cfo_group_t *);

        check_count(work, group);
        check_settings(work, group);
    }
}
