/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in, lines out, and lines queued for a descriptor that may not take
 * them at once. Touches the descriptors it is handed, nothing else. */
#include "cforigin_lines.h"
#include "cforigin_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Buffers grow to megabytes and shrink to nothing: malloc, released with the
 * pool, since a pool would keep every outgrown copy. */
typedef struct buffer_t {
    char *data;
    apr_size_t start; /* the first byte that is not used up */
    apr_size_t end;
    apr_size_t size;
} buffer_t;

struct cfo_lines_t {
    buffer_t buffer;
    apr_size_t whole; /* data[start..whole) are complete lines */
    apr_size_t max;
    int skipping; /* inside a line that was too long */
};

struct cfo_queue_t {
    buffer_t buffer;
};

static apr_status_t release(void *data)
{
    buffer_t *buffer = data;

    free(buffer->data);
    memset(buffer, 0, sizeof(*buffer));
    return APR_SUCCESS;
}

/* Room for len more bytes behind end. What is used up is given back only when
 * it is the larger half: moving costs no more than reading did. */
static int reserve(buffer_t *buffer, apr_size_t len)
{
    apr_size_t used = buffer->end - buffer->start;
    apr_size_t size = buffer->size ? buffer->size : 4096;
    char *data;

    if (buffer->start > used) {
        memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
    }
    while (size - buffer->end < len) {
        if (size > APR_SIZE_MAX / 4) {
            return 0;
        }
        size *= 2;
    }
    if (size != buffer->size) {
        data = realloc(buffer->data, size);
        if (!data) { /* a program ends rather than lose a line */
            apr_abortfunc_t end = cfo_memory_abort();

            return end ? end(APR_ENOMEM) : 0;
        }
        buffer->data = data;
        buffer->size = size;
    }
    return 1;
}

static int append(buffer_t *buffer, const char *data, apr_size_t len)
{
    if (!reserve(buffer, len)) {
        return 0;
    }
    memcpy(buffer->data + buffer->end, data, len);
    buffer->end += len;
    return 1;
}

cfo_lines_t *cfo_lines_make(apr_pool_t *p, apr_size_t max)
{
    cfo_lines_t *lines = apr_pcalloc(p, sizeof(*lines));

    lines->max = max;
    apr_pool_cleanup_register(p, &lines->buffer, release,
                              apr_pool_cleanup_null);
    return lines;
}

/* Take in one stretch of bytes that holds no newline but perhaps its last. */
static apr_status_t take(cfo_lines_t *lines, const char *data, apr_size_t len,
                         int ends)
{
    buffer_t *buffer = &lines->buffer;
    apr_size_t before = buffer->start;
    int appended;

    if (lines->skipping) {
        lines->skipping = !ends;
        return APR_SUCCESS;
    }
    if (buffer->end - lines->whole + len - (ends ? 1 : 0) > lines->max) {
        buffer->end = lines->whole;
        lines->skipping = !ends;
        return APR_ENOSPC;
    }
    appended = append(buffer, data, len);
    lines->whole -= before - buffer->start; /* moved, perhaps for nothing */
    if (!appended) {
        return APR_ENOMEM;
    }
    if (ends) {
        lines->whole = buffer->end;
    }
    return APR_SUCCESS;
}

apr_status_t cfo_lines_put(cfo_lines_t *lines, const char *bytes,
                           apr_size_t len)
{
    apr_status_t rv = APR_SUCCESS;

    for (const char *at = bytes, *end = bytes + len; at < end;) {
        const char *newline = memchr(at, '\n', (apr_size_t)(end - at));
        const char *next = newline ? newline + 1 : end;
        apr_status_t taken =
            take(lines, at, (apr_size_t)(next - at), newline != NULL);

        rv = taken != APR_SUCCESS ? taken : rv;
        at = next;
    }
    return rv;
}

apr_status_t cfo_lines_read(cfo_lines_t *lines, int fd)
{
    char chunk[65536];
    ssize_t got;

    do {
        got = read(fd, chunk, sizeof(chunk));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
    }
    if (got == 0) {
        return APR_EOF;
    }
    return cfo_lines_put(lines, chunk, (apr_size_t)got);
}

const char *cfo_lines_rest(const cfo_lines_t *lines, apr_size_t *len)
{
    *len = lines->buffer.end - lines->buffer.start;
    return lines->buffer.data + lines->buffer.start;
}

char *cfo_lines_next(cfo_lines_t *lines)
{
    buffer_t *buffer = &lines->buffer;
    char *line, *newline, *zero;

    if (buffer->start >= lines->whole) {
        return NULL;
    }
    line = buffer->data + buffer->start;
    newline = memchr(line, '\n', lines->whole - buffer->start);
    if (!newline) {
        return NULL;
    }
    *newline = '\0';
    buffer->start = (apr_size_t)(newline - buffer->data) + 1;
    /* A zero byte would hide the rest of the line; this one no JSON takes. */
    for (zero = line;
         (zero = memchr(zero, '\0', (apr_size_t)(newline - zero))); zero++) {
        *zero = '\x01';
    }
    return line;
}

cfo_queue_t *cfo_queue_make(apr_pool_t *p)
{
    cfo_queue_t *queue = apr_pcalloc(p, sizeof(*queue));

    apr_pool_cleanup_register(p, &queue->buffer, release,
                              apr_pool_cleanup_null);
    return queue;
}

void cfo_queue_put(cfo_queue_t *queue, const char *line)
{
    apr_size_t len = strlen(line);

    if (reserve(&queue->buffer, len + 1)) {
        append(&queue->buffer, line, len);
        append(&queue->buffer, "\n", 1);
    }
}

apr_status_t cfo_queue_write(cfo_queue_t *queue, int fd)
{
    buffer_t *buffer = &queue->buffer;

    while (buffer->start < buffer->end) {
        ssize_t put = write(fd, buffer->data + buffer->start,
                            buffer->end - buffer->start);

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
        }
        buffer->start += (apr_size_t)put;
    }
    buffer->start = buffer->end = 0;
    return APR_SUCCESS;
}

int cfo_queue_is_empty(const cfo_queue_t *queue)
{
    return queue->buffer.start == queue->buffer.end;
}
