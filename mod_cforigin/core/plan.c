/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From facts about the virtual hosts to the certificates that are wanted:
 * the story, and what comes out. Pure: no file, no clock, no OpenSSL, no
 * httpd. Work is linear in vhosts and names.
 */
#include "plan_parts.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

/* Accounts. */

const char *cfo_account_id(apr_pool_t *p, const char *token_file)
{
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT,
                        cfo_hash_text(token_file));
}

typedef struct accounts_t {
    apr_hash_t *by_path; /* int *: index into plan->accounts */
    apr_hash_t *by_name; /* int *: the number that was given last */
} accounts_t;

/* The base name; the second of one name is "name-2", unless that is one's
 * own name already. */
static const char *unique_name(cfo_plan_work_t *work, apr_hash_t *by_name,
                               const char *token_file)
{
    const char *slash = strrchr(token_file, '/');
    const char *base = slash ? slash + 1 : token_file;
    const char *name = base;
    int *last = apr_hash_get(by_name, base, APR_HASH_KEY_STRING);
    int *first = apr_palloc(work->ptemp, sizeof *first);

    while (last && apr_hash_get(by_name, name, APR_HASH_KEY_STRING))
        name = apr_psprintf(work->p, "%s-%d", base, ++*last);
    *first = 1;
    apr_hash_set(by_name, name, APR_HASH_KEY_STRING, first);
    return name;
}

static int account_of(cfo_plan_work_t *work, accounts_t *accounts,
                      const char *token_file)
{
    int *index =
        apr_hash_get(accounts->by_path, token_file, APR_HASH_KEY_STRING);
    cfo_account_t *account;

    if (index)
        return *index;
    index = apr_palloc(work->ptemp, sizeof *index);
    *index = work->plan->accounts->nelts;
    apr_hash_set(accounts->by_path, token_file, APR_HASH_KEY_STRING, index);
    account = apr_array_push(work->plan->accounts);
    account->id = cfo_account_id(work->p, token_file);
    account->name = unique_name(work, accounts->by_name, token_file);
    account->token_file = token_file;
    return *index;
}

/* Wanted certificates. */

typedef struct by_type_t {
    cfo_wanted_t *wanted[CFO_REQUEST_TYPES];
} by_type_t;

cfo_wanted_t *cfo_plan_find(const cfo_plan_t *plan, const char *name,
                            cfo_request_type_t type)
{
    by_type_t *found = apr_hash_get(plan->by_name, name, APR_HASH_KEY_STRING);

    if (!found || (unsigned)type >= CFO_REQUEST_TYPES)
        return NULL;
    return found->wanted[type];
}

static void want(cfo_plan_work_t *work, cfo_group_t *group, by_type_t *found,
                 cfo_request_type_t type, int account)
{
    cfo_wanted_t *wanted = apr_pcalloc(work->p, sizeof *wanted);
    int first = APR_ARRAY_IDX(group->vhosts, 0, int);

    wanted->index = work->plan->wanted->nelts;
    wanted->name = group->name;
    wanted->folder = group->folder;
    wanted->request_type = type;
    wanted->hostnames = group->hostnames;
    wanted->settings = cfo_plan_vhost(work, first)->settings;
    wanted->settings.request_types = 1u << type;
    wanted->settings.first_type = type;
    wanted->account = account;
    wanted->vhosts = group->vhosts;
    APR_ARRAY_PUSH(work->plan->wanted, cfo_wanted_t *) = wanted;
    found->wanted[type] = wanted;
    group->wanted[type] = wanted->index;
}

static void want_group(cfo_plan_work_t *work, cfo_group_t *group,
                       accounts_t *accounts)
{
    int first = APR_ARRAY_IDX(group->vhosts, 0, int);
    const cfo_settings_t *settings = &cfo_plan_vhost(work, first)->settings;
    cfo_request_type_t type = settings->first_type;
    unsigned types =
        settings->request_types ? settings->request_types : 1u << type;
    by_type_t *found = apr_pcalloc(work->p, sizeof *found);
    int account = account_of(work, accounts, settings->token_file);

    apr_hash_set(work->plan->by_name, group->name, APR_HASH_KEY_STRING, found);
    apr_hash_set(work->plan->by_name, group->folder, APR_HASH_KEY_STRING,
                 found);
    for (int i = 0; i < CFO_REQUEST_TYPES; i++) {
        if (types & (1u << type))
            want(work, group, found, type, account);
        type = (cfo_request_type_t)((type + 1) % CFO_REQUEST_TYPES);
    }
    for (int i = 0; i < group->vhosts->nelts; i++) {
        int vhost = APR_ARRAY_IDX(group->vhosts, i, int);

        memcpy(APR_ARRAY_IDX(work->plan->assignments, vhost, cfo_assignment_t)
                   .wanted,
               group->wanted, sizeof group->wanted);
    }
}

static void want_all(cfo_plan_work_t *work)
{
    accounts_t accounts = {apr_hash_make(work->ptemp),
                           apr_hash_make(work->ptemp)};

    for (int i = 0; i < work->groups->nelts; i++)
        want_group(work, APR_ARRAY_IDX(work->groups, i, cfo_group_t *),
                   &accounts);
}

/* Messages came in the order of the work; told they are in the order of the
 * vhosts, those about none first. A counting sort: stable and linear. */
static void sort_messages(cfo_plan_work_t *work)
{
    apr_array_header_t *old = work->plan->messages;
    apr_array_header_t *sorted =
        apr_array_make(work->p, old->nelts, sizeof(cfo_plan_message_t));
    int buckets = work->vhosts->nelts + 1;
    int *at = apr_pcalloc(work->ptemp, sizeof(int) * ((size_t)buckets + 1));

    for (int i = 0; i < old->nelts; i++)
        at[APR_ARRAY_IDX(old, i, cfo_plan_message_t).vhost + 2]++;
    for (int b = 1; b <= buckets; b++)
        at[b] += at[b - 1];
    sorted->nelts = old->nelts;
    for (int i = 0; i < old->nelts; i++) {
        cfo_plan_message_t *m = &APR_ARRAY_IDX(old, i, cfo_plan_message_t);

        APR_ARRAY_IDX(sorted, at[m->vhost + 1]++, cfo_plan_message_t) = *m;
    }
    work->plan->messages = sorted;
}

static cfo_plan_t *plan_make(apr_pool_t *p, int vhosts)
{
    cfo_plan_t *plan = apr_pcalloc(p, sizeof *plan);

    plan->wanted = apr_array_make(p, vhosts, sizeof(cfo_wanted_t *));
    plan->accounts = apr_array_make(p, 1, sizeof(cfo_account_t));
    plan->assignments = apr_array_make(p, vhosts, sizeof(cfo_assignment_t));
    plan->messages = apr_array_make(p, 4, sizeof(cfo_plan_message_t));
    plan->by_name = apr_hash_make(p);
    return plan;
}

cfo_plan_t *cfo_plan_make(apr_pool_t *p, const apr_array_header_t *vhosts,
                          const apr_array_header_t *shared,
                          const apr_array_header_t *packs)
{
    cfo_plan_work_t work = {0};

    work.p = p;
    work.vhosts = vhosts;
    work.shared = shared;
    work.packs = packs;
    work.plan = plan_make(p, vhosts->nelts);
    apr_pool_create(&work.ptemp, p);

    /* 1. Who is managed, and with which names. */
    cfo_plan_vhosts(&work);
    /* 2. Who shares a certificate with whom, and whether they agree. */
    cfo_plan_groups(&work);
    /* 3. CFOriginPack on: up to 200 names on one. */
    if (packs)
        cfo_plan_pack(&work);
    /* 4. One certificate for each group and request type. */
    want_all(&work);
    /* 5. The files that its vhosts' SSLCertificateFile lines name. */
    cfo_plan_targets(&work);

    sort_messages(&work);
    apr_pool_destroy(work.ptemp);
    return work.plan;
}
