/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What CFOriginNotifyCommand is to be told by a round, and the warning of a
 * certificate that ends soon and is not about to be replaced. The parent
 * decides when; the keeper runs the command. Memory, the log, and notify.json
 * to read.
 */
#ifndef CFORIGIN_WARN_H
#define CFORIGIN_WARN_H

#include "cforigin_standing.h"

/** A generation begins: what does the store say has not been told yet? */
void cfo_warn_begin(cfo_generation_t *gen);

/** Warn of what ends soon, once a day a certificate. */
void cfo_warn_look(cfo_generation_t *gen, apr_time_t now);

/** 1 when the command has to be told something about it. */
int cfo_warn_is_due(const cfo_generation_t *gen, const cfo_standing_t *st,
                    apr_time_t now);

/** Fill in what an item tells of it; it is under way then. */
void cfo_warn_fill(cfo_generation_t *gen, cfo_standing_t *st, cfo_item_t *item,
                   apr_time_t now);

/** The keeper's word on what is told and what is not.
 * @param saved the store has it, too */
void cfo_warn_learn(cfo_generation_t *gen, cfo_standing_t *st,
                    const cfo_notices_t *notices, int saved);

#endif
