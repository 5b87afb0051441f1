/* SPDX-License-Identifier: Apache-2.0 */
/**
 * JSON Lines between keeper and issuer: line buffers, and the requests and
 * answers as JSON. Touches the descriptors it is handed, nothing else.
 */
#include "cforigin_wire.h"

#include <apr_strings.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- bytes in, lines out ---- */

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
        if (!data) {
            return 0;
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
    int was_skipping = lines->skipping;

    if (was_skipping) {
        lines->skipping = !ends;
        return APR_SUCCESS;
    }
    if (buffer->end - lines->whole + len - (ends ? 1 : 0) > lines->max) {
        buffer->end = lines->whole;
        lines->skipping = !ends;
        return APR_ENOSPC;
    }
    if (!append(buffer, data, len)) {
        return APR_ENOMEM;
    }
    lines->whole -= before - buffer->start;
    if (ends) {
        lines->whole = buffer->end;
    }
    return APR_SUCCESS;
}

apr_status_t cfo_lines_read(cfo_lines_t *lines, int fd)
{
    char chunk[65536];
    apr_status_t rv = APR_SUCCESS;
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
    for (char *at = chunk, *end = chunk + got; at < end;) {
        char *newline = memchr(at, '\n', (apr_size_t)(end - at));
        char *next = newline ? newline + 1 : end;
        apr_status_t taken =
            take(lines, at, (apr_size_t)(next - at), newline != NULL);

        rv = taken != APR_SUCCESS ? taken : rv;
        at = next;
    }
    return rv;
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

/* ---- what is said: writing ---- */

static const char *const op_words[] = {"setup",  "create", "list",  "get",
                                       "revoke", "zone",   "served"};

#define OPS ((int)(sizeof(op_words) / sizeof(op_words[0])))

const char *cfo_op_word(cfo_op_t op)
{
    return (int)op >= 0 && (int)op < OPS ? op_words[op] : "unknown";
}

static void put_text(json_t *object, const char *key, const char *text)
{
    if (text) {
        json_object_set_new(object, key, json_string(text));
    }
}

static void put_int(json_t *object, const char *key, int value)
{
    json_object_set_new(object, key, json_integer(value));
}

/* The line, and the end of the object. */
static const char *line_of(apr_pool_t *p, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    const char *line = text ? apr_pstrdup(p, text) : "{}";

    free(text);
    json_decref(object);
    return line;
}

const char *cfo_wire_request(apr_pool_t *p, const cfo_request_t *request)
{
    const cfo_setup_t *setup = &request->setup;
    json_t *object = json_object();

    put_int(object, "id", request->id);
    put_text(object, "op", cfo_op_word(request->op));
    if (request->op == CFO_OP_SETUP) {
        put_text(object, "api", setup->api);
        put_text(object, "api_ca_file", setup->api_ca_file);
        put_text(object, "proxy", setup->proxy);
        put_text(object, "user_agent", setup->user_agent);
        put_int(object, "max_concurrent", setup->max_concurrent);
    }
    put_text(object, "csr", request->csr);
    if (request->hostnames) {
        json_t *names = json_array();

        for (int i = 0; i < request->hostnames->nelts; i++) {
            json_array_append_new(names,
                                  json_string(APR_ARRAY_IDX(request->hostnames,
                                                            i, const char *)));
        }
        json_object_set_new(object, "hostnames", names);
    }
    put_text(object, "request_type", request->request_type);
    if (request->op == CFO_OP_CREATE) {
        put_int(object, "requested_validity", request->requested_validity);
    }
    put_text(object, "zone_id", request->zone_id);
    put_text(object, "hostname", request->hostname);
    put_text(object, "serial", request->serial);
    put_text(object, "address", request->address);
    if (request->op == CFO_OP_SERVED) {
        put_int(object, "port", request->port);
    }
    put_text(object, "sni", request->sni);
    return line_of(p, object);
}

static json_t *listed_of(const apr_array_header_t *certificates)
{
    json_t *array = json_array();

    for (int i = 0; i < certificates->nelts; i++) {
        const cfo_listed_t *one =
            &APR_ARRAY_IDX(certificates, i, cfo_listed_t);
        json_t *object = json_object();

        put_text(object, "serial", one->serial);
        put_text(object, "certificate", one->certificate);
        json_object_set_new(object, "revoked", json_boolean(one->revoked));
        json_array_append_new(array, object);
    }
    return array;
}

const char *cfo_wire_answer(apr_pool_t *p, const cfo_answer_t *answer)
{
    const cfo_result_t *result = &answer->result;
    json_t *object = json_object();

    put_int(object, "id", answer->id);
    json_object_set_new(object, "ok", json_boolean(result->kind == CFO_OK));
    if (result->kind != CFO_OK) {
        put_text(object, "kind", cfo_kind_word(result->kind));
        put_text(object, "message", result->message);
    }
    if (result->code) {
        put_int(object, "code", result->code);
    }
    if (result->http) {
        put_int(object, "http", result->http);
    }
    put_text(object, "ray", result->ray);
    if (result->retry_after >= 0) {
        put_int(object, "retry_after", result->retry_after);
    }
    if (result->lost) {
        put_int(object, "lost", 1);
    }
    put_text(object, "certificate", answer->certificate);
    put_text(object, "serial", answer->serial);
    put_text(object, "zone_id", answer->zone_id);
    put_text(object, "zone", answer->zone);
    put_text(object, "sha256", answer->sha256);
    put_text(object, "date", cfo_time_word(p, answer->date));
    put_int(object, "calls", answer->calls);
    if (answer->certificates) {
        json_object_set_new(object, "certificates",
                            listed_of(answer->certificates));
    }
    return line_of(p, object);
}

/* ---- what is said: reading ---- */

/* Reads fields one after the other; the first fault stays. */
typedef struct reader_t {
    apr_pool_t *p;
    const json_t *object;
    const char *fault;
} reader_t;

#define MUST 1
#define MAY 0

static const char *read_text(reader_t *r, const char *key, int must)
{
    const json_t *value = json_object_get(r->object, key);

    if (json_is_string(value)) {
        return apr_pstrdup(r->p, json_string_value(value));
    }
    if ((must || (value && !json_is_null(value))) && !r->fault) {
        r->fault = apr_psprintf(r->p, "\"%s\" is %s", key,
                                value ? "no text" : "missing");
    }
    return NULL;
}

static int read_int(reader_t *r, const char *key, int must, int absent,
                    int min, int max)
{
    const json_t *value = json_object_get(r->object, key);
    json_int_t number = json_integer_value(value);

    if (!value || json_is_null(value)) {
        if (must && !r->fault) {
            r->fault = apr_psprintf(r->p, "\"%s\" is missing", key);
        }
        return absent;
    }
    if (!json_is_integer(value) || number < min || number > max) {
        if (!r->fault) {
            r->fault = apr_psprintf(r->p, "\"%s\" is no number from %d to %d",
                                    key, min, max);
        }
        return absent;
    }
    return (int)number;
}

static const apr_array_header_t *read_texts(reader_t *r, const char *key)
{
    const json_t *array = json_object_get(r->object, key);
    apr_size_t n = json_array_size(array);
    apr_array_header_t *texts =
        apr_array_make(r->p, (int)(n & 0xffff), sizeof(const char *));

    for (apr_size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);

        if (!json_is_string(value)) {
            n = 0;
            break;
        }
        APR_ARRAY_PUSH(texts, const char *) =
            apr_pstrdup(r->p, json_string_value(value));
    }
    if (n == 0 && !r->fault) {
        r->fault = apr_psprintf(r->p, "\"%s\" is no list of texts", key);
    }
    return texts;
}

/* The object in a line, or NULL with the reader's fault set. */
static json_t *open_line(reader_t *r, apr_pool_t *p, const char *line)
{
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);

    r->p = p;
    r->fault = NULL;
    if (!json_is_object(object)) {
        r->fault = "the line is no JSON object";
    }
    r->object = object;
    return object;
}

static void read_fields(reader_t *r, cfo_request_t *request)
{
    switch (request->op) {
    case CFO_OP_SETUP:
        request->setup.api = read_text(r, "api", MUST);
        request->setup.api_ca_file = read_text(r, "api_ca_file", MAY);
        request->setup.proxy = read_text(r, "proxy", MAY);
        request->setup.user_agent = read_text(r, "user_agent", MAY);
        request->setup.max_concurrent =
            read_int(r, "max_concurrent", MAY, 16, 1, 1000);
        break;
    case CFO_OP_CREATE:
        request->csr = read_text(r, "csr", MUST);
        request->hostnames = read_texts(r, "hostnames");
        request->request_type = read_text(r, "request_type", MUST);
        request->requested_validity =
            read_int(r, "requested_validity", MUST, 0, 1, 100000);
        break;
    case CFO_OP_LIST:
        request->zone_id = read_text(r, "zone_id", MUST);
        break;
    case CFO_OP_GET:
    case CFO_OP_REVOKE:
        request->serial = read_text(r, "serial", MUST);
        break;
    case CFO_OP_ZONE:
        request->hostname = read_text(r, "hostname", MUST);
        break;
    case CFO_OP_SERVED:
        request->address = read_text(r, "address", MUST);
        request->port = read_int(r, "port", MUST, 0, 1, 65535);
        request->sni = read_text(r, "sni", MUST);
        break;
    }
}

cfo_request_t *cfo_wire_read_request(apr_pool_t *p, const char *line,
                                     const char **fault)
{
    cfo_request_t *request = apr_pcalloc(p, sizeof(*request));
    reader_t r;
    json_t *object = open_line(&r, p, line);
    const char *word = r.fault ? NULL : read_text(&r, "op", MUST);
    int op = 0;

    while (word && op < OPS && strcmp(word, op_words[op])) {
        op++;
    }
    if (word && op == OPS) {
        r.fault = "\"op\" is none of ours";
    }
    if (!r.fault) {
        request->op = (cfo_op_t)op;
        request->id = read_int(&r, "id", op != CFO_OP_SETUP, 0, 0, 0x7fffffff);
        read_fields(&r, request);
    }
    json_decref(object);
    *fault = r.fault;
    return r.fault ? NULL : request;
}

int cfo_wire_id(const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    const json_t *id = json_object_get(object, "id");
    json_int_t number = json_is_integer(id) ? json_integer_value(id) : -1;

    json_decref(object);
    return number >= 0 && number <= 0x7fffffff ? (int)number : -1;
}

static const apr_array_header_t *read_listed(reader_t *r)
{
    const json_t *array = json_object_get(r->object, "certificates");
    const json_t *whole = r->object;
    apr_array_header_t *listed = NULL;

    if (!array || json_is_null(array)) {
        return NULL;
    }
    if (!json_is_array(array) && !r->fault) {
        r->fault = "\"certificates\" is no list";
    }
    listed = apr_array_make(r->p, 16, sizeof(cfo_listed_t));
    for (apr_size_t i = 0; i < json_array_size(array) && !r->fault; i++) {
        cfo_listed_t *one = apr_array_push(listed);

        r->object = json_array_get(array, i);
        one->serial = read_text(r, "serial", MAY);
        one->certificate = read_text(r, "certificate", MUST);
        one->revoked = json_is_true(json_object_get(r->object, "revoked"));
    }
    r->object = whole;
    return listed;
}

/* ok and kind say the same thing; a line in which they don't is no answer. */
static cfo_result_t read_result(reader_t *r)
{
    const json_t *ok = json_object_get(r->object, "ok");
    cfo_result_t result = cfo_result_ok();
    const char *word;

    if (!json_is_boolean(ok)) {
        r->fault = r->fault ? r->fault : "\"ok\" is neither true nor false";
    }
    else if (json_is_false(ok)) {
        word = read_text(r, "kind", MUST);
        if (word &&
            (!cfo_kind_parse(word, &result.kind) || result.kind == CFO_OK)) {
            r->fault = r->fault ? r->fault : "\"kind\" is none of ours";
        }
        result.message = read_text(r, "message", MAY);
    }
    result.code = read_int(r, "code", MAY, 0, 0, 0x7fffffff);
    result.http = read_int(r, "http", MAY, 0, 0, 999);
    result.ray = read_text(r, "ray", MAY);
    result.retry_after = read_int(r, "retry_after", MAY, -1, -1, 0x7fffffff);
    result.lost = read_int(r, "lost", MAY, 0, 0, 1);
    return result;
}

cfo_answer_t *cfo_wire_read_answer(apr_pool_t *p, const char *line,
                                   const char **fault)
{
    cfo_answer_t *answer = apr_pcalloc(p, sizeof(*answer));
    reader_t r;
    json_t *object = open_line(&r, p, line);

    if (!r.fault) {
        answer->id = read_int(&r, "id", MUST, 0, 0, 0x7fffffff);
        answer->result = read_result(&r);
        answer->certificate = read_text(&r, "certificate", MAY);
        answer->serial = read_text(&r, "serial", MAY);
        answer->zone_id = read_text(&r, "zone_id", MAY);
        answer->zone = read_text(&r, "zone", MAY);
        answer->sha256 = read_text(&r, "sha256", MAY);
        answer->date = cfo_time_parse(read_text(&r, "date", MAY));
        answer->calls = read_int(&r, "calls", MAY, 0, 0, 0x7fffffff);
        answer->certificates = read_listed(&r);
    }
    json_decref(object);
    *fault = r.fault;
    return r.fault ? NULL : answer;
}
