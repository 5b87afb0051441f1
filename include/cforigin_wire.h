/* SPDX-License-Identifier: Apache-2.0 */
/**
 * JSON Lines between keeper and issuer: one request a line, one answer a
 * line, in any order, matched by id. Shared by keeper and issuer, so nothing
 * here knows the store, OpenSSL or httpd.
 *
 * A list may take longer than anybody would wait for a line. So there is one
 * for each page, {"id":7,"page":12}, in order from the first, and the answer
 * comes after them.
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

/** The longest answer, in bytes: a zone's list. */
#define CFO_WIRE_ANSWER_MAX ((apr_size_t)64 * 1024 * 1024)

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

/** One certificate of a zone's list. */
typedef struct cfo_listed_t {
    const char *serial;      /* the API's id */
    const char *certificate; /* PEM */
    int revoked;
} cfo_listed_t;

typedef struct cfo_answer_t {
    int id;
    int page; /* list: pages read so far, and no answer yet; the rest is
               * empty then. 0: an answer */
    cfo_result_t result;
    const char *certificate; /* create, get */
    const char *serial;      /* create, get, revoke: as the API says */
    const char *zone_id;     /* zone; NULL with ok: no such zone here */
    const char *zone;        /* zone: its name */
    const apr_array_header_t *certificates; /* list: cfo_listed_t */
    const char *sha256;      /* served */
    apr_time_t date;         /* the API's Date header, 0 unknown */
    int calls;               /* HTTP requests this took, retries included */
} cfo_answer_t;

/** One line, without newline, allocated from p. */
const char *cfo_wire_request(apr_pool_t *p, const cfo_request_t *request);
const char *cfo_wire_answer(apr_pool_t *p, const cfo_answer_t *answer);

/** @return NULL and *fault (a sentence) when the line is none */
cfo_request_t *cfo_wire_read_request(apr_pool_t *p, const char *line,
                                     const char **fault);
cfo_answer_t *cfo_wire_read_answer(apr_pool_t *p, const char *line,
                                   const char **fault);

/** The id in a line that is otherwise no request, so that it can be answered
 * all the same; -1 when there is none. */
int cfo_wire_id(const char *line);

#endif
