/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whether, when and why not: the graceful restart of our own. One for however
 * many certificates a round brought, and only when the configuration on disk
 * is the one that runs and passes its test, the last one is long enough ago,
 * and there is room for another generation of processes.
 */
#ifndef CFORIGIN_RELOAD_H
#define CFORIGIN_RELOAD_H

#include "cforigin_reload_decide.h"
#include "cforigin_standing.h"

/** A new generation: what the last one knew of the configuration on disk is
 * forgotten, even where the module was not unloaded in between. */
void cfo_reload_begin(void);

/** Look, decide, and act: start the test, or ask httpd for the restart. */
void cfo_reload_consider(cfo_generation_t *gen, apr_time_t now);

/** The keeper's word on the configuration. */
void cfo_reload_tested(cfo_generation_t *gen, int ok, const char *message,
                       apr_time_t now);

/** Why a reload is wanted but did not happen yet; NULL: none is wanted. */
const char *cfo_reload_reason(void);

#endif
