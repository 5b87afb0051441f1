/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What CFOriginNotifyCommand still has to be told about a certificate, and
 * what it was told when. Kept in notify.json beside attempt.json; where the
 * store can't be written, in the parent's memory, which goes down with each
 * round and comes back with its events.
 *
 * `issued`, `renewed` and `recovered` wait until the command took them (exit
 * code 0); `expiring` and `errored` are said once, at most once a day.
 * Arithmetic on values; nothing here opens a file or runs anything.
 */
#ifndef CFORIGIN_NOTICES_H
#define CFORIGIN_NOTICES_H

#include "cforigin.h"

typedef enum {
    CFO_NOTICE_ISSUED = 0,
    CFO_NOTICE_RENEWED,
    CFO_NOTICE_RECOVERED,
    CFO_NOTICE_EXPIRING,
    CFO_NOTICE_ERRORED
} cfo_notice_t;

#define CFO_NOTICES (CFO_NOTICE_ERRORED + 1)

/** Zeroed: nothing to tell, nothing told. No pointers: it is copied. */
typedef struct cfo_notices_t {
    unsigned waiting; /* bit (1u << cfo_notice_t): has to be told */
    int unwell;       /* `errored` was told, and nothing good since */
    apr_time_t told_expiring;
    apr_time_t told_errored;
    int tries;           /* in vain, in a row */
    apr_time_t next_try; /* of what waits; 0: at once */
} cfo_notices_t;

/** "issued", "renewed", "recovered", "expiring", "errored". */
const char *cfo_notice_word(cfo_notice_t notice);

/** A certificate was installed. @param renewed there was one before */
void cfo_notices_installed(cfo_notices_t *notices, int renewed);

/** It is in order without our doing: another server did it. */
void cfo_notices_kept(cfo_notices_t *notices);

/** A try failed. */
void cfo_notices_failed(cfo_notices_t *notices, apr_time_t now);

/** It ends soon. */
void cfo_notices_expiring(cfo_notices_t *notices, apr_time_t now);

/** The next to tell; -1: none. */
int cfo_notices_next(const cfo_notices_t *notices);

/** The command was run for it.
 * @param ok   it exited with 0
 * @param seed spreads the tries */
void cfo_notices_told(cfo_notices_t *notices, cfo_notice_t notice, int ok,
                      apr_time_t now, const char *seed);

/** To be written over what another server has noted meanwhile: that stays.
 * @param before what `mine` began with
 * @param there what is written now */
void cfo_notices_merge(cfo_notices_t *mine, const cfo_notices_t *before,
                       const cfo_notices_t *there);

/** When something is to be told again, 0: nothing waits. */
apr_time_t cfo_notices_due(const cfo_notices_t *notices);

struct json_t;
struct json_t *cfo_json_notices(const cfo_notices_t *notices);
cfo_notices_t cfo_json_read_notices(const struct json_t *json);

#endif
