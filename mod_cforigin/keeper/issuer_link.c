/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One issuer: its process, its three pipes, and who waits for which answer.
 * Opens the token file to hand its descriptor on; never reads it.
 */
#include "cforigin_issuer_link.h"
#include "cforigin_child.h"
#include "cforigin_ours.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX 500  /* bytes of a line on its stderr */
#define SAID_LINES 40 /* lines of it that are passed on */
#define STOP_MS 300

typedef struct waiting_t {
    int id;
    cfo_op_t op;
    int page; /* of a list: the last one that was told */
    apr_pool_t *p;
    cfo_answer_fn *answered;
    void *baton;
} waiting_t;

struct cfo_issuer_t {
    apr_pool_t *pool;
    pid_t pid; /* 0: reaped */
    int in, out, err;
    long hung_up; /* when; cfo_child_clock */
    cfo_queue_t *queue;
    cfo_lines_t *answers, *said_lines;
    cfo_said_fn *said;
    void *baton;
    int said_count;
    const char *last_said;
    cfo_result_t fault;
    int last_id;
    apr_hash_t *waiting; /* id -> waiting_t */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The sentence names the directive, the path and the remedy. */
static int open_token(apr_pool_t *p, const cfo_round_t *round,
                      const char *path, cfo_result_t *fault)
{
    const char *what = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        what = apr_psprintf(p,
                            "can't be opened: %s; put the API token into it "
                            "and chmod 600 %s",
                            strerror(errno), path);
    else if (fstat(fd, &st) != 0)
        what = apr_psprintf(p, "can't be looked at: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        what = "is no regular file; name a file that holds the API token";
    else if (st.st_mode & 077)
        what = apr_psprintf(p,
                            "has mode %04o, so others than its owner can get "
                            "at the token; chmod 600 %s",
                            (unsigned)st.st_mode & 07777u, path);
    else if (st.st_size == 0)
        what = "is empty; put the API token into it";
    else
        what = cfo_ours_token_fault(p, path, &st, round->user, round->uid);
    if (!what)
        return fd;
    *fault =
        cfo_result_make(p, CFO_LOCAL, "CFOriginTokenFile %s %s", path, what);
    close_fd(&fd);
    return -1;
}

/* Its whole path, so that a list of processes tells whose it is. Only root
 * can become somebody else. */
static const char *const *issuer_argv(apr_pool_t *p, const cfo_round_t *round,
                                      const char *path)
{
    const char **argv = apr_pcalloc(p, 8 * sizeof(*argv));
    int n = 0;

    argv[n++] = path;
    argv[n++] = "--token-fd";
    argv[n++] = "3";
    if (geteuid() == 0 && round->uid >= 0) {
        argv[n++] = "--uid";
        argv[n++] = apr_itoa(p, round->uid);
        argv[n++] = "--gid";
        argv[n++] = apr_itoa(p, round->gid);
    }
    return argv;
}

/* Pipes to and from it: [0] is the end that is read. */
typedef struct pipes_t {
    int in[2], out[2], err[2];
} pipes_t;

static int open_pipes(pipes_t *pipes)
{
    memset(pipes, -1, sizeof(*pipes));
    return cfo_child_pipe(pipes->in) || cfo_child_pipe(pipes->out) ||
           cfo_child_pipe(pipes->err) ||
           fcntl(pipes->in[1], F_SETFL, O_NONBLOCK) ||
           fcntl(pipes->out[0], F_SETFL, O_NONBLOCK) ||
           fcntl(pipes->err[0], F_SETFL, O_NONBLOCK);
}

/* Descriptors are taken out of `pipes` when they are the link's. */
static int execute(cfo_issuer_t *issuer, const cfo_round_t *round, int token,
                   pipes_t *pipes, const char *path)
{
    static char *const nothing[] = {NULL};
    cfo_child_t child = {.path = path, .envp = nothing, .cwd = "/"};
    int error;

    child.argv = issuer_argv(issuer->pool, round, path);
    child.fds[0] = pipes->in[0];
    child.fds[1] = pipes->out[1];
    child.fds[2] = pipes->err[1];
    child.fds[3] = token;
    error = cfo_child_start(&child, &issuer->pid);
    if (error)
        return error;
    issuer->in = pipes->in[1];
    issuer->out = pipes->out[0];
    issuer->err = pipes->err[0];
    pipes->in[1] = pipes->out[0] = pipes->err[0] = -1;
    return 0;
}

static void set_up(cfo_issuer_t *issuer, const cfo_round_t *round,
                   int after_pause)
{
    cfo_request_t request = {.op = CFO_OP_SETUP};

    request.setup.api = round->api;
    request.setup.api_ca_file = round->api_ca_file;
    request.setup.proxy = round->proxy;
    request.setup.user_agent = round->user_agent;
    request.setup.max_concurrent = round->max_concurrent;
    request.setup.after_pause = after_pause;
    cfo_queue_put(issuer->queue, cfo_wire_request(issuer->pool, &request));
}

cfo_issuer_t *cfo_issuer_start(apr_pool_t *p, const cfo_round_t *round,
                               const cfo_account_t *account, int after_pause,
                               cfo_said_fn *said, void *baton,
                               cfo_result_t *fault)
{
    cfo_issuer_t *issuer = apr_pcalloc(p, sizeof(*issuer));
    const char *path =
        apr_pstrcat(p, round->libexec, "/cforigin-issuer", NULL);
    int token = account ? open_token(p, round, account->token_file, fault)
                        : open("/dev/null", O_RDONLY | O_CLOEXEC);
    pipes_t pipes;
    int error;

    if (token < 0 && !account)
        *fault = cfo_result_make(p, CFO_LOCAL, "/dev/null: %s%s",
                                 strerror(errno), cfo_result_remedy(errno));
    if (token < 0)
        return NULL;
    issuer->pool = p;
    issuer->fault = cfo_result_ok();
    error = open_pipes(&pipes) ? errno : 0;
    if (!error)
        error = execute(issuer, round, token, &pipes, path);
    close_fd(&token);
    for (int end = 0; end < 2; end++) {
        close_fd(&pipes.in[end]);
        close_fd(&pipes.out[end]);
        close_fd(&pipes.err[end]);
    }
    if (error) {
        *fault = cfo_result_make(p, CFO_LOCAL, "%s can't be run: %s%s", path,
                                 strerror(error), cfo_result_remedy(error));
        return NULL;
    }
    issuer->said = said;
    issuer->baton = baton;
    issuer->queue = cfo_queue_make(p);
    issuer->answers = cfo_lines_make(p, CFO_WIRE_ANSWER_MAX);
    issuer->said_lines = cfo_lines_make(p, 8 * SAID_MAX);
    issuer->waiting = apr_hash_make(p);
    set_up(issuer, round, after_pause);
    return issuer;
}

static void answer_local(const waiting_t *waiting, const cfo_result_t *why)
{
    cfo_answer_t answer = {.id = waiting->id, .result = *why};

    answer.result.lost = waiting->op == CFO_OP_CREATE;
    waiting->answered(waiting->baton, &answer);
}

/* Callbacks may ask for more, which a dead issuer answers at once. */
static void answer_all(cfo_issuer_t *issuer, const cfo_result_t *why)
{
    apr_hash_t *waiting = issuer->waiting;
    apr_hash_index_t *at;

    issuer->waiting = apr_hash_make(issuer->pool);
    for (at = apr_hash_first(issuer->pool, waiting); at;
         at = apr_hash_next(at))
        answer_local(apr_hash_this_val(at), why);
}

void cfo_issuer_ask(cfo_issuer_t *issuer, cfo_request_t *request,
                    apr_pool_t *p, cfo_answer_fn *answered, void *baton)
{
    waiting_t *waiting = apr_pcalloc(p, sizeof(*waiting));

    waiting->id = request->id = ++issuer->last_id;
    waiting->op = request->op;
    waiting->p = p;
    waiting->answered = answered;
    waiting->baton = baton;
    if (!cfo_issuer_is_alive(issuer)) {
        cfo_result_t why =
            cfo_result_make(p, CFO_LOCAL, "cforigin-issuer has ended");

        answer_local(waiting, &why);
        return;
    }
    apr_hash_set(issuer->waiting, &waiting->id, sizeof(waiting->id), waiting);
    cfo_queue_put(issuer->queue, cfo_wire_request(p, request));
}

cfo_result_t cfo_issuer_fault(const cfo_issuer_t *issuer)
{
    return issuer->fault;
}

int cfo_issuer_is_alive(const cfo_issuer_t *issuer)
{
    return issuer->pid > 0;
}

int cfo_issuer_poll(const cfo_issuer_t *issuer, struct pollfd *fds)
{
    int n = 0;

    if (issuer->in >= 0 && !cfo_queue_is_empty(issuer->queue))
        fds[n++] = (struct pollfd){.fd = issuer->in, .events = POLLOUT};
    if (issuer->out >= 0)
        fds[n++] = (struct pollfd){.fd = issuer->out, .events = POLLIN};
    if (issuer->err >= 0)
        fds[n++] = (struct pollfd){.fd = issuer->err, .events = POLLIN};
    return n;
}

static const char *how_it_ended(apr_pool_t *p, int status)
{
    if (status >= 0 && WIFSIGNALED(status))
        return apr_psprintf(p, "by signal %d", WTERMSIG(status));
    if (status >= 0 && WIFEXITED(status))
        return apr_psprintf(p, "with exit code %d", WEXITSTATUS(status));
    return "and had to be killed";
}

/* Its stdout is at its end, or speaks in tongues: that was it. */
static void bury(cfo_issuer_t *issuer, const char *fault)
{
    int status;

    cfo_issuer_hang_up(issuer);
    close_fd(&issuer->out);
    status = cfo_child_end(issuer->pid, fault ? 0 : STOP_MS, NULL);
    issuer->pid = 0;
    issuer->fault = cfo_result_make(
        issuer->pool, CFO_LOCAL, "cforigin-issuer %s%s%s",
        fault ? fault
              : apr_pstrcat(issuer->pool, "ended ",
                            how_it_ended(issuer->pool, status), NULL),
        issuer->last_said ? "; it said: " : "",
        issuer->last_said ? issuer->last_said : "");
    answer_all(issuer, &issuer->fault);
}

static void hear(cfo_issuer_t *issuer, const char *line)
{
    const char *clean =
        cfo_text_clean(issuer->pool, line, strlen(line), SAID_MAX);

    if (strncmp(clean, "debug: ", 7))
        issuer->last_said = clean; /* perhaps what it died of */
    issuer->said(issuer->baton, clean);
}

static void read_said(cfo_issuer_t *issuer)
{
    apr_status_t rv = cfo_lines_read(issuer->said_lines, issuer->err);
    const char *line;

    while ((line = cfo_lines_next(issuer->said_lines)))
        if (issuer->said_count++ < SAID_LINES)
            hear(issuer, line);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv) && rv != APR_ENOSPC)
        close_fd(&issuer->err);
}

/* It goes on waiting. Each page is a sign of life, so nobody may make them
 * up: they come one after the other, and the wire ends them. */
static const char *take_page(waiting_t *waiting, const cfo_answer_t *answer)
{
    if (waiting->op != CFO_OP_LIST)
        return "only a list has pages";
    if (answer->page != waiting->page + 1)
        return "\"page\" is not the next one";
    if (!answer->certificate)
        waiting->page = answer->page;
    waiting->answered(waiting->baton, answer);
    return NULL;
}

/* Whose pool it belongs into is known when its id is. */
static const cfo_answer_t *take_out(cfo_issuer_t *issuer, waiting_t *waiting,
                                    const cfo_answer_t *answer)
{
    apr_hash_set(issuer->waiting, &waiting->id, sizeof(waiting->id), NULL);
    return cfo_wire_copy_answer(waiting->p, answer);
}

static const char *take_answer(cfo_issuer_t *issuer, const char *line)
{
    apr_pool_t *scratch;
    const cfo_answer_t *answer;
    const char *fault = NULL;
    waiting_t *waiting = NULL;

    apr_pool_create(&scratch, issuer->pool);
    answer = cfo_wire_read_answer(scratch, line, &fault);
    if (answer)
        waiting =
            apr_hash_get(issuer->waiting, &answer->id, sizeof(answer->id));
    if (waiting && strlen(line) > cfo_wire_answer_max(waiting->op))
        fault = "it is too long";
    else if (waiting && answer->page) {
        fault = take_page(waiting, answer);
        waiting = NULL;
    }
    else if (waiting)
        answer = take_out(issuer, waiting, answer);
    if (fault)
        fault = apr_pstrcat(issuer->pool,
                            "gave an answer that is none: ", fault, NULL);
    apr_pool_destroy(scratch);
    if (fault)
        return fault;
    if (waiting)
        waiting->answered(waiting->baton, answer);
    return NULL;
}

static void read_answers(cfo_issuer_t *issuer)
{
    apr_status_t rv = cfo_lines_read(issuer->answers, issuer->out);
    const char *fault = NULL;
    const char *line;

    while (!fault && issuer->out >= 0 &&
           (line = cfo_lines_next(issuer->answers)))
        fault = take_answer(issuer, line);
    if (issuer->out < 0)
        return; /* given up by a callback */
    if (fault)
        bury(issuer, fault);
    else if (rv == APR_ENOSPC)
        bury(issuer, "gave an answer that is too long");
    else if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
        if (issuer->err >= 0)
            read_said(issuer); /* its last words */
        bury(issuer, NULL);
    }
}

void cfo_issuer_events(cfo_issuer_t *issuer, const struct pollfd *fds, int n)
{
    for (int i = 0; i < n; i++) {
        if (!fds[i].revents || fds[i].fd < 0)
            continue;
        if (fds[i].fd == issuer->in) {
            apr_status_t rv = cfo_queue_write(issuer->queue, issuer->in);

            if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv))
                cfo_issuer_hang_up(issuer); /* its stdout tells the rest */
        }
        else if (fds[i].fd == issuer->err)
            read_said(issuer);
        else if (fds[i].fd == issuer->out)
            read_answers(issuer);
    }
}

void cfo_issuer_give_up(cfo_issuer_t *issuer, const cfo_result_t *why)
{
    cfo_issuer_stop(issuer);
    issuer->fault = *why;
    answer_all(issuer, why);
}

void cfo_issuer_hang_up(cfo_issuer_t *issuer)
{
    if (issuer->in >= 0)
        issuer->hung_up = cfo_child_clock();
    close_fd(&issuer->in);
}

void cfo_issuer_stop(cfo_issuer_t *issuer)
{
    cfo_issuer_hang_up(issuer);
    if (issuer->pid > 0)
        cfo_child_end(issuer->pid,
                      (int)(issuer->hung_up + STOP_MS - cfo_child_clock()),
                      NULL);
    issuer->pid = 0;
    close_fd(&issuer->out);
    close_fd(&issuer->err);
}
