/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The two buffers that let programs talk in lines without ever waiting for
 * each other: bytes in, lines out; and lines queued for a descriptor that may
 * not take them at once. Knows nothing of what a line says.
 */
#ifndef CFORIGIN_LINES_H
#define CFORIGIN_LINES_H

#include "cforigin.h"

/** Bytes in, lines out. */
typedef struct cfo_lines_t cfo_lines_t;

/** @param max the longest line that is taken, in bytes */
cfo_lines_t *cfo_lines_make(apr_pool_t *p, apr_size_t max);

/** Read what fd has (non-blocking or not: one read).
 * @return APR_SUCCESS, APR_EAGAIN, APR_EOF, APR_ENOSPC for a line over max
 * (it is skipped, reading may go on), or the system's error */
apr_status_t cfo_lines_read(cfo_lines_t *lines, int fd);

/** Take in bytes that came another way; as cfo_lines_read. */
apr_status_t cfo_lines_put(cfo_lines_t *lines, const char *bytes,
                           apr_size_t len);

/** What is there and not taken yet: an unfinished line, and whole lines that
 * nobody asked for. Not terminated; valid until the next call. */
const char *cfo_lines_rest(const cfo_lines_t *lines, apr_size_t *len);

/** The next whole line without its newline, or NULL. Valid until the next
 * call of read or next. At APR_EOF an unfinished line is not given. */
char *cfo_lines_next(cfo_lines_t *lines);

/** Lines queued for a descriptor that may not take them at once. */
typedef struct cfo_queue_t cfo_queue_t;
cfo_queue_t *cfo_queue_make(apr_pool_t *p);

/** Append a line (without newline); copied. */
void cfo_queue_put(cfo_queue_t *queue, const char *line);

/** Write what fd takes. APR_SUCCESS: empty now; APR_EAGAIN: more to come;
 * otherwise the system's error (EPIPE: the reader is gone). */
apr_status_t cfo_queue_write(cfo_queue_t *queue, int fd);
int cfo_queue_is_empty(const cfo_queue_t *queue);

#endif
