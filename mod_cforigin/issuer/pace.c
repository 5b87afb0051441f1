/* SPDX-License-Identifier: Apache-2.0 */
/**
 * When the issuer may call the API. Arithmetic and the reading of two
 * headers; touches nothing.
 */
#include "cforigin_pace.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* Digits up to the end or a delimiter; what is too large is the largest. Good
 * for calls as well. */
static int read_seconds(const char *text, const char **end)
{
    long seconds = 0;

    if (!isdigit((unsigned char)*text)) {
        return -1;
    }
    while (isdigit((unsigned char)*text)) {
        if (seconds <= CFO_PACE_LONGEST) {
            seconds = seconds * 10 + (*text - '0');
        }
        text++;
    }
    *end = text;
    return seconds > CFO_PACE_LONGEST ? CFO_PACE_LONGEST : (int)seconds;
}

int cfo_pace_retry_after(const char *value, const char *date, apr_time_t wall)
{
    const char *end;
    time_t until, from;
    int seconds;

    if (!value) {
        return -1;
    }
    value += strspn(value, " \t");
    seconds = read_seconds(value, &end);
    if (seconds >= 0) {
        return end[strspn(end, " \t\r\n")] ? -1 : seconds;
    }
    until = isalpha((unsigned char)*value) ? curl_getdate(value, NULL) : -1;
    if (until < 0) {
        return -1;
    }
    from = date ? curl_getdate(date, NULL) : -1;
    from = from < 0 ? (time_t)apr_time_sec(wall) : from;
    return until <= from                     ? 0
           : until - from > CFO_PACE_LONGEST ? CFO_PACE_LONGEST
                                             : (int)(until - from);
}

/* The end of a name, which may be quoted and hold any delimiter. */
static const char *skip_name(const char *at)
{
    if (*at == '"') {
        for (at++; *at && *at != '"'; at++) {
            at += at[0] == '\\' && at[1] ? 1 : 0;
        }
    }
    return at + strcspn(at, ",;");
}

cfo_quota_t cfo_pace_quota(const char *value)
{
    cfo_quota_t least = {-1, -1};

    while (value && *value) {
        int left = -1, reset = -1;
        const char *at = skip_name(value + strspn(value, " \t")), *end;

        while (*at == ';') {
            at += 1 + strspn(at + 1, " \t");
            if (!strncmp(at, "r=", 2)) {
                left = read_seconds(at + 2, &end);
            }
            else if (!strncmp(at, "t=", 2)) {
                reset = read_seconds(at + 2, &end);
            }
            at = skip_name(at);
        }
        if (left >= 0 && reset >= 0 &&
            (least.left < 0 || left < least.left ||
             (left == least.left && reset > least.seconds))) {
            least.left = left;
            least.seconds = reset;
        }
        value = *at ? at + 1 : at;
    }
    return least;
}

int cfo_pace_ratelimit(const char *value)
{
    cfo_quota_t least = cfo_pace_quota(value);

    return least.left == 0 ? least.seconds : -1;
}

apr_interval_time_t cfo_pace_pause(int tries, unsigned random)
{
    int doublings = tries < 1 ? 0 : tries > 5 ? 4 : tries - 1;
    apr_interval_time_t pause = (apr_time_from_sec(1) / 2) << doublings;

    return pause * (apr_interval_time_t)(750 + random % 501) / 1000;
}

void cfo_gate_hold(cfo_gate_t *gate, apr_time_t now, int seconds)
{
    apr_time_t open_at =
        now + apr_time_from_sec(seconds < 0 ? CFO_UNTOLD_SECONDS : seconds);

    if (open_at > gate->open_at) {
        gate->open_at = open_at;
        gate->untold = seconds < 0;
    }
}

int cfo_pace_more(int limit, int max)
{
    return limit && limit + 1 < max ? limit + 1 : 0;
}

apr_interval_time_t cfo_gate_left(const cfo_gate_t *gate, apr_time_t now)
{
    return gate->open_at > now ? gate->open_at - now : 0;
}

int cfo_gate_seconds(const cfo_gate_t *gate, apr_time_t now)
{
    if (gate->untold) {
        return -1;
    }
    return (int)((cfo_gate_left(gate, now) + APR_USEC_PER_SEC - 1) /
                 APR_USEC_PER_SEC);
}

void cfo_budget_learn(cfo_budget_t *budget, cfo_quota_t quota, apr_time_t now)
{
    if (quota.left >= 0 &&
        (now >= budget->until || quota.left <= budget->left)) {
        budget->left = quota.left;
        budget->until = now + apr_time_from_sec(quota.seconds);
    }
}

int cfo_budget_in_flight(const cfo_budget_t *budget, int max, apr_time_t now)
{
    return now < budget->until && budget->left < max ? budget->left : max;
}

void cfo_reach_missed(cfo_reach_t *reach, apr_time_t now, unsigned random)
{
    reach->misses++;
    reach->next_at = now + (reach->misses < CFO_PACE_TRIES
                                ? cfo_pace_pause(reach->misses, random)
                                : CFO_PACE_AGAIN);
}

apr_interval_time_t cfo_reach_left(const cfo_reach_t *reach, apr_time_t now)
{
    return reach->misses && reach->next_at > now ? reach->next_at - now : 0;
}

int cfo_reach_is_lost(const cfo_reach_t *reach, apr_time_t now)
{
    return reach->misses >= CFO_PACE_TRIES && cfo_reach_left(reach, now) > 0;
}
