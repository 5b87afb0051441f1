/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What preloaded libraries have in common: the function that ours hides, and
 * open in both its forms. For one .c file each.
 */
#ifndef PRELOAD_WRAP_H
#define PRELOAD_WRAP_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#define NEXT(type, name)                                                      \
    static type (*next)();                                                    \
    if (!next)                                                                \
    next = (type(*)())dlsym(RTLD_NEXT, name)

/* The includer's: openat, unless it has a word to say. */
static int opening(const char *path, int flags, mode_t mode);

#define OPENS(name)                                                           \
    int name(const char *path, int flags, ...)                                \
    {                                                                         \
        va_list more;                                                         \
        mode_t mode;                                                          \
                                                                              \
        va_start(more, flags);                                                \
        mode = va_arg(more, mode_t);                                          \
        va_end(more);                                                         \
        return opening(path, flags, mode);                                    \
    }

OPENS(open)
OPENS(open64)

#endif
