/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A round of work, read from top to bottom in cfo_round_run: store, lock,
 * certificates, accounts, looks, reload check. Between them one loop polls
 * whatever can make something move. What happens to one certificate is in
 * task.c.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* A signal may come just before a poll: it is not slept over. */
#define POLL_MS 100

/* Tasks at a time, whatever they wait for: each has its memory. */
#define ALIVE_MAX 1000

/* A failed try takes a kilobyte: what is kept of a bad month. */
#define JOURNAL_MAX (64 * 1024 * 1024)

static const cfo_item_t *item_at(const cfo_round_t *round, int i)
{
    return APR_ARRAY_IDX(round->items, i, const cfo_item_t *);
}

/* 1. The store is there, can be written, and is ours for this round. */
static cfo_result_t take_store(cfo_keeper_t *keeper, cfo_store_lock_t **lock)
{
    const cfo_round_t *round = keeper->round;
    const char *movable =
        cfo_store_movable_by_others(keeper->pool, round->store);
    cfo_result_t result;
    apr_status_t rv;
    char word[120];

    if (movable)
        cfo_report_log(keeper->report, CFO_LEVEL_WARNING,
                       "CFOriginStoreDir: %s", movable);
    result = cfo_store_prepare(keeper->pool, round->store);
    if (result.kind != CFO_OK)
        return result;
    rv = cfo_store_lock(keeper->pool, round->store, round->lock_wait,
                        keeper->stop, lock);
    if (rv == APR_SUCCESS)
        return cfo_result_ok();
    keeper->busy = APR_STATUS_IS_TIMEUP(rv);
    if (keeper->busy)
        return cfo_result_make(keeper->pool, CFO_LOCAL,
                               "%s: the store's lock is held by another "
                               "server; it is waited for, but if this goes "
                               "on, look for a cforigin-keeper that hangs",
                               round->store);
    return cfo_result_make(
        keeper->pool, CFO_LOCAL, "%s/lock can't be locked: %s%s", round->store,
        apr_strerror(rv, word, sizeof(word)), cfo_result_remedy(rv));
}

static void open_journal(cfo_keeper_t *keeper)
{
    const char *store = keeper->round->store;
    cfo_result_t result =
        cfo_store_turn_journal(keeper->pool, store, JOURNAL_MAX);

    if (result.kind != CFO_OK)
        cfo_report_log(keeper->report, CFO_LEVEL_WARNING, "%s",
                       result.message);
    cfo_report_open_journal(keeper->report, store);
}

/* Without the store nothing can be kept of it: the parent is told, no more. */
static void refuse_all(cfo_keeper_t *keeper, const cfo_result_t *why)
{
    for (int i = 0; i < keeper->round->items->nelts; i++)
        cfo_task_refuse(keeper, item_at(keeper->round, i), why);
}

/* Without roots no certificate can be checked, so none is asked for. */
static void read_roots(cfo_keeper_t *keeper)
{
    const char *path = keeper->round->ca_root_file, *fault;

    keeper->roots = cfo_store_read_roots(keeper->pool, path, &fault);
    if (fault)
        keeper->fault = cfo_result_make(
            keeper->pool, CFO_LOCAL, "CFOriginCARootFile %s %s", path, fault);
}

/* 2. Every item waits at the desk of its account. */
static void seat(cfo_keeper_t *keeper)
{
    const cfo_round_t *round = keeper->round;
    int n = round->accounts->nelts;

    keeper->ndesks = n + 1;
    keeper->desks =
        apr_pcalloc(keeper->pool, (apr_size_t)(n + 1) * sizeof(cfo_desk_t));
    for (int i = 0; i <= n; i++)
        cfo_desk_open(
            &keeper->desks[i], keeper,
            i < n ? &APR_ARRAY_IDX(round->accounts, i, const cfo_account_t)
                  : NULL);
    for (int i = 0; i < round->items->nelts; i++) {
        const cfo_item_t *item = item_at(round, i);
        const cfo_wanted_t *wanted = &item->wanted;
        int desk = wanted->account < 0 ? n : wanted->account;
        const char *key =
            apr_pstrcat(keeper->pool, wanted->folder, "/",
                        cfo_request_type_word(wanted->request_type), NULL);

        APR_ARRAY_PUSH(keeper->desks[desk].queue[wanted->request_type],
                       const cfo_item_t *) = item;
        apr_hash_set(keeper->wanted, key, APR_HASH_KEY_STRING, item);
    }
}

/* 3. An issuer takes as long to start as a key to be made, so it starts
 * meanwhile; where nothing will be asked, none does. */
static void start_issuers(cfo_keeper_t *keeper)
{
    for (int i = 0; i < keeper->round->items->nelts; i++) {
        const cfo_item_t *item = item_at(keeper->round, i);
        cfo_result_t why;

        if (item->issue && item->wanted.account >= 0 &&
            !keeper->desks[item->wanted.account].issuer)
            (void)cfo_desk_ready(&keeper->desks[item->wanted.account],
                                 keeper->pool, &why);
    }
}

/* 4. Nothing is begun that can't be asked for soon: first as much as is asked
 * at a time, then twice that. Each type has its own measure, so that RSA keys,
 * which take long, hold up nothing else. */
static void begin_some(cfo_keeper_t *keeper)
{
    int most = keeper->round->max_concurrent;

    for (int i = 0; i < keeper->ndesks; i++)
        for (int type = 0; type < CFO_REQUEST_TYPES; type++) {
            cfo_desk_t *desk = &keeper->desks[i];
            int limit = desk->asked[type] < most ? most : 2 * most;

            while (desk->ahead[type] < limit && keeper->alive < ALIVE_MAX &&
                   desk->next[type] < desk->queue[type]->nelts)
                cfo_task_begin(desk, APR_ARRAY_IDX(desk->queue[type],
                                                   desk->next[type]++,
                                                   const cfo_item_t *));
        }
}

/* 5. What was replaced long ago. */
static void begin_revocations(cfo_keeper_t *keeper)
{
    const apr_array_header_t *served = keeper->round->served;

    for (int i = 0; i < served->nelts; i++) {
        const cfo_served_t *one =
            APR_ARRAY_IDX(served, i, const cfo_served_t *);

        if (one->revoke)
            cfo_revoke_begin(keeper, one);
    }
}

static void hang_up(cfo_keeper_t *keeper)
{
    for (int i = 0; i < keeper->ndesks; i++)
        if (keeper->desks[i].issuer)
            cfo_issuer_hang_up(keeper->desks[i].issuer);
}

/* Nothing moved for a minute, or the time is up: an issuer that is not ours
 * any more may move for ever. What was asked fails as transient, and so does
 * the rest; when not even that moves anything, the round is at its end. */
static int stalled(cfo_keeper_t *keeper)
{
    long now = cfo_child_clock();
    int is_late = now >= keeper->ends;

    if (!is_late && now - keeper->moved < CFO_STALL_MS)
        return 0;
    if (keeper->fault.kind != CFO_OK)
        return 1;
    keeper->moved = now;
    keeper->ends += is_late ? CFO_SETTLE_MS : 0;
    keeper->fault = cfo_result_make(
        keeper->pool, CFO_TRANSIENT,
        is_late ? "the round took more than %ld s" : "nothing moved for %ld s",
        (is_late ? CFO_ROUND_MS : CFO_STALL_MS) / 1000);
    hang_up(keeper);
    for (int i = 0; i < keeper->ndesks; i++)
        if (keeper->desks[i].issuer)
            cfo_issuer_give_up(keeper->desks[i].issuer, &keeper->fault);
    return 0;
}

/* One look at everything that can move. 0 when the round has to end. */
static int move(cfo_keeper_t *keeper, struct pollfd *fds)
{
    int n = 2;
    int at[1 + keeper->ndesks];

    fds[0] = (struct pollfd){.fd = cfo_workers_fd(keeper->workers),
                             .events = POLLIN};
    fds[1] = (struct pollfd){.fd = STDOUT_FILENO,
                             .events = cfo_report_poll(keeper->report)};
    for (int i = 0; i < keeper->ndesks; i++) {
        at[i] = n;
        if (keeper->desks[i].issuer)
            n += cfo_issuer_poll(keeper->desks[i].issuer, fds + n);
    }
    at[keeper->ndesks] = n;
    if (poll(fds, (nfds_t)n, POLL_MS) < 0)
        return errno == EINTR;
    if (*keeper->stop || !cfo_report_write(keeper->report, fds[1].revents))
        return 0;
    if (fds[0].revents)
        cfo_workers_events(keeper->workers);
    for (int i = 0; i < keeper->ndesks; i++)
        if (keeper->desks[i].issuer)
            cfo_issuer_events(keeper->desks[i].issuer, fds + at[i],
                              at[i + 1] - at[i]);
    return 1;
}

static int work(cfo_keeper_t *keeper)
{
    struct pollfd *fds = apr_pcalloc(
        keeper->pool, (apr_size_t)(2 + 3 * keeper->ndesks) * sizeof(*fds));

    keeper->moved = cfo_child_clock();
    keeper->ends = keeper->moved + CFO_ROUND_MS;
    begin_revocations(keeper);
    begin_some(keeper);
    while (keeper->open > 0) {
        if (*keeper->stop || !move(keeper, fds) || stalled(keeper))
            return 0;
        begin_some(keeper);
    }
    return 1;
}

/* Whoever wants us gone gets it within half a second. What is asked for stays
 * in pending/; the threads end with the process. */
static void abandon(cfo_keeper_t *keeper)
{
    hang_up(keeper);
    if (getpgrp() == getpid())
        kill(0, SIGTERM);
    for (int i = 0; i < keeper->ndesks; i++)
        if (keeper->desks[i].issuer)
            cfo_issuer_stop(keeper->desks[i].issuer);
}

/* Items and revocations, all that is done under the store's lock. */
static int count_work(const cfo_round_t *round)
{
    int n = round->items->nelts;

    for (int i = 0; i < round->served->nelts; i++)
        n += APR_ARRAY_IDX(round->served, i, const cfo_served_t *)->revoke;
    return n;
}

static int is_test(const cfo_round_t *round)
{
    return round->items->nelts + round->notices->nelts +
               round->served->nelts ==
           0;
}

/* A test of the configuration reads it whole, beside a start that does the
 * same. Half a second is for what comes just when that start goes on. */
static int wants_test(const cfo_keeper_t *keeper)
{
    const cfo_round_t *round = keeper->round;

    if (!round->reload_argv || is_test(round))
        return round->reload_argv != NULL;
    return keeper->installed && cfo_child_clock() - keeper->began + 500 >=
                                    apr_time_as_msec(round->start_waits);
}

static int do_items(cfo_keeper_t *keeper)
{
    cfo_store_lock_t *lock = NULL;
    cfo_result_t result = take_store(keeper, &lock);

    if (*keeper->stop)
        return 0;
    if (result.kind != CFO_OK) {
        refuse_all(keeper, &result);
        return 1;
    }
    open_journal(keeper);
    seat(keeper);
    start_issuers(keeper);
    read_roots(keeper);
    keeper->workers = cfo_workers_start(keeper->pool, keeper->open);
    if (!keeper->workers) {
        result = cfo_result_make(keeper->pool, CFO_LOCAL,
                                 "no thread can be started; raise the limit "
                                 "of tasks (TasksMax, ulimit -u)");
        refuse_all(keeper, &result);
    }
    else if (!work(keeper)) {
        abandon(keeper);
        return 0;
    }
    hang_up(keeper); /* the issuers end while we write */
    if (keeper->workers)
        cfo_workers_stop(keeper->workers);
    for (int i = 0; i < keeper->ndesks; i++)
        cfo_desk_close(&keeper->desks[i]);
    cfo_store_unlock(lock);
    return 1;
}

/* The test comes last, and the round ends with it: the parent acts on its word
 * at our end, before anybody has edited what was tested. So a command that
 * takes its time is told by a round of its own. */
static void finish(cfo_keeper_t *keeper)
{
    if (!wants_test(keeper)) {
        cfo_tell_run(keeper);
        return;
    }
    cfo_tell_later(keeper);
    cfo_reload_check(keeper);
}

int cfo_round_run(apr_pool_t *p, const cfo_round_t *round, int fd,
                  volatile sig_atomic_t *stop)
{
    cfo_event_t done = {.kind = CFO_EVENT_DONE};
    cfo_keeper_t keeper = {.pool = p, .round = round, .stop = stop};

    keeper.began = cfo_child_clock();
    keeper.report = cfo_report_make(p, fd);
    keeper.fault = cfo_result_ok();
    keeper.wanted = apr_hash_make(p);
    keeper.told = apr_hash_make(p);
    keeper.tellings = apr_array_make(p, 4, sizeof(void *));
    keeper.open = count_work(round);
    if (keeper.open && !do_items(&keeper))
        return 0;
    cfo_told_rest(&keeper);
    if (round->items->nelts == 0) /* one line at a time needs no lock */
        cfo_report_open_journal(keeper.report, round->store);
    if (!*stop)
        cfo_look_run(&keeper);
    if (!*stop)
        finish(&keeper);
    if (*stop)
        return 0;
    cfo_report_event(keeper.report, &done);
    cfo_report_flush(keeper.report, stop);
    return !*stop;
}
