/* SPDX-License-Identifier: Apache-2.0 */
/* How each wanted certificate stands. Reads the store and the targets, asks
 * decide, changes nothing but its own memory. When to try is tries.c's. */
#include "cforigin_standing.h"
#include "cforigin_clock.h"
#include "cforigin_tries.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* --- one look --------------------------------------------------------------
 */

/* A folder is one certificate's: the plan's own, or whoever came first. */
static int claim(cfo_generation_t *gen, const cfo_standing_t *st,
                 const char *folder)
{
    cfo_request_type_t type = st->wanted->request_type;
    const char *key =
        apr_pstrcat(gen->pool, folder, "/", cfo_request_type_word(type), NULL);
    const cfo_standing_t *other;

    if (cfo_plan_find(gen->plan, folder, type))
        return 0;
    other = apr_hash_get(gen->claimed, key, APR_HASH_KEY_STRING);
    if (other == NULL)
        apr_hash_set(gen->claimed, key, APR_HASH_KEY_STRING, st);
    return other == NULL || other == st;
}

/* Its first vhost left, and with it the name of its folder: a certificate
 * that is shared by a target is found again by that target. */
static const char *folder_by_target(cfo_generation_t *gen,
                                    const cfo_standing_t *st)
{
    const cfo_wanted_t *wanted = st->wanted;
    const char *folder;

    if (wanted->targets == NULL || wanted->targets->nelts == 0)
        return NULL;
    if (gen->targets == NULL)
        gen->targets = cfo_store_targets(gen->pool, gen->global->store);
    folder = apr_hash_get(
        gen->targets,
        APR_ARRAY_IDX(wanted->targets, 0, cfo_target_t).certificate,
        APR_HASH_KEY_STRING);
    return folder && claim(gen, st, folder) ? folder : NULL;
}

/* What a look found has to outlive it. A good pair is kept with all that is
 * known, and most of what is not good is not there at all: only the rest takes
 * memory, which goes with the next look. */
static const cfo_entry_t *hold(cfo_generation_t *gen, cfo_standing_t *st,
                               const cfo_entry_t *entry)
{
    const cfo_entry_t *kept = cfo_known_keep(&gen->retained->known, entry);

    if (kept)
        return kept;
    if (entry->stored.state == CFO_STORED_NONE && entry->fault == NULL)
        return &gen->nothing;
    if (st->pool == NULL)
        apr_pool_create(&st->pool, gen->pool);
    return cfo_known_copy(st->pool, entry);
}

static const cfo_entry_t *look_at(const cfo_generation_t *gen,
                                  const cfo_standing_t *st,
                                  cfo_request_type_t type, apr_pool_t *ptemp)
{
    return cfo_store_look(ptemp, gen->global->store, st->folder, type,
                          gen->retained->known.pairs);
}

static void look_in_store(cfo_generation_t *gen, cfo_standing_t *st,
                          apr_pool_t *ptemp)
{
    const cfo_wanted_t *wanted = st->wanted;
    const cfo_entry_t *entry = look_at(gen, st, wanted->request_type, ptemp);
    const char *folder = NULL;

    if (entry->stored.state == CFO_STORED_NONE)
        folder = folder_by_target(gen, st);
    if (folder && strcmp(folder, st->folder) != 0) {
        st->folder = folder;
        entry = look_at(gen, st, wanted->request_type, ptemp);
    }
    st->forced = entry->stored.forced;
    st->entry = hold(gen, st, entry);
}

/* Nothing of this type: perhaps the other type was wanted until now. */
static const cfo_entry_t *look_for_other(cfo_generation_t *gen,
                                         cfo_standing_t *st, apr_pool_t *ptemp)
{
    cfo_request_type_t other =
        cfo_request_type_other(st->wanted->request_type);
    const cfo_entry_t *entry;

    if (cfo_plan_find(gen->plan, st->wanted->name, other))
        return NULL;
    entry = look_at(gen, st, other, ptemp);
    return entry->cert_path ? hold(gen, st, entry) : NULL;
}

/* The target whose Origin CA pair is to be taken over, or NULL. */
static const cfo_target_t *adoptable(cfo_generation_t *gen,
                                     const cfo_standing_t *st, apr_time_t now,
                                     apr_pool_t *ptemp)
{
    int i;

    for (i = 0; st->wanted->targets && i < st->wanted->targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(st->wanted->targets, i, cfo_target_t);
        const cfo_target_look_t *look =
            cfo_target_look(gen->looker, target->certificate);

        if (!cfo_target_is_pair(gen->looker, target->certificate, target->key))
            continue;
        if (cfo_store_has_certificate(ptemp, gen->global->store, st->folder,
                                      st->wanted->request_type,
                                      &st->entry->stored, look->facts))
            continue;
        if (cfo_decide_adoptable(st->wanted, &st->entry->stored, look->facts,
                                 now, ptemp))
            return target;
    }
    return NULL;
}

/* A file that lost or changed what was written there, by an editor or a
 * crash. Told apart from a target that holds something newer: that is
 * adopted. */
static int differs(cfo_generation_t *gen, const cfo_standing_t *st,
                   const cfo_target_t *target)
{
    return !cfo_target_is_pair(gen->looker, target->certificate,
                               target->key) ||
           strcmp(cfo_target_look(gen->looker, target->certificate)
                      ->facts->sha256,
                  st->entry->stored.facts->sha256);
}

static int needs_repair(cfo_generation_t *gen, const cfo_standing_t *st)
{
    int i;

    if (st->decision.action != CFO_KEEP || st->entry->stored.facts == NULL)
        return 0;
    if (st->entry->fell_back && st->entry->stored.state == CFO_STORED_PAIR)
        return 1; /* `current` is made good */
    for (i = 0; st->wanted->targets && i < st->wanted->targets->nelts; i++) {
        if (differs(gen, st,
                    &APR_ARRAY_IDX(st->wanted->targets, i, cfo_target_t)))
            return 1;
    }
    return 0;
}

/* Damage is told once, and not in the pass that only rehearses. */
static void report_fault(const cfo_generation_t *gen, const cfo_standing_t *st,
                         const char *told)
{
    const char *fault = st->entry->fault;

    if (fault == NULL || gen->cold_pass == 1 || (told && !strcmp(told, fault)))
        return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base, "%s: %s",
                 st->wanted->name, fault);
}

static cfo_decision_t decide(cfo_generation_t *gen, cfo_standing_t *st,
                             apr_time_t now, apr_pool_t *ptemp)
{
    cfo_stored_t stored = st->entry->stored;

    now = cfo_clock_trusted(gen, now);
    st->adoptable = adoptable(gen, st, now, ptemp);
    stored.forced = st->forced;
    stored.other_type = st->other != NULL;
    stored.anothers =
        cfo_store_is_anothers_of_today(st->entry, gen->server, now);
    stored.adoptable = st->adoptable != NULL;
    return cfo_decide(st->wanted, &stored, gen->host, now, ptemp);
}

static void look(cfo_generation_t *gen, cfo_standing_t *st, cfo_cause_t cause,
                 apr_time_t now, apr_pool_t *ptemp)
{
    apr_pool_t *old = st->pool;
    const char *old_fault = st->entry ? st->entry->fault : NULL;
    cfo_action_t before = st->decision.action;
    int current = st->current;

    /* A pool takes 8 KiB: too much for each of thousands that are looked at
     * for the first time. */
    st->pool = st->entry ? NULL : gen->pool;
    look_in_store(gen, st, ptemp);
    st->current = st->entry->generation;
    if (st->entry->stored.state != CFO_STORED_PAIR || st->entry->fell_back)
        st->current = cfo_store_current(
            ptemp, cfo_store_dir(ptemp, gen->global->store, st->folder,
                                 st->wanted->request_type));
    report_fault(gen, st, old_fault);
    st->other = NULL;
    if (st->entry->stored.state == CFO_STORED_NONE)
        st->other = look_for_other(gen, st, ptemp);
    st->decision = decide(gen, st, now, ptemp);
    if (old && old != gen->pool)
        apr_pool_destroy(old);
    if (st->decision.action == CFO_KEEP)
        cfo_tries_rest(gen, st, cause, now, ptemp);
    else if (cause != CFO_CAUSE_TICK || before == CFO_KEEP ||
             st->due_at == 0 || st->current != current)
        cfo_tries_look(gen, st, cause, now, ptemp);
    /* else it was due before: its time stands, a reload may have granted it */
}

/* For LogLevel cforigin:debug: what was decided, and from what. */
static void explain(const cfo_generation_t *gen, const cfo_standing_t *st,
                    apr_pool_t *ptemp)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;

    if (!APLOG_IS_LEVEL(gen->base, APLOG_DEBUG) || gen->cold_pass == 1)
        return;
    ap_log_error(
        APLOG_MARK, APLOG_DEBUG, 0, gen->base,
        "%s (%s): %s because %s; %s%s, renewal from %s; %d failures, next "
        "try %s",
        st->wanted->name, cfo_request_type_word(st->wanted->request_type),
        cfo_action_word(st->decision.action),
        cfo_reason_word(st->decision.reason),
        facts
            ? apr_psprintf(ptemp, "generation %d ends ", st->entry->generation)
            : "nothing usable in the store",
        facts ? cfo_time_word(ptemp, facts->not_after) : "",
        st->decision.renew_at ? cfo_time_word(ptemp, st->decision.renew_at)
                              : "no known time",
        st->attempt->failures,
        st->due_at ? cfo_time_word(ptemp, st->due_at) : "not planned");
}

void cfo_standing_look(cfo_generation_t *gen, cfo_standing_t *st,
                       cfo_cause_t cause, apr_time_t now)
{
    apr_pool_t *ptemp;

    apr_pool_create(&ptemp, gen->pool);
    look(gen, st, cause, now, ptemp);
    explain(gen, st, ptemp);
    apr_pool_destroy(ptemp);
}

/* --- all of them --- */

static void prepare(cfo_generation_t *gen)
{
    int i, n = gen->plan->wanted->nelts;

    gen->claimed = apr_hash_make(gen->pool);
    gen->standings =
        apr_pcalloc(gen->pool, sizeof(cfo_standing_t) * (apr_size_t)(n + 1));
    for (i = 0; i < n; i++) {
        cfo_standing_t *st = &gen->standings[i];

        st->wanted = APR_ARRAY_IDX(gen->plan->wanted, i, cfo_wanted_t *);
        st->folder = st->wanted->folder;
        st->key =
            apr_pstrcat(gen->pool, st->folder, "/",
                        cfo_request_type_word(st->wanted->request_type), NULL);
    }
    n = gen->plan->accounts->nelts;
    gen->refused_until =
        apr_pcalloc(gen->pool, sizeof(apr_time_t) * (apr_size_t)(n + 1));
    gen->accounts = apr_pcalloc(gen->pool, sizeof(cfo_account_state_t) *
                                               (apr_size_t)(n + 1));
    for (i = 0; i < n; i++)
        cfo_tries_read_account(gen, i);
}

void cfo_standing_look_all(cfo_generation_t *gen, cfo_cause_t cause,
                           apr_time_t now)
{
    int i;

    if (gen->standings == NULL)
        prepare(gen);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_standing_t *st = &gen->standings[i];

        cfo_standing_look(gen, st, cause, now);
        st->repair = needs_repair(gen, st);
    }
    cfo_tries_look_at_accounts(gen, now);
    cfo_known_end(&gen->retained->known);
}

/* --- what is asked of it --- */

void cfo_standing_settled(cfo_generation_t *gen, cfo_standing_t *st, int kept,
                          apr_time_t now)
{
    const apr_array_header_t *targets = st->wanted->targets;
    cfo_decision_t before = st->decision;
    int i;

    for (i = 0; targets && i < targets->nelts; i++) {
        const cfo_target_t *target = &APR_ARRAY_IDX(targets, i, cfo_target_t);

        cfo_target_forget(gen->looker, target->certificate, target->key);
    }
    st->due_at = 0;
    cfo_standing_look(gen, st, CFO_CAUSE_TICK, now);
    if (kept && st->decision.action != CFO_KEEP && st->due_at <= now &&
        st->decision.action == before.action &&
        st->decision.reason == before.reason)
        st->due_at = now + CFO_LOOK_AGAIN;
}

int cfo_standing_wants_reload(const cfo_standing_t *st)
{
    if (!st->asked || st->entry->cert_path == NULL)
        return 0;
    return st->served == NULL ||
           strcmp(st->served->sha256, st->entry->stored.facts->sha256);
}

cfo_standing_t *cfo_standing_find(cfo_generation_t *gen, const char *name,
                                  cfo_request_type_t type)
{
    const cfo_wanted_t *wanted = cfo_plan_find(gen->plan, name, type);

    return wanted ? &gen->standings[wanted->index] : NULL;
}

/* The texts must outlive later looks, which replace the standing's pool. */
static int serve_pair(cfo_generation_t *gen, cfo_standing_t *st,
                      const char *cert, const char *key,
                      const cfo_cert_facts_t *facts)
{
    if (st->served_cert && !strcmp(st->served_cert, cert))
        return 1;
    if (st->pool && st->pool != gen->pool) {
        facts = cfo_known_copy_facts(gen->pool, facts);
        cert = apr_pstrdup(gen->pool, cert);
        key = apr_pstrdup(gen->pool, key);
    }
    st->served = facts;
    st->served_cert = cert;
    st->served_key = key;
    return 1;
}

int cfo_standing_serve(cfo_generation_t *gen, cfo_standing_t *st,
                       const char **cert, const char **key)
{
    const cfo_target_t *target = st->adoptable;
    const cfo_target_look_t *look;
    int found = 0;

    st->asked = 1;
    if (st->entry->cert_path)
        found = serve_pair(gen, st, st->entry->cert_path, st->entry->key_path,
                           st->entry->stored.facts);
    else if (target) {
        look = cfo_target_look(gen->looker, target->certificate);
        found = serve_pair(gen, st, target->certificate, target->key,
                           cfo_known_copy_facts(gen->pool, look->facts));
    }
    else if (st->other)
        found = serve_pair(gen, st, st->other->cert_path, st->other->key_path,
                           st->other->stored.facts);
    *cert = st->served_cert;
    *key = st->served_key;
    return found;
}

void cfo_standing_serve_other(cfo_standing_t *st, const cfo_entry_t *entry)
{
    st->served = entry->stored.facts;
    st->served_cert = entry->cert_path;
    st->served_key = entry->key_path;
}
