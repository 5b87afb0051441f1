/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The keeper's end of one issuer: starts it (token descriptor, empty
 * environment, its own user), queues requests, hands answers to callbacks,
 * and sees its end. One link an account. The keeper's loop owns the polling:
 * it asks for the descriptors, polls, and hands the events back.
 *
 * An issuer that dies answers everything that is outstanding with a local
 * failure, `lost` for a create that had been written to it.
 */
#ifndef CFORIGIN_ISSUER_LINK_H
#define CFORIGIN_ISSUER_LINK_H

#include "cforigin_round_wire.h"
#include "cforigin_wire.h"

#include <poll.h>

typedef struct cfo_issuer_t cfo_issuer_t;

/** Called once for each request, from cfo_issuer_events. The answer lives in
 * the pool that the request was sent with. Before that it is called for each
 * certificate of a list, and for each page that the list has come to
 * (answer->page): those are gone after the call. */
typedef void cfo_answer_fn(void *baton, const cfo_answer_t *answer);

/** A line the issuer wrote to its stderr, made printable and cut. */
typedef void cfo_said_fn(void *baton, const char *line);

/**
 * Open the token file (refused when it is no regular file, empty, or group or
 * others can read it) and execute <libexec>/cforigin-issuer.
 * @param account NULL: one without a token, for looks at listeners
 * @param after_pause as in cfo_setup_t
 * @return the link, or NULL with *fault
 */
cfo_issuer_t *cfo_issuer_start(apr_pool_t *p, const cfo_round_t *round,
                               const cfo_account_t *account, int after_pause,
                               cfo_said_fn *said, void *baton,
                               cfo_result_t *fault);

/** Queue a request; its id is set here. It is answered from here when the
 * issuer is dead already: look first. */
void cfo_issuer_ask(cfo_issuer_t *issuer, cfo_request_t *request,
                    apr_pool_t *p, cfo_answer_fn *answered, void *baton);

/** Fill in up to 3 pollfds; returns how many. */
int cfo_issuer_poll(const cfo_issuer_t *issuer, struct pollfd *fds);

/** Work on what poll told; calls the callbacks. */
void cfo_issuer_events(cfo_issuer_t *issuer, const struct pollfd *fds, int n);

/** How it ended, when it ended by itself; kind CFO_OK before. */
cfo_result_t cfo_issuer_fault(const cfo_issuer_t *issuer);

/** 1 while the process lives. */
int cfo_issuer_is_alive(const cfo_issuer_t *issuer);

/** Answer all that is outstanding with this failure (a create as lost), and
 * end the process. */
void cfo_issuer_give_up(cfo_issuer_t *issuer, const cfo_result_t *why);

/** Close its stdin, so that it ends by itself. */
void cfo_issuer_hang_up(cfo_issuer_t *issuer);

/** Hang up, wait at most 0.3 s, kill, reap. Nothing is answered any more. */
void cfo_issuer_stop(cfo_issuer_t *issuer);

#endif
