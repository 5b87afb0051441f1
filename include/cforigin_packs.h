/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the store tells of packed certificates (CFOriginPack): who is on them,
 * for the plan. Reads the store only.
 */
#ifndef CFORIGIN_PACKS_H
#define CFORIGIN_PACKS_H

#include "cforigin_plan.h"
#include "cforigin_store.h"

/** The packed certificates in the store (cfo_pack_t); for one that never came,
 * the names it was to be asked with. */
apr_array_header_t *cfo_packs_stored(apr_pool_t *p, const char *store,
                                     struct apr_hash_t *known);

#endif
