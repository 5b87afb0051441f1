/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whether, when and why not: the graceful restart of our own. One for however
 * many certificates a round brought, and only when the configuration on disk
 * is the one that runs and passes its test, the last one is long enough ago,
 * and there is room for another generation of processes.
 */
#ifndef CFORIGIN_RELOAD_H
#define CFORIGIN_RELOAD_H

#include "cforigin_standing.h"

/** Everything the decision depends on. */
typedef struct cfo_reload_facts_t {
    int wanted;          /* how many certificates wait to be loaded */
    int on_fallback;     /* one of their vhosts has nothing else */
    int off;             /* CFOriginReload off */
    int one_process;     /* -X */
    apr_time_t last;     /* our last one, 0: none since the start */
    apr_interval_time_t interval; /* configured, or doubled meanwhile */
    int early;           /* how many in a row did not wait it out */
    int slots;           /* of the scoreboard: ServerLimit */
    int slots_old;       /* taken by processes of older generations */
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

/** Pure. @param reason set with CFO_RELOAD_WAIT and CFO_RELOAD_TEST */
cfo_reload_action_t cfo_reload_decide(const cfo_reload_facts_t *facts,
                                      apr_time_t now, const char **reason);

/** Look, decide, and act: start the test, or ask httpd for the restart. */
void cfo_reload_consider(cfo_generation_t *gen, apr_time_t now);

/** The keeper's word on the configuration. */
void cfo_reload_tested(cfo_generation_t *gen, int ok, const char *message,
                       apr_time_t now);

/** Why a reload is wanted but did not happen yet; NULL: none is wanted. */
const char *cfo_reload_reason(void);

#endif
