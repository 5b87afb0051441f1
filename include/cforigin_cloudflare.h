/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Cloudflare's API as the issuer uses it: requests from the wire in, answers
 * out, each matched by its id, each exactly once.
 *
 * What this room promises:
 *  - A create is POSTed again only when the API said no to the try before, or
 *    certainly never saw it. Otherwise it is answered with lost = 1.
 *  - list, get, zone and revoke change nothing by being repeated and are
 *    tried up to three times on any transient fault.
 *  - A list goes on as long as its pages come, each within the patience of
 *    one request.
 *  - What the API says about waiting holds the whole account (the gate of
 *    cforigin_pace.h). A short wait is sat out; for a longer one everything
 *    that is queued is answered `rate-limited` without a call.
 *  - Nobody waits for another's time-out: while no call has a connection
 *    there is one call at a time, and when none comes about in three tries
 *    everybody hears why, without a call; none is lost by that.
 *  - A quota that is nearly used up is not overdrawn: no more calls are in
 *    flight than the API said are left.
 *  - A bad token is not hammered with: while no create of this run was
 *    accepted, no more than max_concurrent of them, but at least 8, are tried
 *    in vain; then every further one is answered with the same `auth` error without a call.
 *    (A single refusal is no proof: the API says the same when the token is
 *    good and only this zone is not the token's.)
 */
#ifndef CFORIGIN_CLOUDFLARE_H
#define CFORIGIN_CLOUDFLARE_H

#include "cforigin_http.h"

struct json_t;

typedef struct cfo_cloudflare_t cfo_cloudflare_t;

/** Called once for each request, and before that for each certificate of a
 * list and for each page that it has come to (answer->page). The answer is
 * gone after the call. */
typedef void cfo_cloudflare_answered_fn(void *baton,
                                        const cfo_answer_t *answer);

/**
 * @param token what the token file holds, trimmed; "" with a fault
 * @param token_fault why that is no token, or NULL: every request that needs
 *        one is then answered `auth` with this sentence
 */
cfo_cloudflare_t *cfo_cloudflare_make(apr_pool_t *p, const char *token,
                                      const char *token_fault,
                                      cfo_cloudflare_answered_fn *answered,
                                      void *baton);

/** Why this text can't be an API token, NULL when it can. */
const char *cfo_cloudflare_token_fault(const char *token, apr_size_t len);

/** Take a request; pool is a pool of its own, destroyed after the answer. A
 * setup must be the first; it has no answer. */
void cfo_cloudflare_ask(cfo_cloudflare_t *cf, apr_pool_t *pool,
                        const cfo_request_t *request);

/** Move everything on. @return milliseconds until it has to be called again
 * even when nothing moves, at most a minute */
int cfo_cloudflare_work(cfo_cloudflare_t *cf);

/** Sleep until a transfer or one of fds moves, or the time is over. */
void cfo_cloudflare_wait(cfo_cloudflare_t *cf, struct curl_waitfd *fds,
                         unsigned n, int timeout_ms);

/* ---- envelopes: reading an answer, pure; in envelope.c ---- */

/**
 * What came of a call that has ended.
 * @param wall the time of day, for a Retry-After that is a date
 * @param envelope set to the API's JSON when the result is ok (the caller's
 *        to decref), else NULL
 */
cfo_result_t cfo_envelope_read(const cfo_call_t *call, apr_time_t wall,
                               struct json_t **envelope);

/** Certificate and serial out of a create or a get. 0 when there is no
 * certificate in it. */
int cfo_envelope_certificate(apr_pool_t *p, const struct json_t *envelope,
                             cfo_answer_t *answer);

/** The serial of a revocation; NULL when it isn't told. */
const char *cfo_envelope_serial(apr_pool_t *p, const struct json_t *envelope);

/** One certificate of a zone's list. */
typedef struct cfo_listed_t {
    const char *serial;      /* the API's id */
    const char *certificate; /* PEM */
    int revoked;
} cfo_listed_t;

/** Append a page of a list (cfo_listed_t); entries without a certificate, or
 * with one that is too large to be told, are passed over. @return how many entries the page had, -1 when it is none */
int cfo_envelope_list(apr_pool_t *p, const struct json_t *envelope,
                      apr_array_header_t *listed);

/** The id of the active zone of this name, NULL when it isn't there. */
const char *cfo_envelope_zone(apr_pool_t *p, const struct json_t *envelope,
                              const char *name);

/* ---- served: which certificate does a listener show; in served.c ---- */

/** Shake hands with request->address as a client of request->sni would,
 * verifying nothing, and answer the certificate's sha256. */
typedef void cfo_served_done_fn(void *baton, const cfo_result_t *result,
                                const char *sha256);
void cfo_served_start(cfo_http_t *http, apr_pool_t *p,
                      const cfo_request_t *request, cfo_served_done_fn *done,
                      void *baton);

#endif
