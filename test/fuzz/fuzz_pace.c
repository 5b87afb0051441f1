/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any text as Retry-After, Date and Ratelimit: a wait is between nothing and
 * the longest that is believed.
 */
#include "fuzz.h"

#include "cforigin_pace.h"

static void within(int seconds)
{
    must(seconds >= -1 && seconds <= CFO_PACE_LONGEST);
}

static void run(apr_pool_t *p, char *text, size_t size)
{
    apr_time_t wall = apr_time_from_sec(1795000000);
    char *date = memchr(text, '\n', size);
    cfo_gate_t gate = {0};
    int seconds;

    (void)p;
    if (date) {
        *date++ = '\0';
    }
    seconds = cfo_pace_retry_after(text, date, wall);
    within(seconds);
    within(cfo_pace_retry_after(date, text, wall));
    cfo_gate_hold(&gate, 1000, seconds);
    must(cfo_gate_left(&gate, 1000) >= 0);
    must(cfo_gate_seconds(&gate, 1000) >= seconds);
    within(cfo_pace_ratelimit(text));
    must(cfo_pace_ratelimit(NULL) == -1);
}
