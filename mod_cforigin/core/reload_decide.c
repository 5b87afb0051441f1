/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one place that decides about a graceful restart of our own. Pure.
 */
#include "cforigin_reload_decide.h"

#include <apr_strings.h>

#define EARLY_MAX 3
#define INTERVAL_MAX apr_time_from_sec(60 * 60)

/* A refused configuration is looked at again after this. */
#define TEST_AGAIN apr_time_from_sec(60)

/* A test that was passed says nothing about an edit that came later. Its word
 * is read at the keeper's end and acted on in the same breath. */
#define TEST_FRESH apr_time_from_sec(3)

/* A vhost that has nothing but the fallback need not wait the interval out,
 * but no more than a few times in a row. */
static int is_too_soon(const cfo_reload_facts_t *facts, apr_time_t now)
{
    if (facts->on_fallback && facts->early < EARLY_MAX)
        return 0;
    return facts->last && facts->last <= now &&
           now - facts->last < facts->interval;
}

static const char *too_soon(const cfo_reload_facts_t *facts, apr_pool_t *p)
{
    return apr_psprintf(p, "the last one is less than %s ago, %s",
                        cfo_duration_word(p, facts->interval),
                        facts->doubled
                            ? "CFOriginReloadInterval doubled while processes "
                              "of older generations linger"
                            : "as CFOriginReloadInterval says");
}

static const char *obstacle(const cfo_reload_facts_t *facts, apr_time_t now,
                            apr_pool_t *p)
{
    if (facts->off)
        return "CFOriginReload is off";
    if (facts->one_process)
        return "the server runs as one process (-X)";
    if (is_too_soon(facts, now))
        return too_soon(facts, p);
    if (facts->slots_old * 2 > facts->slots)
        return "processes of older generations still hold more than half of "
               "the scoreboard";
    if (facts->neighbour)
        return facts->neighbour;
    if (facts->tested < 0 && now - facts->tested_at < TEST_AGAIN &&
        now >= facts->tested_at)
        return facts->test_message;
    return NULL;
}

cfo_reload_action_t cfo_reload_decide(const cfo_reload_facts_t *facts,
                                      apr_time_t now, apr_pool_t *p,
                                      const char **reason)
{
    *reason = NULL;
    if (facts->wanted == 0)
        return CFO_RELOAD_NONE;
    *reason = obstacle(facts, now, p);
    if (*reason)
        return CFO_RELOAD_WAIT;
    if (facts->tested <= 0 || now - facts->tested_at > TEST_FRESH ||
        now < facts->tested_at) {
        *reason = "the configuration is being tested";
        return CFO_RELOAD_TEST;
    }
    return CFO_RELOAD_NOW;
}

apr_interval_time_t cfo_reload_interval(const cfo_reload_facts_t *facts)
{
    if (facts->slots_old == 0)
        return 0;
    return 2 * facts->interval > INTERVAL_MAX ? INTERVAL_MAX
                                              : 2 * facts->interval;
}
