/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the fuzz targets share: a pool that is cleared after each input, the
 * input as terminated text, and a check that can't be compiled out. A target
 * defines `run`.
 */
#ifndef CFORIGIN_FUZZ_H
#define CFORIGIN_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cforigin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(apr_pool_t *p, char *text, size_t size);

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

/* 1 when it is fit for a log line: no control character, within max. */
static inline int is_clean(const char *text, size_t max)
{
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return 0;
        }
    }
    return strlen(text) <= max;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *top;
    apr_pool_t *p;
    char *text = malloc(size + 1); /* its end is watched by the sanitizer */

    if (!top) {
        apr_initialize();
        apr_pool_create(&top, NULL);
    }
    apr_pool_create(&p, top);
    memcpy(text, data, size);
    text[size] = '\0';
    run(p, text, size);
    apr_pool_destroy(p);
    free(text);
    return 0;
}

#endif
