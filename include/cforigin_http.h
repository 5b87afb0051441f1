/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The issuer's HTTP: one libcurl multi handle, its connections, and calls
 * that begin and end. It knows neither certificates nor envelopes; who may
 * call when is decided by its caller.
 *
 * Rules that hold for every call: TLS 1.2 or newer, verified (plain HTTP only
 * when the API's URL says so); no redirect is followed; no proxy but the one
 * of the setup; no cookie, no compressed body; connect 10 s, whole call 30 s;
 * headers and bodies are capped. A body is handed to libcurl in a way that
 * it can't rewind, so it can never repeat a POST by itself when a kept-alive
 * connection turns out to be dead.
 */
#ifndef CFORIGIN_HTTP_H
#define CFORIGIN_HTTP_H

#include "cforigin_wire.h"

#include <curl/curl.h>

typedef struct cfo_http_t cfo_http_t;

/** Anything that runs on the multi handle: `ended` is called once, from
 * cfo_http_work, with the easy handle already taken off. */
typedef struct cfo_transfer_t cfo_transfer_t;
struct cfo_transfer_t {
    void (*ended)(cfo_transfer_t *transfer, CURL *easy, CURLcode code);
};

/** One HTTP request and what came of it. Zeroed, then the first part set. */
typedef struct cfo_call_t cfo_call_t;
struct cfo_call_t {
    cfo_transfer_t transfer; /* used by http.c */
    apr_pool_t *p;           /* url, headers and fault live here */
    const char *method;      /* GET, POST, DELETE */
    const char *path;        /* behind the API's URL, escaped already */
    const char *body;        /* POST: JSON text, or NULL */
    apr_size_t max;          /* the largest body of an answer, in bytes */
    long limit_ms;           /* the end, when before the usual 30 s; or 0 */
    void (*done)(cfo_call_t *call); /* called once; see cfo_http_start */
    void *baton;

    int status;        /* the answer's HTTP status, 0 when none came */
    const char *fault; /* why there is no whole answer; NULL when there is */
    int local;         /* the fault is this machine's: CA file, URL, memory */
    int too_large;     /* the fault is that there was more than is taken */
    int connected;     /* there was a connection to send it by */
    int sent;          /* bytes of the body may have reached the API */
    char *reply;       /* the body, NUL-terminated; freed after `done` */
    apr_size_t reply_len;
    const char *ray; /* headers as they came, or NULL */
    const char *date;
    const char *retry_after;
    const char *ratelimit;
    const char *content_type;
    const char *secret; /* the token: hidden in all of the above (see
                         * cforigin_hide.h), and in what is decoded of it */

    cfo_http_t *http; /* the rest is http.c's own */
    apr_size_t body_at, header_bytes, reply_size;
    char error[CURL_ERROR_SIZE];
};

/**
 * @param setup the strings must outlive p
 * @param token goes into the Authorization header and nowhere else; must
 *        outlive p, too
 * @return NULL and *fault when the setup can't work (a URL that is none)
 */
cfo_http_t *cfo_http_make(apr_pool_t *p, const cfo_setup_t *setup,
                          const char *token, const char **fault);

/** Begin a call. Its `done` comes from cfo_http_work, or from here when
 * libcurl has no memory for it; the call may be gone after `done`. */
void cfo_http_start(cfo_http_t *http, cfo_call_t *call);

/** 1 while a call is in flight that has a connection: what is begun now goes
 * by that one, or does not wait for it to open one of its own. */
int cfo_http_is_connected(const cfo_http_t *http);

/** Put a handle of another kind on the same wheel. 0 when libcurl refuses. */
int cfo_http_add(cfo_http_t *http, CURL *easy, cfo_transfer_t *transfer);

/** Move everything on, and call `done` for what ended. */
void cfo_http_work(cfo_http_t *http);

/** Sleep until a transfer or one of fds moves, or the time is over. */
void cfo_http_wait(cfo_http_t *http, struct curl_waitfd *fds, unsigned n,
                   int timeout_ms);

#endif
