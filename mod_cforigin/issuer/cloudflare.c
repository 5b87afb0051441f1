/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The story of a request: it waits for its turn, is sent, is perhaps sent
 * again, and is answered. Touches nothing itself; http.c and served.c do.
 */
#include "cforigin_cloudflare.h"
#include "cforigin_pace.h"

#include <apr_ring.h>
#include <apr_strings.h>
#include <ctype.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ONE_MAX ((apr_size_t)256 * 1024)
#define PAGE_MAX ((apr_size_t)1024 * 1024)
#define LIST_MAX ((apr_size_t)64 * 1024 * 1024)
#define PAGES_MAX 4000
#define PER_PAGE 50

typedef struct task_t task_t;
struct task_t {
    APR_RING_ENTRY(task_t) link;
    cfo_cloudflare_t *cf;
    apr_pool_t *p;
    apr_pool_t *step; /* of one page or candidate, its tries included */
    const cfo_request_t *request;
    cfo_answer_t answer;
    cfo_call_t call;
    int tries;             /* of this page or candidate */
    apr_time_t not_before; /* while it rests */
    apr_time_t give_up_at; /* 0: it was not tried yet */
    int page;              /* list */
    apr_size_t bytes;      /* list */
    const char *page_head; /* list: the first serial of the page before */
    const char *candidate; /* zone: the suffix that is looked for now */
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
    struct ring_t ready;   /* wait for their turn */
    struct ring_t resting; /* wait for another try */
    int in_flight, creates, looks;
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

    task->answer.result = *result;
    cf->answered(cf->baton, &task->answer);
    apr_pool_destroy(task->p);
}

static void finish_ok(task_t *task, const cfo_result_t *result)
{
    cfo_result_t ok = *result;

    ok.kind = CFO_OK;
    ok.message = NULL;
    ok.code = 0;
    ok.lost = 0;
    finish(task, &ok);
}

/* An answer that says success and lacks what was asked for. */
static void finish_without(task_t *task, const cfo_result_t *result,
                           const char *what)
{
    cfo_result_t bad = *result;

    bad.kind = CFO_TRANSIENT;
    bad.message = what;
    bad.lost = task->request->op == CFO_OP_CREATE;
    finish(task, &bad);
}

static void remember_verdict(cfo_cloudflare_t *cf, const cfo_result_t *result)
{
    if (result->kind == CFO_OK || result->kind == CFO_PERMANENT) {
        cf->accepted++;
    }
    if (result->kind == CFO_AUTH) {
        cf->refused++;
        cf->refusal = *result;
        cf->refusal.message = apr_pstrdup(cf->p, result->message);
        cf->refusal.ray = apr_pstrdup(cf->p, result->ray);
    }
}

/* ---- what is asked ---- */

static const char *create_body(apr_pool_t *p, const cfo_request_t *request)
{
    json_t *names = json_array();
    json_t *body;
    char *text;
    const char *copy;

    for (int i = 0; i < request->hostnames->nelts; i++) {
        json_array_append_new(
            names,
            json_string(APR_ARRAY_IDX(request->hostnames, i, const char *)));
    }
    body = json_pack("{s:s, s:o, s:s, s:i}", "csr", request->csr, "hostnames",
                     names, "request_type", request->request_type,
                     "requested_validity", request->requested_validity);
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    copy = text ? apr_pstrdup(p, text) : "{}";
    free(text);
    json_decref(body);
    return copy;
}

/* Whatever is put into a path or a query stays one piece of it. */
static const char *escape(apr_pool_t *p, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    const char *copy = apr_pstrdup(p, escaped ? escaped : "");

    curl_free(escaped);
    return copy;
}

static void set_call(task_t *task)
{
    const cfo_request_t *request = task->request;
    apr_pool_t *p = task->step;
    cfo_call_t *call = &task->call;

    memset(call, 0, sizeof(*call));
    call->p = p;
    call->method = "GET";
    call->max = ONE_MAX;
    switch (request->op) {
    case CFO_OP_CREATE:
        call->method = "POST";
        call->path = "/certificates";
        call->body = create_body(p, request);
        break;
    case CFO_OP_LIST:
        call->path =
            apr_psprintf(p, "/certificates?zone_id=%s&page=%d&per_page=%d",
                         escape(p, request->zone_id), task->page, PER_PAGE);
        call->max = PAGE_MAX;
        break;
    case CFO_OP_REVOKE:
        call->method = "DELETE"; /* fall through */
    case CFO_OP_GET:
        call->path =
            apr_pstrcat(p, "/certificates/", escape(p, request->serial), NULL);
        break;
    default:
        call->path = apr_psprintf(p, "/zones?name=%s&status=active",
                                  escape(p, task->candidate));
        break;
    }
}

/* ---- what came back ---- */

/* Another page or candidate: a request of its own, with tries of its own. */
static void again(task_t *task)
{
    apr_pool_clear(task->step);
    task->tries = 0;
    APR_RING_INSERT_HEAD(&task->cf->ready, task, task_t, link);
}

static void turn_page(task_t *task, const cfo_result_t *result,
                      const json_t *envelope)
{
    apr_array_header_t *listed =
        (apr_array_header_t *)task->answer.certificates;
    int before = listed->nelts;
    int n = cfo_envelope_list(task->p, envelope, listed);
    const char *head = n > 0 && listed->nelts > before
                           ? APR_ARRAY_IDX(listed, before, cfo_listed_t).serial
                           : NULL;

    task->bytes += task->call.reply_len;
    if (n < 0) {
        finish_without(task, result, "the list is no list");
    }
    else if (n == 0) {
        finish_ok(task, result);
    }
    else if (head && task->page_head && !strcmp(head, task->page_head)) {
        listed->nelts = before; /* it knows no pages: the same one again */
        finish_ok(task, result);
    }
    else if (task->bytes > LIST_MAX || task->page >= PAGES_MAX) {
        finish_without(task, result, "the zone's list does not end");
    }
    else {
        task->page++;
        task->page_head = head;
        again(task);
    }
}

/* The next shorter suffix that can still be a zone, or NULL. */
static const char *shorter(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

static void try_shorter(task_t *task, const cfo_result_t *result,
                        const json_t *envelope)
{
    const char *id = cfo_envelope_zone(task->p, envelope, task->candidate);

    if (!id && shorter(task->candidate)) {
        task->candidate = shorter(task->candidate);
        again(task);
        return;
    }
    task->answer.zone_id = id;
    task->answer.zone = id ? task->candidate : NULL;
    finish_ok(task, result);
}

static void succeed(task_t *task, const cfo_result_t *result,
                    const json_t *envelope)
{
    const char *serial;

    switch (task->request->op) {
    case CFO_OP_LIST:
        turn_page(task, result, envelope);
        break;
    case CFO_OP_ZONE:
        try_shorter(task, result, envelope);
        break;
    case CFO_OP_REVOKE:
        serial = cfo_envelope_serial(task->p, envelope);
        task->answer.serial = serial ? serial : task->request->serial;
        finish_ok(task, result);
        break;
    default:
        if (cfo_envelope_certificate(task->p, envelope, &task->answer)) {
            finish_ok(task, result);
        }
        else {
            finish_without(task, result,
                           "the API says success but gives no certificate");
        }
        break;
    }
}

/* Puts the task to rest until another try. 0 when there is to be none. */
static int rest(task_t *task, const cfo_result_t *result, apr_time_t now)
{
    cfo_cloudflare_t *cf = task->cf;
    apr_interval_time_t held = cfo_gate_left(&cf->gate, now);
    apr_interval_time_t pause = cfo_pace_pause(task->tries, next_random(cf));

    if (result->kind != CFO_TRANSIENT && result->kind != CFO_RATE_LIMITED) {
        return 0;
    }
    if (result->lost || task->tries >= CFO_PACE_TRIES ||
        held > CFO_PACE_SHORT) {
        return 0;
    }
    pause = held > pause ? held : pause;
    if (now + pause >= task->give_up_at) {
        return 0;
    }
    task->not_before = now + pause;
    APR_RING_INSERT_TAIL(&cf->resting, task, task_t, link);
    return 1;
}

static void mind_headers(cfo_cloudflare_t *cf, const cfo_call_t *call,
                         const cfo_result_t *result, apr_time_t now)
{
    int nothing_left = cfo_pace_ratelimit(call->ratelimit);

    if (result->retry_after >= 0 || result->kind == CFO_RATE_LIMITED) {
        cfo_gate_hold(&cf->gate, now, result->retry_after);
    }
    if (nothing_left >= 0) {
        cfo_gate_hold(&cf->gate, now, nothing_left);
    }
}

static void called(cfo_call_t *call)
{
    task_t *task = call->baton;
    cfo_cloudflare_t *cf = task->cf;
    apr_time_t now = monotonic();
    cfo_op_t op = task->request->op;
    json_t *envelope;
    cfo_result_t result = cfo_envelope_read(call, apr_time_now(), &envelope);
    time_t date = call->date ? curl_getdate(call->date, NULL) : -1;

    cf->in_flight--;
    cf->creates -= op == CFO_OP_CREATE;
    task->answer.date = date > 0 ? apr_time_from_sec(date) : 0;
    mind_headers(cf, call, &result, now);
    if (op == CFO_OP_CREATE) {
        remember_verdict(cf, &result);
    }
    if (result.kind == CFO_OK) {
        succeed(task, &result, envelope);
    }
    else if (op == CFO_OP_REVOKE && result.code == 1014) {
        task->answer.serial = task->request->serial;
        finish_ok(task, &result); /* it is what was wanted */
    }
    else if (!rest(task, &result, now)) {
        task->answer.certificates = NULL; /* half a list is none */
        finish(task, &result);
    }
    json_decref(envelope);
}

static void looked(void *baton, const cfo_result_t *result, const char *sha256)
{
    task_t *task = baton;

    task->cf->looks--;
    task->answer.sha256 = sha256;
    finish(task, result);
}

/* ---- whose turn it is ---- */

static void start(task_t *task, apr_time_t now)
{
    cfo_cloudflare_t *cf = task->cf;

    if (task->request->op == CFO_OP_SERVED) {
        cf->looks++;
        cfo_served_start(cf->http, task->p, task->request, looked, task);
        return;
    }
    if (!task->give_up_at) {
        task->give_up_at = now + CFO_PACE_PATIENCE;
    }
    set_call(task);
    task->call.done = called;
    task->call.baton = task;
    task->tries++;
    task->answer.calls++;
    cf->in_flight++;
    cf->creates += task->request->op == CFO_OP_CREATE;
    cfo_http_start(cf->http, &task->call);
}

static int may_start(const cfo_cloudflare_t *cf, const task_t *task,
                     apr_time_t now)
{
    int max = cf->setup.max_concurrent;

    if (task->request->op == CFO_OP_SERVED) {
        return cf->looks < max; /* not a call of the API's */
    }
    if (task->request->op == CFO_OP_CREATE && cf->refused && !cf->accepted &&
        cf->refused + cf->creates >= max) {
        return 0;
    }
    return cf->in_flight < max && cfo_gate_left(&cf->gate, now) == 0;
}

/* Answers a waiting task that is not going to be called, if so it is. */
static int turn_away(cfo_cloudflare_t *cf, task_t *task, apr_time_t now)
{
    cfo_op_t op = task->request->op;
    cfo_result_t result;

    if (op == CFO_OP_SERVED) {
        return 0;
    }
    if (cfo_gate_left(&cf->gate, now) > CFO_PACE_SHORT) {
        result =
            cfo_result_make(task->p, CFO_RATE_LIMITED,
                            "not asked: the API wants this account to wait");
        result.retry_after = cfo_gate_seconds(&cf->gate, now);
    }
    else if (op == CFO_OP_CREATE && !cf->accepted &&
             cf->refused >= cf->setup.max_concurrent) {
        result = cf->refusal;
    }
    else {
        return 0;
    }
    APR_RING_REMOVE(task, link);
    task->answer.certificates = NULL;
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

int cfo_cloudflare_work(cfo_cloudflare_t *cf)
{
    apr_interval_time_t left;
    apr_time_t now, next;

    if (!cf->http) {
        return 60000;
    }
    cfo_http_work(cf->http);
    now = monotonic();
    next = look_at_resting(cf, now);
    look_at_ready(cf, now);
    left = cfo_gate_left(&cf->gate, now);
    if (left > 0 && now + left < next) {
        next = now + left;
    }
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
    cf->http = cfo_http_make(p, &cf->setup, cf->token, &cf->setup_fault);
}

void cfo_cloudflare_ask(cfo_cloudflare_t *cf, apr_pool_t *pool,
                        const cfo_request_t *request)
{
    task_t *task = apr_pcalloc(pool, sizeof(*task));
    cfo_result_t result;
    const char *name = request->hostname;

    if (request->op == CFO_OP_SETUP) {
        set_up(cf, &request->setup);
        apr_pool_destroy(pool);
        return;
    }
    task->cf = cf;
    task->p = pool;
    task->request = request;
    task->answer.id = request->id;
    task->page = 1;
    task->candidate = name && !strncmp(name, "*.", 2) ? name + 2 : name;
    if (request->op == CFO_OP_LIST) {
        task->answer.certificates =
            apr_array_make(pool, PER_PAGE, sizeof(cfo_listed_t));
    }
    if (cf->token_fault && request->op != CFO_OP_SERVED) {
        result = cfo_result_make(pool, CFO_AUTH, "%s", cf->token_fault);
        finish(task, &result);
    }
    else if (!cf->http) {
        result = cfo_result_make(pool, CFO_LOCAL, "%s", cf->setup_fault);
        finish(task, &result);
    }
    else {
        apr_pool_create(&task->step, pool);
        APR_RING_INSERT_TAIL(&cf->ready, task, task_t, link);
    }
}
