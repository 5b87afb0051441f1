/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a round says: events to httpd's parent, as they happen and without
 * ever waiting for it, and lines of the store's journal. Main thread only.
 */
#ifndef CFORIGIN_REPORT_H
#define CFORIGIN_REPORT_H

#include "cforigin_round_wire.h"

#include <signal.h>

typedef struct cfo_report_t cfo_report_t;

/** @param fd where events go; made non-blocking. Owned by the caller. */
cfo_report_t *cfo_report_make(apr_pool_t *p, int fd);

/** From now on (the lock is held) the journal may be written. */
void cfo_report_open_journal(cfo_report_t *report, const char *store);

void cfo_report_event(cfo_report_t *report, const cfo_event_t *event);

/** An event of kind log; made of printable text, whatever it quotes. */
void cfo_report_log(cfo_report_t *report, cfo_level_t level, const char *fmt,
                    ...) __attribute__((format(printf, 3, 4)));

typedef struct cfo_journal_t {
    const char *event; /* "asked", "answered", "installed", "refused", "lost",
                        * "found", "adopted", "failed" */
    const cfo_wanted_t *wanted;
    const char *reason; /* or NULL, as all that follow */
    const char *serial;
    const char *ray;
    const char *message;
} cfo_journal_t;

void cfo_report_journal(cfo_report_t *report, const cfo_journal_t *line);

/** What to poll the descriptor for: POLLOUT, or 0 for its errors alone. */
short cfo_report_poll(const cfo_report_t *report);

/** Write what the reader takes. 0 when it is gone. */
int cfo_report_write(cfo_report_t *report, short revents);

/** Wait until all is written, the reader is gone, or *stop. */
void cfo_report_flush(cfo_report_t *report, const volatile sig_atomic_t *stop);

#endif
