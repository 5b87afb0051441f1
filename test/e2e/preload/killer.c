/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into the keeper by the tests of what a crash leaves: counts the
 * calls that change a disk or tell another process something, and kills the
 * process right before the one whose number CFO_TEST_KILL has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wrap.h"

static atomic_int calls;

static void step(void)
{
    const char *at = getenv("CFO_TEST_KILL");

    if (strcmp(program_invocation_short_name, "cforigin-keeper") != 0)
        return; /* httpd, which only hands it on */
    if (at && atomic_fetch_add(&calls, 1) + 1 == atoi(at))
        kill(getpid(), SIGKILL);
}

static int opening(const char *path, int flags, mode_t mode)
{
    if (flags & (O_CREAT | O_WRONLY | O_RDWR))
        step();
    return openat(AT_FDCWD, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    NEXT(ssize_t, "write");
    step();
    return next(fd, bytes, len);
}

int fsync(int fd)
{
    NEXT(int, "fsync");
    step();
    return next(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(int, "rename");
    step();
    return next(from, to);
}

int symlink(const char *to, const char *path)
{
    NEXT(int, "symlink");
    step();
    return next(to, path);
}

int unlink(const char *path)
{
    NEXT(int, "unlink");
    step();
    return next(path);
}

int rmdir(const char *path)
{
    NEXT(int, "rmdir");
    step();
    return next(path);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int, "mkdir");
    step();
    return next(path, mode);
}
