/* SPDX-License-Identifier: Apache-2.0 */
/**
 * JSON Lines between keeper and issuer: one request a line, one answer a
 * line, in any order, matched by id. Shared by keeper and issuer, so nothing
 * here knows the store, OpenSSL or httpd.
 *
 * A list may take longer than anybody would wait for a line, and be longer
 * than any line should be. So its certificates come one a line,
 * {"id":7,"page":12,"certificate":...}, with a line for each page that is
 * whole, {"id":7,"page":12}, in order from the first. The answer comes after
 * them.
 *
 * A line that can't be read is a state, never an abort: the peer is a program
 * of ours, but the text in it may come from a stranger.
 */
#ifndef CFORIGIN_WIRE_H
#define CFORIGIN_WIRE_H

#include "cforigin_lines.h"
#include "cforigin_result.h"

/** Pages of a list, of fifty certificates each: more than 200,000. The largest
 * zones that anybody has told of have some thousands. Whoever goes on after
 * that doesn't mean to end. */
#define CFO_WIRE_PAGES_MAX 4000

/** How long an issuer may live: the longest round. */
#define CFO_WIRE_SECONDS_MAX (2 * 3600)

/** The longest certificate, in bytes of JSON: as much as is taken from the
 * API for one, with all that stands around it. */
#define CFO_WIRE_CERTIFICATE_MAX ((apr_size_t)256 * 1024)

/** The longest of all answers, in bytes. */
#define CFO_WIRE_ANSWER_MAX (CFO_WIRE_CERTIFICATE_MAX + CFO_WIRE_WORDS_MAX)

/** The longest answer that has no certificate in it. */
#define CFO_WIRE_WORDS_MAX ((apr_size_t)16 * 1024)

/** Of a list's certificates, in bytes: some forty thousand. */
#define CFO_WIRE_LIST_MAX ((apr_size_t)48 * 1024 * 1024)

/* What the API's own words are made of. What is made of anything else is a
 * fault in an answer; an issuer passes it over. */

/** A certificate's id, its serial: decimal digits. Twenty bytes make 49. */
#define CFO_WIRE_SERIAL_MAX 64
int cfo_wire_is_serial(const char *text);

/** A zone's id: 32 hexadecimal digits, or whatever else CFOriginZoneID
 * takes. */
int cfo_wire_is_zone_id(const char *text);

/** The longest message and CF-Ray, in bytes; what is longer is cut. */
#define CFO_WIRE_MESSAGE_MAX 1000
#define CFO_WIRE_RAY_MAX 200

typedef enum {
    CFO_OP_SETUP = 0, /* first line: the fields of cfo_setup_t; no answer */
    CFO_OP_CREATE,
    CFO_OP_LIST,
    CFO_OP_GET,
    CFO_OP_REVOKE,
    CFO_OP_ZONE,
    CFO_OP_SERVED
} cfo_op_t;

const char *cfo_op_word(cfo_op_t op);

/** How an issuer reaches the API. No secret but what proxy may carry, which
 * is why it goes by stdin and not by argv. */
typedef struct cfo_setup_t {
    const char *api;         /* base URL, with /client/v4 */
    const char *api_ca_file; /* or NULL: the system's */
    const char *proxy;       /* or NULL: none, whatever the environment says */
    const char *user_agent;
    int max_concurrent;
    int after_pause; /* 1: the API said to wait, and has granted nothing since:
                      * begin with one call at a time */
} cfo_setup_t;

typedef struct cfo_request_t {
    int id;
    cfo_op_t op;
    cfo_setup_t setup;            /* setup */
    const char *csr;              /* create */
    const apr_array_header_t *hostnames; /* create */
    const char *request_type;     /* create: the API's word; served: the one
                                   * to ask for where both are, or NULL */
    int requested_validity;       /* create: days */
    const char *zone_id;          /* list */
    const char *hostname;         /* zone: the longest suffix that is a zone */
    const char *serial;           /* get, revoke: the API's id */
    const char *address;          /* served: where to connect, an IP address */
    int port;                     /* served */
    const char *sni;              /* served */
} cfo_request_t;

typedef struct cfo_answer_t {
    int id;
    int page; /* list: no answer yet, but a certificate of this page, or, with
               * none, the page's end; the rest is empty. 0: an answer */
    cfo_result_t result;
    const char *certificate; /* create, get, a page: PEM */
    const char *serial;      /* with it, and revoke: the API's id */
    int revoked;             /* a page's certificate */
    const char *zone_id;     /* zone; NULL with ok: no such zone here */
    const char *zone;        /* zone: its name */
    const char *sha256;      /* served */
    apr_time_t date;         /* the API's Date header, 0 unknown */
    int calls;               /* HTTP requests this took, retries included */
} cfo_answer_t;

/** One line, without newline, allocated from p. */
const char *cfo_wire_request(apr_pool_t *p, const cfo_request_t *request);
const char *cfo_wire_answer(apr_pool_t *p, const cfo_answer_t *answer);

/** The longest answer to such a request, in bytes. */
apr_size_t cfo_wire_answer_max(cfo_op_t op);

/** All of it in p. */
cfo_answer_t *cfo_wire_copy_answer(apr_pool_t *p, const cfo_answer_t *answer);

/** @return NULL and *fault (a sentence) when the line is none */
cfo_request_t *cfo_wire_read_request(apr_pool_t *p, const char *line,
                                     const char **fault);
cfo_answer_t *cfo_wire_read_answer(apr_pool_t *p, const char *line,
                                   const char **fault);

/** The id in a line that is otherwise no request, so that it can be answered
 * all the same; -1 when there is none. */
int cfo_wire_id(const char *line);

#endif
