/* SPDX-License-Identifier: Apache-2.0 */
/**
 * cforigin-issuer: asks Cloudflare on behalf of the keeper. The one program
 * that has the token's text and a connection to the network; it sees no
 * private key, writes no file and keeps no privilege.
 *
 *   cforigin-issuer --token-fd N [--uid N --gid N]
 *
 * Executed as root and locked in by its first lines. What it may touch after
 * them is its three standard descriptors and, from the setup on, the network
 * and what cforigin_sandbox.h leaves to it. It ends when its stdin ends.
 */
#include "cforigin_cloudflare.h"
#include "cforigin_memory.h"
#include "cforigin_sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define TOKEN_MAX 4096
#define LINE_MAX_BYTES ((apr_size_t)1024 * 1024)

typedef struct options_t {
    int token_fd;
    int uid, gid; /* -1: stay who we are */
} options_t;

static void __attribute__((noreturn)) die(const char *what)
{
    fprintf(stderr, "cforigin-issuer: %s%s%s\n", what, errno ? ": " : "",
            errno ? strerror(errno) : "");
    _exit(1);
}

/* ---- locking in ---- */

static void __attribute__((noreturn)) usage(void)
{
    errno = 0;
    die("the arguments are --token-fd N [--uid N --gid N]");
}

/* NULL: the argument that should stand there doesn't. */
static int number(const char *text)
{
    char *end;
    long value;

    if (!text || !*text) {
        usage();
    }
    errno = 0;
    value = strtol(text, &end, 10);
    if (*end || errno || value < 0 || value > 0x7ffffffe) {
        usage();
    }
    return (int)value;
}

static options_t read_options(char **argv)
{
    options_t options = {-1, -1, -1};

    for (char **arg = argv + 1; *arg; arg += 2) {
        if (!strcmp(arg[0], "--token-fd")) {
            options.token_fd = number(arg[1]);
        }
        else if (!strcmp(arg[0], "--uid")) {
            options.uid = number(arg[1]);
        }
        else if (!strcmp(arg[0], "--gid")) {
            options.gid = number(arg[1]);
        }
        else {
            usage();
        }
    }
    if (options.token_fd < 3 || (options.uid < 0) != (options.gid < 0)) {
        usage();
    }
    return options;
}

/* Kernels before 5.9 have no close_range, and some containers forbid it. */
static void close_one_by_one(int keep)
{
    DIR *all = opendir("/proc/self/fd");
    const struct dirent *one;

    for (int fd = 3; !all && fd < (int)sysconf(_SC_OPEN_MAX); fd++) {
        if (fd != keep) {
            close(fd);
        }
    }
    while (all && (one = readdir(all))) {
        int fd = (int)strtol(one->d_name, NULL, 10);

        if (fd > 2 && fd != keep && fd != dirfd(all)) {
            close(fd);
        }
    }
    if (all) {
        closedir(all);
    }
}

static void close_others(int keep)
{
    if ((keep > 3 && close_range(3, (unsigned)keep - 1, 0) != 0) ||
        close_range((unsigned)keep + 1, ~0U, 0) != 0) {
        close_one_by_one(keep);
    }
}

static void reset_signals(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++) {
        signal(i, SIG_DFL); /* refused for some, which is fine */
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Become the user for good. Whoever can go back has not gone. */
static void drop_privileges(int uid, int gid)
{
    uid_t u[3], want_u = (uid_t)uid;
    gid_t g[3], want_g = (gid_t)gid;

    if (geteuid() == 0 && (setgroups(1, &want_g) != 0 || setgid(want_g) != 0 ||
                           setuid(want_u) != 0)) {
        die("can't give up privileges, which takes the capabilities "
            "CAP_SETUID and CAP_SETGID");
    }
    errno = 0;
    if (getresuid(&u[0], &u[1], &u[2]) != 0 ||
        getresgid(&g[0], &g[1], &g[2]) != 0) {
        die("can't see who I am");
    }
    for (int i = 0; i < 3; i++) {
        if (u[i] != want_u || g[i] != want_g) {
            die("I am not the user that I should be");
        }
    }
    if (want_u != 0 && setuid(0) == 0) {
        die("privileges came back");
    }
    errno = 0;
}

/* No trace, no core, no new privilege, and no life without the keeper. The
 * kernel forgets the death signal when credentials change: after the drop. */
static void lock_in(pid_t parent)
{
    struct rlimit none = {0, 0};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        setrlimit(RLIMIT_CORE, &none) != 0 || clearenv() != 0 ||
        chdir("/") != 0) {
        die("can't lock myself in");
    }
    if (getppid() != parent) {
        _exit(0); /* it died before the signal was asked for */
    }
}

/* The rest of the locking in has to know where the API is. A machine that
 * lacks a layer is told of at debug level, by the keeper. */
static void close_sandbox(const cfo_setup_t *setup)
{
    static int is_closed;
    cfo_sandbox_limits_t usual = cfo_sandbox_usual(setup->max_concurrent);
    const char *missing[3];

    if (is_closed++) {
        return;
    }
    missing[0] = cfo_sandbox_limits(&usual);
    missing[1] = cfo_sandbox_files(setup->api_ca_file);
    missing[2] = cfo_sandbox_calls();
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        if (missing[i]) {
            fprintf(stderr, "debug: %s\n", missing[i]);
        }
    }
}

/* ---- the token ---- */

static const char *read_token(int fd, char *token, apr_size_t size)
{
    static const char space[] = " \t\r\n\v\f";
    ssize_t got = pread(fd, token, size, 0);
    apr_size_t len = got > 0 ? (apr_size_t)got : 0;
    apr_size_t start = 0;

    close(fd);
    if (got < 0) {
        token[0] = '\0';
        return "the token file can't be read";
    }
    if (len == size) {
        token[0] = '\0';
        return "the token file is larger than any API token";
    }
    while (len > 0 && memchr(space, token[len - 1], sizeof(space) - 1)) {
        len--;
    }
    while (start < len && memchr(space, token[start], sizeof(space) - 1)) {
        start++;
    }
    memmove(token, token + start, len - start);
    token[len - start] = '\0';
    return cfo_cloudflare_token_fault(token, len - start);
}

/* ---- the loop ---- */

static void queue_answer(void *baton, const cfo_answer_t *answer)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    cfo_queue_put(baton, cfo_wire_answer(p, answer));
    apr_pool_destroy(p);
}

static void take_line(cfo_cloudflare_t *cf, cfo_queue_t *out, char *line)
{
    apr_pool_t *p;
    const char *fault;
    cfo_request_t *request;
    cfo_answer_t answer;

    apr_pool_create(&p, NULL);
    request = cfo_wire_read_request(p, line, &fault);
    if (request) {
        if (request->op == CFO_OP_SETUP) {
            close_sandbox(&request->setup);
        }
        cfo_cloudflare_ask(cf, p, request);
        return;
    }
    memset(&answer, 0, sizeof(answer));
    answer.id = cfo_wire_id(line);
    answer.result =
        cfo_result_make(p, CFO_LOCAL, "the request is wrong: %s", fault);
    if (answer.id >= 0) {
        queue_answer(out, &answer);
    }
    else {
        fprintf(stderr, "cforigin-issuer: %s\n", answer.result.message);
    }
    apr_pool_destroy(p);
}

static int is_over(apr_status_t rv)
{
    return rv != APR_SUCCESS && rv != APR_EAGAIN && rv != APR_ENOSPC;
}

static void serve(apr_pool_t *p, const char *token, const char *fault)
{
    cfo_queue_t *out = cfo_queue_make(p);
    cfo_lines_t *in = cfo_lines_make(p, LINE_MAX_BYTES);
    cfo_cloudflare_t *cf =
        cfo_cloudflare_make(p, token, fault, queue_answer, out);

    for (;;) {
        struct curl_waitfd fds[2] = {{0, CURL_WAIT_POLLIN, 0},
                                     {1, CURL_WAIT_POLLOUT, 0}};
        apr_status_t rv = APR_EAGAIN;
        struct pollfd ready = {0, POLLIN, 0};
        char *line;
        int timeout = cfo_cloudflare_work(cf);

        if (is_over(cfo_queue_write(out, 1))) {
            return; /* nobody listens any more */
        }
        cfo_cloudflare_wait(cf, fds, cfo_queue_is_empty(out) ? 1 : 2, timeout);
        if (poll(&ready, 1, 0) > 0) {
            rv = cfo_lines_read(in, 0);
        }
        if (is_over(rv)) {
            return;
        }
        while ((line = cfo_lines_next(in))) {
            take_line(cf, out, line);
        }
    }
}

int main(int argc, char **argv)
{
    static char token[TOKEN_MAX + 1];
    options_t options = read_options(argv);
    pid_t parent = getppid();
    const char *fault;
    apr_pool_t *p;

    (void)argc;
    close_others(options.token_fd);
    reset_signals();
    if (options.uid >= 0) {
        drop_privileges(options.uid, options.gid);
    }
    lock_in(parent);
    fault = read_token(options.token_fd, token, sizeof(token));
    if (apr_initialize() != APR_SUCCESS) {
        die("no memory");
    }
    cfo_memory_or_end("cforigin-issuer");
    apr_pool_create(&p, NULL);
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, cfo_memory_take, free,
                             cfo_memory_retake, cfo_memory_copy,
                             cfo_memory_zeroed) != CURLE_OK) {
        die("libcurl does not start");
    }
    fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
    serve(p, fault ? "" : token, fault);
    /* Without a farewell: a name that is being looked up, a connection that
     * hangs, nothing may hold the end. */
    _exit(0);
}
