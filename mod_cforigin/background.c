/* SPDX-License-Identifier: Apache-2.0 */
/* What the parent does with time. Starts keepers, takes in their events,
 * looks around every ten seconds. */
#include "cforigin_background.h"
#include "cforigin_clock.h"
#include "cforigin_confirm.h"
#include "cforigin_errand.h"
#include "cforigin_keeper_link.h"
#include "cforigin_reload.h"
#include "cforigin_status.h"
#include "cforigin_warn.h"
#include "cforigin_tries.h"

#include <ap_mpm.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unixd.h>

/* httpd calls the monitor hook about every ten seconds, and at once when
 * children end; this keeps the pace whatever it does. */
#define TICK apr_time_from_sec(9)

/* --- events --- */

static void log_event(const cfo_generation_t *gen, const cfo_event_t *event)
{
    static const int levels[] = {APLOG_ERR, APLOG_WARNING, APLOG_NOTICE,
                                 APLOG_INFO, APLOG_DEBUG};

    ap_log_error(APLOG_MARK, levels[event->level], 0, gen->base, "%s",
                 event->message ? event->message : "");
}

static void note_account(cfo_generation_t *gen, const cfo_event_t *event)
{
    int i;

    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).id,
                    event->account))
            gen->accounts[i] = event->account_state;
    }
}

/* The keeper sums up at its end: not before a slow one is done, too. */
static void note_success(cfo_generation_t *gen, const cfo_standing_t *st)
{
    if (!st->entry->stored.adopted)
        gen->accounts[st->wanted->account].last_success = apr_time_now();
}

/* A reload may have come since the keeper was sent: what it fails in is no
 * failure where all is in order by now, and would have no next try. */
static int is_wanted(const cfo_standing_t *st)
{
    return st->decision.action != CFO_KEEP || st->repair;
}

static void settle(cfo_generation_t *gen, cfo_standing_t *st,
                   const cfo_event_t *event)
{
    st->trying = 0;
    if (event->kind == CFO_EVENT_FAILED && is_wanted(st)) {
        cfo_tries_failed(gen, st, &event->attempt);
        return;
    }
    st->repair = 0; /* once a generation: a place that can't be written is
                     * told, not tried at every tick */
    cfo_retained_put_attempt(gen->retained, st->key, NULL);
    cfo_standing_settled(gen, st, event->kind == CFO_EVENT_KEPT,
                         apr_time_now());
}

static void on_event(cfo_generation_t *gen, const cfo_event_t *event)
{
    cfo_standing_t *st = NULL;

    if (event->name)
        st = cfo_standing_find(gen, event->name, event->request_type);
    switch (event->kind) {
    case CFO_EVENT_LOG:
        log_event(gen, event);
        break;
    case CFO_EVENT_TRYING:
        if (st)
            st->trying = 1;
        break;
    case CFO_EVENT_INSTALLED:
    case CFO_EVENT_KEPT:
    case CFO_EVENT_FAILED:
        if (st) /* else its vhost left meanwhile */
            settle(gen, st, event);
        if (st && event->kind == CFO_EVENT_INSTALLED)
            note_success(gen, st);
        break;
    case CFO_EVENT_ACCOUNT:
        if (event->account)
            note_account(gen, event);
        break;
    case CFO_EVENT_RELOAD_CHECK:
        cfo_reload_tested(gen, event->ok, event->message, apr_time_now());
        break;
    case CFO_EVENT_CALLS:
        gen->retained->calls[event->op][event->outcome] +=
            (apr_uint64_t)event->calls;
        break;
    case CFO_EVENT_CLOCK:
        cfo_clock_learn(gen, event->offset, apr_time_now());
        break;
    case CFO_EVENT_SERVED:
        if (st)
            cfo_confirm_learn(gen, st, event);
        break;
    case CFO_EVENT_NOTICES:
        if (st)
            cfo_warn_learn(gen, st, &event->notices, event->ok);
        break;
    case CFO_EVENT_TELLING:
        gen->retained->keeper_tells = 1;
        break;
    case CFO_EVENT_DONE:
        break;
    }
}

/* --- rounds --- */

/* What nobody told the end of: a keeper that could not start, or died. */
static void fail_unsettled(cfo_generation_t *gen, const char *why)
{
    apr_time_t now = apr_time_now();
    apr_pool_t *ptemp;
    int i;

    apr_pool_create(&ptemp, gen->pool);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_standing_t *st = &gen->standings[i];
        cfo_attempt_t attempt;

        if (!st->trying)
            continue;
        st->trying = 0;
        if (!is_wanted(st))
            continue;
        attempt.failures = st->failures + 1;
        attempt.last_try = now;
        attempt.last_error = cfo_result_make(ptemp, CFO_LOCAL, "%s", why);
        attempt.next_try = cfo_schedule_next_try(
            &attempt.last_error, attempt.failures, now, st->key);
        cfo_tries_failed(gen, st, &attempt);
    }
    apr_pool_destroy(ptemp);
}

static void start_round(cfo_generation_t *gen, int serving, apr_time_t now)
{
    apr_pool_t *ptemp;
    cfo_round_t *round;

    apr_pool_create(&ptemp, gen->pool);
    round = cfo_errand_round(gen, serving, now, ptemp);
    if (round) {
        const char *fault = cfo_keeper_start(gen, round, 0, ptemp);

        if (fault) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, gen->base, "%s", fault);
            fail_unsettled(gen, fault);
        }
    }
    apr_pool_destroy(ptemp);
}

/* The keeper is over: what it left open failed, what changed is looked at. */
static void end_round(cfo_generation_t *gen)
{
    cfo_retained_t *r = gen->retained;

    if (!r->keeper_said_done)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base,
                     "the keeper ended before its work was done; it is tried "
                     "again");
    if (r->keeper_checks && !r->keeper_said_done)
        cfo_reload_tested(gen, 0, "its test was not finished", apr_time_now());
    fail_unsettled(gen, "the keeper ended before its work was done");
}

/* --- its end ---------------------------------------------------------------
 */

static void publish(cfo_generation_t *gen)
{
    apr_pool_t *ptemp;

    cfo_tries_look_at_accounts(gen, apr_time_now());
    apr_pool_create(&ptemp, gen->pool);
    cfo_status_tell_changes(gen, cfo_status_publish(gen, ptemp));
    apr_pool_destroy(ptemp);
}

/* Not while the server starts, ends or reads its configuration anew. */
static int may_act(const cfo_generation_t *gen)
{
    const ap_unixd_mpm_retained_data *mpm = ap_unixd_mpm_get_retained_data();
    int state = 0;

    return !gen->one_process &&
           ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS &&
           state == AP_MPMQ_RUNNING && !mpm->restart_pending &&
           !mpm->shutdown_pending;
}

/* httpd tells of it within a second. A passed test of the configuration is
 * acted on at once: while it lies around, somebody may edit a file. */
static void on_keeper_ended(cfo_generation_t *gen)
{
    if (!may_act(gen) || gen->retained->own_graceful)
        return;
    if (cfo_keeper_read(gen, on_event))
        end_round(gen);
    if (cfo_keeper_is_running(gen->retained))
        return;
    cfo_reload_consider(gen, apr_time_now());
    publish(gen);
}

/* --- token files ------------------------------------------------------------
 */

static apr_time_t token_stamp(const cfo_generation_t *gen, int account)
{
    struct stat st;

    if (stat(APR_ARRAY_IDX(gen->plan->accounts, account, cfo_account_t)
                 .token_file,
             &st) != 0)
        return 0;
    return apr_time_from_sec(st.st_ctim.tv_sec) + st.st_ctim.tv_nsec / 1000;
}

static cfo_kept_token_t *kept_token(const cfo_generation_t *gen, int account)
{
    return cfo_retained_token(
        gen->retained,
        APR_ARRAY_IDX(gen->plan->accounts, account, cfo_account_t).id);
}

/* Not those that an earlier generation knew: a change that came with a round
 * or just before a restart is yet to be noticed. */
static void note_tokens(const cfo_generation_t *gen)
{
    int i;

    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        cfo_kept_token_t *token = kept_token(gen, i);

        if (!token->seen)
            token->stamp = token_stamp(gen, i);
        token->seen = 1;
    }
}

/* --- the cold start --- */

static int all_settled(const cfo_generation_t *gen)
{
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        if (gen->standings[i].trying)
            return 0;
    }
    return 1;
}

void cfo_background_cold_start(cfo_generation_t *gen)
{
    apr_time_t deadline = cfo_clock_steady() + gen->global->startup_wait;
    apr_time_t now;

    gen->keeper_ended = on_keeper_ended;
    note_tokens(gen);
    cfo_warn_begin(gen);
    start_round(gen, 0, apr_time_now());
    while (!all_settled(gen) && (now = cfo_clock_steady()) < deadline &&
           cfo_keeper_wait(gen->retained, deadline - now)) {
        if (cfo_keeper_read(gen, on_event))
            end_round(gen);
    }
    /* One process: it becomes the server's user now and could never signal
     * the keeper again; and no monitor will read what it tells. */
    if (gen->one_process && gen->retained->keeper_pid > 0) {
        int status;

        cfo_keeper_stop(gen->retained);
        (void)waitpid(gen->retained->keeper_pid, &status, 0);
        gen->retained->keeper_pid = 0;
        (void)cfo_keeper_read(gen, on_event);
        fail_unsettled(gen, "the server runs as one process (-X), and the "
                            "start is over");
    }
}

/* What was told before this generation read its configuration says nothing of
 * that one. */
static void on_earlier_event(cfo_generation_t *gen, const cfo_event_t *event)
{
    if (event->kind != CFO_EVENT_RELOAD_CHECK)
        on_event(gen, event);
}

void cfo_background_catch_up(cfo_generation_t *gen)
{
    if (cfo_keeper_read(gen, on_event))
        end_round(gen);
}

void cfo_background_begin(cfo_generation_t *gen)
{
    gen->keeper_ended = on_keeper_ended;
    note_tokens(gen);
    cfo_warn_begin(gen);
    cfo_keeper_adopt(gen);
    /* One that is over by now holds up no round of this generation. */
    if (cfo_keeper_read(gen, on_earlier_event))
        end_round(gen);
    if (!gen->one_process && !cfo_keeper_is_running(gen->retained))
        start_round(gen, 0, apr_time_now());
}

/* --- the look around --- */

/* A changed token file counts as a reload for what waits on it. */
static void look_at_tokens(cfo_generation_t *gen, apr_time_t now)
{
    int i, k;

    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        apr_time_t stamp = token_stamp(gen, i);
        cfo_kept_token_t *token = kept_token(gen, i);

        if (stamp == token->stamp)
            continue;
        token->stamp = stamp;
        token->changed = now;
        for (k = 0; k < gen->plan->wanted->nelts; k++) {
            if (gen->standings[k].wanted->account == i &&
                gen->standings[k].decision.action != CFO_KEEP)
                cfo_standing_look(gen, &gen->standings[k], CFO_CAUSE_RELOAD,
                                  now);
        }
    }
}

static int its_time_has_come(const cfo_standing_t *st, apr_time_t now)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;

    if (facts == NULL || now == 0 || st->decision.reason == CFO_EXPIRED)
        return 0;
    if (facts->not_after <= now)
        return 1;
    return st->decision.renew_at && st->decision.renew_at <= now &&
           st->decision.reason != CFO_RENEW_WINDOW;
}

/* Has anything come about since the last look: the renew marker, its time, a
 * generation that another server on this store installed? Cheap: three calls
 * of the system, none of them opens a file. */
static int has_changed(const cfo_generation_t *gen, const cfo_standing_t *st,
                       apr_time_t now, apr_pool_t *ptemp)
{
    const char *dir = cfo_store_dir(ptemp, gen->global->store, st->folder,
                                    st->wanted->request_type);

    if (st->decision.reason == CFO_UNREADABLE &&
        cfo_schedule_is_over(st->due_at, now))
        return 1;
    if (!st->forced && cfo_store_is_forced(ptemp, dir))
        return 1;
    if (cfo_store_current(ptemp, dir) != st->current)
        return 1;
    return st->decision.action == CFO_KEEP &&
           its_time_has_come(st, cfo_clock_trusted(gen, now));
}

static void look_around(cfo_generation_t *gen, apr_time_t now)
{
    apr_pool_t *ptemp;
    int i;

    apr_pool_create(&ptemp, gen->pool);
    look_at_tokens(gen, now);
    cfo_clock_look(gen, now);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_standing_t *st = &gen->standings[i];

        if (!st->trying && has_changed(gen, st, now, ptemp))
            cfo_standing_look(gen, st, CFO_CAUSE_TICK, now);
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
    cfo_warn_look(gen, now);
}

void cfo_background_tick(cfo_generation_t *gen)
{
    static apr_time_t last;
    apr_time_t now = apr_time_now();

    if ((last && now >= last && now - last < TICK) || !may_act(gen))
        return;
    last = now;
    if (cfo_keeper_read(gen, on_event))
        end_round(gen);
    if (!cfo_keeper_is_running(gen->retained))
        look_around(gen, now);
    /* Not the `now` from above: a test that was read since is later. And
     * before the next round: what is there must not wait for what never
     * comes. */
    if (!cfo_keeper_is_running(gen->retained) || gen->retained->keeper_tells)
        cfo_reload_consider(gen, apr_time_now());
    if (!gen->retained->own_graceful && !cfo_keeper_is_running(gen->retained))
        start_round(gen, 1, now);
    publish(gen);
}
