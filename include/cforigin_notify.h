/* SPDX-License-Identifier: Apache-2.0 */
/**
 * CFOriginNotifyCommand, run once for one event: no shell, nothing in its
 * environment but what the event is about, thirty seconds. Keeper only.
 */
#ifndef CFORIGIN_NOTIFY_H
#define CFORIGIN_NOTIFY_H

#include "cforigin_issuer_link.h"

#include <signal.h>

typedef struct cfo_notify_t {
    const apr_array_header_t *words; /* const char *: the command */
    const char *event;
    const char *name;
    const char *request_type;
    const apr_array_header_t *hostnames;
    apr_time_t not_after; /* 0, or NULL: not known; told as "" */
    const char *serial;
    const char *error;
    const char *store;
} cfo_notify_t;

typedef enum {
    CFO_NOTIFY_OK = 0,
    CFO_NOTIFY_FAILED,
    CFO_NOTIFY_TIMED_OUT
} cfo_notify_end_t;

/** Why this command is not run: the program, or a file that an interpreter (or
 * env, nice and the like) is given, can be written by others than root and us,
 * or lies where they can write. NULL: it may be. */
const char *cfo_notify_fault(apr_pool_t *p, const apr_array_header_t *words);

/** Run it and wait for its end, at most 30 s or until *stop.
 * @param said called for the first lines it prints
 * @param fault set to why it failed */
cfo_notify_end_t cfo_notify_run(apr_pool_t *p, const cfo_notify_t *notify,
                                cfo_said_fn *said, void *baton,
                                const volatile sig_atomic_t *stop,
                                const char **fault);

#endif
