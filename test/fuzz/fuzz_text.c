/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A stranger's bytes made fit for a log line: clean, within the limit, valid
 * UTF-8 (jansson takes it), and cleaning again changes nothing.
 */
#include "fuzz.h"

#include <jansson.h>

#include "cforigin_result.h"

static void run(apr_pool_t *p, char *text, size_t size)
{
    static const apr_size_t limits[] = {1, 2, 3, 4, 5, 8, 80, 600};
    json_t *json;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const char *clean = cfo_text_clean(p, text, size, limits[i]);

        must(clean && is_clean(clean, limits[i] < 3 ? 3 : limits[i] + 3));
        json = json_string(clean);
        must(json != NULL);
        json_decref(json);
        must(!strcmp(clean, cfo_text_clean(p, clean, strlen(clean), 1000)));
    }
    must(cfo_text_clean(p, NULL, 0, 80) == NULL);
}
