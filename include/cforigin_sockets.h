/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The sockets under libcurl's connections, so that a connection that was kept
 * alive can be looked at once more before a request goes out on it.
 *
 * libcurl 7.88 takes a TLS connection for alive when there is something to
 * read on it, and be it the server's goodbye. It would send the POST after
 * it, and nobody could tell any more whether that was carried out. A
 * connection with nothing under way has nothing to say: if it does, another
 * one is used.
 */
#ifndef CFORIGIN_SOCKETS_H
#define CFORIGIN_SOCKETS_H

#include <apr_pools.h>
#include <curl/curl.h>

typedef struct cfo_sockets_t cfo_sockets_t;

/** A request's place on a connection. Zeroed: none yet. */
typedef struct cfo_seat_t {
    int socket;
    unsigned serial; /* 0: has no place */
    int passed_by;   /* connections that it was turned away from */
} cfo_seat_t;

cfo_sockets_t *cfo_sockets_make(apr_pool_t *p);

/** Sockets that this handle opens are known from now on. */
void cfo_sockets_watch(cfo_sockets_t *sockets, CURL *easy);

/**
 * Take a place on the connection with this local port.
 * @param fresh 1: it was opened for this very request
 * @return 0 when it should not be used
 */
int cfo_sockets_take(cfo_sockets_t *sockets, cfo_seat_t *seat, int port,
                     int fresh);

/** Give the place back; does nothing when there is none. */
void cfo_sockets_leave(cfo_sockets_t *sockets, cfo_seat_t *seat);

#endif
