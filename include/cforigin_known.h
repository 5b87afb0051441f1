/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Pairs that were checked once, kept over generations of the server: an
 * unchanged one is neither opened again nor held twice, since a generation
 * points at what is kept here. All of it lives on one pool of the process;
 * what went is dropped when it is as much as what stays.
 * Nothing here may point into the module's code or its data, and the pool has
 * no clean-up: the module is loaded anew at each reload.
 */
#ifndef CFORIGIN_KNOWN_H
#define CFORIGIN_KNOWN_H

#include "cforigin_store.h"

#include <apr_hash.h>

typedef struct cfo_known_t {
    apr_pool_t *parent;
    apr_pool_t *pool;
    apr_hash_t *pairs;   /* cert_path -> const cfo_entry_t *, for the store */
    apr_hash_t *words;   /* texts that many pairs have in common */
    unsigned generation; /* of the server; counted here */
    unsigned gone;       /* pairs that are not in the hash any more */
} cfo_known_t;

/** Nothing is known yet. */
void cfo_known_make(cfo_known_t *known, apr_pool_t *parent);

/** A generation begins: nobody points at what is kept any more. */
void cfo_known_begin(cfo_known_t *known);

/**
 * @param entry what a look found; may live in a pool that goes at once
 * @return a sound pair as it is remembered, from now on if not before: it
 * stays until the next generation begins. NULL: not worth remembering
 */
const cfo_entry_t *cfo_known_keep(cfo_known_t *known,
                                  const cfo_entry_t *entry);

/** The same with all its texts, but for meta, in p. */
const cfo_entry_t *cfo_known_copy(apr_pool_t *p, const cfo_entry_t *entry);

/** All of this generation was looked at: forget what was not kept in it. */
void cfo_known_end(cfo_known_t *known);

/** The facts with all their texts, in p. */
cfo_cert_facts_t *cfo_known_copy_facts(apr_pool_t *p,
                                       const cfo_cert_facts_t *facts);

#endif
