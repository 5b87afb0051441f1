/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the two programs do when memory is refused: end, at once and in order,
 * with exit code 1. What was asked for stands in pending/, what was installed
 * is installed; to go on with half of what was meant would be worse: APR
 * hands out NULL, jansson leaves a field out, libcurl drops an option, and
 * what OpenSSL had no memory to read looks damaged. So all four are given an
 * end.
 *
 * For the programs alone: httpd has a way of its own.
 */
#ifndef CFORIGIN_MEMORY_H
#define CFORIGIN_MEMORY_H

#include <apr_pools.h>

/** Call it once, after apr_initialize and before anything else of the four is
 * used.
 * @param program stands before the sentence on stderr */
void cfo_memory_or_end(const char *program);

/** What a pool without a parent is made with: NULL in httpd. */
apr_abortfunc_t cfo_memory_abort(void);

/** A pool without a parent, of its own allocator: for another thread, or for
 * one call of who has none at hand. NULL when there is no memory for it. */
apr_pool_t *cfo_memory_pool(void);

/** As malloc, realloc, calloc and strdup, but never NULL. */
void *cfo_memory_take(size_t size);
void *cfo_memory_retake(void *old, size_t size);
void *cfo_memory_zeroed(size_t n, size_t size);
char *cfo_memory_copy(const char *text);

#endif
