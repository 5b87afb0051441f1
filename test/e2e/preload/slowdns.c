/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into the issuer by the tests of name servers that do not answer:
 * a name below hangs.test is looked up for a minute, and not found.
 */
#define _GNU_SOURCE
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "wrap.h"

static int opening(const char *path, int flags, mode_t mode)
{
    return openat(AT_FDCWD, path, flags, mode);
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **found)
{
    NEXT(int, "getaddrinfo");
    if (name && strstr(name, ".hangs.test")) {
        sleep(60);
        return EAI_AGAIN;
    }
    return next(name, service, hints, found);
}
