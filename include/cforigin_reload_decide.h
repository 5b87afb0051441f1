/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whether a graceful restart of our own is wanted, allowed, and worth it.
 * Pure: facts and a time in, an action and a reason out.
 */
#ifndef CFORIGIN_RELOAD_DECIDE_H
#define CFORIGIN_RELOAD_DECIDE_H

#include "cforigin.h"

/** Everything the decision depends on. */
typedef struct cfo_reload_facts_t {
    int wanted;          /* how many certificates wait to be loaded */
    int on_fallback;     /* one of their vhosts has nothing else */
    int off;             /* CFOriginReload off */
    int one_process;     /* -X */
    apr_time_t last;     /* our last one, 0: none since the start */
    apr_interval_time_t interval; /* configured, or doubled meanwhile */
    int doubled;         /* it is longer than configured */
    int early;           /* how many in a row did not wait it out */
    int slots;           /* of the scoreboard: ServerLimit */
    int slots_old;       /* taken by processes of older generations */
    const char *neighbour; /* a pair of another vhost's that would not load;
                            * NULL: none */
    int tested;          /* 0: not yet, 1: same and good, -1: not */
    const char *test_message; /* why not */
    apr_time_t tested_at;
} cfo_reload_facts_t;

typedef enum {
    CFO_RELOAD_NONE = 0, /* nothing to load */
    CFO_RELOAD_TEST,     /* have the configuration tested, then ask again */
    CFO_RELOAD_NOW,
    CFO_RELOAD_WAIT      /* wanted, but not now; reason says why */
} cfo_reload_action_t;

/** @param reason set with CFO_RELOAD_WAIT and CFO_RELOAD_TEST; in p, or in
 *         what the facts point to */
cfo_reload_action_t cfo_reload_decide(const cfo_reload_facts_t *facts,
                                      apr_time_t now, apr_pool_t *p,
                                      const char **reason);

/** The interval until the next one, after one that happens now: as
 * configured (0), or twice what it was while old processes linger, up to an
 * hour. */
apr_interval_time_t cfo_reload_interval(const cfo_reload_facts_t *facts);

#endif
