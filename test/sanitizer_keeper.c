/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into the keeper when it is built with a sanitizer, in place of _exit:
 * LeakSanitizer looks when a program leaves by exit, and the keeper does not.
 * What hangs on a pool is freed with it, and pools are no place where
 * LeakSanitizer looks for pointers; so they go first. A keeper that failed, or
 * was told to end, leaves its tasks as they are. */
#include <apr_general.h>
#include <sanitizer/lsan_interface.h>
#include <unistd.h>

_Noreturn void __wrap__exit(int status);
_Noreturn void __real__exit(int status);

static pid_t itself;

__attribute__((constructor)) static void begin(void)
{
    itself = getpid();
}

_Noreturn void __wrap__exit(int status)
{
    if (status == 0 && getpid() == itself) { /* not what it forked */
        apr_terminate();
        __lsan_do_leak_check();
    }
    __real__exit(status);
}
