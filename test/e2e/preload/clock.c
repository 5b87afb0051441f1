/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into httpd by the tests of what takes days: the wall clock of
 * every process that has it is the one a file describes, and that file can be
 * rewritten while they run. Sleeps get as much shorter as the clock is
 * faster. Neither files' times nor the monotonic clock are touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* What the file holds, as Python's struct writes it ("<Qddd"). `turn` is odd
 * while the rest is being written. */
typedef struct {
    volatile unsigned long long turn;
    volatile double real, shown, factor;
} dial_t;

static const dial_t *dial;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CFO_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at;

    if (fd < 0)
        return;
    at = mmap(NULL, sizeof(dial_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        dial = at;
}

static dial_t look(void)
{
    dial_t seen;

    do {
        seen.turn = dial->turn;
        __sync_synchronize();
        seen.real = dial->real;
        seen.shown = dial->shown;
        seen.factor = dial->factor;
        __sync_synchronize();
    } while ((seen.turn & 1) || seen.turn != dial->turn);
    return seen;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    long rc = syscall(SYS_clock_gettime, id, ts);
    dial_t now;
    double shown;

    if (rc || !dial || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
        return (int)rc;
    now = look();
    shown = now.shown +
            ((double)ts->tv_sec + (double)ts->tv_nsec / 1e9 - now.real) *
                now.factor;
    ts->tv_sec = (time_t)shown;
    ts->tv_nsec = (long)((shown - (double)ts->tv_sec) * 1e9);
    return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (t)
        *t = ts.tv_sec;
    return ts.tv_sec;
}

/* apr_sleep is a select on nothing. */
int select(int n, fd_set *in, fd_set *out, fd_set *other, struct timeval *tv)
{
    static int (*next)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
    struct timeval shorter;

    if (!next)
        next = dlsym(RTLD_NEXT, "select");
    if (n || !tv || !dial)
        return next(n, in, out, other, tv);
    double wait =
        ((double)tv->tv_sec + (double)tv->tv_usec / 1e6) / look().factor;
    shorter.tv_sec = (time_t)wait;
    shorter.tv_usec = (suseconds_t)((wait - (double)shorter.tv_sec) * 1e6);
    return next(n, in, out, other, &shorter);
}
