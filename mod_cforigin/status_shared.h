/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The records in shared memory: what changes while a generation lives. The
 * parent writes, workers copy out. One generation at a time.
 *
 * The parent never reads them back: a worker that was taken over can't write
 * them, and if it could, it would lead nobody but other workers astray.
 */
#ifndef STATUS_SHARED_H
#define STATUS_SHARED_H

#include "cforigin_status.h"

/* Of one certificate. Texts are cut to what fits, all of it is plain data. */
typedef struct cfo_live_t {
    int reason, action;
    int has_pair;  /* the store has one: generation to not_after, and serial
                    * to issuer, are its */
    int is_served; /* that pair, so its words need not be said again */
    int adopted;
    int trying;
    int generation;
    int failures;
    apr_time_t last_try, next_try;
    apr_time_t not_before, not_after, renew_at;
    int kind, code, http, retry_after;
    char serial[64], sha256[72], key[24], issuer[256];
    char ray[64], message[1024];
} cfo_live_t;

/* Of the server. */
typedef struct cfo_live_head_t {
    apr_time_t looked_at;
    char reload_reason[640];
    int keeper_running;
    apr_time_t keeper_last_run, keeper_next_run;
    apr_uint64_t calls[CFO_CALL_OPS][CFO_KINDS];
    int reloads;
} cfo_live_head_t;

/** Parent. @return 0: no memory to share, nothing will be shown to change */
int cfo_shared_create(apr_pool_t *p, int certificates, int accounts);

/** 1 when there are records at all. */
int cfo_shared_is_there(void);

/** A worker, once: from now on this process can't write them any more. */
void cfo_shared_only_read(void);

/* Parent: between begin and end a reader knows that the picture moves. Where
 * there is no memory, nothing happens. */
void cfo_shared_begin(void);
void cfo_shared_end(void);
void cfo_shared_put_head(const cfo_live_head_t *head);
void cfo_shared_put(int certificate, const cfo_live_t *live);
void cfo_shared_put_account(int account, const cfo_account_state_t *state);

/* Workers. A record is never torn, its texts end, its enumerations are within
 * their bounds; a picture is whole when its number was the same, and even,
 * before the first and after the last record. */
apr_uint32_t cfo_shared_picture(void);
void cfo_shared_get_head(cfo_live_head_t *head);
void cfo_shared_get(int certificate, cfo_live_t *live);
void cfo_shared_get_account(int account, cfo_account_state_t *state);

#endif
