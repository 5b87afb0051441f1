/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which files belong to which certificate: the pairs that the vhosts'
 * SSLCertificateFile lines name, handed out to the request types, and no
 * file to two. Pure: the files themselves are not looked at here. Which file
 * goes to which type depends on what is there, an error never does.
 */
#include "plan_parts.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

/* Who has a path. */
typedef struct claim_t {
    int wanted;
    int vhost;
    const cfo_target_t *as_certificate;
    const cfo_target_t *as_key;
} claim_t;

/* One handing out of all files. */
typedef struct deal_t {
    cfo_plan_work_t *work;
    int looks;                  /* at what the files hold */
    int told;                   /* the conflicts are known already */
    apr_hash_t *claims;         /* path -> claim_t */
    apr_array_header_t **lists; /* cfo_target_t, of each wanted certificate */
} deal_t;

static claim_t *claim_of(const deal_t *deal, const char *path, int wanted,
                         int vhost)
{
    claim_t *claim = apr_hash_get(deal->claims, path, APR_HASH_KEY_STRING);

    if (!claim) {
        claim = apr_pcalloc(deal->work->ptemp, sizeof *claim);
        claim->wanted = wanted;
        claim->vhost = vhost;
        apr_hash_set(deal->claims, path, APR_HASH_KEY_STRING, claim);
    }
    return claim;
}

/* What the files hold is no mistake of the text's: no error comes of it. */
static void say_conflict(const deal_t *deal, int vhost,
                         const cfo_target_t *target, const claim_t *other,
                         const char *directive, const char *path,
                         const char *what)
{
    const cfo_vhost_t *v = cfo_plan_vhost(deal->work, vhost);

    if (deal->told)
        return;
    cfo_plan_say(deal->work, deal->looks ? CFO_PLAN_WARNING : CFO_PLAN_ERROR,
                 vhost, target->where ? target->where : v->where,
                 "%s %s of %s: %s; it was named before by %s", directive, path,
                 v->label, what,
                 cfo_plan_vhost_text(deal->work, other->vhost));
}

static const char *two_certificates(cfo_plan_work_t *work, int a, int b)
{
    const cfo_wanted_t *x =
        APR_ARRAY_IDX(work->plan->wanted, a, cfo_wanted_t *);
    const cfo_wanted_t *y =
        APR_ARRAY_IDX(work->plan->wanted, b, cfo_wanted_t *);

    return apr_psprintf(
        work->p,
        "one target is claimed by two certificates, %s (%s) and %s (%s), so "
        "name a file of its own for each",
        x->name, cfo_request_type_word(x->request_type), y->name,
        cfo_request_type_word(y->request_type));
}

/* 1, and told, when the target can't be the certificate's. Both claims may
 * be one: a single PEM. */
static int conflicts(const deal_t *deal, int wanted, int vhost,
                     const cfo_target_t *t, const claim_t *cert,
                     const claim_t *key)
{
    cfo_plan_work_t *work = deal->work;

    if (cert->wanted != wanted) {
        say_conflict(deal, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     two_certificates(work, cert->wanted, wanted));
        return 1;
    }
    if (cert->as_certificate && strcmp(cert->as_certificate->key, t->key)) {
        say_conflict(deal, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     apr_psprintf(work->p,
                                  "it has two keys, %s and %s; so write "
                                  "one SSLCertificateKeyFile for it",
                                  cert->as_certificate->key, t->key));
        return 1;
    }
    if (cert->as_key && strcmp(cert->as_key->certificate, t->certificate)) {
        say_conflict(deal, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     "the file is the key of another certificate, so name "
                     "another");
        return 1;
    }
    if (key->wanted != wanted) {
        say_conflict(deal, vhost, t, key, "SSLCertificateKeyFile", t->key,
                     two_certificates(work, key->wanted, wanted));
        return 1;
    }
    if (key->as_certificate &&
        strcmp(key->as_certificate->certificate, t->certificate)) {
        say_conflict(deal, vhost, t, key, "SSLCertificateKeyFile", t->key,
                     "the file is another certificate, so name another");
        return 1;
    }
    return 0;
}

static void give(const deal_t *deal, int index, int vhost,
                 const cfo_target_t *target)
{
    claim_t *cert = claim_of(deal, target->certificate, index, vhost);
    claim_t *key = claim_of(deal, target->key, index, vhost);
    apr_array_header_t **list = &deal->lists[index];

    if (conflicts(deal, index, vhost, target, cert, key) ||
        cert->as_certificate)
        return;
    cert->as_certificate = target;
    key->as_key = target;
    if (*list == NULL)
        *list = apr_array_make(deal->work->p, 1, sizeof(cfo_target_t));
    APR_ARRAY_PUSH(*list, cfo_target_t) = *target;
}

/* The request type of each line of one vhost: what was handed out before, or
 * is there already, stays with its own; the others get what is left,
 * first_type first. */
typedef struct hand_t {
    const cfo_group_t *group;
    int taken[CFO_REQUEST_TYPES];
    cfo_request_type_t first_type;
} hand_t;

/* @return a request type, or -1 when the line may have any */
static int type_before(const deal_t *deal, const cfo_group_t *group,
                       const cfo_target_t *target)
{
    const claim_t *claim =
        apr_hash_get(deal->claims, target->certificate, APR_HASH_KEY_STRING);

    for (int type = 0;
         claim && claim->as_certificate && type < CFO_REQUEST_TYPES; type++) {
        if (group->wanted[type] == claim->wanted)
            return type;
    }
    return deal->looks && target->has_type && group->wanted[target->type] >= 0
               ? (int)target->type
               : -1;
}

/* @return a request type, or -1 when none is left */
static int next_type(hand_t *hand)
{
    for (int i = 0; i < CFO_REQUEST_TYPES; i++) {
        int type = ((int)hand->first_type + i) % CFO_REQUEST_TYPES;

        if (hand->taken[type] || hand->group->wanted[type] < 0)
            continue;
        hand->taken[type] = 1;
        return type;
    }
    return -1;
}

static void say_left_out(const deal_t *deal, int vhost,
                         const cfo_target_t *target)
{
    const cfo_vhost_t *v = cfo_plan_vhost(deal->work, vhost);

    if (!deal->looks)
        return;
    cfo_plan_say(deal->work, CFO_PLAN_WARNING, vhost,
                 target->where ? target->where : v->where,
                 "SSLCertificateFile %s of %s is left out: its "
                 "CFOriginRequestType has a file already; remove the line, "
                 "or write CFOriginRequestType origin-ecc origin-rsa",
                 target->certificate, v->label);
}

static void hand_out(const deal_t *deal, const cfo_group_t *group, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(deal->work, vhost);
    hand_t hand = {group, {0}, v->settings.first_type};
    int lines = v->targets ? v->targets->nelts : 0;
    int *types =
        apr_palloc(deal->work->ptemp, sizeof(int) * ((size_t)lines + 1));

    for (int i = 0; i < lines; i++) {
        types[i] = type_before(deal, group,
                               &APR_ARRAY_IDX(v->targets, i, cfo_target_t));
        if (types[i] >= 0)
            hand.taken[types[i]] = 1;
    }
    for (int i = 0; i < lines; i++) {
        const cfo_target_t *t = &APR_ARRAY_IDX(v->targets, i, cfo_target_t);
        int type = types[i] >= 0 ? types[i] : next_type(&hand);

        if (type < 0)
            say_left_out(deal, vhost, t);
        else
            give(deal, group->wanted[type], vhost, t);
    }
}

static apr_array_header_t **hand_out_all(cfo_plan_work_t *work, int looks,
                                         int told)
{
    deal_t deal = {work, looks, told, apr_hash_make(work->ptemp), NULL};

    deal.lists =
        apr_pcalloc(work->ptemp, sizeof(*deal.lists) *
                                     ((size_t)work->plan->wanted->nelts + 1));
    for (int i = 0; i < work->groups->nelts; i++) {
        const cfo_group_t *group =
            APR_ARRAY_IDX(work->groups, i, cfo_group_t *);

        for (int n = 0; n < group->vhosts->nelts; n++)
            hand_out(&deal, group, APR_ARRAY_IDX(group->vhosts, n, int));
    }
    return deal.lists;
}

void cfo_plan_targets(cfo_plan_work_t *work)
{
    const apr_array_header_t *wanted = work->plan->wanted;
    int errors = work->plan->errors;
    apr_array_header_t **lists;

    /* 1. As if none of the files were there: what conflicts then is a mistake
     *    of the text. A file that is lost later can't make one of it. */
    (void)hand_out_all(work, 0, 0);
    /* 2. With what they hold. */
    lists = hand_out_all(work, 1, work->plan->errors > errors);
    for (int i = 0; i < wanted->nelts; i++)
        APR_ARRAY_IDX(wanted, i, cfo_wanted_t *)->targets = lists[i];
}
