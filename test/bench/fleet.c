/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A fleet in virtual time: many servers that share one account and start in
 * the same minute. The API and the clock are made up; what a refusal is, when
 * a server tries again, and with how many calls it goes on after a pause, is
 * the module's own code (core/result.c, core/schedule.c, issuer/pace.c).
 *
 *   fleet [--at-once] [servers [vhosts [quota [window]]]]
 *
 * --at-once: as if a server went on after a pause with all that it has.
 *
 * Prints one line of JSON. Exits 1 when a call was made inside a Retry-After
 * or a certificate was never issued.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "cforigin_pace.h"
#include "cforigin_schedule.h"

#define SECOND apr_time_from_sec(1)
#define TICK (10 * SECOND)
#define LATENCY (SECOND / 5)
#define CONCURRENT 16
#define BEGIN apr_time_from_sec(1800000000)
#define GIVE_UP (30 * 86400 * SECOND)

typedef struct cert_t {
    cfo_attempt_t attempt;
    int issued, in_hand;
    char seed[48];
} cert_t;

/* Calls in the order of their times; the most that any second saw. */
typedef struct burst_t {
    apr_time_t *at;
    size_t first, count, room;
    size_t most;
} burst_t;

typedef struct server_t {
    cert_t *certs;
    int left, in_flight, next; /* next: where the round looks for more */
    int limit;                 /* of those in flight; cfo_pace_more */
    burst_t burst;
    apr_time_t paused_until; /* what the API told this server */
    apr_time_t done_at;
} server_t;

typedef struct event_t {
    apr_time_t at;
    apr_uint64_t order; /* of what happens at one time */
    int server, cert;   /* cert -1: a tick; else a call's answer */
    int status;         /* of the answer, decided when the call arrived */
    int retry_after;
} event_t;

static event_t *heap;
static size_t count, room;
static apr_uint64_t orders;

static int vhosts = 25, servers = 2000, quota = 1200, at_once;
static apr_interval_time_t window = 300 * SECOND;

/* The API: quota calls in a window, then 429 until its end. */
static apr_time_t window_end;
static int used;
static long calls, refusals, too_early, issued;
static burst_t burst;

static int is_before(const event_t *a, const event_t *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(event_t event)
{
    size_t i = count++;

    if (count > room) {
        room = room ? room * 2 : 4096;
        heap = realloc(heap, room * sizeof *heap);
        if (!heap)
            exit(2);
    }
    event.order = orders++;
    for (; i && is_before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = event;
}

static event_t pop(void)
{
    event_t top = heap[0], last = heap[--count];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static void count_in(burst_t *b, apr_time_t now)
{
    if (b->count == b->room) {
        b->room = b->room ? b->room * 2 : 64;
        b->at = realloc(b->at, b->room * sizeof *b->at);
        if (!b->at)
            exit(2);
    }
    b->at[b->count++] = now;
    while (b->at[b->first] <= now - SECOND)
        b->first++;
    if (b->count - b->first > b->most)
        b->most = b->count - b->first;
}

/* A call arrives at the API; its answer comes LATENCY later. */
static void call(server_t *all, int s, int c, apr_time_t now)
{
    event_t answer = {now + LATENCY, 0, s, c, 200, -1};

    calls++;
    count_in(&burst, now);
    count_in(&all[s].burst, now);
    too_early += now < all[s].paused_until;
    if (now >= window_end) {
        window_end = now + window;
        used = 0;
    }
    if (used++ >= quota) {
        answer.status = 429;
        answer.retry_after = (int)((window_end - now + SECOND - 1) / SECOND);
    }
    all[s].in_flight++;
    all[s].certs[c].in_hand = 1;
    push(answer);
}

/* A round: as many of what is due as may be in flight. */
static void go_on(server_t *all, int s, apr_time_t now)
{
    server_t *server = &all[s];
    int most = server->limit ? server->limit : CONCURRENT;

    for (; server->next < vhosts && server->in_flight < most; server->next++) {
        cert_t *cert = &server->certs[server->next];

        if (!cert->issued && !cert->in_hand &&
            cfo_schedule_due(&cert->attempt, CFO_CAUSE_TICK,
                             server->paused_until, now) <= now)
            call(all, s, server->next, now);
    }
}

static void fail(cert_t *cert, const event_t *event)
{
    cfo_result_t result = {0};

    result.kind = cfo_result_classify(event->status, 0, NULL);
    result.http = event->status;
    result.retry_after = event->retry_after;
    cert->attempt.failures++;
    cert->attempt.last_try = event->at;
    cert->attempt.last_error = result;
    cert->attempt.next_try = cfo_schedule_next_try(
        &result, cert->attempt.failures, event->at, cert->seed);
}

/* What waits in the issuer's queue when the account is told to wait is
 * answered likewise, without a call. */
static void answer_queued(server_t *server, const event_t *event)
{
    for (; server->next < vhosts; server->next++) {
        cert_t *cert = &server->certs[server->next];

        if (!cert->issued && !cert->in_hand &&
            cfo_schedule_due(&cert->attempt, CFO_CAUSE_TICK, 0, event->at) <=
                event->at)
            fail(cert, event);
    }
}

static void on_answer(server_t *all, const event_t *event)
{
    server_t *server = &all[event->server];
    cert_t *cert = &server->certs[event->cert];
    apr_time_t until;

    server->in_flight--;
    cert->in_hand = 0;
    if (event->status == 200) {
        cert->issued = 1;
        issued++;
        if (--server->left == 0)
            server->done_at = event->at;
        server->limit = cfo_pace_more(server->limit, CONCURRENT);
        go_on(all, event->server, event->at);
        return;
    }
    refusals++;
    if (!at_once)
        server->limit = 1;
    fail(cert, event);
    until = event->at + event->retry_after * SECOND;
    if (until > server->paused_until)
        server->paused_until = until;
    answer_queued(server, event);
}

static void on_tick(server_t *all, const event_t *event)
{
    server_t *server = &all[event->server];
    event_t next = *event;

    if (server->left == 0)
        return;
    if (server->in_flight == 0) {
        server->next = 0;
        go_on(all, event->server, event->at);
    }
    next.at += TICK;
    push(next);
}

static void set_up(server_t *all)
{
    for (int s = 0; s < servers; s++) {
        /* started within one minute; each ticks from then on */
        event_t tick = {
            BEGIN + (apr_time_t)s * 60 * SECOND / servers, 0, s, -1, 0, 0};

        all[s].left = vhosts;
        all[s].certs = calloc((size_t)vhosts, sizeof(cert_t));
        if (!all[s].certs)
            exit(2);
        for (int c = 0; c < vhosts; c++)
            snprintf(all[s].certs[c].seed, sizeof all[s].certs[c].seed,
                     "h%d-%d.example.com/origin-ecc", s, c);
        push(tick);
    }
}

static int compare(const void *a, const void *b)
{
    apr_time_t x = *(const apr_time_t *)a, y = *(const apr_time_t *)b;

    return x < y ? -1 : x > y;
}

static int report(const server_t *all, apr_time_t last)
{
    apr_time_t *done = calloc((size_t)servers, sizeof *done);
    long wanted = (long)servers * vhosts;
    double limit = (double)wanted / quota * ((double)window / SECOND);
    double took = (double)(last - BEGIN) / SECOND;
    size_t most = 0;

    if (!done)
        return 2;
    for (int s = 0; s < servers; s++) {
        done[s] = (all[s].done_at ? all[s].done_at : last) - BEGIN;
        if (all[s].burst.most > most)
            most = all[s].burst.most;
    }
    qsort(done, (size_t)servers, sizeof *done, compare);
    printf("{\"at_once\": %s, \"servers\": %d, \"vhosts\": %d, \"quota\": "
           "%d, \"window\": %d, "
           "\"issued\": %ld, \"wanted\": %ld, \"seconds\": %.0f, "
           "\"arithmetic\": %.0f, \"ratio\": %.3f, \"calls\": %ld, "
           "\"refused\": %ld, \"calls_inside_retry_after\": %ld, "
           "\"most_calls_in_a_second\": %lu, "
           "\"most_calls_in_a_second_of_a_server\": %lu, "
           "\"median_server_done\": %.0f, \"p99_server_done\": %.0f, "
           "\"last_server_done\": %.0f}\n",
           at_once ? "true" : "false", servers, vhosts, quota,
           (int)(window / SECOND), issued, wanted, took, limit, took / limit,
           calls, refusals, too_early, (unsigned long)burst.most,
           (unsigned long)most, (double)done[servers / 2] / SECOND,
           (double)done[servers * 99 / 100] / SECOND,
           (double)done[servers - 1] / SECOND);
    free(done);
    return too_early || issued < wanted;
}

int main(int argc, char **argv)
{
    server_t *all;
    apr_time_t now = BEGIN;

    if (argc > 1 && !strcmp(argv[1], "--at-once")) {
        at_once = 1;
        argc--;
        argv++;
    }
    servers = argc > 1 ? atoi(argv[1]) : servers;
    vhosts = argc > 2 ? atoi(argv[2]) : vhosts;
    quota = argc > 3 ? atoi(argv[3]) : quota;
    window = argc > 4 ? atoi(argv[4]) * SECOND : window;
    if (servers < 1 || vhosts < 1 || quota < 1 || window < SECOND)
        return 2;
    all = calloc((size_t)servers, sizeof *all);
    if (!all)
        return 2;
    set_up(all);
    while (count && heap[0].at < BEGIN + GIVE_UP) {
        event_t event = pop();

        if (event.cert < 0) {
            on_tick(all, &event);
        }
        else {
            on_answer(all, &event);
            now = event.at;
        }
    }
    return report(all, now);
}
