/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is this machine's clock right? Each answer of the API says what time it is
 * there. While the two differ by more than five minutes nothing is judged by
 * dates: no certificate is taken for expired or renewed because of them.
 * Memory only.
 */
#ifndef CFORIGIN_CLOCK_H
#define CFORIGIN_CLOCK_H

#include "cforigin_standing.h"

/** A clock that nobody sets; it counts while the machine sleeps, too. For
 * waits: the wall clock may jump. */
apr_time_t cfo_clock_steady(void);

/** now, or 0 while the clock is known to be wrong. */
apr_time_t cfo_clock_trusted(const cfo_generation_t *gen, apr_time_t now);

/** The API's clock is this far ahead of ours. */
void cfo_clock_learn(cfo_generation_t *gen, apr_interval_time_t offset,
                     apr_time_t now);

/** Was the clock set right meanwhile? After an hour of being wrong it is
 * trusted until the next thing that is due asks the API again. */
void cfo_clock_look(cfo_generation_t *gen, apr_time_t now);

#endif
