/* SPDX-License-Identifier: Apache-2.0 */
/**
 * When a certificate is renewed, when it is warned of, and when a thing that
 * failed is tried again. Pure arithmetic on the times it is given; it never
 * looks at a clock, and what it is given may come from a clock that jumped.
 */
#include "cforigin_schedule.h"

/* A pause further ahead than this was written by a clock that was wrong:
 * believing it could stop an account for years. */
#define PAUSE_BELIEVED (7 * CFO_BACKOFF_MAX)

/* Doublings from CFO_BACKOFF_FIRST until CFO_BACKOFF_MAX is passed. */
#define DOUBLINGS_MAX 12

static apr_time_t earlier(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
}

static apr_time_t later(apr_time_t a, apr_time_t b)
{
    return a > b ? a : b;
}

/* FNV's low bits change little between serials that differ in their last
 * digit; this spreads every bit of both over the whole word. */
static apr_uint64_t mix(apr_uint64_t a, apr_uint64_t b)
{
    apr_uint64_t x = a * APR_UINT64_C(0x9e3779b97f4a7c15) + b;

    x = (x ^ (x >> 30)) * APR_UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * APR_UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static apr_uint64_t hash_of(const char *text)
{
    return cfo_hash_text(text ? text : "");
}

/* 0 to max, both included. */
static apr_interval_time_t spread(apr_uint64_t seed, apr_interval_time_t max)
{
    if (max <= 0)
        return 0;
    return (apr_interval_time_t)(seed % ((apr_uint64_t)max + 1));
}

static apr_interval_time_t length_of(const cfo_window_t *window,
                                     apr_interval_time_t lifetime,
                                     apr_interval_time_t max)
{
    apr_interval_time_t length = window->length;

    if (window->percent > 0)
        length = lifetime / 100 * window->percent;
    return earlier(length, max);
}

apr_interval_time_t cfo_schedule_window(apr_interval_time_t lifetime,
                                        const cfo_window_t *window)
{
    return length_of(window, lifetime, lifetime / 3);
}

apr_time_t cfo_schedule_renew_at(apr_time_t not_before, apr_time_t not_after,
                                 const cfo_window_t *window, const char *host,
                                 const char *serial)
{
    apr_interval_time_t lifetime = not_after - not_before;
    apr_interval_time_t length = cfo_schedule_window(lifetime, window);
    apr_time_t at = not_after - length +
                    spread(mix(hash_of(host), hash_of(serial)), length / 10);

    return earlier(at, not_after - 1);
}

apr_time_t cfo_schedule_warn_at(apr_time_t not_before, apr_time_t not_after,
                                const cfo_window_t *window)
{
    apr_interval_time_t lifetime = later(not_after - not_before, 0);

    return not_after -
           length_of(window, lifetime,
                     window->is_default ? lifetime / 10 : lifetime);
}

/* 30 s, 60 s, 2 min, … 24 h, each ± 20 %. */
static apr_interval_time_t backoff(int failures, apr_uint64_t seed)
{
    int doublings = failures < 1 ? 0 : failures - 1;
    apr_interval_time_t wait;

    if (doublings > DOUBLINGS_MAX)
        doublings = DOUBLINGS_MAX;
    wait = earlier(CFO_BACKOFF_FIRST << doublings, CFO_BACKOFF_MAX);
    wait += spread(seed, 2 * (wait / 5)) - wait / 5;
    return earlier(wait, CFO_BACKOFF_MAX);
}

/* Who is told how long to wait, waits that long however often it was told:
 * with a wait that grows, a large fleet would leave most of what the API
 * grants unused, and whoever lost a few times would come last for ever. A
 * little later each, so that it doesn't come back in one second. */
static apr_interval_time_t wait_as_told(int retry_after, apr_uint64_t seed)
{
    apr_interval_time_t wait = apr_time_from_sec((apr_time_t)retry_after);

    return later(wait, backoff(1, seed)) + spread(seed, wait / 20);
}

/* As it is written: attempt.json, log and status tell the same second, and
 * none of them an earlier one. */
static apr_time_t whole_second(apr_time_t at)
{
    return (at + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC * APR_USEC_PER_SEC;
}

apr_time_t cfo_schedule_next_try(const cfo_result_t *result, int failures,
                                 apr_time_t last_try, const char *seed)
{
    apr_interval_time_t wait;
    apr_uint64_t jitter;

    last_try = later(last_try, 0);
    if (result && (result->kind == CFO_PERMANENT || result->kind == CFO_CHECK))
        return whole_second(last_try + CFO_BACKOFF_MAX);
    jitter = mix(hash_of(seed), (apr_uint64_t)last_try);
    if (result && result->kind == CFO_RATE_LIMITED && result->retry_after > 0)
        wait = wait_as_told(result->retry_after, jitter);
    else
        wait = backoff(failures, jitter);
    if (result && result->retry_after > 0)
        wait = later(wait, apr_time_from_sec(result->retry_after));
    return whole_second(last_try + earlier(wait, CFO_BACKOFF_MAX));
}

int cfo_schedule_is_over(apr_time_t until, apr_time_t now)
{
    return until <= now || until > now + CFO_BACKOFF_MAX + APR_USEC_PER_SEC;
}

/* Without a thought for pauses. */
static apr_time_t attempt_due(const cfo_attempt_t *attempt, cfo_cause_t cause,
                              apr_time_t now)
{
    apr_time_t due;

    if (!attempt || attempt->failures <= 0)
        return now;
    if (cause == CFO_CAUSE_START || cause == CFO_CAUSE_RELOAD) {
        if (attempt->last_try > now)
            return now;
        return later(now, attempt->last_try + CFO_RESTART_QUIET);
    }
    /* A clock set back by less than a day costs a day at the most; one that
     * was further ahead when it wrote this is not believed at all. */
    if (attempt->last_try > now + CFO_BACKOFF_MAX)
        return now;
    due = earlier(attempt->next_try, attempt->last_try + CFO_BACKOFF_MAX);
    return earlier(later(due, now), now + CFO_BACKOFF_MAX);
}

apr_time_t cfo_schedule_due(const cfo_attempt_t *attempt, cfo_cause_t cause,
                            apr_time_t paused_until, apr_time_t now)
{
    apr_time_t due = attempt_due(attempt, cause, now);

    if (paused_until > now + PAUSE_BELIEVED)
        return due;
    return later(due, earlier(paused_until, now + CFO_BACKOFF_MAX));
}

int cfo_schedule_failures(const cfo_attempt_t *attempt, cfo_cause_t cause)
{
    if (!attempt || cause == CFO_CAUSE_RELOAD || attempt->failures < 0)
        return 0;
    return attempt->failures;
}
