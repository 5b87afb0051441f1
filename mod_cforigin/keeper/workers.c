/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Threads and two queues under one mutex. Touches no file but its eventfd.
 */
#include "cforigin_workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* Threads besides those that make keys: they wait for fsync. */
#define DISK_THREADS 6
#define THREADS_MAX 64
/* Behind the main thread and the issuer, which a request or an answer waits
 * for: the next keys are made while those are on their way. With 5 a cold
 * start of 25 took 2 to 3 % longer. Where the scheduler shares by session or
 * unit, as Linux and systemd do, this counts among httpd's own processes. */
#define NICE 19

typedef struct jobs_t {
    cfo_job_t *first, *last;
} jobs_t;

struct cfo_workers_t {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    jobs_t light, heavy, done;
    int heavy_running;
    int heavy_most;
    int stopping;
    int wake;
    int n;
    pthread_t threads[THREADS_MAX];
};

static void append(jobs_t *jobs, cfo_job_t *job)
{
    job->next = NULL;
    if (jobs->last)
        jobs->last->next = job;
    else
        jobs->first = job;
    jobs->last = job;
}

static cfo_job_t *take(jobs_t *jobs)
{
    cfo_job_t *job = jobs->first;

    if (job) {
        jobs->first = job->next;
        if (!jobs->first)
            jobs->last = NULL;
    }
    return job;
}

/* The next job, with the mutex held; NULL at the end. */
static cfo_job_t *next_job(cfo_workers_t *workers, int *heavy)
{
    cfo_job_t *job = NULL;

    while (!workers->stopping) {
        *heavy = 0;
        if ((job = take(&workers->light)))
            return job;
        *heavy = 1;
        if (workers->heavy_running < workers->heavy_most &&
            (job = take(&workers->heavy))) {
            workers->heavy_running++;
            return job;
        }
        pthread_cond_wait(&workers->more, &workers->mutex);
    }
    return NULL;
}

static void *work(void *baton)
{
    cfo_workers_t *workers = baton;
    uint64_t one = 1;
    cfo_job_t *job;
    int heavy;

    /* Linux, unlike POSIX, knows a thread's own. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
    pthread_mutex_lock(&workers->mutex);
    while ((job = next_job(workers, &heavy))) {
        pthread_mutex_unlock(&workers->mutex);
        job->run(job->baton);
        pthread_mutex_lock(&workers->mutex);
        append(&workers->done, job);
        if (heavy) {
            workers->heavy_running--;
            pthread_cond_signal(&workers->more);
        }
        if (write(workers->wake, &one, sizeof(one)) < 0)
            continue; /* the counter is full: it is readable already */
    }
    pthread_mutex_unlock(&workers->mutex);
    return NULL;
}

static int at_least_two(long cpus)
{
    if (cpus < 2)
        return 2;
    return cpus > THREADS_MAX - DISK_THREADS ? THREADS_MAX - DISK_THREADS
                                             : (int)cpus;
}

cfo_workers_t *cfo_workers_start(apr_pool_t *p, int most)
{
    cfo_workers_t *workers = apr_pcalloc(p, sizeof(*workers));
    int wanted;
    sigset_t all, before;

    workers->heavy_most = at_least_two(sysconf(_SC_NPROCESSORS_ONLN));
    wanted = workers->heavy_most + DISK_THREADS;
    if (wanted > most)
        wanted = most > 0 ? most : 1;
    workers->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (workers->wake < 0)
        return NULL;
    pthread_mutex_init(&workers->mutex, NULL);
    pthread_cond_init(&workers->more, NULL);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->n < wanted && pthread_create(&workers->threads[workers->n],
                                                 NULL, work, workers) == 0)
        workers->n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return workers->n ? workers : NULL;
}

void cfo_workers_put(cfo_workers_t *workers, cfo_job_t *job, int heavy)
{
    pthread_mutex_lock(&workers->mutex);
    append(heavy ? &workers->heavy : &workers->light, job);
    pthread_cond_signal(&workers->more);
    pthread_mutex_unlock(&workers->mutex);
}

int cfo_workers_fd(const cfo_workers_t *workers)
{
    return workers->wake;
}

int cfo_workers_events(cfo_workers_t *workers)
{
    cfo_job_t *job, *next;
    uint64_t count;
    int n = 0;

    if (read(workers->wake, &count, sizeof(count)) < 0)
        return 0;
    pthread_mutex_lock(&workers->mutex);
    job = workers->done.first;
    workers->done.first = workers->done.last = NULL;
    pthread_mutex_unlock(&workers->mutex);
    for (; job; job = next, n++) {
        next = job->next; /* done may queue the same job again */
        job->done(job->baton);
    }
    return n;
}

void cfo_workers_stop(cfo_workers_t *workers)
{
    pthread_mutex_lock(&workers->mutex);
    workers->stopping = 1;
    pthread_cond_broadcast(&workers->more);
    pthread_mutex_unlock(&workers->mutex);
    for (int i = 0; i < workers->n; i++)
        pthread_join(workers->threads[i], NULL);
    close(workers->wake);
}
