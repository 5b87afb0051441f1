/* SPDX-License-Identifier: Apache-2.0 */
/**
 * When: renewal with its spread, warning, and the next try after a failure.
 * Pure arithmetic; every function takes the times it works with.
 * All times and lengths are APR microseconds.
 */
#ifndef CFORIGIN_SCHEDULE_H
#define CFORIGIN_SCHEDULE_H

#include "cforigin.h"
#include "cforigin_result.h"

#define CFO_BACKOFF_FIRST apr_time_from_sec(30)
#define CFO_BACKOFF_MAX apr_time_from_sec(24 * 60 * 60)

/** A try that failed less than this ago is not repeated by a restart. */
#define CFO_RESTART_QUIET apr_time_from_sec(60)

/** How long before its end it is renewed: a percentage is of the lifetime;
 * never more than a third of it. */
apr_interval_time_t cfo_schedule_window(apr_interval_time_t lifetime,
                                        const cfo_window_t *window);

/**
 * When a certificate enters its renew window: not_after less the window, plus
 * a stable jitter of up to a tenth of the window made from host and serial.
 */
apr_time_t cfo_schedule_renew_at(apr_time_t not_before, apr_time_t not_after,
                                 const cfo_window_t *window, const char *host,
                                 const char *serial);

/** When it becomes `expiring`: the default window is capped at a tenth of the
 * lifetime, a window that somebody wrote only at the lifetime. */
apr_time_t cfo_schedule_warn_at(apr_time_t not_before, apr_time_t not_after,
                                const cfo_window_t *window);

/**
 * The next try after a failure: 30 s after the first, doubled after each
 * further one, ± 20 %, at most 24 h; permanent and check: 24 h at once; rate
 * limited: retry_after and up to a twentieth of it, however often. Never in
 * the past, never zero, however many failures; a whole second.
 * @param failures how many there were, this one included (>= 1)
 * @param last_try when the failed try was
 * @param seed     spreads the jitter: name and request type
 */
apr_time_t cfo_schedule_next_try(const cfo_result_t *result, int failures,
                                 apr_time_t last_try, const char *seed);

/** How a look at what is due came about. */
typedef enum {
    CFO_CAUSE_TICK = 0,   /* the monitor */
    CFO_CAUSE_START,      /* a cold start: tries at once, keeps the count */
    CFO_CAUSE_RELOAD,     /* the administrator's reload, or a changed token
                           * file: tries at once, the count starts at 0 */
    CFO_CAUSE_OWN_RELOAD  /* our own graceful restart: as a tick */
} cfo_cause_t;

/** What is remembered of failed tries; attempt.json, or retained data. */
typedef struct cfo_attempt_t {
    int failures;         /* in a row; 0: none, the rest is then empty */
    apr_time_t last_try;
    apr_time_t next_try;
    cfo_result_t last_error;
} cfo_attempt_t;

/**
 * When a thing that decide wants done may be tried. A time <= now: at once.
 * @param attempt what is remembered, NULL or failures 0: at once
 * @param paused_until of the account, 0 when it is not paused; nothing
 *        overrides it
 */
apr_time_t cfo_schedule_due(const cfo_attempt_t *attempt, cfo_cause_t cause,
                            apr_time_t paused_until, apr_time_t now);

/** 1 when nothing waits any more that had to wait until then: the time has
 * come, or lies further ahead than any wait, so that the clock that counted
 * it was wrong. */
int cfo_schedule_is_over(apr_time_t until, apr_time_t now);

/** The count of failures that a try begins with: 0 after a reload. */
int cfo_schedule_failures(const cfo_attempt_t *attempt, cfo_cause_t cause);

#endif
