/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What an administrator looks at: one picture of all certificates at one
 * moment, and its renderings. Nothing here knows httpd, shared memory or a
 * file: who has a picture can render it, a test with made-up ones too.
 */
#ifndef CFORIGIN_PICTURE_H
#define CFORIGIN_PICTURE_H

#include "cforigin_round_wire.h"
#include "cforigin_show.h"

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

/** What a state depends on. */
typedef struct cfo_state_facts_t {
    int foreign;
    int served;   /* a certificate is served, not the stand-in */
    int failures; /* of the last tries */
    int issuing;  /* decide wants another one */
    int adopted;  /* taken over, or about to be */
    apr_time_t not_after, warn_at; /* of what is served */
} cfo_state_facts_t;

/** The first word of the contract's order that holds. */
cfo_state_t cfo_state_of(const cfo_state_facts_t *facts, apr_time_t now);

/** One certificate as it is shown. */
typedef struct cfo_status_cert_t {
    const char *name;
    const char *request_type;            /* NULL: a foreign one of no type */
    const apr_array_header_t *hostnames; /* const char * */
    const apr_array_header_t *vhosts;    /* const char *: labels */
    cfo_state_t state;
    cfo_reason_t reason;
    const char *serial, *sha256, *key, *issuer; /* NULL: nothing there */
    int generation;            /* 0: none */
    apr_time_t not_before, not_after, renew_at; /* 0: unknown */
    int requested_validity;    /* 0: not ours to ask */
    int failures;
    apr_time_t last_try, next_try;
    cfo_result_t last_error;   /* kind CFO_OK: none */
    int inside_warn_window;
    int manual;                /* CFOriginRenewMode manual */
    int trying;                /* a keeper has it in hand */
    int served;                /* 0: visitors get the stand-in */
    int installed_generation;  /* newer than what is served, and its end; */
    apr_time_t installed_not_after; /* 0: what is served is the newest */
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
    apr_time_t keeper_overdue;  /* since when work waits undone, 0: none */
    apr_time_t looked_at;       /* when httpd's parent looked last */
    int one_process;            /* -X */
    apr_uint64_t calls[CFO_CALL_OPS][CFO_KINDS];
    int reloads;                /* graceful restarts of our own */

    /* What was asked for; set by whoever shows it. */
    const char *self;           /* the page's own path */
    const char *only;           /* a certificate's name, or NULL: all */
    const char *q;              /* part of a text, or NULL */
    int state;                  /* of this state alone, or -1 */
} cfo_status_t;

/** After parents die or hang and before anybody notices. */
#define CFO_STATUS_LATE apr_time_from_sec(60)

/** Totals and the soonest end, from the certificates. */
void cfo_status_add_up(cfo_status_t *status);

/** Leave only the certificates of this name; 0 when there is none. */
int cfo_status_narrow(cfo_status_t *status, const char *name);

/** 1 when ?q= and ?state= let this one through. */
int cfo_status_shows(const cfo_status_t *status, const cfo_status_cert_t *c);

/** 1 when somebody should look at it. */
int cfo_status_needs_attention(const cfo_status_cert_t *c);

/** 1 when a monitor should raise an alarm; *line says it in one line. */
int cfo_status_alarm(apr_pool_t *p, const cfo_status_t *status,
                     const char **line);

/** "3 certificates, all fine; the next renewal is in 14 years." */
const char *cfo_status_sentence(apr_pool_t *p, const cfo_status_t *status);

/** What is wrong with the watching itself, a sentence, or NULL. */
const char *cfo_status_watch_fault(apr_pool_t *p, const cfo_status_t *status);

/** What to do about it, one sentence: the error's advice, or the state's;
 * NULL when nothing is to be done. */
const char *cfo_status_advice(const cfo_status_cert_t *c);

/** What a reason word means, in a few more words. */
const char *cfo_reason_sentence(cfo_reason_t reason);

/* The renderings: each writes the whole body. */
void cfo_status_html(cfo_out_t *out, const cfo_status_t *status,
                     apr_pool_t *p);
void cfo_status_json(cfo_out_t *out, const cfo_status_t *status);
void cfo_status_metrics(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p);
void cfo_status_auto(cfo_out_t *out, const cfo_status_t *status);

/** A part of another page: mod_status's. */
void cfo_status_section(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p);

#endif
