/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The parent's end of the keeper: starts it with its plan, reads what it
 * tells, sees its end, ends it when the server stops, and takes a running one
 * over from the generation before. Never blocks but in cfo_keeper_wait.
 */
#ifndef CFORIGIN_KEEPER_LINK_H
#define CFORIGIN_KEEPER_LINK_H

#include "cforigin_standing.h"

/** Called for each event, in order. The event is gone when it returns. */
typedef void cfo_keeper_event_fn(cfo_generation_t *gen,
                                 const cfo_event_t *event);

/**
 * Execute <libexec>/cforigin-keeper with this round on its stdin (a memfd, so
 * neither side ever waits for the other).
 * @param checks it only tests the configuration: no items
 * @return NULL, or a sentence that says why not
 */
const char *cfo_keeper_start(cfo_generation_t *gen, const cfo_round_t *round,
                             int checks, apr_pool_t *ptemp);

/** 1 while a keeper runs or its last words were not read yet. */
int cfo_keeper_is_running(const cfo_retained_t *r);

/** Read what it told; after its end also forget it. 1 when it is over now. */
int cfo_keeper_read(cfo_generation_t *gen, cfo_keeper_event_fn *on_event);

/** Wait until it told something, the time is up, or a second has passed. 0:
 * there is none. */
int cfo_keeper_wait(const cfo_retained_t *r, apr_interval_time_t patience);

/** A new generation: watch the keeper that the last one started. */
void cfo_keeper_adopt(cfo_generation_t *gen);

/** In a worker that was just forked: the keeper is none of its. The parent's
 * record and pipe stay as they are. */
void cfo_keeper_disown(cfo_retained_t *r);

/** End it now; its pending work is found again by the next round. */
void cfo_keeper_stop(cfo_retained_t *r);

#endif
