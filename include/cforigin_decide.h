/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Wanted, stored, now: one action and one reason word. The only room that
 * decides whether a certificate is asked for. Pure: what is stored comes as
 * facts that were read from the certificate itself, never from a flag.
 */
#ifndef CFORIGIN_DECIDE_H
#define CFORIGIN_DECIDE_H

#include "cforigin_plan.h"

/** What a look into the store (or at a target) found. */
typedef enum {
    CFO_STORED_NONE = 0,     /* nothing there */
    CFO_STORED_PAIR,         /* a pair that loads and matches */
    CFO_STORED_DAMAGED,      /* something is there, no generation is usable */
    CFO_STORED_KEY_MISMATCH, /* certificate and key are no pair */
    CFO_STORED_UNREADABLE    /* EACCES, EIO, ESTALE, EMFILE: the place is
                              * sick, which says nothing of the certificate */
} cfo_stored_state_t;

/** The facts of a certificate; filled in by pki.c, used everywhere. */
typedef struct cfo_cert_facts_t {
    const apr_array_header_t *hostnames; /* DNS names, lower-case */
    apr_time_t not_before;
    apr_time_t not_after;
    const char *serial;      /* decimal: the API's id */
    const char *sha256;      /* of the certificate, lower-case hex */
    const char *spki_sha256; /* of the public key, lower-case hex */
    const char *key;         /* "EC P-256", "RSA 2048" */
    const char *issuer;      /* one line: "CN or OU, O" as OpenSSL's oneline */
    int has_type;            /* 1: the key is P-256 or RSA, hence of a type */
    cfo_request_type_t type; /* by the algorithm of its public key */
} cfo_cert_facts_t;

typedef struct cfo_stored_t {
    cfo_stored_state_t state;
    const cfo_cert_facts_t *facts; /* only with CFO_STORED_PAIR */
    int adopted;     /* the live generation was taken over: its type and
                      * validity are taken as found */
    int other_type;  /* nothing of this type, but a pair of the other request
                      * type that nobody wants any more: the type changed */
    apr_time_t installed; /* when the live generation was, 0: unknown */
    int forced;      /* the `renew` marker is there */
    int anothers;    /* another server on this store installed it today */
    int adoptable;   /* the targets hold an Origin CA pair to be taken over */
} cfo_stored_t;

typedef enum {
    CFO_KEEP = 0, /* nothing to do */
    CFO_ISSUE,    /* ask for a certificate */
    CFO_ADOPT     /* copy the targets' pair into the store */
} cfo_action_t;

typedef enum {
    CFO_VALID = 0,
    CFO_MISSING,
    CFO_DAMAGED,
    CFO_UNREADABLE,
    CFO_KEY_MISMATCH,
    CFO_NAMES_CHANGED,
    CFO_TYPE_CHANGED,
    CFO_VALIDITY_CHANGED,
    CFO_RENEW_WINDOW,
    CFO_EXPIRED,
    CFO_FORCED,
    CFO_FOREIGN,
    CFO_ADOPTED
} cfo_reason_t;

#define CFO_REASONS (CFO_ADOPTED + 1)

typedef struct cfo_decision_t {
    cfo_action_t action;
    cfo_reason_t reason;
    apr_time_t renew_at; /* when renew-window begins; 0 without a pair */
} cfo_decision_t;

/**
 * Whether a pair of the Origin CA that stands in the targets, and is none of
 * the store's, is taken over; whatever its type and validity are. Over a good
 * pair of the store's only a good one, since a mistake of a file must not
 * replace what works; over a bad one any good one. Where both are alike, only
 * one that is not older, which may have been replaced for a reason.
 * @param found the facts of the targets' pair, which is known to match
 * @param now   as for cfo_decide
 */
int cfo_decide_adoptable(const cfo_wanted_t *wanted,
                         const cfo_stored_t *stored,
                         const cfo_cert_facts_t *found, apr_time_t now,
                         apr_pool_t *ptemp);

/** "valid", "missing", … as in the contract; "key-mismatch" etc. */
const char *cfo_reason_word(cfo_reason_t reason);
int cfo_reason_parse(const char *word, cfo_reason_t *reason);

/** "keep", "issue", "adopt". */
const char *cfo_action_word(cfo_action_t action);

/**
 * @param wanted what the plan asks for
 * @param stored what is there
 * @param host   this machine's name, spreads the renewals of a fleet
 * @param now    the time to judge by; 0 when the clock can't be trusted:
 *               then neither expired nor renew-window is ever the reason
 *
 * CFOriginRenewMode manual: nothing is issued while a pair is there, unless
 * it is forced; the reason word is told all the same.
 */
cfo_decision_t cfo_decide(const cfo_wanted_t *wanted,
                          const cfo_stored_t *stored, const char *host,
                          apr_time_t now, apr_pool_t *ptemp);

#endif
