/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The files that an administrator's lines name: what of them is to be taken
 * over, what is somebody else's and left alone, and how they are made good. On
 * worker threads, as steps of disk.c.
 */
#include "cforigin_place.h"
#include "cforigin_round.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

/* Why a file of a target can't be read. */
static const char *no_way(cfo_task_t *task, const char *path, apr_status_t rv)
{
    const char *link;
    cfo_place_t place;
    char word[120];

    if (cfo_place_find(task->p, path, &place, &link) == APR_SUCCESS)
        cfo_place_close(&place);
    if (link)
        return cfo_place_fault(task->p, path, link);
    return apr_psprintf(task->p, "%s can't be read: %s", path,
                        apr_strerror(rv, word, sizeof(word)));
}

/* One the store has now, under this request type or the other. */
static int is_stored(cfo_task_t *task, const cfo_pem_t *key)
{
    const cfo_wanted_t *wanted = &task->item->wanted;

    return cfo_store_has_key(task->p, task->dir, key) ||
           cfo_store_has_key(
               task->p,
               cfo_store_dir(task->p, task->keeper->round->store,
                             wanted->folder,
                             cfo_request_type_other(wanted->request_type)),
               key);
}

/* The certificate is one of the store's, of whatever virtual host and however
 * long ago: swapped files, a backup that was put back. Rare, so the store is
 * walked when the first such is met, by whichever worker meets it. */
static int is_owned(cfo_task_t *task, const char *sha256)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    cfo_keeper_t *keeper = task->keeper;
    apr_pool_t *pool;
    int owned;

    pthread_mutex_lock(&mutex);
    if (!keeper->owned) {
        apr_pool_create(&pool, NULL); /* a worker's own would be cleared */
        keeper->owned = cfo_store_certificates(pool, keeper->round->store);
    }
    owned = apr_hash_get(keeper->owned, sha256, APR_HASH_KEY_STRING) != NULL;
    pthread_mutex_unlock(&mutex);
    return owned;
}

static int is_ours(cfo_task_t *task, const cfo_pem_t *cert,
                   const cfo_pem_t *key)
{
    const cfo_cert_facts_t *facts;

    if (is_stored(task, key))
        return 1;
    if (!cert->data ||
        cfo_pki_pair_matches(cert->data, cert->len, key->data, key->len) != 1)
        return 0;
    facts = cfo_pki_facts(task->p, cert->data, cert->len, 0);
    return facts && is_owned(task, facts->sha256);
}

/* Somebody else's certificate; one of the Origin CA is nobody's loss. */
static const char *foreign_certificate(cfo_task_t *task, const char *path,
                                       const cfo_pem_t *cert)
{
    if (cert->data && cfo_pki_facts(task->p, cert->data, cert->len, 0) &&
        !cfo_pki_is_origin_ca(task->keeper->roots, cert->data, cert->len))
        return apr_psprintf(
            task->p, "%s holds a certificate of another CA by now", path);
    return NULL;
}

/* A key that the store never had is gone once it is written over: also the key
 * of a pair that is not to be taken over, since the live one is younger, or
 * that one is expired or lacks a name. */
static const char *foreign_key(cfo_task_t *task, const char *path,
                               const cfo_pem_t *cert, const cfo_pem_t *key)
{
    const char *spki;

    if (key->data && (cfo_pki_key_is_locked(key) ||
                      (cfo_pki_key_spki(task->p, key, &spki) == APR_SUCCESS &&
                       !is_ours(task, cert, key))))
        return apr_psprintf(task->p,
                            "%s holds a private key of yours; move it away to "
                            "have it written",
                            path);
    return NULL;
}

/* What of a target is somebody else's by now, or may be. NULL: nothing. */
static const char *foreign_part(cfo_task_t *task, const cfo_target_t *target)
{
    cfo_pem_t cert, key;
    const char *part = NULL;
    apr_status_t cert_rv = cfo_place_read(task->p, target->certificate, &cert);
    apr_status_t key_rv = cfo_place_read(task->p, target->key, &key);

    if (cfo_store_is_sick(cert_rv))
        part = no_way(task, target->certificate, cert_rv);
    else if (cfo_store_is_sick(key_rv))
        part = no_way(task, target->key, key_rv);
    if (!part)
        part = foreign_certificate(task, target->certificate, &cert);
    if (!part)
        part = foreign_key(task, target->key, &cert, &key);
    cfo_pki_wipe(&cert); /* one file may hold both */
    cfo_pki_wipe(&key);
    return part;
}

static void write_target(cfo_task_t *task, const cfo_target_t *target,
                         const cfo_pem_t *cert, const cfo_pem_t *key)
{
    const char *foreign;
    cfo_result_t result;
    int changed = 0;

    if (cfo_store_target_is(task->p, target, cert, key))
        return;
    foreign = foreign_part(task, target);
    if (foreign) {
        cfo_step_note(task, CFO_LEVEL_WARNING, 1,
                      apr_psprintf(task->p, "%s: %s; it is left alone",
                                   task->label, foreign));
        return;
    }
    result = cfo_store_put_target(task->p, target, cert, key, &changed);
    if (result.kind != CFO_OK)
        cfo_step_note(task, CFO_LEVEL_WARNING, 1,
                      apr_psprintf(task->p, "%s: %s", task->label,
                                   cfo_result_sentence(task->p, &result)));
    else if (changed)
        cfo_step_note(task, CFO_LEVEL_INFO, 0,
                      apr_psprintf(task->p, "%s: wrote %s", task->label,
                                   target->certificate));
}

void cfo_targets_write(cfo_task_t *task, const cfo_pem_t *cert,
                       const cfo_pem_t *key)
{
    const apr_array_header_t *targets = task->item->wanted.targets;

    for (int i = 0; i < targets->nelts; i++)
        write_target(task, &APR_ARRAY_IDX(targets, i, cfo_target_t), cert,
                     key);
}

/* The files are made good from the live generation. */
void cfo_targets_repair(cfo_task_t *task, const cfo_entry_t *entry)
{
    cfo_pem_t cert, key = {0};

    if (task->item->wanted.targets->nelts == 0 || !entry->cert_path)
        return;
    if (cfo_store_read_file(task->p, entry->cert_path, &cert) == APR_SUCCESS &&
        cfo_store_read_file(task->p, entry->key_path, &key) == APR_SUCCESS)
        cfo_targets_write(task, &cert, &key);
    cfo_pki_wipe(&key);
}

/* A target's file; the first that a sick disk keeps to itself is told. One
 * that isn't for our eyes is nobody's to take over. */
static int read_target(cfo_task_t *task, const char *path, cfo_pem_t *text)
{
    apr_status_t rv = cfo_place_read(task->p, path, text);

    if (cfo_store_is_sick(rv) && rv != EACCES && task->look != CFO_LOOK_FAULT)
        task->look = cfo_step_cant_read(task, path, rv);
    return rv == APR_SUCCESS;
}

/* 1 when the target's files are a pair of the Origin CA. */
static int read_pair(cfo_task_t *task, const cfo_target_t *target,
                     cfo_pair_t *pair)
{
    memset(pair, 0, sizeof(*pair));
    if (read_target(task, target->certificate, &pair->cert) &&
        read_target(task, target->key, &pair->key))
        pair->facts =
            cfo_pki_facts(task->p, pair->cert.data, pair->cert.len, 0);
    if (pair->facts &&
        cfo_pki_is_origin_ca(task->keeper->roots, pair->cert.data,
                             pair->cert.len) &&
        cfo_pki_pair_matches(pair->cert.data, pair->cert.len, pair->key.data,
                             pair->key.len) == 1)
        return 1;
    cfo_pki_wipe(&pair->cert); /* one file may hold both */
    cfo_pki_wipe(&pair->key);
    return 0;
}

/* The first target whose pair is to be taken over. */
int cfo_targets_adoptable(cfo_task_t *task, const cfo_stored_t *stored,
                          cfo_pair_t *pair)
{
    const cfo_wanted_t *wanted = &task->item->wanted;

    for (int i = 0; i < wanted->targets->nelts; i++) {
        if (!read_pair(task, &APR_ARRAY_IDX(wanted->targets, i, cfo_target_t),
                       pair))
            continue;
        if (!cfo_store_has_certificate(task->p, task->keeper->round->store,
                                       wanted->folder, wanted->request_type,
                                       stored, pair->facts) &&
            cfo_decide_adoptable(wanted, stored, pair->facts,
                                 cfo_step_trusted_now(task), task->p))
            return 1;
        cfo_pki_wipe(&pair->cert);
        cfo_pki_wipe(&pair->key);
    }
    return 0;
}
