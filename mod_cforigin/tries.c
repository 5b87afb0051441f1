/* SPDX-License-Identifier: Apache-2.0 */
/* When each wanted certificate is tried. Reads attempt.json through the store,
 * asks schedule, changes nothing but its own memory. */
#include "cforigin_tries.h"

#include <apr_strings.h>

/* --- what failed until now --- */

/* With its texts, in a pool of its own: few certificates ever have one. */
static void remember_attempt(cfo_standing_t *st, cfo_generation_t *gen,
                             const cfo_attempt_t *attempt)
{
    static const cfo_attempt_t none;
    apr_pool_t *old = st->attempt_pool;
    cfo_attempt_t *copy;

    st->attempt = &none;
    st->attempt_pool = NULL;
    if (attempt && attempt->failures > 0) {
        apr_pool_create(&st->attempt_pool, gen->pool);
        copy = apr_pmemdup(st->attempt_pool, attempt, sizeof(*copy));
        copy->last_error.message =
            apr_pstrdup(st->attempt_pool, attempt->last_error.message);
        copy->last_error.ray =
            apr_pstrdup(st->attempt_pool, attempt->last_error.ray);
        st->attempt = copy;
    }
    if (old)
        apr_pool_destroy(old);
}

/* Once a generation, and not in the pass that only rehearses. */
static void tell_damage(const cfo_generation_t *gen, const char *whose,
                        const char *fault)
{
    if (gen->cold_pass != 1)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base,
                     "%s: %s; what it told of earlier tries is lost", whose,
                     fault);
}

static cfo_attempt_t read_attempt(const cfo_generation_t *gen,
                                  cfo_standing_t *st, apr_pool_t *ptemp)
{
    const char *fault;
    cfo_attempt_t attempt = cfo_store_attempt_look(
        ptemp,
        cfo_store_dir(ptemp, gen->global->store, st->folder,
                      st->wanted->request_type),
        &fault);

    if (fault && !st->attempt_told++)
        tell_damage(gen, st->wanted->name, fault);
    return attempt;
}

/* The store's memory of failed tries, or the parent's own where the store
 * could not be written: whichever is newer. */
static void look_at_attempt(cfo_generation_t *gen, cfo_standing_t *st,
                            apr_pool_t *ptemp)
{
    const cfo_attempt_t *kept = cfo_retained_attempt(gen->retained, st->key);
    cfo_attempt_t stored = read_attempt(gen, st, ptemp);

    if (kept && kept->last_try > stored.last_try)
        stored = *kept;
    remember_attempt(st, gen, &stored);
}

/* Nothing is asked for because of what can't be read; but it is a failure, and
 * it is looked at again. */
static cfo_attempt_t cant_read(const cfo_standing_t *st, apr_time_t now,
                               apr_pool_t *ptemp)
{
    cfo_attempt_t attempt = {.failures = 1, .last_try = now};

    attempt.next_try = now + CFO_LOOK_AGAIN;
    attempt.last_error =
        cfo_result_make(ptemp, CFO_LOCAL, "the store can't be read: %s",
                        st->entry->fault ? st->entry->fault : st->folder);
    return attempt;
}

/* The store keeps a try's time in whole seconds. In the second of a start a
 * failure came after it; in that of a reload it may have come before, and a
 * try more is better than a day without a certificate. A time ahead of the
 * clock grants nothing. */
static int is_pardoned(apr_time_t last_try, apr_time_t at, cfo_cause_t by,
                       apr_time_t now)
{
    apr_time_t failed = apr_time_sec(last_try);

    return at <= now && (by == CFO_CAUSE_START ? failed < apr_time_sec(at)
                                               : failed <= apr_time_sec(at));
}

/* One of our own reloads does not take back what the administrator's start or
 * reload granted, or a changed token. */
static cfo_cause_t cause_for(const cfo_generation_t *gen,
                             const cfo_standing_t *st, cfo_cause_t cause,
                             apr_time_t now)
{
    cfo_retained_t *r = gen->retained;
    apr_time_t last = st->attempt->last_try;
    apr_time_t changed =
        cfo_retained_token(r, APR_ARRAY_IDX(gen->plan->accounts,
                                            st->wanted->account, cfo_account_t)
                                  .id)
            ->changed;

    if (cause != CFO_CAUSE_OWN_RELOAD)
        return cause;
    if (is_pardoned(last, r->pardoned, r->pardoned_by, now))
        return r->pardoned_by;
    return is_pardoned(last, changed, CFO_CAUSE_RELOAD, now) ? CFO_CAUSE_RELOAD
                                                             : cause;
}

void cfo_tries_rest(cfo_generation_t *gen, cfo_standing_t *st,
                    cfo_cause_t cause, apr_time_t now, apr_pool_t *ptemp)
{
    cfo_attempt_t unread = {0};

    /* What failed before does not count any more, but damage is told. */
    if (cause != CFO_CAUSE_TICK && gen->cold_pass != 1)
        (void)read_attempt(gen, st, ptemp);
    if (st->decision.reason == CFO_UNREADABLE)
        unread = cant_read(st, now, ptemp);
    remember_attempt(st, gen, &unread);
    st->failures = 0;
    st->due_at = unread.next_try;
}

void cfo_tries_look(cfo_generation_t *gen, cfo_standing_t *st,
                    cfo_cause_t cause, apr_time_t now, apr_pool_t *ptemp)
{
    look_at_attempt(gen, st, ptemp);
    cause = cause_for(gen, st, cause, now);
    st->failures = cfo_schedule_failures(st->attempt, cause);
    st->due_at = cfo_schedule_due(st->attempt, cause, 0, now);
}

void cfo_tries_pardon(cfo_generation_t *gen, cfo_cause_t cause, apr_time_t now)
{
    gen->retained->pardoned = now;
    gen->retained->pardoned_by = cause;
}

void cfo_tries_failed(cfo_generation_t *gen, cfo_standing_t *st,
                      const cfo_attempt_t *attempt)
{
    remember_attempt(st, gen, attempt);
    st->failures = attempt->failures;
    st->due_at = attempt->next_try;
    cfo_retained_put_attempt(gen->retained, st->key, attempt);
}

void cfo_tries_read_account(cfo_generation_t *gen, int i)
{
    const cfo_account_t *account =
        &APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t);
    const char *fault;

    gen->accounts[i] = cfo_store_account_look(gen->pool, gen->global->store,
                                              account->id, &fault);
    if (fault)
        tell_damage(gen,
                    apr_pstrcat(gen->pool, "account ", account->name, NULL),
                    fault);
}

/* --- whose time has come --- */

static int was_refused(const cfo_standing_t *st)
{
    return st->decision.action != CFO_KEEP && st->attempt->failures > 0 &&
           st->attempt->last_error.kind == CFO_AUTH;
}

/* A token that was refused, and not taken for anything since, is bad, and not
 * just no good for one zone: all of its account comes back at one time, when
 * the first of those it was refused for is due. */
void cfo_tries_look_at_accounts(cfo_generation_t *gen, apr_time_t now)
{
    int i;

    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        gen->refused_until[i] = 0;
        /* By a clock that was ahead: nor would the keeper wait. */
        if (cfo_schedule_is_over(gen->accounts[i].paused_until, now))
            gen->accounts[i].paused_until = 0;
    }
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];
        apr_time_t *until;

        if (!was_refused(st) ||
            gen->accounts[st->wanted->account].last_success >=
                st->attempt->last_try)
            continue;
        until = &gen->refused_until[st->wanted->account];
        if (*until == 0 || st->due_at < *until)
            *until = st->due_at;
    }
}

/* But for a pause that the API ordered. */
static apr_time_t own_time(const cfo_generation_t *gen,
                           const cfo_standing_t *st)
{
    apr_time_t refused = gen->refused_until[st->wanted->account];

    if (refused && (was_refused(st) || (st->decision.action == CFO_ISSUE &&
                                        refused > st->due_at)))
        return refused;
    return st->due_at;
}

apr_time_t cfo_tries_at(const cfo_generation_t *gen, const cfo_standing_t *st)
{
    apr_time_t own = own_time(gen, st);
    apr_time_t paused = gen->accounts[st->wanted->account].paused_until;

    return own > paused ? own : paused;
}

int cfo_tries_is_due(const cfo_generation_t *gen, const cfo_standing_t *st,
                     apr_time_t now)
{
    /* What mod_ssl did not ask for is another module's by now. */
    if (gen->handed_over && !st->asked)
        return 0;
    return (st->decision.action != CFO_KEEP || st->repair) && !st->trying &&
           cfo_schedule_is_over(own_time(gen, st), now) &&
           cfo_schedule_due(NULL, CFO_CAUSE_TICK,
                            gen->accounts[st->wanted->account].paused_until,
                            now) <= now;
}

apr_time_t cfo_tries_next(const cfo_generation_t *gen)
{
    apr_time_t next = 0;
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];
        int fails = st->repair && st->attempt->failures > 0;
        apr_time_t at = st->decision.action != CFO_KEEP || fails
                            ? cfo_tries_at(gen, st)
                            : st->decision.renew_at;

        if (st->decision.action == CFO_KEEP && !fails &&
            st->wanted->settings.renew_manual)
            continue;
        if (at && (next == 0 || at < next))
            next = at;
    }
    return next;
}
