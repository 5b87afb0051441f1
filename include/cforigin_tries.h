/* SPDX-License-Identifier: Apache-2.0 */
/**
 * When each wanted certificate is tried: what is remembered of failed tries,
 * what the administrator's reload or a changed token grants, how long an
 * account waits whose token was refused. What a time follows from is
 * schedule's; this room keeps it.
 */
#ifndef CFORIGIN_TRIES_H
#define CFORIGIN_TRIES_H

#include "cforigin_standing.h"

/** What a round left as it was although it looks due from here, and what can't
 * be read, is looked at again after this: no keeper at every tick, whatever
 * the two differ about. */
#define CFO_LOOK_AGAIN apr_time_from_sec(60)

/** What the store knows of an account. */
void cfo_tries_read_account(cfo_generation_t *gen, int account);

/** Nothing is to be done for it now. */
void cfo_tries_rest(cfo_generation_t *gen, cfo_standing_t *standing,
                    cfo_cause_t cause, apr_time_t now, apr_pool_t *ptemp);

/** Something is: what failed until now, and when the next try is. */
void cfo_tries_look(cfo_generation_t *gen, cfo_standing_t *standing,
                    cfo_cause_t cause, apr_time_t now, apr_pool_t *ptemp);

/** The administrator's start or reload: what failed until now is to be tried
 * again. It is remembered, since one of our own may come before that. */
void cfo_tries_pardon(cfo_generation_t *gen, cfo_cause_t cause,
                         apr_time_t now);

/** A try failed: remember it here, and across generations. */
void cfo_tries_failed(cfo_generation_t *gen, cfo_standing_t *standing,
                         const cfo_attempt_t *attempt);

/** Note in refused_until how long each account waits, and drop pauses that are
 * over. Before the next two. */
void cfo_tries_look_at_accounts(cfo_generation_t *gen, apr_time_t now);

/** When the next try may be: its own time, and its account's. */
apr_time_t cfo_tries_at(const cfo_generation_t *gen,
                               const cfo_standing_t *standing);

/** 1 when something is to be done for it and its time has come. */
int cfo_tries_is_due(const cfo_generation_t *gen,
                        const cfo_standing_t *standing, apr_time_t now);

/** When the next try or renewal is, 0: nothing is waited for. */
apr_time_t cfo_tries_next(const cfo_generation_t *gen);

#endif
