/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Would httpd load its configuration again, and is it the one that runs?
 * Executes `httpd -t …` as the parent gave it, with httpd's environment, and
 * tells the tree's hash that it printed, or why there is none.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024)
#define LIMIT_MS 30000
#define MARK "cforigin-tree-hash: "
#define LAST_LINES 3
#define LAST_BYTES 600

extern char **environ;

typedef struct check_t {
    pid_t pid; /* 0 when it ended */
    int status;
    int fd;
    char *output; /* OUTPUT_MAX + 1 */
    apr_size_t len;
} check_t;

static int start(cfo_keeper_t *keeper, check_t *check)
{
    const cfo_round_t *round = keeper->round;
    const apr_array_header_t *given = round->reload_argv;
    const char **argv = apr_pcalloc(
        keeper->pool, (apr_size_t)(given->nelts + 1) * sizeof(*argv));
    cfo_child_t child = {.argv = argv, .envp = environ};
    int ends[2];
    int error;

    for (int i = 0; i < given->nelts; i++)
        argv[i] = APR_ARRAY_IDX(given, i, const char *);
    child.path = argv[0];
    child.cwd = round->reload_cwd;
    if (cfo_child_pipe(ends) != 0)
        return errno;
    child.fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    child.fds[1] = child.fds[2] = ends[1];
    child.fds[3] = -1;
    error = cfo_child_start(&child, &check->pid);
    close(child.fds[0]);
    close(ends[1]);
    check->fd = ends[0];
    fcntl(check->fd, F_SETFL, O_NONBLOCK);
    if (error)
        close(check->fd);
    return error;
}

/* What it prints is kept as far as it fits, and thrown away beyond.
 * @return 0 at the end of it */
static int drain(check_t *check)
{
    char rest[4096];

    for (;;) {
        apr_size_t room = OUTPUT_MAX - check->len;
        ssize_t got = room ? read(check->fd, check->output + check->len, room)
                           : read(check->fd, rest, sizeof(rest));

        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return 0;
        if (room)
            check->len += (apr_size_t)got;
    }
}

/* It is over when the process is: who inherited its pipe may live on. */
static void watch(cfo_keeper_t *keeper, check_t *check)
{
    long deadline = cfo_child_clock() + LIMIT_MS;
    int open = 1;

    while (!*keeper->stop && cfo_child_clock() < deadline) {
        struct pollfd fd = {.fd = open ? check->fd : -1, .events = POLLIN};

        poll(&fd, 1, open ? 20 : 2);
        if (open)
            open = drain(check);
        if (waitpid(check->pid, &check->status, WNOHANG) == check->pid) {
            check->pid = 0;
            break;
        }
    }
    if (check->pid)
        cfo_child_end(check->pid, 0, NULL);
    drain(check);
    close(check->fd);
    check->output[check->len] = '\0';
}

static const char *find_hash(apr_pool_t *p, const check_t *check)
{
    const char *line = check->output;

    while (line && *line) {
        if (strncmp(line, MARK, strlen(MARK)) == 0) {
            line += strlen(MARK);
            return apr_pstrndup(p, line, strcspn(line, "\r\n"));
        }
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return NULL;
}

/* The last few lines, as one. */
static const char *last_words(apr_pool_t *p, const check_t *check)
{
    char *rest = apr_pstrdup(p, check->output);
    const char *lines[LAST_LINES] = {"", "", ""};
    const char *words = "";
    char *state = NULL;
    char *line;

    for (line = apr_strtok(rest, "\r\n", &state); line;
         line = apr_strtok(NULL, "\r\n", &state)) {
        memmove(lines, lines + 1, sizeof(lines) - sizeof(*lines));
        lines[LAST_LINES - 1] = line;
    }
    for (int i = 0; i < LAST_LINES; i++)
        if (*lines[i])
            words = apr_pstrcat(p, words, *words ? "; " : "", lines[i], NULL);
    return cfo_text_clean(p, words, strlen(words), LAST_BYTES);
}

static const char *why_not(apr_pool_t *p, const check_t *check)
{
    const char *words = last_words(p, check);
    const char *how = "did not end in time";

    if (!check->pid && WIFEXITED(check->status))
        how =
            WEXITSTATUS(check->status)
                ? apr_psprintf(p, "ended with %d", WEXITSTATUS(check->status))
                : "printed no hash";
    else if (!check->pid)
        how = "was killed";
    return apr_psprintf(p, "the check of the configuration %s%s%s", how,
                        *words ? ": " : "", words);
}

void cfo_reload_check(cfo_keeper_t *keeper)
{
    cfo_event_t event = {.kind = CFO_EVENT_RELOAD_CHECK};
    check_t check = {0};
    int error;

    check.output = apr_pcalloc(keeper->pool, OUTPUT_MAX + 1);
    error = start(keeper, &check);
    if (error)
        event.message = apr_psprintf(
            keeper->pool, "%s can't be run: %s",
            APR_ARRAY_IDX(keeper->round->reload_argv, 0, const char *),
            strerror(error));
    else {
        watch(keeper, &check);
        if (!check.pid && WIFEXITED(check.status) &&
            WEXITSTATUS(check.status) == 0)
            event.message = find_hash(keeper->pool, &check);
        event.ok = event.message != NULL;
        if (!event.ok)
            event.message = why_not(keeper->pool, &check);
    }
    cfo_report_event(keeper->report, &event);
}
