/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into httpd and the keeper by the tests of sick disks: while the
 * file that CFO_TEST_DISK names holds a number, every call that would change
 * something below the folder CFO_TEST_STORE fails with that errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wrap.h"

static int sickness(void)
{
    const char *path = getenv("CFO_TEST_DISK");
    char word[16] = "";
    int fd = path ? openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return 0;
    if (read(fd, word, sizeof(word) - 1) < 0)
        word[0] = '\0';
    close(fd);
    return atoi(word);
}

static int refuses(const char *path)
{
    const char *store = getenv("CFO_TEST_STORE");
    int error;

    if (!store || strncmp(path, store, strlen(store)) != 0)
        return 0;
    error = sickness();
    errno = error ? error : errno;
    return error != 0;
}

/* A full disk can still be opened for reading, and what is there can be
 * opened for writing when it is not read-only. */
static int opening(const char *path, int flags, mode_t mode)
{
    struct stat st;

    if ((flags & O_CREAT || (flags & O_ACCMODE && sickness() == EROFS)) &&
        (sickness() == EROFS || stat(path, &st) != 0) && refuses(path))
        return -1;
    return openat(AT_FDCWD, path, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    NEXT(ssize_t, "write");
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    return refuses(path) ? -1 : next(fd, bytes, len);
}

int rename(const char *from, const char *to)
{
    NEXT(int, "rename");
    return refuses(to) ? -1 : next(from, to);
}

int symlink(const char *to, const char *path)
{
    NEXT(int, "symlink");
    return refuses(path) ? -1 : next(to, path);
}

int unlink(const char *path)
{
    NEXT(int, "unlink");
    return sickness() == EROFS && refuses(path) ? -1 : next(path);
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int, "mkdir");
    return refuses(path) ? -1 : next(path, mode);
}
