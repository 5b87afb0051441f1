/* SPDX-License-Identifier: Apache-2.0 */
/** Which faults are one to whoever reads the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cforigin_round.h"

static void faults_that_are_alike(void **state)
{
    static const struct {
        cfo_result_t a, b;
        int alike;
    } rows[] = {
        {{.kind = CFO_TRANSIENT, .code = 1100, .http = 400, .ray = "1-FRA"},
         {.kind = CFO_TRANSIENT, .code = 1100, .http = 400, .ray = "2-FRA"},
         1},
        {{.kind = CFO_PERMANENT, .code = 1010, .message = "a.example.com"},
         {.kind = CFO_PERMANENT, .code = 1010, .message = "b.example.com"},
         1},
        {{.kind = CFO_PERMANENT, .code = 1010},
         {.kind = CFO_TRANSIENT, .code = 1010},
         0},
        {{.kind = CFO_TRANSIENT, .http = 502},
         {.kind = CFO_TRANSIENT, .http = 503},
         0},
        {{.kind = CFO_LOCAL, .message = "can't open /a/1: I/O error"},
         {.kind = CFO_LOCAL, .message = "can't sync /b/2: I/O error"},
         1},
        {{.kind = CFO_LOCAL, .message = "can't open /a: I/O error"},
         {.kind = CFO_LOCAL, .message = "can't open /a: Permission denied"},
         0},
        {{.kind = CFO_CHECK, .message = "check names: not a.example.com"},
         {.kind = CFO_CHECK, .message = "check names: not b.example.com"},
         1},
        {{.kind = CFO_CHECK, .message = "check names: x"},
         {.kind = CFO_CHECK, .message = "check dates: x"},
         0},
        {{.kind = CFO_LOCAL, .message = "no key could be made"},
         {.kind = CFO_LOCAL, .message = "out of memory"},
         0},
        {{.kind = CFO_LOCAL}, {.kind = CFO_TRANSIENT}, 0},
    };
    apr_pool_t *p;
    size_t i;

    (void)state;
    apr_pool_create(&p, NULL);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int alike =
            !strcmp(cfo_told_key(p, &rows[i].a), cfo_told_key(p, &rows[i].b));

        if (alike != rows[i].alike) {
            fail_msg("row %d: alike %d", (int)i, alike);
        }
    }
    apr_pool_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_that_are_alike),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
