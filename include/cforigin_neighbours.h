/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The certificate and key files of virtual hosts that this module leaves to
 * mod_ssl, and its files of trust and ticket keys. A restart of our own would
 * load them, too; and where somebody has replaced only one half of a pair
 * meanwhile, or a CA by rubbish, it would end the server. Looks at them (stat,
 * and reads what changed); writes nothing.
 */
#ifndef CFORIGIN_NEIGHBOURS_H
#define CFORIGIN_NEIGHBOURS_H

#include "cforigin_standing.h"

/** mod_ssl has loaded them: remember how they are. */
void cfo_neighbours_note(const cfo_generation_t *gen);

/** Why a restart would fail on one of them, naming the file; NULL: nothing
 * that changed keeps it from being loaded. */
const char *cfo_neighbours_fault(const cfo_generation_t *gen,
                                 apr_pool_t *ptemp);

/** Why a restart would take a working pair of our own from a virtual host: its
 * files are gone, or no pair any more. NULL: it would take none. */
const char *cfo_neighbours_lost(cfo_generation_t *gen, apr_time_t now,
                                apr_pool_t *ptemp);

#endif
