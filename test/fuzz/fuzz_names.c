/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any text as a hostname. What is spelled is a safe folder, is spelled the
 * same again, and covers itself; what is refused has a sentence.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cforigin_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void look_at_spelled(apr_pool_t *p, const char *spelled)
{
    apr_array_header_t *names = apr_array_make(p, 1, sizeof(char *));
    const char *folder = cfo_name_folder(p, spelled);
    const char *again = NULL;

    must(strlen(spelled) <= 253);
    must(cfo_name_spell(p, spelled, &again) == CFO_NAME_OK);
    must(strcmp(spelled, again) == 0);
    must(cfo_name_covers(spelled, spelled));
    must(folder[0] != '.' && !strpbrk(folder, "/*\\ \t\r\n"));
    must(!strstr(folder, "..") && strchr(folder, '.') != NULL);
    must((spelled[0] == '*') == (strncmp(folder, "_.", 2) == 0));
    APR_ARRAY_PUSH(names, const char *) = spelled;
    must(cfo_names_uncovered(names, names, p) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    const char *name, *spelled = NULL;
    cfo_name_fault_t fault;

    if (!pool) {
        apr_initialize();
        apr_pool_create(&pool, NULL);
    }
    name = apr_pstrmemdup(pool, (const char *)data, size);
    fault = cfo_name_spell(pool, name, &spelled);
    if (fault == CFO_NAME_OK)
        look_at_spelled(pool, spelled);
    else
        must(spelled == NULL && strlen(cfo_name_fault_text(fault)) > 20);
    apr_pool_clear(pool);
    return 0;
}
