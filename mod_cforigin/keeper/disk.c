/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The steps of a task that wait for the disk or for a key, run on worker
 * threads: look, make, install, settle. Each reads and writes its own task
 * and its own folder of the store; the round, the roots and the item are
 * only read. What is to be logged is noted, and told by the main thread.
 */
#include "cforigin_round.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>

/* Before this moment a clock is taken for one that was never set:
 * 2026-01-01. */
#define CLOCK_SANE apr_time_from_sec(1767225600)

static apr_time_t trusted_now(const cfo_task_t *task)
{
    apr_time_t now = apr_time_now();
    int off = __atomic_load_n(&task->keeper->clock_off, __ATOMIC_RELAXED);

    return now < CLOCK_SANE || off ? 0 : now;
}

static void note(cfo_task_t *task, cfo_level_t level, int target,
                 const char *text)
{
    cfo_note_t *one = apr_array_push(task->notes);

    one->level = level;
    one->text = text;
    one->target = target;
    one->key = NULL;
}

/* What a sick disk may make of every certificate. */
static void note_fault(cfo_task_t *task, const cfo_result_t *fault)
{
    note(task, CFO_LEVEL_WARNING, 0,
         apr_psprintf(task->p, "%s: %s", task->label,
                      cfo_result_sentence(task->p, fault)));
    APR_ARRAY_IDX(task->notes, task->notes->nelts - 1, cfo_note_t).key =
        cfo_told_key(task->p, fault);
}

static cfo_pem_t pem_of(const char *text)
{
    cfo_pem_t pem;

    pem.data = (char *)(apr_uintptr_t)text; /* only ever read */
    pem.len = strlen(text);
    return pem;
}

/* What can't be read may be all that is needed: nothing is asked for. */
static cfo_look_t cant_read(cfo_task_t *task, const char *path,
                            apr_status_t rv)
{
    char word[120];

    task->result = cfo_result_make(
        task->p, CFO_LOCAL, "%s can't be read: %s%s", path,
        apr_strerror(rv, word, sizeof(word)), cfo_result_remedy(rv));
    return CFO_LOOK_FAULT;
}

/* --- targets --- */

/* A pair that a target's paths hold; both texts stay empty if they don't. */
typedef struct pair_t {
    cfo_pem_t cert, key;
    const cfo_cert_facts_t *facts;
} pair_t;

/* What of a target is somebody else's by now, or may be: a certificate of
 * another CA; a private key that we did not write and that is no pair's of the
 * Origin CA. NULL: nothing. */
static const char *foreign_part(cfo_task_t *task, const cfo_target_t *target)
{
    cfo_pem_t cert = {0}, key = {0};
    apr_status_t cert_rv =
        cfo_store_read_file(task->p, target->certificate, &cert);
    apr_status_t key_rv = cfo_store_read_file(task->p, target->key, &key);
    const char *part = NULL, *spki;

    if (cfo_store_is_sick(cert_rv) ||
        (cert_rv == APR_SUCCESS &&
         cfo_pki_facts(task->p, cert.data, cert.len, 0) &&
         !cfo_pki_is_origin_ca(task->keeper->roots, cert.data, cert.len)))
        part = apr_psprintf(task->p,
                            "%s holds a certificate of another CA by now, or "
                            "can't be read",
                            target->certificate);
    else if (cfo_store_is_sick(key_rv) ||
             (key_rv == APR_SUCCESS &&
              (cfo_pki_key_is_locked(&key) ||
               (cfo_pki_pair_matches(cert.data, cert.len, key.data, key.len) !=
                    1 &&
                cfo_pki_key_spki(task->p, &key, &spki) == APR_SUCCESS &&
                !cfo_store_has_key(task->p, task->dir, &key)))))
        part = apr_psprintf(task->p,
                            "%s holds a private key of yours, or can't be "
                            "read; move it away to have it written",
                            target->key);
    cfo_pki_wipe(&cert); /* one file may hold both */
    cfo_pki_wipe(&key);
    return part;
}

static void write_target(cfo_task_t *task, const cfo_target_t *target,
                         const cfo_pem_t *cert, const cfo_pem_t *key)
{
    const char *foreign = foreign_part(task, target);
    cfo_result_t result;
    int changed = 0;

    if (foreign) {
        note(task, CFO_LEVEL_WARNING, 1,
             apr_psprintf(task->p, "%s: %s; it is left alone", task->label,
                          foreign));
        return;
    }
    result = cfo_store_put_target(task->p, target, cert, key, &changed);
    if (result.kind != CFO_OK)
        note(task, CFO_LEVEL_WARNING, 1,
             apr_psprintf(task->p, "%s: %s", task->label,
                          cfo_result_sentence(task->p, &result)));
    else if (changed)
        note(task, CFO_LEVEL_INFO, 0,
             apr_psprintf(task->p, "%s: wrote %s", task->label,
                          target->certificate));
}

static void write_targets(cfo_task_t *task, const cfo_pem_t *cert,
                          const cfo_pem_t *key)
{
    const apr_array_header_t *targets = task->item->wanted.targets;

    for (int i = 0; i < targets->nelts; i++)
        write_target(task, &APR_ARRAY_IDX(targets, i, cfo_target_t), cert,
                     key);
}

/* The files are made good from the live generation. */
static void repair_targets(cfo_task_t *task, const cfo_entry_t *entry)
{
    cfo_pem_t cert, key = {0};

    if (task->item->wanted.targets->nelts == 0 || !entry->cert_path)
        return;
    if (cfo_store_read_file(task->p, entry->cert_path, &cert) == APR_SUCCESS &&
        cfo_store_read_file(task->p, entry->key_path, &key) == APR_SUCCESS)
        write_targets(task, &cert, &key);
    cfo_pki_wipe(&key);
}

/* A target's file; the first that a sick disk keeps to itself is told. One
 * that isn't for our eyes is nobody's to take over. */
static int read_target(cfo_task_t *task, const char *path, cfo_pem_t *text)
{
    apr_status_t rv = cfo_store_read_file(task->p, path, text);

    if (cfo_store_is_sick(rv) && rv != EACCES && task->look != CFO_LOOK_FAULT)
        task->look = cant_read(task, path, rv);
    return rv == APR_SUCCESS;
}

/* 1 when the target's files are a pair of the Origin CA of our type. */
static int read_pair(cfo_task_t *task, const cfo_target_t *target,
                     pair_t *pair)
{
    memset(pair, 0, sizeof(*pair));
    if (read_target(task, target->certificate, &pair->cert) &&
        read_target(task, target->key, &pair->key))
        pair->facts =
            cfo_pki_facts(task->p, pair->cert.data, pair->cert.len, 0);
    if (pair->facts && pair->facts->has_type &&
        pair->facts->type == task->item->wanted.request_type &&
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
static int find_adoptable(cfo_task_t *task, const cfo_stored_t *stored,
                          pair_t *pair)
{
    const cfo_wanted_t *wanted = &task->item->wanted;

    for (int i = 0; i < wanted->targets->nelts; i++) {
        if (!read_pair(task, &APR_ARRAY_IDX(wanted->targets, i, cfo_target_t),
                       pair))
            continue;
        if (cfo_decide_adoptable(wanted, stored, pair->facts,
                                 trusted_now(task), task->p))
            return 1;
        cfo_pki_wipe(&pair->cert);
        cfo_pki_wipe(&pair->key);
    }
    return 0;
}

/* --- installing --- */

static cfo_meta_t make_meta(const cfo_task_t *task,
                            const cfo_cert_facts_t *facts)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    cfo_meta_t meta = {0};

    meta.validity = wanted->settings.validity;
    meta.account = task->desk->account ? task->desk->account->id : NULL;
    meta.zone_id = task->zone_id ? task->zone_id : wanted->settings.zone_id;
    meta.ray = task->ray;
    meta.serial = task->serial ? task->serial : facts->serial;
    meta.installed = apr_time_now();
    meta.hostnames = wanted->hostnames;
    meta.targets = wanted->targets;
    return meta;
}

static void note_installed(cfo_task_t *task, const cfo_cert_facts_t *facts,
                           const char *how)
{
    if (!task->serial)
        task->serial = facts->serial;
    note(task, CFO_LEVEL_INFO, 0,
         apr_psprintf(task->p, "%s: %s generation %d, valid until %s (%s)",
                      task->label, how, task->generation,
                      cfo_time_word(task->p, facts->not_after),
                      cfo_reason_word(task->reason)));
}

/* What this store issued stays until it is revoked, if it is to be. */
static void clean_up(cfo_task_t *task)
{
    cfo_store_prune(task->p, task->dir, apr_time_now(),
                    task->keeper->round->revoke_superseded);
}

/* Check, install, targets. */
static cfo_result_t take_certificate(cfo_task_t *task, const cfo_pem_t *cert)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    const cfo_cert_facts_t *facts = NULL;
    cfo_result_t result =
        cfo_pki_check(task->p, cert->data, cert->len, &task->key,
                      wanted->hostnames, wanted->settings.validity,
                      task->keeper->roots, trusted_now(task), &facts);
    cfo_meta_t meta;

    if (result.kind != CFO_OK)
        return result;
    meta = make_meta(task, facts);
    result =
        cfo_store_install(task->p, task->dir, cert, &meta, &task->generation);
    if (result.kind != CFO_OK)
        return result;
    note_installed(task, facts, "installed");
    cfo_tell_installed(task, 0);
    write_targets(task, cert, &task->key);
    clean_up(task);
    return result;
}

static cfo_result_t adopt(cfo_task_t *task, pair_t *pair)
{
    cfo_meta_t meta = make_meta(task, pair->facts);
    cfo_result_t result;

    meta.adopted = 1;
    meta.validity = 0;
    meta.hostnames = pair->facts->hostnames;
    result = cfo_store_install_pair(task->p, task->dir, &pair->cert,
                                    &pair->key, &meta, &task->generation);
    if (result.kind == CFO_OK) {
        note_installed(task, pair->facts, "adopted as");
        cfo_tell_installed(task, 1);
        write_targets(task, &pair->cert, &pair->key);
        clean_up(task);
    }
    return result;
}

/* --- look --- */

static int other_type_is_left(const cfo_task_t *task)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    cfo_request_type_t other = cfo_request_type_other(wanted->request_type);

    if (task->other_wanted)
        return 0;
    return cfo_store_look(task->p, task->keeper->round->store, wanted->folder,
                          other, NULL)
               ->stored.state == CFO_STORED_PAIR;
}

static int intent_fits(const cfo_task_t *task, const cfo_intent_t *intent)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    const cfo_account_t *account = task->desk->account;

    return intent->request_type == wanted->request_type &&
           intent->validity == wanted->settings.validity && intent->account &&
           strcmp(intent->account, account->id) == 0 &&
           cfo_strings_equal_as_sets(intent->hostnames, wanted->hostnames,
                                     task->p);
}

/* What an earlier round left in pending/. */
static cfo_look_t look_at_pending(cfo_task_t *task)
{
    cfo_pending_t *pending = NULL;
    apr_status_t sick = APR_SUCCESS;

    if (task->desk->account) /* without one nothing can be asked, or known */
        pending = cfo_store_pending_look(task->p, task->dir, &sick);
    if (sick)
        return cant_read(
            task, apr_pstrcat(task->p, task->dir, "/", CFO_DIR_PENDING, NULL),
            sick);
    if (!pending)
        return CFO_LOOK_NOTHING;
    if (!intent_fits(task, &pending->intent)) {
        note(task, CFO_LEVEL_INFO, 0,
             apr_psprintf(task->p,
                          "%s: something else is wanted than was asked for "
                          "before; a new key is made",
                          task->label));
        cfo_pki_wipe(&pending->key);
        cfo_store_drop_pending(task->p, task->dir);
        return CFO_LOOK_NOTHING;
    }
    task->intent = pending->intent;
    task->key = pending->key;
    task->csr = pending->csr;
    if (!pending->cert.data)
        return pending->intent.asked ? CFO_LOOK_ASKED : CFO_LOOK_KEY;
    task->result = take_certificate(task, &pending->cert);
    if (task->result.kind == CFO_OK)
        return CFO_LOOK_INSTALLED;
    if (task->result.kind != CFO_CHECK)
        return CFO_LOOK_FAULT;
    note(task, CFO_LEVEL_WARNING, 0,
         apr_psprintf(task->p, "%s: what an earlier round left: %s",
                      task->label, task->result.message));
    cfo_pki_wipe(&task->key);
    memset(&task->key, 0, sizeof(task->key));
    cfo_store_drop_pending(task->p, task->dir);
    return CFO_LOOK_NOTHING;
}

/* A crash may have come between a generation and the link to it: 1 when that
 * is made good now. */
static int finish_install(cfo_task_t *task)
{
    int changed = 0;
    cfo_result_t result = cfo_store_settle(task->p, task->dir, &changed);

    if (result.kind != CFO_OK)
        note_fault(task, &result);
    return changed;
}

static cfo_look_t keep(cfo_task_t *task, const cfo_entry_t *entry,
                       int finished)
{
    task->generation = entry->generation;
    if (task->reason == CFO_UNREADABLE) {
        task->result =
            cfo_result_make(task->p, CFO_LOCAL, "the store can't be read: %s",
                            entry->fault ? entry->fault : task->dir);
        return CFO_LOOK_FAULT;
    }
    if (entry->fell_back)
        cfo_store_set_current(task->p, task->dir, entry->generation);
    repair_targets(task, entry);
    if (!finished) {
        cfo_tell_kept(task);
        return CFO_LOOK_KEPT;
    }
    cfo_tell_installed(task, 0);
    note(task, CFO_LEVEL_INFO, 0,
         apr_psprintf(task->p, "%s: finished the install of generation %d",
                      task->label, task->generation));
    return CFO_LOOK_INSTALLED;
}

void cfo_disk_look(void *baton)
{
    cfo_task_t *task = baton;
    const cfo_round_t *round = task->keeper->round;
    const cfo_wanted_t *wanted = &task->item->wanted;
    int finished = finish_install(task);
    cfo_entry_t *entry = cfo_store_look(task->p, round->store, wanted->folder,
                                        wanted->request_type, NULL);
    cfo_stored_t stored = entry->stored;
    cfo_decision_t decision;
    cfo_result_t fault;
    pair_t pair;

    stored.other_type =
        stored.state == CFO_STORED_NONE && other_type_is_left(task);
    stored.adoptable = find_adoptable(task, &stored, &pair);
    decision =
        cfo_decide(wanted, &stored, round->host, trusted_now(task), task->p);
    task->reason = decision.reason;
    task->generation = entry->generation;
    if (stored.facts)
        task->old_serial = stored.facts->serial;
    if (entry->fault) {
        fault = cfo_result_make(task->p, CFO_LOCAL, "%s", entry->fault);
        note_fault(task, &fault);
    }
    if (decision.action == CFO_KEEP)
        task->look = keep(task, entry, finished);
    else if (decision.action == CFO_ADOPT) {
        task->result = adopt(task, &pair);
        task->look =
            task->result.kind == CFO_OK ? CFO_LOOK_ADOPTED : CFO_LOOK_FAULT;
    }
    else if (task->look != CFO_LOOK_FAULT || stored.state == CFO_STORED_PAIR)
        task->look = look_at_pending(task);
    if (stored.adoptable) {
        cfo_pki_wipe(&pair.cert);
        cfo_pki_wipe(&pair.key);
    }
}

/* --- make --- */

static cfo_result_t make_key(cfo_task_t *task)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    apr_pool_t *p = task->p;
    cfo_intent_t *intent = &task->intent;

    if (cfo_pki_make(p, wanted->request_type, wanted->hostnames, &task->key,
                     &task->csr, &intent->spki_sha256))
        return cfo_result_make(p, CFO_LOCAL,
                               "no key could be made; check "
                               "OpenSSL's openssl.cnf and this machine's "
                               "memory");
    intent->folder = wanted->folder;
    intent->request_type = wanted->request_type;
    intent->hostnames = wanted->hostnames;
    intent->validity = wanted->settings.validity;
    intent->account = task->desk->account->id;
    intent->created = apr_time_now();
    intent->asked = 1;
    return cfo_store_put_pending(p, task->dir, intent, &task->key, &task->csr);
}

/* It is asked for right after this, so `asked` is said in the same breath:
 * from here on a crash may have cost an answer. */
void cfo_disk_make(void *baton)
{
    cfo_task_t *task = baton;

    if (!task->key.data) {
        task->result = make_key(task);
        return;
    }
    task->intent.asked = 1;
    task->result = cfo_store_put_intent(task->p, task->dir, &task->intent);
}

void cfo_disk_install(void *baton)
{
    cfo_task_t *task = baton;
    cfo_pem_t cert = pem_of(task->certificate);

    task->result = take_certificate(task, &cert);
}

/* --- settle --- */

/* Both are written, whatever became of the first: without the attempt there
 * would be no back-off. */
void cfo_disk_settle(void *baton)
{
    cfo_task_t *task = baton;
    cfo_result_t result = cfo_result_ok(), attempt;

    if (task->pending_end == CFO_PENDING_DROP)
        result = cfo_store_drop_pending(task->p, task->dir);
    else if (task->pending_end == CFO_PENDING_REFUSED) {
        task->intent.asked = 0;
        result = cfo_store_put_intent(task->p, task->dir, &task->intent);
    }
    attempt = cfo_store_put_attempt(task->p, task->dir, &task->attempt);
    if (result.kind == CFO_OK)
        result = attempt;
    cfo_tell_failed(task);
    if (result.kind != CFO_OK)
        note_fault(task, &result);
}
