/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one room that writes: the store and the targets. Only the keeper calls
 * it. Each call is complete or did not happen: a file is written beside its
 * place, fsynced, renamed, and its directory fsynced; a generation is a whole
 * directory that gets its number by one rename and is never touched again.
 * Modes are set at creation whatever the umask: keys 0600 from the first byte.
 *
 * Thread-safe for different certificates (different folders or types), with
 * different pools. All errors come back with the path and the system's word.
 */
#ifndef CFORIGIN_STORE_WRITE_H
#define CFORIGIN_STORE_WRITE_H

#include "cforigin_store.h"

#include <signal.h>

/** Make the store's own directories (0755; certs/ and accounts/ below). A
 * store directory that is a symbolic link is followed. */
cfo_result_t cfo_store_prepare(apr_pool_t *p, const char *store);

/** The keeper's lock. Opaque; released with cfo_store_unlock or the process.*/
typedef struct cfo_store_lock_t cfo_store_lock_t;

/**
 * fcntl-lock <store>/lock, trying for as long as this.
 * @param patience 0: once
 * @param stop polled between tries; non-zero gives up (may be NULL)
 * @return APR_SUCCESS, APR_TIMEUP, or the system's error
 */
apr_status_t cfo_store_lock(apr_pool_t *p, const char *store,
                            apr_interval_time_t patience,
                            const volatile sig_atomic_t *stop,
                            cfo_store_lock_t **lock);
void cfo_store_unlock(cfo_store_lock_t *lock);

/** Key, CSR and intent, fsynced, before anything is asked. Replaces a pending
 * directory that is there. */
cfo_result_t cfo_store_put_pending(apr_pool_t *p, const char *dir,
                                   const cfo_intent_t *intent,
                                   const cfo_pem_t *key, const cfo_pem_t *csr);

/** Rewrite intent.json: `asked` changes before a create and after a definite
 * refusal. */
cfo_result_t cfo_store_put_intent(apr_pool_t *p, const char *dir,
                                  const cfo_intent_t *intent);

/** Remove pending/ and all that is in it. */
cfo_result_t cfo_store_drop_pending(apr_pool_t *p, const char *dir);

/**
 * Make pending/ (key.pem, plus this certificate and meta) the next generation
 * and the live one, then drop attempt.json and the renew marker. After a
 * crash anywhere inside, a call with the same arguments completes it.
 * @param generation set to the new number
 */
cfo_result_t cfo_store_install(apr_pool_t *p, const char *dir,
                               const cfo_pem_t *cert, const cfo_meta_t *meta,
                               int *generation);

/** Finish what a crash left between the naming of a generation and the switch
 * of `current` to it; the reader goes on using the older one until then. Costs
 * one readlink when there is nothing to do. Call it under the lock before the
 * look. The renew marker goes if that generation was issued after it came.
 * @param changed set to 1 when a generation became the live one by this */
cfo_result_t cfo_store_settle(apr_pool_t *p, const char *dir, int *changed);

/** A pair taken over: becomes the next generation and the live one. The renew
 * marker stays, and counts: nothing was issued. */
cfo_result_t cfo_store_install_pair(apr_pool_t *p, const char *dir,
                                    const cfo_pem_t *cert,
                                    const cfo_pem_t *key,
                                    const cfo_meta_t *meta, int *generation);

/** Point `current` at a generation that is there (after damage). The renew
 * marker stays, and counts. */
cfo_result_t cfo_store_set_current(apr_pool_t *p, const char *dir,
                                   int generation);

/** 1 when one of the generations in dir has this key. */
int cfo_store_has_key(apr_pool_t *p, const char *dir, const cfo_pem_t *key);

/** Remove generations that have not been current for a day, and what crashes
 * left (unnamed directories, temporary files older than a day). Keeps the
 * live one and the newest one before it, whatever their age.
 * @param keep_issued 1: what was issued (not taken over) stays as long as it
 *        is valid; it is to be revoked first
 * @return how many generations were removed */
int cfo_store_prune(apr_pool_t *p, const char *dir, apr_time_t now,
                    int keep_issued);

/** Remove one generation that is not the live one. */
cfo_result_t cfo_store_remove_generation(apr_pool_t *p, const char *dir,
                                         int generation);

/** Remember that the API refused to revoke this one: cfo_store_superseded
 * leaves it out for a day. */
cfo_result_t cfo_store_put_refusal(apr_pool_t *p, const char *dir,
                                   int generation);

cfo_result_t cfo_store_put_attempt(apr_pool_t *p, const char *dir,
                                   const cfo_attempt_t *attempt);
cfo_result_t cfo_store_put_notices(apr_pool_t *p, const char *dir,
                                   const cfo_notices_t *notices);
cfo_result_t cfo_store_put_account(apr_pool_t *p, const char *store,
                                   const char *id,
                                   const cfo_account_state_t *state);

/**
 * Write a live pair to a target: key first, then certificate; through a
 * symbolic link to the file it names; 0600 and 0644, or the mode, owner and
 * group that the file has. One path for both: key and certificate in one PEM,
 * 0600. A target that already holds this very pair is left alone.
 * @param changed set to 1 when something was written
 */
cfo_result_t cfo_store_put_target(apr_pool_t *p, const cfo_target_t *target,
                                  const cfo_pem_t *cert, const cfo_pem_t *key,
                                  int *changed);

/** 1 when the target holds exactly this pair: the same PEM blocks, whatever
 * text stands around them. */
int cfo_store_target_is(apr_pool_t *p, const cfo_target_t *target,
                        const cfo_pem_t *cert, const cfo_pem_t *key);

/** Append one line (no newline in it) to journal.jsonl, in one write. */
cfo_result_t cfo_store_journal(apr_pool_t *p, const char *store,
                               const char *line);

/** A journal of more than so many bytes becomes journal.jsonl.1, over what was
 * called that before. Call it under the lock. */
cfo_result_t cfo_store_turn_journal(apr_pool_t *p, const char *store,
                                    apr_off_t most);

#endif
