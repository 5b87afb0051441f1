/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the clock, kept over generations. Touches memory and the
 * log. */
#include "cforigin_clock.h"

#include <stdlib.h>
#include <time.h>

#define TOLERANCE apr_time_from_sec(5 * 60)
#define ASK_AGAIN apr_time_from_sec(60 * 60)

apr_time_t cfo_clock_steady(void)
{
    struct timespec at;

    if (clock_gettime(CLOCK_BOOTTIME, &at) != 0)
        clock_gettime(CLOCK_MONOTONIC, &at);
    return apr_time_from_sec(at.tv_sec) + at.tv_nsec / 1000;
}

apr_time_t cfo_clock_trusted(const cfo_generation_t *gen, apr_time_t now)
{
    return gen->retained->clock_off ? 0 : now;
}

static void tell_wrong(cfo_generation_t *gen, apr_interval_time_t offset)
{
    apr_int64_t seconds = apr_time_sec(llabs(offset));

    if (gen->retained->clock_told)
        return;
    gen->retained->clock_told = 1;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base,
                 "this machine's clock is %" APR_INT64_T_FMT
                 " seconds %s the API's; until it is set right no "
                 "certificate is taken for expired or renewed by its date",
                 seconds, offset > 0 ? "behind" : "ahead of");
}

static void tell_right(cfo_generation_t *gen)
{
    if (!gen->retained->clock_told)
        return;
    gen->retained->clock_told = 0;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, gen->base,
                 "this machine's clock and the API's agree again");
}

void cfo_clock_learn(cfo_generation_t *gen, apr_interval_time_t offset,
                     apr_time_t now)
{
    cfo_retained_t *r = gen->retained;

    r->clock_off = llabs(offset) > TOLERANCE;
    r->clock_offset = offset;
    r->clock_true = now + offset;
    r->clock_steady = cfo_clock_steady();
    if (r->clock_off)
        tell_wrong(gen, offset);
    else
        tell_right(gen);
}

void cfo_clock_look(cfo_generation_t *gen, apr_time_t now)
{
    cfo_retained_t *r = gen->retained;
    apr_interval_time_t since;

    if (!r->clock_off)
        return;
    since = cfo_clock_steady() - r->clock_steady;
    if (llabs(now - (r->clock_true + since)) <= TOLERANCE) {
        r->clock_off = 0;
        tell_right(gen);
    }
    else if (since >= ASK_AGAIN || since < 0) {
        r->clock_off = 0;
    }
}
