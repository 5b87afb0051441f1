/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What an administrator looks at. One model, several renderings.
 *
 * What a generation knows (plan, vhosts, what is served) is in memory that
 * the workers share by fork. What changes until the next one is a fixed
 * record a certificate in anonymous shared memory, written by the parent
 * alone and read without a lock. No file and no API call on any request.
 */
#ifndef CFORIGIN_STATUS_H
#define CFORIGIN_STATUS_H

#include "cforigin_standing.h"

typedef enum {
    CFO_STATE_OK = 0,
    CFO_STATE_EXPIRING,
    CFO_STATE_RENEWING,
    CFO_STATE_PENDING,
    CFO_STATE_ERROR,
    CFO_STATE_DEGRADED,
    CFO_STATE_EXPIRED,
    CFO_STATE_ADOPTED,
    CFO_STATE_FOREIGN
} cfo_state_t;

#define CFO_STATES (CFO_STATE_FOREIGN + 1)

const char *cfo_state_word(cfo_state_t state);

/** One certificate as it is shown. Texts are the generation's or p's. */
typedef struct cfo_status_cert_t {
    const char *name;
    const char *request_type;
    const apr_array_header_t *hostnames; /* const char * */
    const apr_array_header_t *vhosts;    /* const char *: labels */
    cfo_state_t state;
    const char *reason;
    const char *serial, *sha256, *key, *issuer; /* NULL: nothing there */
    int generation;            /* 0: none */
    apr_time_t not_before, not_after, renew_at; /* 0: unknown */
    int requested_validity;    /* 0: not ours to ask */
    int failures;
    apr_time_t last_try, next_try;
    cfo_result_t last_error;   /* kind CFO_OK: none */
    int inside_warn_window;
} cfo_status_cert_t;

typedef struct cfo_status_account_t {
    const char *account;
    apr_time_t paused_until, last_success;
} cfo_status_account_t;

typedef struct cfo_status_t {
    apr_time_t now;
    const char *server;
    int totals[CFO_STATES];
    apr_array_header_t *certificates; /* cfo_status_cert_t */
    apr_array_header_t *accounts;     /* cfo_status_account_t */
    apr_time_t soonest_not_after;
    const char *reload_wanted;        /* the reason, NULL: none is wanted */
    int keeper_running;
    apr_time_t keeper_last_run, keeper_next_run;
} cfo_status_t;

/** Parent, at the end of post_config: make the shared records, fill them. */
void cfo_status_create(cfo_generation_t *gen);

/** Parent: what changed since. */
void cfo_status_publish(const cfo_generation_t *gen);

/** Anybody: a consistent picture at this moment. */
cfo_status_t *cfo_status_read(const cfo_generation_t *gen, apr_pool_t *p,
                              apr_time_t now);

/** SetHandler cforigin-status. */
int cfo_status_handle(const cfo_generation_t *gen, request_rec *r);

/** The renderings: each sets the content type and writes the whole body. */
void cfo_status_html(request_rec *r, const cfo_status_t *status);
void cfo_status_json(request_rec *r, const cfo_status_t *status);

/** 1 when a monitor should raise an alarm; *line says it in one line. */
int cfo_status_alarm(apr_pool_t *p, const cfo_status_t *status,
                     const char **line);

#endif
