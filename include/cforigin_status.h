/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From the parent's knowledge to a picture that any worker can take.
 *
 * What a generation knows (plan, vhosts, what is served) is in memory that
 * the workers share by fork. What changes until the next one is a fixed
 * record a certificate in anonymous shared memory, written by the parent
 * alone and read without a lock. No file and no API call on any request.
 */
#ifndef CFORIGIN_STATUS_H
#define CFORIGIN_STATUS_H

#include "cforigin_picture.h"
#include "cforigin_standing.h"

/** Parent, at the end of post_config: make the shared records. */
void cfo_status_create(cfo_generation_t *gen);

/** Parent: what changed since. @return the picture, from its own memory */
const cfo_status_t *cfo_status_publish(const cfo_generation_t *gen,
                                       apr_pool_t *p);

/** A worker begins: it can't write the records. */
void cfo_status_only_read(void);

/** A worker: a consistent picture at this moment. */
cfo_status_t *cfo_status_read(const cfo_generation_t *gen, apr_pool_t *p,
                              apr_time_t now);

/** Parent: a line in the log for each certificate that needs something, and
 * one in sum. Once a generation. */
void cfo_status_tell(const cfo_generation_t *gen, const cfo_status_t *status);

/** Parent: what has another state than was told last. */
void cfo_status_tell_changes(const cfo_generation_t *gen,
                             const cfo_status_t *status);

/** SetHandler cforigin-status. */
int cfo_status_handle(const cfo_generation_t *gen, request_rec *r);

/** mod_status asks for a section of its own page. */
int cfo_status_server_status(const cfo_generation_t *gen, request_rec *r,
                             int flags);

#endif
