/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One certificate under way: which step follows which. Main thread only; what
 * waits is a job on a worker, a request at the issuer, or a search.
 *
 *   look -> (clock) -> make -> ask -> install -> done
 *     |      asked before, or an answer lost: find -> install, or ask again
 *     any step that fails -> settle -> done
 */
#include "cforigin_round.h"
#include "cforigin_child.h"
#include "cforigin_memory.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

static void fail(cfo_task_t *task, const cfo_result_t *result,
                 cfo_pending_end_t pending_end);
static void ask(cfo_task_t *task);

/* --- telling --- */

static void journal(const cfo_task_t *task, const char *event,
                    const char *message)
{
    cfo_journal_t line = {.event = event, .message = message};

    line.wanted = &task->item->wanted;
    line.reason = cfo_reason_word(task->reason);
    line.serial = task->serial;
    line.ray = task->ray;
    cfo_report_journal(task->keeper->report, &line);
}

static void tell(const cfo_task_t *task, cfo_event_kind_t kind)
{
    cfo_event_t event = {.kind = kind};

    event.name = task->item->wanted.name;
    event.request_type = task->item->wanted.request_type;
    event.reason = task->reason;
    event.generation = task->generation;
    event.attempt = task->attempt;
    cfo_report_event(task->keeper->report, &event);
}

/* A target that can't be written is told once a round: where one isn't, the
 * others most likely aren't either. */
static void tell_notes(cfo_task_t *task)
{
    cfo_keeper_t *keeper = task->keeper;

    for (int i = 0; i < task->notes->nelts; i++) {
        const cfo_note_t *note = &APR_ARRAY_IDX(task->notes, i, cfo_note_t);
        cfo_level_t level = note->level;

        if (note->target && keeper->targets_told++)
            level = CFO_LEVEL_DEBUG;
        if (note->key)
            level = cfo_told_level(keeper, level, note->key, note->text);
        cfo_report_log(keeper->report, level, "%s", note->text);
    }
    apr_array_clear(task->notes);
}

/* How a result that many may share is logged. */
static cfo_level_t level_of(cfo_keeper_t *keeper, cfo_level_t level,
                            const cfo_result_t *result, apr_pool_t *p)
{
    cfo_result_t plain = *result;

    plain.ray = NULL; /* no two have the same */
    return cfo_told_level(keeper, level, cfo_told_key(p, result),
                          cfo_result_sentence(p, &plain));
}

/* What doesn't pass by itself, and doesn't name its remedy in its own words
 * as local failures do, is told with what to do about it. */
static void log_failure(cfo_keeper_t *keeper, const char *label,
                        const cfo_attempt_t *attempt, apr_pool_t *p)
{
    const cfo_result_t *error = &attempt->last_error;
    const char *sentence = cfo_result_sentence(p, error);
    int passes = error->kind == CFO_TRANSIENT || error->kind == CFO_LOCAL ||
                 error->kind == CFO_RATE_LIMITED;

    cfo_report_log(keeper->report, level_of(keeper, CFO_LEVEL_ERROR, error, p),
                   "%s: %s; next try %s%s%s", label, sentence,
                   cfo_time_word(p, attempt->next_try), passes ? "" : ". ",
                   passes ? "" : cfo_result_advice(error));
}

/* --- beginning and end --- */

static const char *make_label(apr_pool_t *p, const cfo_wanted_t *wanted)
{
    return apr_psprintf(p, "%s (%s)", wanted->name,
                        cfo_request_type_word(wanted->request_type));
}

static void leave_ahead(cfo_task_t *task)
{
    if (task->is_ahead)
        task->desk->ahead[task->item->wanted.request_type]--;
    task->is_ahead = 0;
}

static void finish(cfo_task_t *task)
{
    apr_pool_t *p = task->p;

    leave_ahead(task);
    task->keeper->open--;
    task->keeper->alive--;
    cfo_pki_wipe(&task->key);
    apr_pool_destroy(p);
}

static void put(cfo_task_t *task, cfo_work_fn *run, cfo_work_fn *done,
                int heavy)
{
    task->job.run = run;
    task->job.done = done;
    task->job.baton = task;
    cfo_workers_put(task->keeper->workers, &task->job, heavy);
}

/* The second half of every job begins with this. */
static void back_from_worker(cfo_task_t *task)
{
    task->keeper->moved = cfo_child_clock();
    tell_notes(task);
}

/* --- failing --- */

/* A pause of the account is no failure of this certificate: it counts as the
 * first one at the least, so that the next try is kept. The result may be a
 * list's, which goes with the next one, and this is written on a worker. */
static cfo_attempt_t make_attempt(const cfo_item_t *item,
                                  const cfo_result_t *result,
                                  apr_time_t paused_until, int grows,
                                  apr_pool_t *p)
{
    cfo_attempt_t attempt = {0};
    apr_time_t now = apr_time_now();
    const char *seed = make_label(p, &item->wanted);

    attempt.failures = item->failures < 1 ? 1 : item->failures;
    if (grows && item->failures >= 1)
        attempt.failures++;
    attempt.last_try = now - now % APR_USEC_PER_SEC; /* as it is written */
    attempt.last_error = *result;
    attempt.last_error.message = apr_pstrdup(p, result->message);
    attempt.last_error.ray = apr_pstrdup(p, result->ray);
    attempt.next_try = cfo_schedule_next_try(
        result, grows ? attempt.failures : 1, attempt.last_try, seed);
    if (result->kind == CFO_RATE_LIMITED && attempt.next_try < paused_until)
        attempt.next_try = paused_until;
    return attempt;
}

static void settled(void *baton)
{
    cfo_task_t *task = baton;

    back_from_worker(task);
    journal(task, "failed",
            cfo_result_sentence(task->p, &task->attempt.last_error));
    log_failure(task->keeper, task->label, &task->attempt, task->p);
    tell(task, CFO_EVENT_FAILED);
    cfo_tell_queue(task);
    finish(task);
}

static void fail(cfo_task_t *task, const cfo_result_t *result,
                 cfo_pending_end_t pending_end)
{
    /* To be ended is no failure: a signal to our group may have reached the
     * issuer first. The loop looks at `stop` next, and the process ends. */
    if (*task->keeper->stop)
        return;
    leave_ahead(task);
    task->pending_end = pending_end;
    task->attempt =
        make_attempt(task->item, result, task->desk->state.paused_until,
                     result->kind != CFO_RATE_LIMITED, task->p);
    put(task, cfo_disk_settle, settled, 0);
}

void cfo_task_refuse(cfo_keeper_t *keeper, const cfo_item_t *item,
                     const cfo_result_t *result)
{
    cfo_event_t event = {.kind = CFO_EVENT_FAILED};
    apr_pool_t *p;

    apr_pool_create(&p, keeper->pool);
    event.name = item->wanted.name;
    event.request_type = item->wanted.request_type;
    event.attempt = make_attempt(item, result, 0, !keeper->busy, p);
    log_failure(keeper, make_label(p, &item->wanted), &event.attempt, p);
    cfo_report_event(keeper->report, &event);
    cfo_tell_refused(keeper, item, result);
    keeper->open--;
    apr_pool_destroy(p);
}

/* --- installing --- */

static void done_well(cfo_task_t *task, const char *event)
{
    journal(task, event, NULL);
    task->keeper->installed++;
    tell(task, CFO_EVENT_INSTALLED);
    cfo_tell_queue(task);
    finish(task);
}

/* What the list had for our key is no good: as if it weren't there. */
static void found_is_refused(cfo_task_t *task)
{
    task->found = 0;
    task->serial = NULL;
    cfo_report_log(task->keeper->report, CFO_LEVEL_WARNING,
                   "%s: the certificate found for its key is not taken: %s",
                   task->label, task->result.message);
    cfo_task_found(task, CFO_FIND_NOT, NULL);
}

static void installed(void *baton)
{
    cfo_task_t *task = baton;

    back_from_worker(task);
    if (task->result.kind == CFO_OK)
        done_well(task, "installed");
    else if (task->result.kind != CFO_CHECK)
        fail(task, &task->result, CFO_PENDING_LEAVE);
    else if (task->found)
        found_is_refused(task);
    else
        fail(task, &task->result, CFO_PENDING_DROP);
}

/* --- asking --- */

static void remember_answer(cfo_task_t *task, const cfo_answer_t *answer)
{
    const char *pem = answer->certificate ? answer->certificate : "";
    apr_size_t len = strlen(pem);

    task->certificate = len && pem[len - 1] != '\n'
                            ? apr_pstrcat(task->p, pem, "\n", NULL)
                            : pem;
    task->serial = answer->serial;
    task->ray = answer->result.ray;
}

/* The certificate may be there: it is looked for at once, unless there is
 * nobody left to ask. */
static void lost(cfo_task_t *task, const cfo_result_t *result)
{
    cfo_result_t why;

    journal(task, "lost", result->message);
    task->lost_at = ++task->desk->sequence;
    task->result = *result;
    if (!cfo_desk_ready(task->desk, task->p, &why) ||
        task->keeper->fault.kind != CFO_OK) {
        fail(task, result, CFO_PENDING_LEAVE);
        return;
    }
    cfo_report_log(task->keeper->report,
                   level_of(task->keeper, CFO_LEVEL_WARNING, result, task->p),
                   "%s: the answer was lost (%s); looking for the certificate",
                   task->label, cfo_result_sentence(task->p, result));
    cfo_find(task);
}

/* Once an answer was lost, and could not be looked for, the key may have its
 * certificate. A CSR that the API can't read is not sent again. */
static cfo_pending_end_t pending_after(const cfo_task_t *task,
                                       const cfo_result_t *refusal)
{
    if (task->unsure)
        return CFO_PENDING_LEAVE;
    return refusal->code == 1007 || refusal->code == 1011
               ? CFO_PENDING_DROP
               : CFO_PENDING_REFUSED;
}

static void answered(void *baton, const cfo_answer_t *answer)
{
    cfo_task_t *task = baton;
    const cfo_result_t *result = &answer->result;

    cfo_desk_learn(task->desk, CFO_OP_CREATE, answer);
    leave_ahead(task);
    if (result->kind == CFO_OK) {
        remember_answer(task, answer);
        journal(task, "answered", NULL);
        put(task, cfo_disk_install, installed, 0);
    }
    else if (result->lost)
        lost(task, result);
    else {
        task->ray = result->ray;
        journal(task, "refused", cfo_result_sentence(task->p, result));
        fail(task, result, pending_after(task, result));
    }
}

static void ask(cfo_task_t *task)
{
    const cfo_wanted_t *wanted = &task->item->wanted;
    cfo_request_t request = {.op = CFO_OP_CREATE};

    request.csr = task->csr.data;
    request.hostnames = task->hostnames;
    request.request_type = cfo_request_type_word(wanted->request_type);
    request.requested_validity = wanted->settings.validity;
    task->creates++;
    task->desk->asked[wanted->request_type]++;
    journal(task, "asked", NULL);
    cfo_issuer_ask(task->desk->issuer, &request, task->p, answered, task);
}

void cfo_task_found(cfo_task_t *task, cfo_find_t found,
                    const cfo_result_t *result)
{
    cfo_result_t why;

    if (found == CFO_FIND_THERE) {
        task->found = 1;
        journal(task, "found", "found again by its public key");
        cfo_report_log(task->keeper->report, CFO_LEVEL_INFO,
                       "%s: found again by its public key", task->label);
        put(task, cfo_disk_install, installed, 0);
        return;
    }
    if (found == CFO_FIND_FAILED) {
        fail(task, result, CFO_PENDING_LEAVE);
        return;
    }
    if (found == CFO_FIND_CANT) {
        task->unsure = 1;
        cfo_report_log(
            task->keeper->report,
            level_of(task->keeper, CFO_LEVEL_WARNING, result, task->p),
            "%s: can't look whether it was issued (%s); asking "
            "again with the same CSR",
            task->label, cfo_result_sentence(task->p, result));
    }
    if (task->creates >= CFO_CREATES_MAX)
        fail(task, &task->result, CFO_PENDING_LEAVE);
    else if (!cfo_desk_ready(task->desk, task->p, &why))
        fail(task, &why, CFO_PENDING_LEAVE);
    else
        ask(task);
}

/* --- looking and making --- */

/* Time has passed on the worker: the account may be paused by now. */
static void made(void *baton)
{
    cfo_task_t *task = baton;
    cfo_result_t why;

    back_from_worker(task);
    if (task->result.kind != CFO_OK)
        fail(task, &task->result, CFO_PENDING_LEAVE);
    else if (!cfo_desk_ready(task->desk, task->p, &why))
        fail(task, &why, CFO_PENDING_REFUSED);
    else
        ask(task);
}

static void kept(cfo_task_t *task)
{
    tell(task, CFO_EVENT_KEPT);
    cfo_tell_queue(task);
    finish(task);
}

static void set_out(cfo_task_t *task)
{
    int heavy = task->look == CFO_LOOK_NOTHING &&
                task->item->wanted.request_type == CFO_ORIGIN_RSA;
    cfo_result_t why;

    if (!cfo_desk_ready(task->desk, task->p, &why)) {
        fail(task, &why, CFO_PENDING_LEAVE);
        return;
    }
    if (cfo_probe_is_due_by_date(task) && !task->keeper->clock_known) {
        cfo_probe(task);
        return;
    }
    if (cfo_probe_is_due_by_date(task) && task->keeper->clock_off) {
        kept(task);
        return;
    }
    tell(task, CFO_EVENT_TRYING);
    if (task->look != CFO_LOOK_ASKED) {
        put(task, cfo_disk_make, made, heavy);
        return;
    }
    cfo_report_log(task->keeper->report, CFO_LEVEL_INFO,
                   "%s: was asked for before without an answer; looking for "
                   "the certificate",
                   task->label);
    cfo_find(task);
}

void cfo_task_probed(cfo_task_t *task, const cfo_result_t *failure)
{
    if (failure)
        fail(task, failure, CFO_PENDING_LEAVE);
    else
        set_out(task);
}

static void looked(void *baton)
{
    cfo_task_t *task = baton;

    back_from_worker(task);
    switch (task->look) {
    case CFO_LOOK_KEPT:
        kept(task);
        break;
    case CFO_LOOK_INSTALLED:
        done_well(task, "installed");
        break;
    case CFO_LOOK_ADOPTED:
        done_well(task, "adopted");
        break;
    case CFO_LOOK_FAULT:
        fail(task, &task->result, CFO_PENDING_LEAVE);
        break;
    default:
        set_out(task);
    }
}

/* A folder and type as a key of keeper->wanted. */
static int is_other_wanted(cfo_keeper_t *keeper, const cfo_wanted_t *wanted,
                           apr_pool_t *p)
{
    cfo_request_type_t other = cfo_request_type_other(wanted->request_type);
    const char *key = apr_pstrcat(p, wanted->folder, "/",
                                  cfo_request_type_word(other), NULL);

    return wanted->settings.first_type == other ||
           apr_hash_get(keeper->wanted, key, APR_HASH_KEY_STRING);
}

void cfo_task_begin(cfo_desk_t *desk, const cfo_item_t *item)
{
    cfo_keeper_t *keeper = desk->keeper;
    const cfo_wanted_t *wanted = &item->wanted;
    apr_pool_t *p = cfo_memory_pool();
    cfo_task_t *task;

    if (!p) {
        cfo_result_t result =
            cfo_result_make(keeper->pool, CFO_LOCAL, "out of memory");

        cfo_task_refuse(keeper, item, &result);
        return;
    }
    task = apr_pcalloc(p, sizeof(*task));
    task->p = p;
    task->keeper = keeper;
    task->desk = desk;
    task->item = item;
    task->hostnames = wanted->hostnames;
    task->label = make_label(p, wanted);
    task->dir = cfo_store_dir(p, keeper->round->store, wanted->folder,
                              wanted->request_type);
    task->notes = apr_array_make(p, 2, sizeof(cfo_note_t));
    task->other_wanted = is_other_wanted(keeper, wanted, p);
    task->is_ahead = 1;
    keeper->alive++;
    desk->ahead[wanted->request_type]++;
    if (keeper->fault.kind != CFO_OK)
        fail(task, &keeper->fault, CFO_PENDING_LEAVE);
    else
        put(task, cfo_disk_look, looked, 0);
}
