/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any text as a duration, a window and a time. What is read lies within its
 * bounds, and what is written of it reads as the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cforigin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void duration(apr_pool_t *p, const char *text)
{
    apr_interval_time_t length = -1, again = -1;

    if (!cfo_duration_parse(text, &length)) {
        must(length == -1);
        return;
    }
    must(length >= 0);
    must(length <= apr_time_from_sec(APR_INT64_C(36525) * 86400));
    must(cfo_duration_parse(cfo_duration_word(p, length), &again));
    must(again == length);
}

static void window(apr_pool_t *p, const char *text)
{
    cfo_window_t w, again;

    if (!cfo_window_parse(text, &w))
        return;
    must(w.percent >= 0 && w.percent <= 100 && w.is_default == 0);
    must(w.percent == 0 || w.length == 0);
    must(cfo_window_parse(cfo_window_word(p, &w), &again));
    must(again.percent == w.percent && again.length == w.length);
}

static void time_of(apr_pool_t *p, const char *text)
{
    apr_time_t t = cfo_time_parse(text);

    must(t >= 0);
    if (apr_time_sec(t) > 0)
        must(apr_time_sec(cfo_time_parse(cfo_time_word(p, t))) ==
             apr_time_sec(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    const char *text;

    if (!pool) {
        apr_initialize();
        apr_pool_create(&pool, NULL);
    }
    text = apr_pstrmemdup(pool, (const char *)data, size);
    duration(pool, text);
    window(pool, text);
    time_of(pool, text);
    apr_pool_clear(pool);
    return 0;
}
