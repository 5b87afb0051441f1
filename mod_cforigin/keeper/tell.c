/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What CFOriginNotifyCommand has to be told: noted in notify.json as it
 * happens, by the worker that did it, and told at the end of the round, when
 * the store's lock is given back and nothing waits for it any more. What it
 * did not take stays noted, and the parent sends a round for it later; so it
 * does where a restart of httpd's may follow, which must not wait for it.
 */
#include "cforigin_round.h"
#include "cforigin_notify.h"

#include <apr_strings.h>
#include <string.h>

/* After one that had to be killed the others wait this long. */
#define AFTER_TIMEOUT apr_time_from_sec(60)

/* What the store's lock is worth waiting for: another server may have it for
 * a whole round. */
#define LOCK_WAIT apr_time_from_sec(1)

/* One certificate and what is to be told of it. */
typedef struct telling_t {
    const cfo_item_t *item;
    cfo_notices_t notices, before; /* as it was queued */
    const char *error;             /* the last failure's sentence, or NULL */
    int kept_by_parent;            /* the store can't be written */
} telling_t;

/* --- noting, on a worker or where the store isn't ours --- */

static int is_newer(const cfo_notices_t *a, const cfo_notices_t *b)
{
    return a->told_errored > b->told_errored ||
           a->told_expiring > b->told_expiring ||
           (a->waiting & ~b->waiting) != 0;
}

/* What the parent remembers counts where the store could not keep up. */
static void load(cfo_task_t *task)
{
    task->notices = cfo_store_notices(task->p, task->dir);
    if (is_newer(&task->item->notices, &task->notices))
        task->notices = task->item->notices;
}

static void save(cfo_task_t *task, const cfo_notices_t *before)
{
    if (memcmp(before, &task->notices, sizeof(*before)) != 0)
        task->notices_kept =
            cfo_store_put_notices(task->p, task->dir, &task->notices).kind ==
            CFO_OK;
    else
        task->notices_kept = 1;
    task->has_notices = 1;
}

static int is_renewal(const cfo_task_t *task)
{
    switch (task->reason) {
    case CFO_MISSING:
    case CFO_DAMAGED:
    case CFO_KEY_MISMATCH:
    case CFO_TYPE_CHANGED:
        return 0;
    default:
        return task->generation > 1;
    }
}

void cfo_tell_installed(cfo_task_t *task, int adopted)
{
    cfo_notices_t before;

    if (!task->keeper->round->notify_argv)
        return;
    load(task);
    before = task->notices;
    if (adopted)
        cfo_notices_kept(&task->notices);
    else
        cfo_notices_installed(&task->notices, is_renewal(task));
    save(task, &before);
}

void cfo_tell_kept(cfo_task_t *task)
{
    cfo_notices_t before;

    if (!task->keeper->round->notify_argv)
        return;
    load(task);
    before = task->notices;
    cfo_notices_kept(&task->notices);
    save(task, &before);
}

void cfo_tell_failed(cfo_task_t *task)
{
    cfo_notices_t before;

    if (!task->keeper->round->notify_argv)
        return;
    load(task);
    before = task->notices;
    cfo_notices_failed(&task->notices, apr_time_now());
    if (task->item->expiring)
        cfo_notices_expiring(&task->notices, apr_time_now());
    save(task, &before);
}

/* --- queueing, on the main thread --- */

static telling_t *queue(cfo_keeper_t *keeper, const cfo_item_t *item,
                        const cfo_notices_t *notices)
{
    telling_t *telling = apr_pcalloc(keeper->pool, sizeof(*telling));

    telling->item = item;
    telling->notices = telling->before = *notices;
    APR_ARRAY_PUSH(keeper->tellings, telling_t *) = telling;
    return telling;
}

void cfo_tell_queue(cfo_task_t *task)
{
    telling_t *telling;

    if (!task->has_notices || !task->notices.waiting)
        return;
    telling = queue(task->keeper, task->item, &task->notices);
    telling->kept_by_parent = !task->notices_kept;
    if (task->attempt.failures)
        telling->error =
            cfo_result_sentence(task->keeper->pool, &task->attempt.last_error);
}

void cfo_tell_refused(cfo_keeper_t *keeper, const cfo_item_t *item,
                      const cfo_result_t *why)
{
    cfo_notices_t notices = item->notices;
    telling_t *telling;

    if (!keeper->round->notify_argv)
        return;
    cfo_notices_failed(&notices, apr_time_now());
    telling = queue(keeper, item, &notices);
    telling->kept_by_parent = 1;
    telling->error = cfo_result_sentence(keeper->pool, why);
}

/* What the parent sent for no other purpose. */
static void queue_sent(cfo_keeper_t *keeper)
{
    const cfo_round_t *round = keeper->round;

    for (int i = 0; i < round->notices->nelts; i++) {
        const cfo_item_t *item =
            APR_ARRAY_IDX(round->notices, i, const cfo_item_t *);
        cfo_notices_t notices = cfo_store_notices(
            keeper->pool,
            cfo_store_dir(keeper->pool, round->store, item->wanted.folder,
                          item->wanted.request_type));

        if (is_newer(&item->notices, &notices))
            notices = item->notices;
        if (item->expiring)
            cfo_notices_expiring(&notices, apr_time_now());
        queue(keeper, item, &notices);
    }
}

/* --- telling --- */

typedef struct speaker_t {
    cfo_keeper_t *keeper;
    const char *refused; /* why the command isn't run at all */
    int halted;          /* it had to be killed */
    int told_fault;      /* a failure was logged */
    int locked_out;      /* another server has the store */
    const char *label;
} speaker_t;

static void said(void *baton, const char *line)
{
    speaker_t *speaker = baton;

    cfo_report_log(speaker->keeper->report, CFO_LEVEL_INFO,
                   "%s: CFOriginNotifyCommand: %s", speaker->label, line);
}

/* Once: not for each certificate, and not for each further try. */
static void log_fault(speaker_t *speaker, const telling_t *telling,
                      const char *event, const char *fault)
{
    cfo_level_t level = telling->notices.tries > 0 || speaker->told_fault
                            ? CFO_LEVEL_DEBUG
                            : CFO_LEVEL_WARNING;

    speaker->told_fault = 1;
    cfo_report_log(speaker->keeper->report, level,
                   "%s: CFOriginNotifyCommand was not told `%s`: %s",
                   speaker->label, event, fault);
}

static void journal(const speaker_t *speaker, const telling_t *telling,
                    const char *event, const char *fault)
{
    cfo_journal_t line = {.event = fault ? "notify-failed" : "notified",
                          .wanted = &telling->item->wanted,
                          .reason = event,
                          .message = fault};

    cfo_report_journal(speaker->keeper->report, &line);
}

static cfo_notify_t describe(const speaker_t *speaker,
                             const telling_t *telling, cfo_notice_t notice,
                             apr_pool_t *p)
{
    const cfo_round_t *round = speaker->keeper->round;
    const cfo_item_t *item = telling->item;
    const cfo_wanted_t *wanted = &item->wanted;
    const cfo_cert_facts_t *facts =
        cfo_store_look(p, round->store, wanted->folder, wanted->request_type,
                       NULL)
            ->stored.facts;
    cfo_attempt_t attempt =
        cfo_store_attempt(p, cfo_store_dir(p, round->store, wanted->folder,
                                           wanted->request_type));
    cfo_notify_t notify = {.words = round->notify_argv,
                           .event = cfo_notice_word(notice),
                           .name = wanted->name,
                           .request_type =
                               cfo_request_type_word(wanted->request_type),
                           .hostnames = wanted->hostnames,
                           .store = round->store,
                           .error = telling->error};

    if (facts) {
        notify.not_after = facts->not_after;
        notify.serial = facts->serial;
    }
    if (notice == CFO_NOTICE_EXPIRING && item->expiring) {
        notify.not_after = item->not_after;
        notify.serial = item->serial;
    }
    if (!notify.error && attempt.failures)
        notify.error = cfo_result_sentence(p, &attempt.last_error);
    return notify;
}

/* @return 0 when nothing more is to be told of this one now */
static int tell_one(speaker_t *speaker, telling_t *telling, apr_pool_t *p)
{
    const char *fault = speaker->refused;
    int next = cfo_notices_next(&telling->notices);
    cfo_notify_end_t end = CFO_NOTIFY_FAILED;
    cfo_notify_t notify;

    if (next < 0 ||
        !cfo_schedule_is_over(telling->notices.next_try, apr_time_now()))
        return 0;
    notify = describe(speaker, telling, (cfo_notice_t)next, p);
    if (!fault)
        end = cfo_notify_run(p, &notify, said, speaker, speaker->keeper->stop,
                             &fault);
    if (*speaker->keeper->stop)
        return 0;
    speaker->halted = end == CFO_NOTIFY_TIMED_OUT;
    if (fault)
        log_fault(speaker, telling, notify.event, fault);
    journal(speaker, telling, notify.event, fault);
    cfo_notices_told(&telling->notices, (cfo_notice_t)next, !fault,
                     apr_time_now(), telling->item->wanted.name);
    return !fault;
}

/* While the command ran another server may have noted something: that stays.
 * Where it is at work even now it is written all the same, or what was told
 * would be told again; the two would have to meet within a millisecond. */
static int keep(speaker_t *speaker, const telling_t *telling, apr_pool_t *p)
{
    const char *store = speaker->keeper->round->store;
    const cfo_wanted_t *wanted = &telling->item->wanted;
    const char *dir =
        cfo_store_dir(p, store, wanted->folder, wanted->request_type);
    cfo_notices_t merged = telling->notices, there;
    cfo_store_lock_t *lock = NULL;
    cfo_result_t result;

    if (!speaker->locked_out)
        speaker->locked_out =
            cfo_store_lock(p, store, LOCK_WAIT, speaker->keeper->stop,
                           &lock) != APR_SUCCESS;
    there = cfo_store_notices(p, dir);
    cfo_notices_merge(&merged, &telling->before, &there);
    result = cfo_store_put_notices(p, dir, &merged);
    cfo_store_unlock(lock);
    return result.kind == CFO_OK;
}

static void report(const cfo_keeper_t *keeper, const telling_t *telling,
                   int kept)
{
    const cfo_wanted_t *wanted = &telling->item->wanted;
    cfo_event_t event = {.kind = CFO_EVENT_NOTICES};

    event.name = wanted->name;
    event.request_type = wanted->request_type;
    event.notices = telling->notices;
    event.ok = kept;
    cfo_report_event(keeper->report, &event);
}

static void settle(speaker_t *speaker, telling_t *telling, apr_pool_t *p)
{
    if (speaker->halted && telling->notices.waiting &&
        !telling->notices.next_try)
        telling->notices.next_try = apr_time_now() + AFTER_TIMEOUT;
    report(speaker->keeper, telling,
           !telling->kept_by_parent && keep(speaker, telling, p));
}

void cfo_tell_later(cfo_keeper_t *keeper)
{
    int written = keeper->tellings->nelts;

    if (!keeper->round->notify_argv)
        return;
    queue_sent(keeper);
    for (int i = 0; i < keeper->tellings->nelts; i++) {
        const telling_t *telling =
            APR_ARRAY_IDX(keeper->tellings, i, const telling_t *);

        report(keeper, telling, i < written && !telling->kept_by_parent);
    }
}

void cfo_tell_run(cfo_keeper_t *keeper)
{
    const cfo_event_t begins = {.kind = CFO_EVENT_TELLING};
    speaker_t speaker = {.keeper = keeper};
    apr_pool_t *p;

    if (!keeper->round->notify_argv)
        return;
    queue_sent(keeper);
    if (keeper->tellings->nelts == 0)
        return;
    cfo_report_event(keeper->report, &begins);
    apr_pool_create(&p, keeper->pool);
    speaker.refused =
        cfo_notify_fault(keeper->pool, keeper->round->notify_argv);
    if (speaker.refused)
        speaker.refused = apr_psprintf(
            keeper->pool, "%s; as it runs with our rights, it is not run",
            speaker.refused);
    for (int i = 0; i < keeper->tellings->nelts && !*keeper->stop; i++) {
        telling_t *telling = APR_ARRAY_IDX(keeper->tellings, i, telling_t *);

        speaker.label = telling->item->wanted.name;
        while (!speaker.halted && !*keeper->stop &&
               tell_one(&speaker, telling, p))
            apr_pool_clear(p);
        settle(&speaker, telling, p);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
}
