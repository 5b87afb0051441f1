/* SPDX-License-Identifier: Apache-2.0 */
/**
 * JSON Lines between httpd's parent and the keeper. Down, on a memfd that is
 * the keeper's stdin: one `round` line (where things are, the limits), an
 * `account` line for each token file, a `certificate` line for each thing
 * that is to be done now, a `notice` line for what is only to be told to
 * CFOriginNotifyCommand, a `served` line for each look at a listener. Up, on
 * the keeper's stdout: events.
 *
 * The parent decides *when* something is tried (back-off, pauses); the keeper
 * looks again under the lock *whether* it is still needed, and does it.
 */
#ifndef CFORIGIN_ROUND_WIRE_H
#define CFORIGIN_ROUND_WIRE_H

#include "cforigin_plan.h"
#include "cforigin_schedule.h"
#include "cforigin_store.h"

/** Of the lines down. It changes when their meaning does: an upgrade replaces
 * the keeper while httpd still has the module of before. */
#define CFO_ROUND_VERSION 1

/** One thing to do: a wanted certificate, with what is remembered of it. */
typedef struct cfo_item_t {
    cfo_wanted_t wanted; /* index, name, folder, request_type, hostnames,
                          * settings (validity, renew mode and windows,
                          * zone_id), account, targets; vhosts is not sent.
                          * folder may be another's, found by its target */
    int failures;        /* the count a failure now is added to */
    int issue;           /* as far as the parent knows, it will be asked for */
    cfo_notices_t notices; /* what the store could not keep; else zeroed */
    int expiring;          /* to be told; of what is served then: */
    apr_time_t not_after;
    const char *serial;
} cfo_item_t;

/** A look at what a listener of this server shows. */
typedef struct cfo_served_t {
    const char *name;    /* of the certificate, as its folder and type */
    const char *folder;
    cfo_request_type_t request_type;
    const char *address; /* where to connect */
    int port;
    const char *sni;
    int one_of_two;      /* the vhost has both types: ask for this one */
    const char *sha256;  /* what should be shown */
    int revoke;          /* when it is: revoke what it superseded */
    int account;         /* with revoke: index into the round's accounts */
} cfo_served_t;

typedef struct cfo_round_t {
    const char *store;
    const char *libexec;      /* folder of cforigin-issuer */
    const char *ca_root_file;
    const char *api;
    const char *api_ca_file;  /* or NULL */
    const char *proxy;        /* or NULL */
    const char *user_agent;
    const char *server;       /* this server among those of a store, or NULL */
    const char *host;         /* for the schedule's jitter */
    int max_concurrent;
    int uid, gid;             /* whom the issuer becomes; -1: stay */
    int user;                 /* httpd's User; -1: the same as ours */
    apr_interval_time_t lock_wait; /* how long to try for the store's lock */
    const apr_array_header_t *reload_argv; /* const char *: run this after an
                               * install (or always, without items) and tell
                               * what it printed; NULL: never */
    const char *reload_cwd;
    apr_interval_time_t start_waits; /* what comes so soon is loaded by the
                                      * start that waits for it, and needs no
                                      * test; 0: no start waits */
    const apr_array_header_t *notify_argv; /* CFOriginNotifyCommand, or NULL */
    int revoke_superseded;
    apr_array_header_t *accounts; /* cfo_account_t */
    apr_array_header_t *items;    /* cfo_item_t * */
    apr_array_header_t *notices;  /* cfo_item_t *: nothing but to be told */
    apr_array_header_t *served;   /* cfo_served_t * */
} cfo_round_t;

/** The whole plan as text: lines, each with its newline. */
const char *cfo_round_write(apr_pool_t *p, const cfo_round_t *round);

/** @return NULL and *fault when the text is no plan */
cfo_round_t *cfo_round_read(apr_pool_t *p, const char *text, apr_size_t len,
                            const char **fault);

typedef enum {
    CFO_EVENT_LOG = 0,      /* level, message */
    CFO_EVENT_TRYING,       /* name, type: a try begins; reason */
    CFO_EVENT_INSTALLED,    /* name, type, generation, reason */
    CFO_EVENT_KEPT,         /* name, type: nothing to do after all (another
                             * server did it); generation */
    CFO_EVENT_FAILED,       /* name, type, attempt */
    CFO_EVENT_ACCOUNT,      /* account, account_state */
    CFO_EVENT_RELOAD_CHECK, /* ok, message: the tree's hash, or why not */
    CFO_EVENT_CALLS,        /* op, outcome, calls: requests to the API that
                             * an answer took */
    CFO_EVENT_CLOCK,        /* offset: how far the API's clock is ahead of
                             * ours; once a round that learned it */
    CFO_EVENT_SERVED,       /* name, type, ok: 1 as it should be, 0 another
                             * (sha256), -1 can't be told (message) */
    CFO_EVENT_NOTICES,      /* name, type, notices; ok: the store has them */
    CFO_EVENT_TELLING,      /* the work is over, only CFOriginNotifyCommand
                             * runs from here on */
    CFO_EVENT_DONE          /* the round is over; nothing follows */
} cfo_event_kind_t;

typedef enum {
    CFO_LEVEL_ERROR = 0, CFO_LEVEL_WARNING, CFO_LEVEL_NOTICE, CFO_LEVEL_INFO,
    CFO_LEVEL_DEBUG
} cfo_level_t;

typedef struct cfo_event_t {
    cfo_event_kind_t kind;
    cfo_level_t level;
    const char *message;
    const char *name;        /* the certificate's name */
    cfo_request_type_t request_type;
    cfo_reason_t reason;
    int generation;
    cfo_attempt_t attempt;
    const char *account;     /* account id */
    cfo_account_state_t account_state;
    int ok;
    int op;                  /* cfo_call_op_word */
    cfo_kind_t outcome;
    int calls;
    const char *sha256;
    apr_interval_time_t offset;
    cfo_notices_t notices;
} cfo_event_t;

/** What is asked of the API, for counting: "create", "list", "get", "revoke",
 * "zone"; the same words as the issuer's wire. */
#define CFO_CALL_OPS 5
const char *cfo_call_op_word(int op);
/** Its place, or -1. */
int cfo_call_op_find(const char *word);

const char *cfo_event_write(apr_pool_t *p, const cfo_event_t *event);
cfo_event_t *cfo_event_read(apr_pool_t *p, const char *line,
                            const char **fault);

/* JSON of pieces that the store's files share with these lines. */
struct json_t;
struct json_t *cfo_json_result(const cfo_result_t *result);
void cfo_json_read_result(apr_pool_t *p, const struct json_t *json,
                          cfo_result_t *result);
struct json_t *cfo_json_attempt(const cfo_attempt_t *attempt);
int cfo_json_read_attempt(apr_pool_t *p, const struct json_t *json,
                          cfo_attempt_t *attempt);

#endif
