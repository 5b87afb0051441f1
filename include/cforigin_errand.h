/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the keeper is sent to do: the round for all that is due now, and the
 * test of the configuration. Collects, decides nothing.
 */
#ifndef CFORIGIN_ERRAND_H
#define CFORIGIN_ERRAND_H

#include "cforigin_standing.h"

/** The round for everything that is due, NULL when nothing is. Marks what it
 * holds as being tried.
 * @param serving 1 when the server is up, so that its listeners can be looked
 *        at */
cfo_round_t *cfo_errand_round(cfo_generation_t *gen, int serving,
                              apr_time_t now, apr_pool_t *ptemp);

/** No items: only run the test of the configuration. */
cfo_round_t *cfo_errand_test(const cfo_generation_t *gen, apr_pool_t *ptemp);

/** The argument that makes `httpd -t` print the tree's hash, and what stands
 * before it in its output. */
#define CFO_RELOAD_DEFINE "CFORIGIN_RELOADCHECK"
#define CFO_RELOAD_HASH "cforigin-tree-hash: "

#endif
