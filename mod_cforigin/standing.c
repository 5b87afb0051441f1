/* SPDX-License-Identifier: Apache-2.0 */
/* How each wanted certificate stands. Reads the store and the targets, asks
 * decide and schedule, changes nothing but its own memory. */
#include "cforigin_standing.h"
#include "cforigin_clock.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* --- one look --------------------------------------------------------------
 */

/* Another wanted certificate lives in this folder. */
static int is_claimed(const cfo_generation_t *gen, const char *folder,
                      cfo_request_type_t type, apr_pool_t *ptemp)
{
    const char *name = folder;

    if (folder[0] == '_' && folder[1] == '.')
        name = apr_pstrcat(ptemp, "*", folder + 1, NULL);
    return cfo_plan_find(gen->plan, name, type) != NULL;
}

/* Its first vhost left, and with it the name of its folder: a certificate
 * that is shared by a target is found again by that target. */
static const char *folder_by_target(cfo_generation_t *gen,
                                    const cfo_wanted_t *wanted,
                                    apr_pool_t *ptemp)
{
    const char *folder;

    if (wanted->targets == NULL || wanted->targets->nelts == 0)
        return NULL;
    if (gen->targets == NULL)
        gen->targets = cfo_store_targets(gen->pool, gen->global->store);
    folder = apr_hash_get(
        gen->targets,
        APR_ARRAY_IDX(wanted->targets, 0, cfo_target_t).certificate,
        APR_HASH_KEY_STRING);
    if (folder == NULL || is_claimed(gen, folder, wanted->request_type, ptemp))
        return NULL;
    return folder;
}

static cfo_entry_t *look_in_store(cfo_generation_t *gen, cfo_standing_t *st)
{
    const cfo_wanted_t *wanted = st->wanted;
    const char *folder;
    cfo_entry_t *entry =
        cfo_store_look(st->pool, gen->global->store, st->folder,
                       wanted->request_type, gen->retained->known);

    if (entry->stored.state != CFO_STORED_NONE)
        return entry;
    folder = folder_by_target(gen, wanted, st->pool);
    if (folder == NULL || !strcmp(folder, st->folder))
        return entry;
    st->folder = folder;
    return cfo_store_look(st->pool, gen->global->store, folder,
                          wanted->request_type, gen->retained->known);
}

/* Nothing of this type: perhaps the other type was wanted until now. */
static const cfo_entry_t *look_for_other(cfo_generation_t *gen,
                                         cfo_standing_t *st)
{
    cfo_request_type_t other = st->wanted->request_type == CFO_ORIGIN_ECC
                                   ? CFO_ORIGIN_RSA
                                   : CFO_ORIGIN_ECC;
    const cfo_entry_t *entry;

    if (cfo_plan_find(gen->plan, st->wanted->name, other))
        return NULL;
    entry = cfo_store_look(st->pool, gen->global->store, st->folder, other,
                           gen->retained->known);
    return entry->cert_path ? entry : NULL;
}

/* The target that holds an Origin CA pair which the store lacks, or NULL. */
static const cfo_target_t *adoptable(cfo_generation_t *gen,
                                     const cfo_standing_t *st)
{
    const cfo_cert_facts_t *stored = st->entry->stored.facts;
    int i;

    for (i = 0; st->wanted->targets && i < st->wanted->targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(st->wanted->targets, i, cfo_target_t);
        const cfo_target_look_t *look =
            cfo_target_look(gen->looker, target->certificate);

        if (look->class != CFO_TARGET_ORIGIN)
            continue;
        if (look->facts->has_type &&
            look->facts->type != st->wanted->request_type)
            continue;
        if (stored && (!strcmp(stored->sha256, look->facts->sha256) ||
                       stored->not_before >= look->facts->not_before))
            continue;
        if (cfo_target_pair_matches(target->certificate, target->key,
                                    st->pool))
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
    const cfo_target_look_t *look =
        cfo_target_look(gen->looker, target->certificate);

    return look->class != CFO_TARGET_ORIGIN ||
           strcmp(look->facts->sha256, st->entry->stored.facts->sha256) ||
           !cfo_target_pair_matches(target->certificate, target->key,
                                    st->pool);
}

static int needs_repair(cfo_generation_t *gen, const cfo_standing_t *st)
{
    int i;

    if (st->decision.action != CFO_KEEP || st->entry->stored.facts == NULL)
        return 0;
    for (i = 0; st->wanted->targets && i < st->wanted->targets->nelts; i++) {
        if (differs(gen, st,
                    &APR_ARRAY_IDX(st->wanted->targets, i, cfo_target_t)))
            return 1;
    }
    return 0;
}

static void remember_attempt(cfo_standing_t *st, cfo_generation_t *gen,
                             const cfo_attempt_t *attempt)
{
    const cfo_result_t *error = &attempt->last_error;
    apr_pool_t *pool = NULL;

    st->attempt = *attempt;
    if (error->message || error->ray) {
        apr_pool_create(&pool, gen->pool);
        st->attempt.last_error.message = apr_pstrdup(pool, error->message);
        st->attempt.last_error.ray = apr_pstrdup(pool, error->ray);
    }
    if (st->attempt_pool)
        apr_pool_destroy(st->attempt_pool);
    st->attempt_pool = pool;
}

/* The store's memory of failed tries, or the parent's own where the store
 * could not be written: whichever is newer. */
static void look_at_attempt(cfo_generation_t *gen, cfo_standing_t *st)
{
    const cfo_attempt_t *kept = cfo_retained_attempt(gen->retained, st->key);
    cfo_attempt_t stored = cfo_store_attempt(
        st->pool, cfo_store_dir(st->pool, gen->global->store, st->folder,
                                st->wanted->request_type));

    if (kept && kept->last_try > stored.last_try)
        stored = *kept;
    remember_attempt(st, gen, &stored);
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

static void look(cfo_generation_t *gen, cfo_standing_t *st, cfo_cause_t cause,
                 apr_time_t now)
{
    static const cfo_attempt_t none;
    apr_pool_t *old = st->pool;
    const char *old_fault = old ? st->entry->fault : NULL;
    cfo_action_t before = st->decision.action;
    apr_pool_t *ptemp;
    cfo_entry_t *entry;

    /* A pool takes 8 KiB: too much for each of thousands of certificates,
     * most of which are looked at once. */
    st->pool = gen->pool;
    if (old) {
        apr_pool_create(&st->pool, gen->pool);
        apr_pool_tag(st->pool, "cforigin_standing");
    }
    apr_pool_create(&ptemp, gen->pool);
    entry = look_in_store(gen, st);
    st->entry = entry;
    st->current = entry->generation;
    if (entry->stored.state != CFO_STORED_PAIR || entry->fell_back)
        st->current = cfo_store_current(
            ptemp, cfo_store_dir(ptemp, gen->global->store, st->folder,
                                 st->wanted->request_type));
    report_fault(gen, st, old_fault);
    st->other = NULL;
    if (entry->stored.state == CFO_STORED_NONE)
        st->other = look_for_other(gen, st);
    entry->stored.other_type = st->other != NULL;
    entry->stored.adoptable = adoptable(gen, st) != NULL;
    st->decision = cfo_decide(st->wanted, &entry->stored, gen->host,
                              cfo_clock_trusted(gen, now), ptemp);
    apr_pool_destroy(ptemp);
    if (old && old != gen->pool)
        apr_pool_destroy(old);
    if (st->decision.action == CFO_KEEP) {
        remember_attempt(st, gen, &none);
        st->failures = 0;
        st->due_at = 0;
        return;
    }
    if (cause == CFO_CAUSE_TICK && before != CFO_KEEP && st->due_at != 0)
        return; /* it was due before: its time stands */
    look_at_attempt(gen, st);
    st->failures = cfo_schedule_failures(&st->attempt, cause);
    st->due_at = cfo_schedule_due(&st->attempt, cause, 0, now);
}

/* For LogLevel cforigin:debug: what was decided, and from what. */
static void explain(const cfo_generation_t *gen, const cfo_standing_t *st)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;
    apr_pool_t *ptemp;

    if (!APLOG_IS_LEVEL(gen->base, APLOG_DEBUG) || gen->cold_pass == 1)
        return;
    apr_pool_create(&ptemp, gen->pool);
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
        st->attempt.failures,
        st->due_at ? cfo_time_word(ptemp, st->due_at) : "not planned");
    apr_pool_destroy(ptemp);
}

void cfo_standing_look(cfo_generation_t *gen, cfo_standing_t *st,
                       cfo_cause_t cause, apr_time_t now)
{
    look(gen, st, cause, now);
    explain(gen, st);
}

/* --- all of them --- */

static void prepare(cfo_generation_t *gen)
{
    int i, n = gen->plan->wanted->nelts;

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
    gen->accounts = apr_pcalloc(gen->pool, sizeof(cfo_account_state_t) *
                                               (apr_size_t)(n + 1));
    for (i = 0; i < n; i++)
        gen->accounts[i] = cfo_store_account(
            gen->pool, gen->global->store,
            APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).id);
}

void cfo_standing_look_all(cfo_generation_t *gen, cfo_cause_t cause,
                           apr_time_t now)
{
    apr_array_header_t *known = apr_array_make(
        gen->pool, gen->plan->wanted->nelts, sizeof(const cfo_entry_t *));
    int i;

    if (gen->standings == NULL)
        prepare(gen);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_standing_t *st = &gen->standings[i];

        cfo_standing_look(gen, st, cause, now);
        st->repair = needs_repair(gen, st);
        cfo_retained_know(known, st->entry);
        if (st->other)
            cfo_retained_know(known, st->other);
    }
    cfo_retained_end_known(gen->retained, known);
}

/* --- what is asked of it --- */

void cfo_standing_failed(cfo_generation_t *gen, cfo_standing_t *st,
                         const cfo_attempt_t *attempt)
{
    remember_attempt(st, gen, attempt);
    st->failures = attempt->failures;
    st->due_at = attempt->next_try;
    cfo_retained_put_attempt(gen->retained, st->key, attempt);
}

int cfo_standing_is_due(const cfo_generation_t *gen, const cfo_standing_t *st,
                        apr_time_t now)
{
    /* What mod_ssl did not ask for is another module's by now. */
    if (gen->handed_over && !st->asked)
        return 0;
    return (st->decision.action != CFO_KEEP || st->repair) && !st->trying &&
           st->due_at <= now &&
           cfo_schedule_due(NULL, CFO_CAUSE_TICK,
                            gen->accounts[st->wanted->account].paused_until,
                            now) <= now;
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
    cfo_cert_facts_t *served;
    int i;
    apr_array_header_t *hostnames;

    if (st->served_cert && !strcmp(st->served_cert, cert))
        return 1;
    if (st->pool == gen->pool) { /* nothing of it goes before this does */
        st->served = facts;
        st->served_cert = cert;
        st->served_key = key;
        return 1;
    }
    served = apr_pmemdup(gen->pool, facts, sizeof(*facts));
    hostnames = apr_array_make(gen->pool, facts->hostnames->nelts,
                               sizeof(const char *));
    for (i = 0; i < facts->hostnames->nelts; i++)
        APR_ARRAY_PUSH(hostnames, const char *) = apr_pstrdup(
            gen->pool, APR_ARRAY_IDX(facts->hostnames, i, const char *));
    served->hostnames = hostnames;
    served->serial = apr_pstrdup(gen->pool, facts->serial);
    served->sha256 = apr_pstrdup(gen->pool, facts->sha256);
    served->spki_sha256 = apr_pstrdup(gen->pool, facts->spki_sha256);
    served->key = apr_pstrdup(gen->pool, facts->key);
    served->issuer = apr_pstrdup(gen->pool, facts->issuer);
    st->served = served;
    st->served_cert = apr_pstrdup(gen->pool, cert);
    st->served_key = apr_pstrdup(gen->pool, key);
    return 1;
}

int cfo_standing_serve(cfo_generation_t *gen, cfo_standing_t *st,
                       const char **cert, const char **key)
{
    const cfo_target_t *target;
    int found = 0;

    st->asked = 1;
    if (st->entry->cert_path)
        found = serve_pair(gen, st, st->entry->cert_path, st->entry->key_path,
                           st->entry->stored.facts);
    else if (st->entry->stored.adoptable &&
             (target = adoptable(gen, st)) != NULL)
        found = serve_pair(
            gen, st, target->certificate, target->key,
            cfo_target_look(gen->looker, target->certificate)->facts);
    else if (st->other)
        found = serve_pair(gen, st, st->other->cert_path, st->other->key_path,
                           st->other->stored.facts);
    *cert = st->served_cert;
    *key = st->served_key;
    return found;
}

apr_time_t cfo_standing_next(const cfo_generation_t *gen)
{
    apr_time_t next = 0;
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];
        apr_time_t at = st->decision.action != CFO_KEEP
                            ? st->due_at
                            : st->decision.renew_at;

        if (st->decision.action == CFO_KEEP &&
            st->wanted->settings.renew_manual)
            continue;
        if (at && (next == 0 || at < next))
            next = at;
    }
    return next;
}
