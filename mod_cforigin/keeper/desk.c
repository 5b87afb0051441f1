/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One account: starts its issuer when it is first needed, and knows why
 * nothing can be asked: no token, a refused token file, a pause the API
 * ordered. Writes accounts/<id>.json.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MAX (24 * 60 * 60)

/* Two answers that are no further apart tell of one pause. */
#define SAME_PAUSE apr_time_from_sec(3)

#define CLOCK_TOLERANCE apr_time_from_sec(5 * 60)

void cfo_desk_open(cfo_desk_t *desk, cfo_keeper_t *keeper,
                   const cfo_account_t *account)
{
    apr_pool_t *p = keeper->pool;

    desk->keeper = keeper;
    desk->account = account;
    desk->fault = cfo_result_ok();
    desk->lookups = apr_hash_make(p);
    desk->zones = apr_hash_make(p);
    desk->clock_waiting = apr_array_make(p, 4, sizeof(cfo_task_t *));
    for (int type = 0; type < CFO_REQUEST_TYPES; type++)
        desk->queue[type] = apr_array_make(p, 16, sizeof(cfo_item_t *));
    if (account)
        desk->state = cfo_store_account(p, keeper->round->store, account->id);
    else
        desk->fault = cfo_result_make(p, CFO_LOCAL,
                                      "no CFOriginTokenFile is set; name a "
                                      "file that holds an API token");
}

/* A pause longer than any that is ever written comes from a clock that was
 * wrong, and is not believed. */
static apr_interval_time_t pause_left(const cfo_desk_t *desk)
{
    apr_interval_time_t left = desk->state.paused_until - apr_time_now();

    return left > 0 && left <= apr_time_from_sec(PAUSE_MAX) ? left : 0;
}

/* Two levels are enough to it: what this machine lacks is no matter of
 * concern, all else is. */
static void said(void *baton, const char *line)
{
    cfo_desk_t *desk = baton;
    cfo_level_t level =
        strncmp(line, "debug: ", 7) ? CFO_LEVEL_WARNING : CFO_LEVEL_DEBUG;

    cfo_report_log(desk->keeper->report, level,
                   "account %s: cforigin-issuer: %s", desk->account->name,
                   line);
}

int cfo_desk_ready(cfo_desk_t *desk, apr_pool_t *p, cfo_result_t *why)
{
    apr_interval_time_t left = pause_left(desk);

    if (left) {
        *why = cfo_result_make(
            p, CFO_RATE_LIMITED, "the API asked account %s to wait until %s",
            desk->account->name, cfo_time_word(p, desk->state.paused_until));
        why->retry_after =
            (int)((left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC);
        return 0;
    }
    if (desk->fault.kind == CFO_OK && !desk->issuer)
        desk->issuer = cfo_issuer_start(
            desk->keeper->pool, desk->keeper->round, desk->account,
            desk->state.paused_until != 0, said, desk, &desk->fault);
    else if (desk->fault.kind == CFO_OK && !cfo_issuer_is_alive(desk->issuer))
        desk->fault = cfo_issuer_fault(desk->issuer);
    *why = desk->fault;
    return desk->fault.kind == CFO_OK;
}

static void save(cfo_desk_t *desk)
{
    cfo_keeper_t *keeper = desk->keeper;
    cfo_event_t event = {.kind = CFO_EVENT_ACCOUNT};
    cfo_result_t result = cfo_store_put_account(
        keeper->pool, keeper->round->store, desk->account->id, &desk->state);

    if (result.kind != CFO_OK)
        cfo_report_log(keeper->report, CFO_LEVEL_WARNING, "account %s: %s",
                       desk->account->name,
                       cfo_result_sentence(keeper->pool, &result));
    event.account = desk->account->id;
    event.account_state = desk->state;
    cfo_report_event(keeper->report, &event);
}

/* Each of the account's requests is answered with what is left of the same
 * pause, rounded up and a moment later: it is told once. What was in flight by
 * then may have been told to wait longer. */
static void pause_account(cfo_desk_t *desk, int retry_after)
{
    apr_interval_time_t length =
        apr_time_from_sec(retry_after < 0               ? CFO_UNTOLD_SECONDS
                          : retry_after > PAUSE_MAX - 1 ? PAUSE_MAX - 1
                          : retry_after < 1             ? 1
                                                        : retry_after);
    apr_time_t until = apr_time_now() + length + APR_USEC_PER_SEC - 1;

    if (pause_left(desk) && until <= desk->state.paused_until + SAME_PAUSE)
        return;
    desk->state.paused_until = until - until % APR_USEC_PER_SEC;
    cfo_report_log(
        desk->keeper->report, CFO_LEVEL_WARNING,
        "account %s: rate limited, nothing is asked until %s",
        desk->account->name,
        cfo_time_word(desk->keeper->pool, desk->state.paused_until));
    save(desk);
}

static void tell_calls(const cfo_desk_t *desk, cfo_op_t op,
                       const cfo_answer_t *answer)
{
    cfo_event_t event = {.kind = CFO_EVENT_CALLS};

    event.op = cfo_call_op_find(cfo_op_word(op));
    event.outcome = answer->result.kind;
    event.calls = answer->calls;
    if (event.op >= 0 && event.calls > 0)
        cfo_report_event(desk->keeper->report, &event);
}

/* The first answer of a round that has a date says how right our clock is. */
static void learn_clock(cfo_keeper_t *keeper, apr_time_t date)
{
    cfo_event_t event = {.kind = CFO_EVENT_CLOCK};

    if (!date || keeper->clock_known)
        return;
    keeper->clock_known = 1;
    event.offset = date - apr_time_now();
    __atomic_store_n(&keeper->clock_off, llabs(event.offset) > CLOCK_TOLERANCE,
                     __ATOMIC_RELAXED);
    cfo_report_event(keeper->report, &event);
}

void cfo_desk_learn(cfo_desk_t *desk, cfo_op_t op, const cfo_answer_t *answer)
{
    const cfo_result_t *result = &answer->result;
    apr_pool_t *p = desk->keeper->pool;

    tell_calls(desk, op, answer);
    desk->keeper->moved = cfo_child_clock();
    learn_clock(desk->keeper, answer->date);
    if (result->kind == CFO_RATE_LIMITED)
        pause_account(desk, result->retry_after);
    /* Without a call: the issuer knows that the token is no good at all. */
    if (result->kind == CFO_AUTH && answer->calls == 0 &&
        desk->fault.kind == CFO_OK) {
        desk->fault = *result;
        desk->fault.message =
            result->message ? apr_pstrdup(p, result->message) : NULL;
        desk->fault.ray = NULL;
    }
    if (result->kind == CFO_OK)
        desk->succeeded = 1;
}

void cfo_desk_close(cfo_desk_t *desk)
{
    if (desk->succeeded) {
        desk->state.last_success = apr_time_now();
        if (!pause_left(desk))
            desk->state.paused_until = 0;
        save(desk);
    }
    if (desk->issuer)
        cfo_issuer_stop(desk->issuer);
}
