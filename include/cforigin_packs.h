/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the store tells of packed certificates (CFOriginPack): who is on them,
 * for the plan; and which pair stands in while a vhost moves from a
 * certificate of its own to a packed one, or back. Reads the store only.
 */
#ifndef CFORIGIN_PACKS_H
#define CFORIGIN_PACKS_H

#include "cforigin_standing.h"

/** The packed certificates in the store (cfo_pack_t); for one that never came,
 * the names it was to be asked with. */
apr_array_header_t *cfo_packs_stored(apr_pool_t *p, const char *store,
                                     struct apr_hash_t *known);

/** For a managed vhost that has nothing to serve: the pair that it had before
 * CFOriginPack was turned on or off. NULL when there is none. */
const cfo_entry_t *cfo_packs_stand_in(cfo_generation_t *gen, int vhost,
                                      cfo_request_type_t type);

#endif
