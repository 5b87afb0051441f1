/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The story of a request: it waits for its turn, is sent, is perhaps sent
 * again, and is answered. Touches nothing itself; http.c and served.c do.
 */
#include "cforigin_cloudflare.h"
#include "cforigin_job.h"
#include "cforigin_pace.h"

#include <apr_ring.h>
#include <apr_strings.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <time.h>

/* One refusal is no proof, however few calls there may be at a time. */
#define REFUSALS 8

typedef struct task_t task_t;
struct task_t {
    APR_RING_ENTRY(task_t) link;
    cfo_cloudflare_t *cf;
    cfo_job_t job;
    int tries;             /* of the call that is to be made now */
    apr_time_t not_before; /* while it rests */
    apr_time_t give_up_at; /* 0: it was not tried yet */
};

APR_RING_HEAD(ring_t, task_t);

struct cfo_cloudflare_t {
    apr_pool_t *p;
    const char *token, *token_fault;
    cfo_cloudflare_answered_fn *answered;
    void *baton;
    cfo_setup_t setup;
    cfo_http_t *http; /* NULL until the setup came */
    const char *setup_fault;
    cfo_gate_t gate;
    cfo_budget_t budget;
    cfo_reach_t reach;
    cfo_result_t unreachable; /* what came of the last call without a way */
    struct ring_t ready;      /* wait for their turn */
    struct ring_t resting;    /* wait for another try */
    int in_flight, creates, looks;
    int limit; /* of those in flight, after a pause; cfo_pace_more */
    int accepted, refused; /* creates; see the header about bad tokens */
    cfo_result_t refusal;
    unsigned random;
};

/* ---- small things ---- */

static apr_time_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return apr_time_from_sec(t.tv_sec) + t.tv_nsec / 1000;
}

static unsigned next_random(cfo_cloudflare_t *cf)
{
    cf->random = cf->random * 1664525u + 1013904223u;
    return cf->random >> 12;
}

const char *cfo_cloudflare_token_fault(const char *token, apr_size_t len)
{
    if (len == 0) {
        return "the token file holds no token";
    }
    for (apr_size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)token[i];

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            return "the token file holds white space inside the token; it "
                   "should hold the API token and nothing else";
        }
        if (c < 0x20 || c >= 0x7f) {
            return "the token file holds control or non-ASCII characters; "
                   "it should hold the API token and nothing else";
        }
    }
    if (len >= 5 && !strncmp(token, "v1.0-", 5)) {
        return "this is an Origin CA key, a kind of credential that "
               "Cloudflare switched off on 2026-09-30; create an API token "
               "with Zone / SSL and Certificates / Edit";
    }
    return NULL;
}

cfo_cloudflare_t *cfo_cloudflare_make(apr_pool_t *p, const char *token,
                                      const char *token_fault,
                                      cfo_cloudflare_answered_fn *answered,
                                      void *baton)
{
    cfo_cloudflare_t *cf = apr_pcalloc(p, sizeof(*cf));

    cf->p = p;
    cf->token = token;
    cf->token_fault = token_fault;
    cf->answered = answered;
    cf->baton = baton;
    cf->setup_fault = "the issuer was asked before it was set up";
    cf->random = (unsigned)apr_time_now() ^ (unsigned)monotonic();
    APR_RING_INIT(&cf->ready, task_t, link);
    APR_RING_INIT(&cf->resting, task_t, link);
    return cf;
}

/* ---- the end of a request ---- */

static void finish(task_t *task, const cfo_result_t *result)
{
    cfo_cloudflare_t *cf = task->cf;

    task->job.answer.result = *result;
    cf->answered(cf->baton, &task->job.answer);
    apr_pool_destroy(task->job.p);
}

/* A result that outlives its request. */
static cfo_result_t keep(cfo_cloudflare_t *cf, const cfo_result_t *result)
{
    cfo_result_t kept = *result;

    kept.message = apr_pstrdup(cf->p, result->message);
    kept.ray = apr_pstrdup(cf->p, result->ray);
    return kept;
}

/* Refusals that tell of a bad token, when no create was accepted. */
static int refusals_max(const cfo_cloudflare_t *cf)
{
    return cf->setup.max_concurrent > REFUSALS ? cf->setup.max_concurrent
                                               : REFUSALS;
}

static void remember_verdict(cfo_cloudflare_t *cf, const cfo_result_t *result)
{
    if (result->kind == CFO_OK || result->kind == CFO_PERMANENT) {
        cf->accepted++;
    }
    if (result->kind == CFO_AUTH) {
        cf->refused++;
        cf->refusal = keep(cf, result);
    }
}

/* Another call's connection shows that there is a way all the same. */
static void remember_way(cfo_cloudflare_t *cf, const cfo_call_t *call,
                         const cfo_result_t *result, apr_time_t now)
{
    if (call->connected) {
        cf->reach.misses = 0;
    }
    else if (call->fault && !call->local && !cfo_http_is_connected(cf->http)) {
        cfo_reach_missed(&cf->reach, now, next_random(cf));
        cf->unreachable = keep(cf, result);
    }
}

/* ---- what came back ---- */

/* Puts the task to rest until another try. 0 when there is to be none. */
static int rest(task_t *task, const cfo_result_t *result, apr_time_t now)
{
    cfo_cloudflare_t *cf = task->cf;
    apr_interval_time_t held = cfo_gate_left(&cf->gate, now);
    apr_interval_time_t pause = cfo_pace_pause(task->tries, next_random(cf));
    apr_interval_time_t lost = cfo_reach_left(&cf->reach, now);

    if (result->kind != CFO_TRANSIENT && result->kind != CFO_RATE_LIMITED) {
        return 0;
    }
    if (result->lost || task->tries >= CFO_PACE_TRIES ||
        held > CFO_PACE_SHORT || cfo_reach_is_lost(&cf->reach, now)) {
        return 0;
    }
    pause = held > pause ? held : pause;
    pause = lost > pause ? lost : pause;
    if (now + pause + CFO_PACE_LEAST > task->give_up_at) {
        return 0;
    }
    task->not_before = now + pause;
    APR_RING_INSERT_TAIL(&cf->resting, task, task_t, link);
    return 1;
}

static void mind_headers(cfo_cloudflare_t *cf, const cfo_call_t *call,
                         const cfo_result_t *result, apr_time_t now)
{
    cfo_quota_t quota = cfo_pace_quota(call->ratelimit);

    cfo_budget_learn(&cf->budget, quota, now);
    if (result->kind == CFO_RATE_LIMITED) {
        cf->limit = 1;
    }
    else if (result->kind == CFO_OK) {
        cf->limit = cfo_pace_more(cf->limit, cf->setup.max_concurrent);
    }
    if (result->retry_after >= 0 || result->kind == CFO_RATE_LIMITED) {
        cfo_gate_hold(&cf->gate, now, result->retry_after);
    }
    if (quota.left == 0) {
        cfo_gate_hold(&cf->gate, now, quota.seconds);
    }
}

/* A page is as good as an answer: who waits goes on waiting, and so do we. */
static void tell_page(task_t *task)
{
    const cfo_job_t *job = &task->job;
    cfo_answer_t end = {.id = job->answer.id, .page = job->page - 1};

    if (job->request->op != CFO_OP_LIST) {
        return;
    }
    task->give_up_at = 0;
    for (int i = 0; i < job->listed->nelts; i++) {
        const cfo_listed_t *one = &APR_ARRAY_IDX(job->listed, i, cfo_listed_t);
        cfo_answer_t line = end;

        line.certificate = one->certificate;
        line.serial = one->serial;
        line.revoked = one->revoked;
        task->cf->answered(task->cf->baton, &line);
    }
    task->cf->answered(task->cf->baton, &end);
}

static void called(cfo_call_t *call)
{
    task_t *task = call->baton;
    cfo_cloudflare_t *cf = task->cf;
    cfo_job_t *job = &task->job;
    int is_create = job->request->op == CFO_OP_CREATE;
    apr_time_t now = monotonic();
    json_t *envelope;
    cfo_result_t result = cfo_envelope_read(call, apr_time_now(), &envelope);
    time_t date = call->date ? curl_getdate(call->date, NULL) : -1;
    int done = 1;

    cf->in_flight--;
    cf->creates -= is_create;
    job->answer.date = date > 0 ? apr_time_from_sec(date) : 0;
    mind_headers(cf, call, &result, now);
    remember_way(cf, call, &result, now);
    if (is_create) {
        if (result.code == 1101) { /* with 404, too: nothing was sought */
            result.kind = CFO_TRANSIENT;
        }
        remember_verdict(cf, &result);
    }
    if (result.kind == CFO_OK) {
        done = cfo_job_read(job, envelope, &result);
    }
    else if (!cfo_job_forgives(job, &result) && rest(task, &result, now)) {
        return;
    }
    json_decref(envelope);
    if (done) {
        finish(task, &result);
        return;
    }
    task->tries = 0; /* another call, with tries of its own */
    tell_page(task);
    APR_RING_INSERT_HEAD(&cf->ready, task, task_t, link);
}

static void looked(void *baton, const cfo_result_t *result, const char *sha256)
{
    task_t *task = baton;

    task->cf->looks--;
    task->job.answer.sha256 = sha256;
    finish(task, result);
}

/* ---- whose turn it is ---- */

static void start(task_t *task, apr_time_t now)
{
    cfo_cloudflare_t *cf = task->cf;
    apr_interval_time_t left;

    if (task->job.request->op == CFO_OP_SERVED) {
        cf->looks++;
        cfo_served_start(cf->http, task->job.p, task->job.request, looked,
                         task);
        return;
    }
    if (!task->give_up_at) {
        task->give_up_at = now + CFO_PACE_PATIENCE;
    }
    /* It may have waited long for its turn. */
    left = task->give_up_at - now;
    left = left > CFO_PACE_LEAST ? left : CFO_PACE_LEAST;
    cfo_job_call(&task->job);
    task->job.call.limit_ms = (long)apr_time_as_msec(left);
    task->job.call.done = called;
    task->job.call.baton = task;
    task->tries++;
    task->job.answer.calls++;
    cf->in_flight++;
    cf->creates += task->job.request->op == CFO_OP_CREATE;
    cfo_http_start(cf->http, &task->job.call);
}

static int may_start(const cfo_cloudflare_t *cf, const task_t *task,
                     apr_time_t now)
{
    int max = cf->limit ? cf->limit : cf->setup.max_concurrent;

    if (task->job.request->op == CFO_OP_SERVED) {
        return cf->looks < cf->setup.max_concurrent; /* no call of the API's */
    }
    if (task->job.request->op == CFO_OP_CREATE && cf->refused &&
        !cf->accepted && cf->refused + cf->creates >= refusals_max(cf)) {
        return 0;
    }
    if (cf->in_flight > 0 && !cfo_http_is_connected(cf->http)) {
        return 0;
    }
    return cf->in_flight < cfo_budget_in_flight(&cf->budget, max, now) &&
           cfo_gate_left(&cf->gate, now) == 0 &&
           cfo_reach_left(&cf->reach, now) == 0;
}

/* Answers a waiting task that is not going to be called, if so it is. */
static int turn_away(cfo_cloudflare_t *cf, task_t *task, apr_time_t now)
{
    cfo_op_t op = task->job.request->op;
    cfo_result_t result;

    if (op == CFO_OP_SERVED) {
        return 0;
    }
    if (cfo_gate_left(&cf->gate, now) > CFO_PACE_SHORT) {
        result =
            cfo_result_make(task->job.p, CFO_RATE_LIMITED,
                            "not asked: the API wants this account to wait");
        result.retry_after = cfo_gate_seconds(&cf->gate, now);
    }
    else if (cfo_reach_is_lost(&cf->reach, now)) {
        result = cf->unreachable;
    }
    else if (op == CFO_OP_CREATE && !cf->accepted &&
             cf->refused >= refusals_max(cf)) {
        result = cf->refusal;
    }
    else {
        return 0;
    }
    APR_RING_REMOVE(task, link);
    finish(task, &result);
    return 1;
}

/* Wakes who has rested enough, and turns away whom the gate shuts out.
 * Returns when the next one is due. */
static apr_time_t look_at_resting(cfo_cloudflare_t *cf, apr_time_t now)
{
    apr_time_t next = now + apr_time_from_sec(60);
    task_t *task, *after;

    APR_RING_FOREACH_SAFE(task, after, &cf->resting, task_t, link)
    {
        if (turn_away(cf, task, now)) {
            continue;
        }
        if (task->not_before <= now) {
            APR_RING_REMOVE(task, link);
            APR_RING_INSERT_HEAD(&cf->ready, task, task_t, link);
        }
        else if (task->not_before < next) {
            next = task->not_before;
        }
    }
    return next;
}

static void look_at_ready(cfo_cloudflare_t *cf, apr_time_t now)
{
    task_t *task, *after;

    APR_RING_FOREACH_SAFE(task, after, &cf->ready, task_t, link)
    {
        if (turn_away(cf, task, now)) {
            continue;
        }
        if (may_start(cf, task, now)) {
            APR_RING_REMOVE(task, link);
            start(task, now);
        }
        else if (cf->in_flight >= cf->setup.max_concurrent &&
                 cf->looks >= cf->setup.max_concurrent) {
            break;
        }
    }
}

/* The soonest moment at which something else than an answer lets a call
 * begin. */
static apr_time_t sooner(const cfo_cloudflare_t *cf, apr_time_t next,
                         apr_time_t now)
{
    apr_time_t times[] = {now + cfo_gate_left(&cf->gate, now),
                          now + cfo_reach_left(&cf->reach, now),
                          cf->budget.until};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        next = times[i] > now && times[i] < next ? times[i] : next;
    }
    return next;
}

int cfo_cloudflare_work(cfo_cloudflare_t *cf)
{
    apr_time_t now, next;

    if (!cf->http) {
        return 60000;
    }
    cfo_http_work(cf->http);
    now = monotonic();
    next = look_at_resting(cf, now);
    look_at_ready(cf, now);
    next = sooner(cf, next, now);
    return (int)((next - now + 999) / 1000);
}

void cfo_cloudflare_wait(cfo_cloudflare_t *cf, struct curl_waitfd *fds,
                         unsigned n, int timeout_ms)
{
    struct pollfd plain[4];

    if (cf->http) {
        cfo_http_wait(cf->http, fds, n, timeout_ms);
        return;
    }
    for (unsigned i = 0; i < n && i < 4; i++) {
        plain[i].fd = fds[i].fd;
        plain[i].events = fds[i].events & CURL_WAIT_POLLOUT ? POLLOUT : POLLIN;
        plain[i].revents = 0;
    }
    poll(plain, n, timeout_ms);
}

/* ---- the beginning of a request ---- */

static void set_up(cfo_cloudflare_t *cf, const cfo_setup_t *setup)
{
    apr_pool_t *p = cf->p;

    if (cf->http) {
        return; /* the first one stands */
    }
    cf->setup.api = apr_pstrdup(p, setup->api);
    cf->setup.api_ca_file = apr_pstrdup(p, setup->api_ca_file);
    cf->setup.proxy = apr_pstrdup(p, setup->proxy);
    cf->setup.user_agent = setup->user_agent && *setup->user_agent
                               ? apr_pstrdup(p, setup->user_agent)
                               : CFO_MODULE " (Apache httpd)";
    cf->setup.max_concurrent =
        setup->max_concurrent > 0 ? setup->max_concurrent : 16;
    cf->limit = setup->after_pause ? 1 : 0;
    cf->http = cfo_http_make(p, &cf->setup, cf->token, &cf->setup_fault);
}

void cfo_cloudflare_ask(cfo_cloudflare_t *cf, apr_pool_t *pool,
                        const cfo_request_t *request)
{
    task_t *task = apr_pcalloc(pool, sizeof(*task));
    cfo_result_t result;

    if (request->op == CFO_OP_SETUP) {
        set_up(cf, &request->setup);
        apr_pool_destroy(pool);
        return;
    }
    task->cf = cf;
    cfo_job_begin(&task->job, pool, request);
    if (cf->token_fault && request->op != CFO_OP_SERVED) {
        result = cfo_result_make(pool, CFO_AUTH, "%s", cf->token_fault);
        finish(task, &result);
    }
    else if (!cf->http) {
        result = cfo_result_make(pool, CFO_LOCAL, "%s", cf->setup_fault);
        finish(task, &result);
    }
    else {
        APR_RING_INSERT_TAIL(&cf->ready, task, task_t, link);
    }
}
