/* SPDX-License-Identifier: Apache-2.0 */
/**
 * When the issuer may call the API: what its headers say about waiting, the
 * gate that holds the whole account, how many calls its quota leaves, whether
 * there is a way to the API at all, and the pauses between tries of one
 * request. Pure: every function takes the times it works with.
 *
 * `now` is a clock that only goes forward, in microseconds; `wall` is the
 * time of day.
 */
#ifndef CFORIGIN_PACE_H
#define CFORIGIN_PACE_H

#include "cforigin_result.h"

/** A wait up to this long is sat out by the issuer itself; for a longer one
 * everything that is queued is answered `rate-limited`. */
#define CFO_PACE_SHORT apr_time_from_sec(5)

/** Tries of one request, and how long after the first one it is given up. That
 * is before the keeper, which waits a minute for something to move, gives up
 * itself: it hears the reason. No try is begun for which less than LEAST of
 * that is left. */
#define CFO_PACE_TRIES 3
#define CFO_PACE_PATIENCE apr_time_from_sec(55)
#define CFO_PACE_LEAST apr_time_from_sec(10)

/** How long nothing is asked once the API can't be reached. */
#define CFO_PACE_AGAIN apr_time_from_sec(30)

/** The longest wait that is believed: what is longer is taken as this. */
#define CFO_PACE_LONGEST (7 * 24 * 60 * 60)

/**
 * Retry-After: seconds, or an HTTP date (judged by the answer's own Date, so
 * that a wrong clock here does not matter).
 * @param date the Date header, or NULL
 * @return seconds from 0 to CFO_PACE_LONGEST, -1 when value is NULL or rubbish
 */
int cfo_pace_retry_after(const char *value, const char *date, apr_time_t wall);

/** What is left of a quota. */
typedef struct cfo_quota_t {
    int left;    /* calls; -1: not known */
    int seconds; /* until there are more */
} cfo_quota_t;

/** Ratelimit: `"default";r=50;t=30`, one or several policies.
 * @return of the policy that has the fewest calls left, and of several such
 *         the longest time; left is -1 when value is NULL or rubbish */
cfo_quota_t cfo_pace_quota(const char *value);

/**
 * The same, as a time to wait.
 * @return the seconds to wait until a policy that has nothing left is reset;
 *         -1 when every policy has something left, or value is NULL or rubbish
 */
int cfo_pace_ratelimit(const char *value);

/**
 * The pause after the n-th try (1, 2, …): half a second, doubled after each
 * further try, ± 25 %.
 * @param random any number; its lowest bits make the jitter
 */
apr_interval_time_t cfo_pace_pause(int tries, unsigned random);

/** Holds the account. Zeroed: open. */
typedef struct cfo_gate_t {
    apr_time_t open_at;
    int untold; /* the API said to wait, but not how long */
} cfo_gate_t;

/** Close the gate for so many seconds; -1: the API did not say how long. A
 * gate that is closed for longer stays so. */
void cfo_gate_hold(cfo_gate_t *gate, apr_time_t now, int seconds);

/**
 * How many calls may be in flight after the API said to wait: one (1), and
 * one more with each that it grants (this), so twice as many a turn. Many servers whose wait is
 * over at the same moment would else spend the quota on calls in vain.
 * @param limit 0: as many as may be; so is the answer from max on
 */
int cfo_pace_more(int limit, int max);

/** What is left, 0 when the gate is open. */
apr_interval_time_t cfo_gate_left(const cfo_gate_t *gate, apr_time_t now);

/** The same in whole seconds, rounded up; -1 when the API did not say. */
int cfo_gate_seconds(const cfo_gate_t *gate, apr_time_t now);

/** The quota as answers told of it, in whatever order they came. Zeroed:
 * nothing is known. */
typedef struct cfo_budget_t {
    int left;
    apr_time_t until; /* what is left is not believed any longer */
} cfo_budget_t;

/** The least that was told counts until its time is over. */
void cfo_budget_learn(cfo_budget_t *budget, cfo_quota_t quota, apr_time_t now);

/** How many calls may be in flight, of max: none that would overdraw it. */
int cfo_budget_in_flight(const cfo_budget_t *budget, int max, apr_time_t now);

/**
 * Is there a way to the API? Calls that ended without a connection, one after
 * the other. So that they do not wait for each other's time-outs, there is
 * one at a time while no call has a connection, and after CFO_PACE_TRIES of
 * them the others are not called any more. Zeroed: nothing is known.
 */
typedef struct cfo_reach_t {
    int misses;         /* in a row; 0 again with the first connection */
    apr_time_t next_at; /* when the next may be made */
} cfo_reach_t;

void cfo_reach_missed(cfo_reach_t *reach, apr_time_t now, unsigned random);

/** What is left until the next may be made. */
apr_interval_time_t cfo_reach_left(const cfo_reach_t *reach, apr_time_t now);

/** 1 while there is no way: who waits is answered with why. */
int cfo_reach_is_lost(const cfo_reach_t *reach, apr_time_t now);

#endif
