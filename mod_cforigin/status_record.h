/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From the parent's standings to the records that workers read. The parent
 * alone calls this: workers have neither attempts nor tries.
 */
#ifndef STATUS_RECORD_H
#define STATUS_RECORD_H

#include "status_shared.h"

/** At the end of post_config: which paths no record shows. They live as long
 * as the generation. */
void cfo_record_learn(const cfo_generation_t *gen);

/** What is so now. @param p for what takes a moment; the record is plain data,
 * its padding zeroed, since it is compared */
void cfo_record_fill(const cfo_generation_t *gen, const cfo_standing_t *st,
                     cfo_live_t *live, apr_pool_t *p);
void cfo_record_fill_head(const cfo_generation_t *gen, cfo_live_head_t *head,
                          apr_pool_t *p);

#endif
