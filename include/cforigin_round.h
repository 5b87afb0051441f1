/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A round of work in the keeper, and what its rooms share.
 *
 *   round.c   the story of a round, and its one loop
 *   task.c    one certificate under way: which step follows which
 *   told.c    how often the same fault is logged
 *   find.c    a create whose answer was lost: is the certificate there?
 *   desk.c    one account: its issuer, its pauses, and the API's clock
 *   probe.c   what time it is there, before a date alone is believed
 *   revoke.c  what was replaced, when nothing shows it any more
 *   look.c    what this server's listeners show
 *   tell.c    what CFOriginNotifyCommand has to be told
 *   reload_check.c  whether the configuration on disk is the one that runs
 *   disk.c    the steps that wait for the disk or a key; on worker threads
 *   targets.c what of them concerns an administrator's own files
 *   step.c    what those two share: the time, and how they tell
 *
 * All but the last three runs on the main thread. A task and its pool
 * belong to the worker while a job is queued, and to the main thread
 * otherwise.
 */
#ifndef CFORIGIN_ROUND_H
#define CFORIGIN_ROUND_H

#include "cforigin_issuer_link.h"
#include "cforigin_report.h"
#include "cforigin_store_write.h"
#include "cforigin_workers.h"

/** Creates of one certificate in a round, lost answers included. */
#define CFO_CREATES_MAX 3

/** A round ends when nothing moved for this long. */
#define CFO_STALL_MS 60000L

/** And after this one whatever moves: five minutes more than an issuer takes
 * that ends when it should. Others wait for the store's lock. */
#define CFO_ROUND_MS ((CFO_WIRE_SECONDS_MAX + 300) * 1000L)

/** What is given up by then is written down for as long as this. */
#define CFO_SETTLE_MS (10 * 60000L)

struct apr_hash_t;

/** The round in flight. */
typedef struct cfo_keeper_t {
    apr_pool_t *pool;
    const cfo_round_t *round;
    cfo_report_t *report;
    cfo_workers_t *workers;
    const cfo_roots_t *roots;
    struct apr_hash_t *wanted; /* "<folder>/<type>" of every item */
    struct apr_hash_t *owned;  /* targets.c: the store's certificates; NULL
                                * until a worker needs them */
    struct cfo_desk_t *desks;  /* one an account, and one for no token */
    int ndesks;
    cfo_result_t fault; /* of the surroundings: every item fails with it */
    int busy;           /* the fault is that another server is at work */
    int open;           /* items that are not done */
    int alive;          /* of those, the ones that were begun */
    int installed;
    long began; /* cfo_child_clock */
    long moved; /* when something last did */
    long ends;  /* when the round has to */
    int targets_told;
    struct apr_hash_t *told; /* told.c: how often a fault was logged */
    int clock_known;         /* an answer said what time it is there */
    int clock_off;           /* and it isn't what our clock says; atomic,
                              * since workers read it */
    apr_array_header_t *tellings; /* tell.c's */
    volatile sig_atomic_t *stop; /* set by a signal: end now */
} cfo_keeper_t;

/** One account and what waits for it. */
typedef struct cfo_desk_t {
    cfo_keeper_t *keeper;
    const cfo_account_t *account; /* NULL: no CFOriginTokenFile is set */
    cfo_issuer_t *issuer;         /* started when first needed */
    cfo_result_t fault;           /* why nothing can be asked any more */
    cfo_account_state_t state;
    int succeeded;
    apr_array_header_t *queue[CFO_REQUEST_TYPES]; /* cfo_item_t * */
    int next[CFO_REQUEST_TYPES];  /* the first that was not begun */
    int ahead[CFO_REQUEST_TYPES]; /* begun and not yet answered */
    int asked[CFO_REQUEST_TYPES]; /* so often in this round */
    int sequence;                 /* of lost answers and lists */
    struct apr_hash_t *lookups;   /* find.c: hostname -> its zone */
    struct apr_hash_t *zones;     /* find.c: zone id -> its list */
    apr_size_t listed;            /* find.c: bytes of all lists */
    apr_array_header_t *clock_waiting; /* probe.c: cfo_task_t * */
} cfo_desk_t;

/** What a look into the store came to. */
typedef enum {
    CFO_LOOK_NOTHING = 0, /* a key has to be made */
    CFO_LOOK_KEY,         /* pending: a key that was not asked for */
    CFO_LOOK_ASKED,       /* pending: asked for, the answer never came */
    CFO_LOOK_KEPT,        /* nothing to do after all */
    CFO_LOOK_INSTALLED,   /* pending had the certificate, too: done */
    CFO_LOOK_ADOPTED,     /* the targets' pair is in the store now */
    CFO_LOOK_FAULT        /* result tells */
} cfo_look_t;

/** What becomes of pending/ when a try failed. */
typedef enum {
    CFO_PENDING_LEAVE = 0, /* as it is; `asked` still tells the truth */
    CFO_PENDING_REFUSED,   /* the key may be asked for again */
    CFO_PENDING_DROP       /* the next try makes another key */
} cfo_pending_end_t;

typedef struct cfo_note_t {
    cfo_level_t level;
    const char *text;
    int target; /* a target's fault: told once a round */
    const char *key; /* cfo_told_key of a fault that others may share */
} cfo_note_t;

/** One certificate under way. */
typedef struct cfo_task_t {
    cfo_keeper_t *keeper;
    cfo_desk_t *desk;
    const cfo_item_t *item;
    apr_pool_t *p; /* its own allocator: workers use it, too */
    const char *label;
    const char *dir;  /* in the store */
    int other_wanted; /* the other request type of its folder is wanted, too */
    int is_ahead;     /* counted in desk->ahead */
    cfo_job_t job;
    apr_array_header_t *notes; /* cfo_note_t, from the worker */
    cfo_result_t result;

    const apr_array_header_t *hostnames; /* to be asked for: the wanted ones,
                                          * maybe another server's, too */
    cfo_look_t look;
    cfo_reason_t reason;
    int generation;
    const char *old_serial; /* of the live generation, NULL: none */
    const apr_array_header_t *former; /* what was live before the next one */
    cfo_intent_t intent;
    cfo_pem_t key, csr;

    int creates;
    int found;      /* the certificate came from a list */
    int unsure;     /* an answer was lost, and looking wasn't possible */
    int lost_at;    /* desk->sequence; a list asked for before is stale */
    int own_lookup; /* its zone was looked up by its very name */
    const char *certificate, *serial, *ray, *zone_id;

    cfo_pending_end_t pending_end;
    cfo_attempt_t attempt;

    int has_notices, notices_kept; /* tell.c: are there, are in the store */
    cfo_notices_t notices;
} cfo_task_t;

/* round.c */

/** @return 1 when the round came to its end, 0 when it was ended */
int cfo_round_run(apr_pool_t *p, const cfo_round_t *round, int fd,
                  volatile sig_atomic_t *stop);

/* told.c */

/** What faults have in common that are one to whoever reads the log. */
const char *cfo_told_key(apr_pool_t *p, const cfo_result_t *result);

/** The level to log it at: this one the first few times in a round.
 * @param sentence what is said of the rest */
cfo_level_t cfo_told_level(cfo_keeper_t *keeper, cfo_level_t level,
                           const char *key, const char *sentence);

/** At the end: how many were not logged. */
void cfo_told_rest(cfo_keeper_t *keeper);

/* task.c */

void cfo_task_begin(cfo_desk_t *desk, const cfo_item_t *item);

/** The item fails without a look at the store, which isn't ours now. */
void cfo_task_refuse(cfo_keeper_t *keeper, const cfo_item_t *item,
                     const cfo_result_t *result);

/** What find.c came to. */
typedef enum {
    CFO_FIND_THERE, /* task->certificate and serial are set */
    CFO_FIND_NOT,   /* it was never made */
    CFO_FIND_CANT,  /* looking isn't possible: result tells why */
    CFO_FIND_FAILED /* it may be, at another time */
} cfo_find_t;
void cfo_task_found(cfo_task_t *task, cfo_find_t found,
                    const cfo_result_t *result);

/** What probe.c came to: the clock is known now, or why it isn't. */
void cfo_task_probed(cfo_task_t *task, const cfo_result_t *failure);

/* probe.c */

/** 1 when nothing but the date says that it has to be replaced. */
int cfo_probe_is_due_by_date(const cfo_task_t *task);

/** Ask the API what time it is; answers cfo_task_probed. */
void cfo_probe(cfo_task_t *task);

/* find.c */

/** Look for the certificate of the pending key; answers cfo_task_found. */
void cfo_find(cfo_task_t *task);

/* desk.c */

void cfo_desk_open(cfo_desk_t *desk, cfo_keeper_t *keeper,
                   const cfo_account_t *account);

/** 1 when the account can be asked now; else *why. Starts the issuer. */
int cfo_desk_ready(cfo_desk_t *desk, apr_pool_t *p, cfo_result_t *why);

/** An answer came: what it says of the whole account, and how many requests
 * to the API it took, which the parent counts. */
void cfo_desk_learn(cfo_desk_t *desk, cfo_op_t op, const cfo_answer_t *answer);

/** At the end: the issuer is let go, a success is noted. */
void cfo_desk_close(cfo_desk_t *desk);

/* step.c: for what runs on worker threads */

/** now, or 0 when the clock can't be believed. */
apr_time_t cfo_step_trusted_now(const cfo_task_t *task);

/** For the main thread to log. @param target a target's fault */
void cfo_step_note(cfo_task_t *task, cfo_level_t level, int target,
                   const char *text);

/** What can't be read may be all that is needed: nothing is asked for. */
cfo_look_t cfo_step_cant_read(cfo_task_t *task, const char *path,
                              apr_status_t rv);

/* disk.c: on worker threads, with the task as their baton */

void cfo_disk_look(void *task);    /* -> look */
void cfo_disk_make(void *task);    /* -> result: key, CSR, intent on disk */
void cfo_disk_install(void *task); /* -> result, generation */
void cfo_disk_settle(void *task);  /* after a failure */

/* targets.c: parts of these steps */

/** A pair that a target's paths hold; both texts stay empty if they don't. */
typedef struct cfo_pair_t {
    cfo_pem_t cert, key; /* wipe them */
    const cfo_cert_facts_t *facts;
} cfo_pair_t;

/** 1 and the pair of the first target that is to be taken over. */
int cfo_targets_adoptable(cfo_task_t *task, const cfo_stored_t *stored,
                          cfo_pair_t *pair);

void cfo_targets_write(cfo_task_t *task, const cfo_pem_t *cert,
                       const cfo_pem_t *key);

/** The files are made good from the live generation. */
void cfo_targets_repair(cfo_task_t *task, const cfo_entry_t *entry);

/* revoke.c */

/** Counted in keeper->open until it is over. */
void cfo_revoke_begin(cfo_keeper_t *keeper, const cfo_served_t *served);

/* look.c */

cfo_request_t cfo_look_request(const cfo_served_t *served);

/** All looks that are for no revocation; waits for them. */
void cfo_look_run(cfo_keeper_t *keeper);

/* tell.c */

/* On the worker that did it: noted in notify.json. */
void cfo_tell_installed(cfo_task_t *task, int adopted);
void cfo_tell_kept(cfo_task_t *task);
void cfo_tell_failed(cfo_task_t *task);

/** To be told at the end of the round, if there is anything. */
void cfo_tell_queue(cfo_task_t *task);
void cfo_tell_refused(cfo_keeper_t *keeper, const cfo_item_t *item,
                      const cfo_result_t *why);

/** Run the command for all of it. */
void cfo_tell_run(cfo_keeper_t *keeper);

/** Or leave it to another round: the parent is told what waits. */
void cfo_tell_later(cfo_keeper_t *keeper);

/* reload_check.c */

/** Run reload_argv and tell what came of it. */
void cfo_reload_check(cfo_keeper_t *keeper);

#endif
