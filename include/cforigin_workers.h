/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The keeper's threads. A job runs on one of them, its second half on the
 * main thread; a job and what it points to belong to nobody else in between,
 * so nothing else has a lock. APR pools are not thread-safe: whoever queues
 * jobs gives each a pool of its own.
 *
 * Heavy jobs (RSA keys) run on as many threads as there are CPUs; the others
 * wait for the disk most of the time and always come first.
 */
#ifndef CFORIGIN_WORKERS_H
#define CFORIGIN_WORKERS_H

#include <apr_pools.h>

typedef void cfo_work_fn(void *baton);

/** Embedded in what it works for; must stay until `done` was called. */
typedef struct cfo_job_t {
    cfo_work_fn *run;  /* on a worker */
    cfo_work_fn *done; /* on the main thread, in cfo_workers_events */
    void *baton;
    struct cfo_job_t *next;
} cfo_job_t;

typedef struct cfo_workers_t cfo_workers_t;

/** @param most there is never more to do at a time than this
 * @return NULL when no thread can be started */
cfo_workers_t *cfo_workers_start(apr_pool_t *p, int most);

void cfo_workers_put(cfo_workers_t *workers, cfo_job_t *job, int heavy);

/** Readable when a job is done. */
int cfo_workers_fd(const cfo_workers_t *workers);

/** Calls `done` of all jobs that are; returns how many. */
int cfo_workers_events(cfo_workers_t *workers);

/** End and join the threads; what is still queued is not run. */
void cfo_workers_stop(cfo_workers_t *workers);

#endif
