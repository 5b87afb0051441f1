/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What came of a thing that was tried, in one value that travels unchanged
 * from where it is known (issuer, check, store) to the log, the journal,
 * attempt.json and the status page; and the one table that says what each of
 * Cloudflare's codes means and what to do about it.
 *
 * Pure: it decides from numbers and text. Shared by all three programs.
 * Facts: the API reference's error tables; Cloudflare's code is looked at
 * first, the HTTP status second, since 1100 comes as a 400.
 */
#ifndef CFORIGIN_RESULT_H
#define CFORIGIN_RESULT_H

#include "cforigin.h"

typedef enum {
    CFO_OK = 0,
    CFO_TRANSIENT,    /* worth another try soon: network, 5xx, 1100, … */
    CFO_PERMANENT,    /* the same request will be refused again */
    CFO_RATE_LIMITED, /* the whole account waits for retry_after */
    CFO_AUTH,         /* the token: waits like transient, whole account */
    CFO_CHECK,        /* a certificate came that Full (strict) would refuse */
    CFO_LOCAL         /* this machine: store, token file, a program */
} cfo_kind_t;

#define CFO_KINDS (CFO_LOCAL + 1)

/** How long an account waits, in seconds, when the API says that there were
 * too many requests and not how long to wait: its documentation says that all
 * are refused for five minutes then. */
#define CFO_UNTOLD_SECONDS 300

typedef struct cfo_result_t {
    cfo_kind_t kind;
    int code;            /* Cloudflare's errors[0].code, 0 when there is none */
    int http;            /* HTTP status, 0 when no answer came */
    const char *message; /* one line, printable UTF-8, capped; NULL when ok */
    const char *ray;     /* CF-Ray of the answer, or NULL */
    int retry_after;     /* seconds the API told us to wait, -1 when it didn't */
    int lost;            /* 1: the request may have been carried out and the
                          * answer never came; only meaningful for a create */
} cfo_result_t;

/** "ok", "transient", "permanent", "rate-limited", "auth", "check", "local". */
const char *cfo_kind_word(cfo_kind_t kind);

/** 1 and *kind when word is one of those, else 0. */
int cfo_kind_parse(const char *word, cfo_kind_t *kind);

/**
 * The kind of a failure that the API answered.
 * @param http HTTP status
 * @param code errors[0].code, 0 when the body was not the API's
 * @param message errors[0].message, may be NULL: 1010 is permanent unless its
 *        text tells of a network error between Cloudflare's own machines
 */
cfo_kind_t cfo_result_classify(int http, int code, const char *message);

/**
 * One sentence that says what to do. Never NULL for a failure; NULL when ok.
 */
const char *cfo_result_advice(const cfo_result_t *result);

/** "; make room …": what to do about an error of the system's, to be added to
 * a sentence that names it; "" for one that speaks for itself. */
const char *cfo_result_remedy(int err);

/** A failure of this machine or of a check: kind, and a message made by
 * apr_psprintf's rules in p. code and http are 0, retry_after -1. */
cfo_result_t cfo_result_make(apr_pool_t *p, cfo_kind_t kind, const char *fmt,
                             ...) __attribute__((format(printf, 3, 4)));

/** The plain success. */
cfo_result_t cfo_result_ok(void);

/**
 * Text of a stranger (the API, a file) made fit for a log line or a page:
 * control characters (cfo_utf8_is_control) and invalid UTF-8 become '?', at
 * most max bytes, "…" added where it was cut. NULL stays NULL.
 */
const char *cfo_text_clean(apr_pool_t *p, const char *text, apr_size_t len,
                           apr_size_t max);

/**
 * The sentence that log, journal and page share, without advice:
 * "1010 (HTTP 400): Failed to validate … [ray 8f…-FRA]".
 */
const char *cfo_result_sentence(apr_pool_t *p, const cfo_result_t *result);

#endif
