/* SPDX-License-Identifier: Apache-2.0 */
/**
 * cforigin-keeper: executed by httpd's parent for one round of work. Shuts
 * itself in first, reads the plan from stdin, does the round, and exits with
 * 0 or 1: httpd takes other codes for its own workers'. May touch the store,
 * the targets and the token files (to hand them on), never the network.
 */
#include "cforigin_round.h"
#include "cforigin_memory.h"

#include <apr_strings.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The largest plan: some hundred thousand certificates. */
#define PLAN_MAX (256u * 1024 * 1024)

static volatile sig_atomic_t stop;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

/* What httpd set, and prefork's own, is not ours. */
static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        sigaction(n, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    action.sa_handler = on_stop;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0, 1 and 2 and no other: what httpd listens on, logs to and
 * shares must not live on with us. */
static int close_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 || syscall(SYS_close_range, 3U, ~0U, 0U) != 0;
}

/* Kernels before 5.9 have no close_range, and some containers forbid it. Up to
 * the limit may be a thousand million, or less than what is open by now. */
static void close_one_by_one(void)
{
    DIR *all = opendir("/proc/self/fd");
    const struct dirent *one;

    for (int fd = 3; !all && fd < (int)sysconf(_SC_OPEN_MAX); fd++)
        close(fd);
    while (all && (one = readdir(all))) {
        int fd = (int)strtol(one->d_name, NULL, 10);

        if (fd > STDERR_FILENO && fd != dirfd(all))
            close(fd);
    }
    if (all)
        closedir(all);
}

/* @return 0 when the parent has died meanwhile */
static int shut_in(pid_t parent)
{
    const struct rlimit nothing = {0, 0};

    setpgid(0, 0);
    umask(022); /* takes nothing from the modes that the store gives */
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setrlimit(RLIMIT_CORE, &nothing);
    prctl(PR_SET_DUMPABLE, 0);
    if (close_descriptors())
        close_one_by_one();
    return getppid() == parent;
}

/* "--parent PID", nothing else. */
static pid_t read_arguments(int argc, char **argv)
{
    char *end = NULL;
    long pid;

    if (argc != 3 || strcmp(argv[1], "--parent") != 0)
        return 0;
    errno = 0;
    pid = strtol(argv[2], &end, 10);
    return errno || *end || pid <= 0 || pid > INT32_MAX ? 0 : (pid_t)pid;
}

static char *read_plan(apr_size_t *len)
{
    apr_size_t size = 64 * 1024;
    char *text = malloc(size);
    ssize_t got = 1;

    *len = 0;
    while (text && !stop && got != 0) {
        got = read(STDIN_FILENO, text + *len, size - *len);
        if (got < 0 && errno != EINTR)
            return NULL;
        *len += got > 0 ? (apr_size_t)got : 0;
        if (*len == size) {
            size *= 2;
            text = size <= PLAN_MAX ? realloc(text, size) : NULL;
        }
    }
    return stop ? NULL : text;
}

/* A plan that can't be read is told as the only event. */
static void complain(apr_pool_t *p, const char *fault)
{
    cfo_report_t *report = cfo_report_make(p, STDOUT_FILENO);

    cfo_report_log(report, CFO_LEVEL_ERROR, "cforigin-keeper: %s", fault);
    cfo_report_flush(report, &stop);
}

static int run(void)
{
    const char *fault = "the plan can't be read";
    cfo_round_t *round = NULL;
    apr_pool_t *p;
    apr_size_t len;
    char *text;

    if (apr_initialize() != APR_SUCCESS)
        return 0;
    cfo_memory_or_end("cforigin-keeper");
    apr_pool_create(&p, NULL);
    text = read_plan(&len);
    if (text)
        round = cfo_round_read(p, text, len, &fault);
    free(text);
    if (round)
        return cfo_round_run(p, round, STDOUT_FILENO, &stop);
    complain(p, fault);
    return 0;
}

int main(int argc, char **argv)
{
    pid_t parent = read_arguments(argc, argv);

    if (!parent) {
        fputs("cforigin-keeper is run by mod_cforigin: "
              "cforigin-keeper --parent PID < plan\n",
              stderr);
        _exit(1);
    }
    if (!shut_in(parent))
        _exit(1);
    _exit(run() ? 0 : 1);
}
