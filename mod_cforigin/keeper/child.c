/* SPDX-License-Identifier: Apache-2.0 */
/**
 * fork and execve by hand: the keeper has threads, so between the two only
 * async-signal-safe calls are made. Touches processes and descriptors only.
 */
#include "cforigin_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NFDS 4
/* Descriptors wait above these until they are put into their places. */
#define ABOVE 16

static void close_all(const int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Copies that can't collide with the places 0 to 3. */
static int lift(const int *fds, int *lifted)
{
    for (int i = 0; i < NFDS; i++) {
        lifted[i] = -1;
        if (fds[i] < 0)
            continue;
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, ABOVE);
        if (lifted[i] < 0) {
            close_all(lifted, i);
            return -1;
        }
    }
    return 0;
}

static void default_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        sigaction(n, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: never returns. What went wrong is told through `tell`. */
static void become(const cfo_child_t *child, const int *lifted, int tell,
                   pid_t parent)
{
    int error;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (child->own_group)
        setpgid(0, 0);
    for (int i = 0; i < NFDS; i++) {
        if (lifted[i] < 0)
            close(i);
        else if (dup2(lifted[i], i) < 0)
            goto failed;
    }
    syscall(SYS_close_range, NFDS, ~0U, CLOSE_RANGE_CLOEXEC);
    default_signals();
    if (child->cwd && chdir(child->cwd) != 0)
        goto failed;
    execve(child->path, (char *const *)child->argv, child->envp);
failed:
    error = errno;
    if (write(tell, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

/* The child's end of the pipe closes when the program is executed. */
static int hear(int fd)
{
    int error = 0;
    ssize_t got;

    do
        got = read(fd, &error, sizeof(error));
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(error) ? error : 0;
}

static int start(const cfo_child_t *child, const int *lifted, pid_t *pid)
{
    pid_t self = getpid();
    sigset_t all, before;
    int tell[2];
    int error;

    if (cfo_child_pipe(tell) != 0)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = fork();
    error = errno;
    if (*pid == 0)
        become(child, lifted, tell[1], self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(tell[1]);
    if (*pid > 0) {
        error = hear(tell[0]);
        if (error)
            while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
                ;
    }
    close(tell[0]);
    return error;
}

int cfo_child_start(const cfo_child_t *child, pid_t *pid)
{
    int lifted[NFDS];
    int error;

    if (lift(child->fds, lifted) != 0)
        return errno;
    error = start(child, lifted, pid);
    close_all(lifted, NFDS);
    return error;
}

/* The system counts from its start: of a month in milliseconds a long of 32
 * bits knows nothing, of a round it does. */
long cfo_child_clock(void)
{
    static time_t began;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!began)
        began = now.tv_sec;
    return (long)(now.tv_sec - began) * 1000 + now.tv_nsec / 1000000;
}

int cfo_child_end(pid_t pid, int ms, const volatile sig_atomic_t *stop)
{
    long deadline = cfo_child_clock() + ms;
    struct timespec moment = {0, 500000};
    int status = -1;

    while (!(stop && *stop) && cfo_child_clock() < deadline) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1;
        nanosleep(&moment, NULL);
    }
    if (waitpid(pid, &status, WNOHANG) == pid)
        return status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return -1;
}

int cfo_child_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

/* --- one whose words are wanted --- */

typedef struct run_t {
    pid_t pid;
    int fd;
    char *output;
    size_t room, len;
    int last_words;
} run_t;

static int start_captured(cfo_child_t *child, run_t *run)
{
    int ends[2];
    int error;

    if (cfo_child_pipe(ends) != 0)
        return errno;
    child->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    child->fds[1] = child->fds[2] = ends[1];
    child->fds[3] = -1;
    error = cfo_child_start(child, &run->pid);
    close_all(child->fds, 2);
    run->fd = ends[0];
    fcntl(run->fd, F_SETFL, O_NONBLOCK);
    if (error)
        close(run->fd);
    return error;
}

/* What was printed long ago makes room where the end is wanted. */
static size_t room_left(run_t *run)
{
    if (run->last_words && run->len == run->room) {
        run->len /= 2;
        memmove(run->output, run->output + run->room - run->len, run->len);
    }
    return run->room - run->len;
}

/* @return 0 at the end of what it prints */
static int drain(run_t *run)
{
    char rest[4096];

    for (;;) {
        size_t room = room_left(run);
        ssize_t got = room ? read(run->fd, run->output + run->len, room)
                           : read(run->fd, rest, sizeof(rest));

        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return 0;
        if (room)
            run->len += (size_t)got;
    }
}

/* @return 1 when it ended */
static int watch(run_t *run, long deadline, const volatile sig_atomic_t *stop,
                 int *status)
{
    int open = 1;

    while (!*stop && cfo_child_clock() < deadline) {
        struct pollfd fd = {.fd = open ? run->fd : -1, .events = POLLIN};

        poll(&fd, 1, open ? 20 : 2);
        if (open)
            open = drain(run);
        if (waitpid(run->pid, status, WNOHANG) == run->pid)
            return 1;
    }
    return 0;
}

int cfo_child_capture(apr_pool_t *p, cfo_child_t *child, size_t room, int ms,
                      const volatile sig_atomic_t *stop,
                      cfo_capture_t *capture)
{
    run_t run = {.room = room, .last_words = child->last_words};
    int error;

    run.output = capture->output = apr_pcalloc(p, room + 1);
    error = start_captured(child, &run);
    if (error)
        return error;
    capture->killed =
        !watch(&run, cfo_child_clock() + ms, stop, &capture->status);
    if (capture->killed && child->own_group)
        kill(-run.pid, SIGKILL);
    if (capture->killed)
        cfo_child_end(run.pid, 0, NULL);
    drain(&run);
    run.output[run.len] = '\0';
    close(run.fd);
    return 0;
}
