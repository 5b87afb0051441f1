/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What outlives a generation of the server: a keeper under way and its pipe,
 * back-off that could not be written to the store, pairs that were checked,
 * when the last graceful restart of our own was.
 *
 * It lives on the process's pool and is found by a versioned key, since the
 * module is unloaded and loaded again at each reload, perhaps as another
 * build: nothing here may point into the module's code or its data, and no
 * pool here may have a clean-up of the module's.
 */
#ifndef CFORIGIN_RETAINED_H
#define CFORIGIN_RETAINED_H

#include "cforigin_known.h"
#include "cforigin_round_wire.h"

#include <httpd.h>
#include <sys/types.h>

typedef struct cfo_retained_t {
    apr_pool_t *process_pool;

    /* A keeper that runs; pid 0: none. */
    pid_t keeper_pid;
    int keeper_fd;               /* read end of its stdout, -1 none */
    char *keeper_rest;           /* the begin of a line whose end has not
                                  * come yet: malloc'd, no pool's clean-up */
    apr_size_t keeper_rest_len;
    int keeper_checks;           /* it only tests the configuration */
    int keeper_said_done;
    apr_time_t keeper_started;
    apr_time_t keeper_ended;     /* of the last one, 0: none yet */

    /* Our own graceful restarts. */
    int own_graceful;            /* the one that is happening now */
    apr_time_t last_graceful;    /* 0: none since the start */
    int early_gracefuls;         /* in a row, for a vhost on its fallback */
    int gracefuls;               /* since the start */
    apr_time_t pardoned;         /* when the administrator last started or
                                  * reloaded: what failed before is tried
                                  * again */
    cfo_cause_t pardoned_by;
    struct apr_hash_t *tokens;   /* by account: cfo_kept_token_t */
    apr_interval_time_t graceful_interval; /* doubled while old processes
                                            * linger; 0: as configured */

    /* By certificate, "folder/request_type": what its failed tries left. */
    apr_pool_t *attempts_pool;
    struct apr_hash_t *attempts;

    cfo_known_t known;           /* checked pairs */

    char tree_hash[48];          /* of the text that this server runs with;
                                  * "": of none yet */

    /* Labels of vhosts that another module serves. */
    apr_pool_t *taken_pool;
    struct apr_hash_t *taken;

    /* Certificate files of the lines that are ours in this server. */
    apr_pool_t *targets_pool;
    struct apr_hash_t *targets;

    /* Requests to the API since the start, for the status. */
    apr_uint64_t calls[CFO_CALL_OPS][CFO_KINDS];

    /* Its work is over; it only runs CFOriginNotifyCommand. */
    int keeper_tells;

    /* The API's clock: how far it is ahead of ours, and what time it really
     * was when we learned that, by both clocks. */
    int clock_off;               /* by more than five minutes */
    int clock_told;
    apr_interval_time_t clock_offset;
    apr_time_t clock_true;
    apr_time_t clock_steady;     /* of one that nobody sets */

    /* By certificate: what CFOriginNotifyCommand has to be told yet. */
    struct apr_hash_t *notices;  /* cfo_kept_notices_t */

    /* By certificate: our own restart was for it, so look at what is served
     * now; int *: how often that was tried. */
    apr_pool_t *confirm_pool;
    struct apr_hash_t *confirm;

    apr_time_t revoke_looked;    /* for superseded certificates */
} cfo_retained_t;

/** Find it, or make it at the first pass. */
cfo_retained_t *cfo_retained_get(process_rec *process);

/** NULL before the first pass. */
const cfo_retained_t *cfo_retained_find(apr_pool_t *ptemp);

/** An account's token file. A restart may come between its change and the
 * next look at it. */
typedef struct cfo_kept_token_t {
    int seen;           /* 0: a new record, stamp says nothing */
    apr_time_t stamp;   /* of the file at the last look */
    apr_time_t changed; /* when that was noticed; 0: not since the start */
} cfo_kept_token_t;

/** Its record, made at the first call; changed in place. */
cfo_kept_token_t *cfo_retained_token(cfo_retained_t *r, const char *account);

/** Remember what a failed try left; NULL forgets. Copied. */
void cfo_retained_put_attempt(cfo_retained_t *r, const char *key,
                              const cfo_attempt_t *attempt);
const cfo_attempt_t *cfo_retained_attempt(const cfo_retained_t *r,
                                          const char *key);

/** What is remembered of warnings and notices; no pointers. */
typedef struct cfo_kept_notices_t {
    cfo_notices_t notices;
    int unsaved;       /* the store could not keep them */
    int untold;        /* no keeper has taken in yet that it ends soon */
    apr_time_t warned; /* of its end, in the log; 0: never */
} cfo_kept_notices_t;

void cfo_retained_put_notices(cfo_retained_t *r, const char *key,
                              const cfo_kept_notices_t *notices);
const cfo_kept_notices_t *cfo_retained_notices(const cfo_retained_t *r,
                                               const char *key);

/** Replace the labels of taken vhosts (const char *). Copied. */
void cfo_retained_put_taken(cfo_retained_t *r,
                            const apr_array_header_t *labels);

/** Replace the files of our lines (const char *). Copied. */
void cfo_retained_put_targets(cfo_retained_t *r,
                              const apr_array_header_t *paths);

#endif
