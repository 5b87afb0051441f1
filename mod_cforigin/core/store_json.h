/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The store's JSON files as text: what the reader reads and the writer
 * writes, side by side so that they agree. Pure: text in, value out. Rubbish
 * reads as NULL (or as the empty value), never as a crash.
 */
#ifndef CFORIGIN_STORE_JSON_H
#define CFORIGIN_STORE_JSON_H

#include "cforigin_store.h"

cfo_pem_t cfo_store_meta_print(apr_pool_t *p, const cfo_meta_t *meta);
/** … with what a check of the pair found; cert and key may be no pair. */
cfo_pem_t cfo_store_meta_print_checked(apr_pool_t *p, const cfo_meta_t *meta,
                                       const cfo_pem_t *cert,
                                       const cfo_pem_t *key);
/** … and what it found then, when these are the bytes; *facts NULL if not. */
cfo_meta_t *cfo_store_meta_parse_checked(apr_pool_t *p, const cfo_pem_t *text,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key,
                                         const cfo_cert_facts_t **facts);
cfo_meta_t *cfo_store_meta_parse(apr_pool_t *p, const cfo_pem_t *text);

cfo_pem_t cfo_store_intent_print(apr_pool_t *p, const cfo_intent_t *intent);
int cfo_store_intent_parse(apr_pool_t *p, const cfo_pem_t *text,
                           cfo_intent_t *intent);

cfo_pem_t cfo_store_attempt_print(apr_pool_t *p, const cfo_attempt_t *attempt);
cfo_attempt_t cfo_store_attempt_parse(apr_pool_t *p, const cfo_pem_t *text);
/** 0 when it says nothing, not even that nothing failed. */
int cfo_store_attempt_is_whole(const cfo_pem_t *text);

cfo_pem_t cfo_store_notices_print(apr_pool_t *p, const cfo_notices_t *notices);
cfo_notices_t cfo_store_notices_parse(const cfo_pem_t *text);

cfo_pem_t cfo_store_account_print(apr_pool_t *p,
                                  const cfo_account_state_t *state);
cfo_account_state_t cfo_store_account_parse(const cfo_pem_t *text);
int cfo_store_account_is_whole(const cfo_pem_t *text);

#endif
