/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a check of a generation's pair found, kept in its meta.json beside the
 * hashes of the two files it was found in. Whoever reads the very same bytes
 * need not decode them again, which with OpenSSL 3 takes ten times as long as
 * reading and hashing them. Bytes that differ are checked as if nothing were
 * kept. For store*.c only.
 */
#ifndef STORE_CHECKED_H
#define STORE_CHECKED_H

#include <jansson.h>

#include "cforigin_store.h"

/** What to keep; NULL when the two are no pair. */
json_t *cfo_checked_print(apr_pool_t *p, const cfo_pem_t *cert,
                          const cfo_pem_t *key);

/** The facts, when these are the bytes that were checked, else NULL. */
const cfo_cert_facts_t *cfo_checked_read(apr_pool_t *p, const json_t *json,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key);

#endif
