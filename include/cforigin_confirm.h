/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Looks at what a listener of this server shows, done by the issuer for the
 * keeper for the parent: after a graceful restart of our own, whether the new
 * certificates are served; and before a superseded one is revoked. This room
 * knows where to look; it opens nothing.
 */
#ifndef CFORIGIN_CONFIRM_H
#define CFORIGIN_CONFIRM_H

#include "cforigin_standing.h"

/** A graceful restart of our own begins, for what waits to be loaded now. */
void cfo_confirm_mark(cfo_generation_t *gen);

/** Add what has to be looked at to `served` (cfo_served_t *): what the last
 * restart of our own was for. */
void cfo_confirm_add(cfo_generation_t *gen, apr_array_header_t *served,
                     apr_pool_t *ptemp);

/** CFOriginRevoke superseded: hourly, add what has a predecessor that this
 * store issued and replaced at least a day ago. */
void cfo_confirm_add_revokes(cfo_generation_t *gen, apr_array_header_t *served,
                             apr_time_t now, apr_pool_t *ptemp);

/** What the listener showed. */
void cfo_confirm_learn(cfo_generation_t *gen, const cfo_standing_t *st,
                       const cfo_event_t *event);

#endif
