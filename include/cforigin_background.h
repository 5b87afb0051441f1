/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the parent does with time: the cold start's bounded wait, then a look
 * every ten seconds, and one at a reload as soon as a keeper ends. It decides
 * when a keeper is started and takes in what the keeper tells. Apart from the
 * cold start's wait nothing here blocks.
 */
#ifndef CFORIGIN_BACKGROUND_H
#define CFORIGIN_BACKGROUND_H

#include "cforigin_standing.h"

/** Cold start, second pass: start a keeper for what is due and wait until all
 * of it is settled, or CFOriginStartupWait is over. */
void cfo_background_cold_start(cfo_generation_t *gen);

/** Cold start, after mod_ssl: what the keeper told meanwhile, so that the
 * status begins with it. Never waits. */
void cfo_background_catch_up(cfo_generation_t *gen);

/** Reload: take over a keeper that runs, or start one; never wait. */
void cfo_background_begin(cfo_generation_t *gen);

/** A look around; called from the monitor hook as often as httpd likes. */
void cfo_background_tick(cfo_generation_t *gen);

#endif
