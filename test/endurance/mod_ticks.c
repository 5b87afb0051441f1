/* SPDX-License-Identifier: Apache-2.0 */
/* For a test alone: counts how often httpd's parent runs the monitor hook,
 * at least nine seconds apart by its clock, into a file. */
#include <ap_mpm.h>
#include <http_config.h>
#include <mpm_common.h>
#include <stdio.h>
#include <stdlib.h>

static int tick(apr_pool_t *p, server_rec *s)
{
    static apr_time_t last;
    static unsigned long count;
    apr_time_t now = apr_time_now();
    const char *path = getenv("TICKS_FILE");
    FILE *file;

    (void)p;
    (void)s;
    if (last && now - last < apr_time_from_sec(9)) {
        return DECLINED;
    }
    last = now;
    count++;
    if (path && (file = fopen(path, "w"))) {
        fprintf(file, "%lu\n", count);
        fclose(file);
    }
    return DECLINED;
}

static void hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_monitor(tick, NULL, NULL, APR_HOOK_LAST);
}

AP_DECLARE_MODULE(ticks) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks,
    AP_MODULE_FLAG_NONE};
