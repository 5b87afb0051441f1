/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The lock that lets one keeper at a time write a store, whichever server it
 * works for. The system drops it when the process ends, however it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_files.h"
#include "store_write_file.h"

#define PAUSE apr_time_from_msec(100)

struct cfo_store_lock_t {
    int fd;
};

/* 0, EAGAIN while somebody else has it, or the system's error. */
static int try_once(int fd)
{
    struct flock want;

    memset(&want, 0, sizeof(want));
    want.l_type = F_WRLCK;
    want.l_whence = SEEK_SET;
    if (fcntl(fd, F_SETLK, &want) == 0) {
        return 0;
    }
    return errno == EACCES || errno == EINTR ? EAGAIN : errno;
}

/* A lock on a file that was removed or replaced meanwhile locks nothing. */
static int is_still_there(int fd, const char *path)
{
    struct stat mine, there;

    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int open_and_try(const char *path, int *fd)
{
    int err;

    *fd = cfo_disk_open(path, 0);
    if (*fd < 0) {
        return errno;
    }
    err = try_once(*fd);
    if (!err && !is_still_there(*fd, path)) {
        err = EAGAIN;
    }
    if (err) {
        close(*fd);
        *fd = -1;
    }
    return err;
}

static apr_status_t lock_close(void *data)
{
    cfo_store_lock_t *lock = data;

    if (lock->fd >= 0) {
        close(lock->fd);
    }
    lock->fd = -1;
    return APR_SUCCESS;
}

/* A clock that is set meanwhile makes the wait neither longer nor shorter. */
static apr_interval_time_t clock_of_waiting(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

apr_status_t cfo_store_lock(apr_pool_t *p, const char *store,
                            apr_interval_time_t patience,
                            const volatile sig_atomic_t *stop,
                            cfo_store_lock_t **lock)
{
    const apr_interval_time_t deadline = clock_of_waiting() + patience;
    const char *path = cfo_store_path(p, store, "lock");
    int fd, err;

    *lock = NULL;
    while ((err = open_and_try(path, &fd)) == EAGAIN) {
        if (clock_of_waiting() >= deadline || (stop && *stop)) {
            return APR_TIMEUP;
        }
        apr_sleep(PAUSE);
    }
    if (err) {
        return err;
    }
    *lock = apr_pcalloc(p, sizeof(**lock));
    (*lock)->fd = fd;
    apr_pool_cleanup_register(p, *lock, lock_close, lock_close);
    return APR_SUCCESS;
}

void cfo_store_unlock(cfo_store_lock_t *lock)
{
    if (lock) {
        lock_close(lock);
    }
}
