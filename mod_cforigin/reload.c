/* SPDX-License-Identifier: Apache-2.0 */
/* The graceful restart of our own: the decision is pure, the facts are
 * collected here, the act is one signal to ourselves. */
#include "cforigin_reload.h"
#include "cforigin_confirm.h"
#include "cforigin_errand.h"
#include "cforigin_keeper_link.h"
#include "cforigin_neighbours.h"

#include <mpm_common.h>
#include <scoreboard.h>
#include <signal.h>
#include <unistd.h>

/* What this generation knows; a new one begins anew. */
static struct {
    int tested;
    char test_message[512];
    char neighbour[512];
    apr_time_t tested_at;
    char reason[512]; /* "": none is wanted */
    char told[512];   /* the reason that was logged last */
} state;

void cfo_reload_begin(void)
{
    memset(&state, 0, sizeof(state));
}

const char *cfo_reload_reason(void)
{
    return state.reason[0] ? state.reason : NULL;
}

/* --- the facts --- */

static void count_wanted(const cfo_generation_t *gen,
                         cfo_reload_facts_t *facts)
{
    int i, k;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];

        if (!cfo_standing_wants_reload(st))
            continue;
        facts->wanted++;
        for (k = 0; k < st->wanted->vhosts->nelts; k++)
            facts->on_fallback |=
                gen->on_fallback[APR_ARRAY_IDX(st->wanted->vhosts, k, int)];
    }
    if (gen->replan)
        facts->wanted++;
}

static void count_slots(cfo_reload_facts_t *facts)
{
    int i, limit = 0;

    if (!ap_exists_scoreboard_image() ||
        ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit) != APR_SUCCESS)
        return;
    facts->slots = limit;
    for (i = 0; i < limit; i++) {
        const process_score *ps = ap_get_scoreboard_process(i);

        if (ps && ps->pid &&
            (ps->generation !=
                 ap_scoreboard_image->global->running_generation ||
             ps->quiescing))
            facts->slots_old++;
    }
}

static int look_at_neighbours(cfo_generation_t *gen, apr_time_t now)
{
    apr_pool_t *ptemp;
    const char *fault;

    apr_pool_create(&ptemp, gen->pool);
    fault = cfo_neighbours_fault(gen, ptemp);
    if (fault == NULL)
        fault = cfo_neighbours_lost(gen, now, ptemp);
    apr_cpystrn(state.neighbour, fault ? fault : "", sizeof(state.neighbour));
    apr_pool_destroy(ptemp);
    return state.neighbour[0] != '\0';
}

static cfo_reload_facts_t collect(cfo_generation_t *gen, apr_time_t now)
{
    const cfo_retained_t *r = gen->retained;
    cfo_reload_facts_t facts;

    memset(&facts, 0, sizeof(facts));
    count_wanted(gen, &facts);
    if (facts.wanted == 0)
        return facts;
    facts.off = gen->global->reload_off;
    facts.one_process = gen->one_process;
    facts.last = r->last_graceful;
    facts.interval = r->graceful_interval > gen->global->reload_interval
                         ? r->graceful_interval
                         : gen->global->reload_interval;
    facts.doubled = facts.interval > gen->global->reload_interval;
    facts.early = r->early_gracefuls;
    facts.tested = state.tested;
    facts.test_message = state.test_message;
    facts.tested_at = state.tested_at;
    count_slots(&facts);
    if (look_at_neighbours(gen, now))
        facts.neighbour = state.neighbour;
    return facts;
}

/* --- the act --- */

static void test_configuration(cfo_generation_t *gen)
{
    apr_pool_t *ptemp;
    const char *fault;

    apr_pool_create(&ptemp, gen->pool);
    fault = cfo_keeper_start(gen, cfo_errand_test(gen, ptemp), 1, ptemp);
    if (fault)
        cfo_reload_tested(gen, 0, fault, apr_time_now());
    apr_pool_destroy(ptemp);
}

void cfo_reload_tested(cfo_generation_t *gen, int ok, const char *message,
                       apr_time_t now)
{
    state.tested_at = now;
    state.tested = -1;
    if (!ok)
        apr_snprintf(state.test_message, sizeof(state.test_message),
                     "the configuration on disk does not pass its test: %s",
                     message ? message : "no word why");
    else if (message == NULL || strcmp(message, gen->tree_hash))
        apr_cpystrn(state.test_message,
                    "the configuration on disk differs from the one that is "
                    "running; reload it when it is finished",
                    sizeof(state.test_message));
    else
        state.tested = 1;
}

static void restart(cfo_generation_t *gen, const cfo_reload_facts_t *facts,
                    apr_time_t now)
{
    cfo_retained_t *r = gen->retained;
    int waited = !r->last_graceful || now < r->last_graceful ||
                 now - r->last_graceful >= facts->interval;

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, gen->base,
                 "%d certificate%s to load: asking for a graceful restart",
                 facts->wanted, facts->wanted == 1 ? "" : "s");
    r->early_gracefuls = waited ? 0 : r->early_gracefuls + 1;
    r->graceful_interval = cfo_reload_interval(facts);
    cfo_confirm_mark(gen);
    r->last_graceful = now;
    r->own_graceful = 1;
    r->gracefuls++;
    state.tested = 0;
    kill(getpid(), AP_SIG_GRACEFUL);
}

/* Each reason once, until it changes. That it takes a moment is no news. */
static void tell(const cfo_generation_t *gen, int wanted,
                 cfo_reload_action_t action)
{
    if (action != CFO_RELOAD_WAIT || !strcmp(state.reason, state.told))
        return;
    apr_cpystrn(state.told, state.reason, sizeof(state.told));
    ap_log_error(
        APLOG_MARK,
        state.tested < 0 || state.neighbour[0] ? APLOG_WARNING : APLOG_NOTICE,
        0, gen->base, "a reload is wanted for %d certificate%s, but: %s",
        wanted, wanted == 1 ? "" : "s", state.reason);
}

void cfo_reload_consider(cfo_generation_t *gen, apr_time_t now)
{
    cfo_reload_facts_t facts;
    cfo_reload_action_t action;
    const char *reason;
    apr_pool_t *ptemp;

    if (gen->retained->own_graceful)
        return; /* it is under way */
    facts = collect(gen, now);
    apr_pool_create(&ptemp, gen->pool);
    action = cfo_reload_decide(&facts, now, ptemp, &reason);
    if (action == CFO_RELOAD_TEST && cfo_keeper_is_running(gen->retained)) {
        action = CFO_RELOAD_NONE; /* when it is over */
        reason = NULL;
    }
    apr_cpystrn(state.reason, reason ? reason : "", sizeof(state.reason));
    apr_pool_destroy(ptemp);
    /* A passed test is good for this decision: while something else is waited
     * for, anybody may edit a file. */
    if (state.tested > 0 && action != CFO_RELOAD_NOW)
        state.tested = 0;
    if (action == CFO_RELOAD_TEST)
        test_configuration(gen);
    else if (action == CFO_RELOAD_NOW)
        restart(gen, &facts, now);
    tell(gen, facts.wanted, action);
}
