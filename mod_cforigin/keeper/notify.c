/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Runs CFOriginNotifyCommand once: no shell, an environment of its own, a
 * process group of its own, thirty seconds. It runs as the keeper's user,
 * root mostly, so a program that somebody else could replace is refused.
 */
#include "cforigin_notify.h"
#include "cforigin_child.h"
#include "cforigin_ours.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 30000
#define OUTPUT_MAX 4096
#define LINES_MAX 20

static const char *const environment_path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* --- may it be run --- */

static const char *file_fault(apr_pool_t *p, const char *path)
{
    struct stat st;

    if (*path != '/')
        return apr_psprintf(p, "%s is no absolute path", path);
    if (stat(path, &st) != 0)
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return apr_psprintf(p, "%s is no regular file", path);
    if (!cfo_ours_is(&st))
        return apr_psprintf(p, "%s belongs to another user", path);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return apr_psprintf(p, "others can write %s", path);
    return cfo_ours_fault_above(p, path, 0);
}

/* Programs that run what they are given, by name without its version. */
static int runs_others(const char *path)
{
    static const char *const names[] = {
        "sh",      "ash",     "bash",       "dash",    "ksh",     "mksh",
        "zsh",     "fish",    "csh",        "tcsh",    "perl",    "python",
        "pypy",    "ruby",    "php",        "lua",     "luajit",  "tclsh",
        "node",    "nodejs",  "awk",        "gawk",    "mawk",    "sed",
        "busybox", "env",     "nice",       "nohup",   "timeout", "setsid",
        "ionice",  "chrt",    "taskset",    "stdbuf",  "xargs",   "flock",
        "sudo",    "doas",    "su",         "runuser", "setpriv", "chroot",
        "unshare", "nsenter", "systemd-run"};
    const char *name = strrchr(path, '/') + 1;
    size_t len = strlen(name);

    while (len > 0 && strchr("0123456789.", name[len - 1]))
        len--;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && strncmp(name, names[i], len) == 0)
            return 1;
    return 0;
}

/* A script is a word that names a file. Behind an interpreter, env or the
 * like, options and VAR=x may stand before it, so each word may be one; any
 * other program is given data, but may be an interpreter that is not known
 * here, whose script is the first word. */
static const char *script_fault(apr_pool_t *p, const apr_array_header_t *words)
{
    const char *program = APR_ARRAY_IDX(words, 0, const char *);
    int last = runs_others(program) ? words->nelts - 1 : 1;
    const char *fault = NULL;
    struct stat st;

    for (int i = 1; !fault && i <= last && i < words->nelts; i++) {
        const char *word = APR_ARRAY_IDX(words, i, const char *);

        if (*word == '/' && stat(word, &st) == 0 && S_ISREG(st.st_mode))
            fault = file_fault(p, word);
    }
    return fault;
}

const char *cfo_notify_fault(apr_pool_t *p, const apr_array_header_t *words)
{
    const char *fault = file_fault(p, APR_ARRAY_IDX(words, 0, const char *));

    return fault ? fault : script_fault(p, words);
}

/* --- running it --- */

static const char **arguments(apr_pool_t *p, const cfo_notify_t *notify)
{
    int n = notify->words->nelts;
    const char **argv = apr_pcalloc(p, (apr_size_t)(n + 3) * sizeof(*argv));

    for (int i = 0; i < n; i++)
        argv[i] = APR_ARRAY_IDX(notify->words, i, const char *);
    argv[n] = notify->event;
    argv[n + 1] = notify->name;
    return argv;
}

static char *variable(apr_pool_t *p, const char *name, const char *value)
{
    return apr_pstrcat(p, "CFORIGIN_", name, "=", value ? value : "", NULL);
}

static char **environment(apr_pool_t *p, const cfo_notify_t *notify)
{
    char **envp = apr_pcalloc(p, 10 * sizeof(*envp));
    int n = 0;

    envp[n++] = apr_pstrdup(p, environment_path);
    envp[n++] = variable(p, "EVENT", notify->event);
    envp[n++] = variable(p, "NAME", notify->name);
    envp[n++] = variable(p, "REQUEST_TYPE", notify->request_type);
    envp[n++] =
        variable(p, "HOSTNAMES", apr_array_pstrcat(p, notify->hostnames, ' '));
    envp[n++] = variable(p, "NOT_AFTER", cfo_time_word(p, notify->not_after));
    envp[n++] = variable(p, "SERIAL", notify->serial);
    envp[n++] = variable(p, "ERROR", notify->error);
    envp[n++] = variable(p, "STORE", notify->store);
    return envp;
}

static void pass_on(apr_pool_t *p, char *output, cfo_said_fn *said,
                    void *baton)
{
    char *state = NULL;
    int n = 0;

    for (char *line = apr_strtok(output, "\r\n", &state);
         line && n < LINES_MAX; line = apr_strtok(NULL, "\r\n", &state), n++)
        said(baton, cfo_text_clean(p, line, strlen(line), 500));
}

cfo_notify_end_t cfo_notify_run(apr_pool_t *p, const cfo_notify_t *notify,
                                cfo_said_fn *said, void *baton,
                                const volatile sig_atomic_t *stop,
                                const char **fault)
{
    const char **argv = arguments(p, notify);
    cfo_child_t child = {.path = argv[0],
                         .argv = argv,
                         .envp = environment(p, notify),
                         .cwd = "/",
                         .own_group = 1};
    cfo_capture_t run = {0};
    int error = cfo_child_capture(p, &child, OUTPUT_MAX, LIMIT_MS, stop, &run);

    *fault = NULL;
    if (error) {
        *fault = strerror(error);
        return CFO_NOTIFY_FAILED;
    }
    pass_on(p, run.output, said, baton);
    if (run.killed) {
        *fault = "it did not end within 30 seconds and was killed";
        return CFO_NOTIFY_TIMED_OUT;
    }
    if (WIFSIGNALED(run.status))
        *fault =
            apr_psprintf(p, "it was ended by signal %d", WTERMSIG(run.status));
    else if (WEXITSTATUS(run.status))
        *fault = apr_psprintf(p, "it exited with %d", WEXITSTATUS(run.status));
    return *fault ? CFO_NOTIFY_FAILED : CFO_NOTIFY_OK;
}
