/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The steps of a task that wait for the disk or for a key, run on worker
 * threads: look, make, install, settle. Each reads and writes its own task
 * and its own folder of the store; the round, the roots and the item are
 * only read. What is to be logged is noted, and told by the main thread.
 */
#include "cforigin_names.h"
#include "cforigin_round.h"

#include <apr_strings.h>
#include <string.h>

/* What a sick disk may make of every certificate. */
static void note_fault(cfo_task_t *task, const cfo_result_t *fault)
{
    cfo_step_note(task, CFO_LEVEL_WARNING, 0,
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
    meta.serial = facts->serial;
    meta.installed = apr_time_now();
    meta.server = task->keeper->round->server;
    meta.hostnames = task->hostnames;
    meta.former = task->former;
    meta.targets = wanted->targets;
    return meta;
}

static void note_installed(cfo_task_t *task, const cfo_cert_facts_t *facts,
                           const char *how)
{
    task->serial = facts->serial; /* whatever was answered */
    cfo_step_note(task, CFO_LEVEL_INFO, 0,
                  apr_psprintf(task->p,
                               "%s: %s generation %d, valid until %s (%s)",
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
                      task->hostnames, wanted->settings.validity,
                      task->keeper->roots, cfo_step_trusted_now(task), &facts);
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
    cfo_targets_write(task, cert, &task->key);
    clean_up(task);
    return result;
}

static cfo_result_t adopt(cfo_task_t *task, cfo_pair_t *pair)
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
        cfo_targets_write(task, &pair->cert, &pair->key);
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

/* What may have been issued is looked for although it has a name more; what
 * was refused is not asked for again with it. */
static int names_fit(const cfo_task_t *task, const cfo_intent_t *intent)
{
    return cfo_strings_equal_as_sets(intent->hostnames, task->hostnames,
                                     task->p) ||
           (intent->asked && !cfo_names_uncovered(task->item->wanted.hostnames,
                                                  intent->hostnames, task->p));
}

static int intent_fits(const cfo_task_t *task, const cfo_intent_t *intent)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    const cfo_account_t *account = task->desk->account;

    return intent->request_type == wanted->request_type &&
           intent->validity == wanted->settings.validity && intent->account &&
           strcmp(intent->account, account->id) == 0 &&
           names_fit(task, intent);
}

/* What an earlier round left in pending/. */
static cfo_look_t look_at_pending(cfo_task_t *task)
{
    const apr_array_header_t *hostnames = task->hostnames;
    cfo_pending_t *pending = NULL;
    apr_status_t sick = APR_SUCCESS;
    cfo_result_t dropped;

    if (task->desk->account) /* without one nothing can be asked, or known */
        pending = cfo_store_pending_look(task->p, task->dir, &sick);
    if (sick)
        return cfo_step_cant_read(
            task, apr_pstrcat(task->p, task->dir, "/", CFO_DIR_PENDING, NULL),
            sick);
    if (!pending)
        return CFO_LOOK_NOTHING;
    if (!intent_fits(task, &pending->intent)) {
        cfo_step_note(
            task, CFO_LEVEL_INFO, 0,
            apr_psprintf(task->p,
                         "%s: something else is wanted than was asked for "
                         "before; a new key is made",
                         task->label));
        cfo_pki_wipe(&pending->key);
        dropped = cfo_store_drop_pending(task->p, task->dir);
        if (dropped.kind != CFO_OK)
            note_fault(task, &dropped);
        return CFO_LOOK_NOTHING;
    }
    task->intent = pending->intent;
    task->hostnames = pending->intent.hostnames;
    task->key = pending->key;
    task->csr = pending->csr;
    if (!pending->cert.data)
        return pending->intent.asked ? CFO_LOOK_ASKED : CFO_LOOK_KEY;
    task->result = take_certificate(task, &pending->cert);
    if (task->result.kind == CFO_OK)
        return CFO_LOOK_INSTALLED;
    if (task->result.kind != CFO_CHECK)
        return CFO_LOOK_FAULT;
    cfo_step_note(task, CFO_LEVEL_WARNING, 0,
                  apr_psprintf(task->p, "%s: what an earlier round left: %s",
                               task->label, task->result.message));
    cfo_pki_wipe(&task->key);
    memset(&task->key, 0, sizeof(task->key));
    task->hostnames = hostnames;
    dropped = cfo_store_drop_pending(task->p, task->dir);
    if (dropped.kind != CFO_OK)
        note_fault(task, &dropped);
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
    cfo_result_t fixed = cfo_result_ok();

    task->generation = entry->generation;
    if (task->reason == CFO_UNREADABLE) {
        task->result =
            cfo_result_make(task->p, CFO_LOCAL, "the store can't be read: %s",
                            entry->fault ? entry->fault : task->dir);
        return CFO_LOOK_FAULT;
    }
    if (entry->fell_back)
        fixed = cfo_store_set_current(task->p, task->dir, entry->generation);
    if (fixed.kind != CFO_OK)
        note_fault(task, &fixed);
    cfo_targets_repair(task, entry);
    if (!finished) {
        cfo_tell_kept(task);
        return CFO_LOOK_KEPT;
    }
    cfo_tell_installed(task, 0);
    cfo_step_note(task, CFO_LEVEL_INFO, 0,
                  apr_psprintf(task->p,
                               "%s: finished the install of generation %d",
                               task->label, task->generation));
    return CFO_LOOK_INSTALLED;
}

/* Another server on this store wants other names on this certificate. With
 * ours alone it would ask for its own, and so on by turns: both are asked for
 * together. One that left the store may have left a name that the API refuses
 * by now, so a day after it such a failure is tried with ours alone. 0 when
 * there is no room for both; the result tells. */
static int join_names(cfo_task_t *task, const cfo_entry_t *entry)
{
    const cfo_round_t *round = task->keeper->round;
    apr_array_header_t *both;

    if (task->reason != CFO_NAMES_CHANGED || !entry->meta ||
        entry->meta->adopted || !cfo_store_is_anothers(entry, round->server) ||
        (task->item->failures > 0 &&
         !cfo_store_is_anothers_of_today(entry, round->server,
                                         apr_time_now())))
        return 1;
    both = cfo_strings_union(task->p, task->item->wanted.hostnames,
                             entry->meta->hostnames);
    if (both->nelts > CFO_HOSTNAMES_MAX) {
        task->result = cfo_result_make(
            task->p, CFO_LOCAL,
            "another server on this store has other names on it, and together "
            "they are more than %d; give these virtual hosts a "
            "CFOriginCertificate of their own, or this server another "
            "CFOriginStoreDir",
            CFO_HOSTNAMES_MAX);
        return 0;
    }
    task->hostnames = both;
    return 1;
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
    cfo_pair_t pair;

    stored.other_type =
        stored.state == CFO_STORED_NONE && other_type_is_left(task);
    stored.anothers = cfo_store_is_anothers_of_today(
        entry, round->server, cfo_step_trusted_now(task));
    stored.adoptable = cfo_targets_adoptable(task, &stored, &pair);
    decision = cfo_decide(wanted, &stored, round->host,
                          cfo_step_trusted_now(task), task->p);
    task->reason = decision.reason;
    task->generation = entry->generation;
    task->former = cfo_store_former(task->p, entry);
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
        task->look =
            join_names(task, entry) ? look_at_pending(task) : CFO_LOOK_FAULT;
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

    if (cfo_pki_make(p, wanted->request_type, task->hostnames, &task->key,
                     &task->csr, &intent->spki_sha256))
        return cfo_result_make(p, CFO_LOCAL,
                               "no key could be made; check "
                               "OpenSSL's openssl.cnf and this machine's "
                               "memory");
    intent->folder = wanted->folder;
    intent->request_type = wanted->request_type;
    intent->hostnames = task->hostnames;
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
