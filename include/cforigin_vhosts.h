/* SPDX-License-Identifier: Apache-2.0 */
/**
 * httpd's server_recs as the plain facts that the plan is made from. After
 * this room nobody asks a server_rec for its names again.
 */
#ifndef CFORIGIN_VHOSTS_H
#define CFORIGIN_VHOSTS_H

#include "cforigin_module.h"
#include "cforigin_plan.h"
#include "cforigin_target_look.h"

/**
 * Facts about every server, the base one first, then in httpd.conf's order;
 * each server's configuration learns its index.
 * @param taken labels of servers that another module serves (apr_hash_t), as
 *        the generation before found out; may be NULL
 * @param servers set to server_rec *, in the same order
 */
apr_array_header_t *cfo_vhosts_facts(apr_pool_t *p, server_rec *base,
                                     cfo_looker_t *looker,
                                     struct apr_hash_t *taken,
                                     apr_array_header_t **servers);

#endif
