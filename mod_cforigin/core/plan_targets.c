/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which files belong to which certificate: the pairs that the vhosts'
 * SSLCertificateFile lines name, handed out to the request types, and no
 * file to two. Pure: the files themselves are not looked at here.
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

static claim_t *claim_of(cfo_plan_work_t *work, apr_hash_t *claims,
                         const char *path, int wanted, int vhost)
{
    claim_t *claim = apr_hash_get(claims, path, APR_HASH_KEY_STRING);

    if (!claim) {
        claim = apr_pcalloc(work->ptemp, sizeof *claim);
        claim->wanted = wanted;
        claim->vhost = vhost;
        apr_hash_set(claims, path, APR_HASH_KEY_STRING, claim);
    }
    return claim;
}

static void say_conflict(cfo_plan_work_t *work, int vhost,
                         const cfo_target_t *target, const claim_t *other,
                         const char *directive, const char *path,
                         const char *what)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    cfo_plan_say(work, CFO_PLAN_ERROR, vhost,
                 target->where ? target->where : v->where,
                 "%s %s of %s: %s; it was named before by %s", directive, path,
                 v->label, what, cfo_plan_vhost_text(work, other->vhost));
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
static int conflicts(cfo_plan_work_t *work, int wanted, int vhost,
                     const cfo_target_t *t, const claim_t *cert,
                     const claim_t *key)
{
    if (cert->wanted != wanted) {
        say_conflict(work, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     two_certificates(work, cert->wanted, wanted));
        return 1;
    }
    if (cert->as_certificate && strcmp(cert->as_certificate->key, t->key)) {
        say_conflict(work, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     apr_psprintf(work->p,
                                  "it has two keys, %s and %s; so write "
                                  "one SSLCertificateKeyFile for it",
                                  cert->as_certificate->key, t->key));
        return 1;
    }
    if (cert->as_key && strcmp(cert->as_key->certificate, t->certificate)) {
        say_conflict(work, vhost, t, cert, "SSLCertificateFile",
                     t->certificate,
                     "the file is the key of another certificate, so name "
                     "another");
        return 1;
    }
    if (key->wanted != wanted) {
        say_conflict(work, vhost, t, key, "SSLCertificateKeyFile", t->key,
                     two_certificates(work, key->wanted, wanted));
        return 1;
    }
    if (key->as_certificate &&
        strcmp(key->as_certificate->certificate, t->certificate)) {
        say_conflict(work, vhost, t, key, "SSLCertificateKeyFile", t->key,
                     "the file is another certificate, so name another");
        return 1;
    }
    return 0;
}

static void give(cfo_plan_work_t *work, apr_hash_t *claims, int index,
                 apr_array_header_t **list, int vhost,
                 const cfo_target_t *target)
{
    claim_t *cert = claim_of(work, claims, target->certificate, index, vhost);
    claim_t *key = claim_of(work, claims, target->key, index, vhost);

    if (conflicts(work, index, vhost, target, cert, key) ||
        cert->as_certificate)
        return;
    cert->as_certificate = target;
    key->as_key = target;
    if (*list == NULL)
        *list = apr_array_make(work->p, 1, sizeof(cfo_target_t));
    APR_ARRAY_PUSH(*list, cfo_target_t) = *target;
}

/* The request type of each line of one vhost: what is there already stays
 * with its own, the others get what is left, first_type first. */
typedef struct hand_t {
    const cfo_group_t *group;
    int taken[CFO_REQUEST_TYPES];
    cfo_request_type_t first_type;
} hand_t;

static int keeps_type(const hand_t *hand, const cfo_target_t *target)
{
    return target->has_type && hand->group->wanted[target->type] >= 0;
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

static void say_left_out(cfo_plan_work_t *work, int vhost,
                         const cfo_target_t *target)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    cfo_plan_say(work, CFO_PLAN_WARNING, vhost,
                 target->where ? target->where : v->where,
                 "SSLCertificateFile %s of %s is left out: its "
                 "CFOriginRequestType has a file already; remove the line, "
                 "or write CFOriginRequestType origin-ecc origin-rsa",
                 target->certificate, v->label);
}

static void hand_out(cfo_plan_work_t *work, apr_hash_t *claims,
                     apr_array_header_t **lists, const cfo_group_t *group,
                     int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);
    hand_t hand = {group, {0}, v->settings.first_type};
    int lines = v->targets ? v->targets->nelts : 0;

    for (int i = 0; i < lines; i++) {
        const cfo_target_t *t = &APR_ARRAY_IDX(v->targets, i, cfo_target_t);

        if (keeps_type(&hand, t))
            hand.taken[t->type] = 1;
    }
    for (int i = 0; i < lines; i++) {
        const cfo_target_t *t = &APR_ARRAY_IDX(v->targets, i, cfo_target_t);
        int type = keeps_type(&hand, t) ? (int)t->type : next_type(&hand);

        if (type < 0)
            say_left_out(work, vhost, t);
        else
            give(work, claims, group->wanted[type],
                 &lists[group->wanted[type]], vhost, t);
    }
}

void cfo_plan_targets(cfo_plan_work_t *work)
{
    const apr_array_header_t *wanted = work->plan->wanted;
    apr_hash_t *claims = apr_hash_make(work->ptemp);
    apr_array_header_t **lists =
        apr_pcalloc(work->ptemp, sizeof(*lists) * ((size_t)wanted->nelts + 1));

    for (int i = 0; i < work->groups->nelts; i++) {
        const cfo_group_t *group =
            APR_ARRAY_IDX(work->groups, i, cfo_group_t *);

        for (int n = 0; n < group->vhosts->nelts; n++)
            hand_out(work, claims, lists, group,
                     APR_ARRAY_IDX(group->vhosts, n, int));
    }
    for (int i = 0; i < wanted->nelts; i++)
        APR_ARRAY_IDX(wanted, i, cfo_wanted_t *)->targets = lists[i];
}
