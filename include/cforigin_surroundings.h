/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whether what the configuration names is there: token files, the two
 * programs, the CA files, the store. None of it is a mistake in httpd.conf, so
 * it is an error at `httpd -t` alone; a server starts and reloads without.
 * Looks (stat, access, a try to open), reads no token, writes nothing.
 */
#ifndef CFORIGIN_SURROUNDINGS_H
#define CFORIGIN_SURROUNDINGS_H

#include "cforigin_standing.h"

/** Sentences (const char *) for all that is wrong; empty when nothing is.
 * Each names the directive, the value and the remedy. */
apr_array_header_t *cfo_surroundings_check(const cfo_generation_t *gen,
                                           apr_pool_t *p);

/** Likewise, for what keeps nothing from working and should be otherwise. */
apr_array_header_t *cfo_surroundings_warnings(const cfo_generation_t *gen,
                                              apr_pool_t *p);

/** What is wrong with a file of certificates (or revocations) to trust, as the
 * end of a sentence that begins with its path; NULL: nothing. */
const char *cfo_surroundings_trust_fault(apr_pool_t *p, const char *path,
                                         int or_crl);

#endif
