/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's end of the keeper: process, pipe, end. Knows nothing of what
 * the events mean. What it needs in the next generation is in the retained
 * record: a pid, a descriptor, a line buffer. */
#include "cforigin_keeper_link.h"
#include "cforigin_lines.h"

#include <apr_portable.h>
#include <apr_thread_proc.h>
#include <errno.h>
#include <fcntl.h>
#include <mpm_common.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unixd.h>

/* The longest line a keeper may send; certificates never travel here. */
#define LINE_MAX_BYTES (256 * 1024)

#define PIPE_BYTES (1024 * 1024)

/* --- its end --- */

/* httpd tells of a child's end, and (RESTART) of its own stop. The record is
 * given back at once: APR would go through a stale one for the next child. */
static void on_child(int reason, void *data, int status)
{
    cfo_generation_t *gen = data;
    cfo_retained_t *r = gen->retained;

    (void)status;
    switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
        apr_proc_other_child_unregister(data);
        r->keeper_pid = 0;
        gen->keeper_ended(gen); /* may start another one */
        break;
    case APR_OC_REASON_RESTART:
        if (ap_unixd_mpm_get_retained_data()->shutdown_pending)
            cfo_keeper_stop(r);
        break;
    default:
        break;
    }
}

static void watch(cfo_generation_t *gen)
{
    apr_proc_t *proc = apr_pcalloc(gen->pool, sizeof(*proc));

    proc->pid = gen->retained->keeper_pid;
    apr_proc_other_child_register(proc, on_child, gen, NULL, gen->pool);
}

void cfo_keeper_stop(cfo_retained_t *r)
{
    if (r->keeper_pid <= 0)
        return;
    kill(r->keeper_pid, SIGTERM);
    kill(-r->keeper_pid, SIGTERM);
}

void cfo_keeper_adopt(cfo_generation_t *gen)
{
    cfo_retained_t *r = gen->retained;
    int status;

    if (r->keeper_pid <= 0)
        return;
    if (waitpid(r->keeper_pid, &status, WNOHANG) == 0)
        watch(gen);
    else
        r->keeper_pid = 0; /* it ended meanwhile; its words are in the pipe */
}

int cfo_keeper_is_running(const cfo_retained_t *r)
{
    return r->keeper_pid > 0 || r->keeper_fd >= 0;
}

/* The record is the worker's own copy, the pipe is not: what one process
 * reads no other sees. */
void cfo_keeper_disown(cfo_retained_t *r)
{
    if (r->keeper_fd >= 0)
        close(r->keeper_fd);
    r->keeper_fd = -1;
    r->keeper_pid = 0;
}

/* --- its start --- */

/* The plan as a file that needs no disk and is gone with its last reader. */
static apr_status_t plan_file(const char *text, apr_pool_t *ptemp,
                              apr_file_t **file)
{
    apr_size_t len = strlen(text), done = 0;
    apr_os_file_t fd = memfd_create("cforigin-plan", MFD_CLOEXEC);

    if (fd < 0)
        return errno;
    while (done < len) {
        ssize_t n = write(fd, text + done, len - done);

        if (n < 0) {
            apr_status_t rv = errno;

            close(fd);
            return rv;
        }
        done += (apr_size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return apr_os_file_put(file, &fd, APR_FOPEN_READ, ptemp);
}

static apr_status_t event_pipe(apr_pool_t *ptemp, int *read_end,
                               apr_file_t **write_end)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return errno;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* roomier, if it may */
    *read_end = fds[0];
    return apr_os_pipe_put(write_end, &fds[1], ptemp);
}

static apr_status_t execute(const char *program, apr_file_t *in,
                            apr_file_t *out, apr_pool_t *ptemp,
                            apr_proc_t *proc)
{
    apr_procattr_t *attr;
    const char *argv[4];
    apr_status_t rv = apr_procattr_create(&attr, ptemp);

    argv[0] = program;
    argv[1] = "--parent";
    argv[2] = apr_psprintf(ptemp, "%d", (int)getpid());
    argv[3] = NULL;
    if (rv == APR_SUCCESS)
        rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV);
    if (rv == APR_SUCCESS)
        rv = apr_procattr_error_check_set(attr, 1);
    if (rv == APR_SUCCESS)
        rv = apr_procattr_child_in_set(attr, in, NULL);
    if (rv == APR_SUCCESS)
        rv = apr_procattr_child_out_set(attr, out, NULL);
    if (rv == APR_SUCCESS)
        rv = apr_proc_create(proc, program, argv, NULL, attr, ptemp);
    if (rv == APR_SUCCESS) /* the keeper does so too; whoever is first */
        (void)setpgid(proc->pid, proc->pid);
    return rv;
}

const char *cfo_keeper_start(cfo_generation_t *gen, const cfo_round_t *round,
                             int checks, apr_pool_t *ptemp)
{
    cfo_retained_t *r = gen->retained;
    const char *program =
        apr_pstrcat(ptemp, gen->global->libexec, "/cforigin-keeper", NULL);
    apr_file_t *plan = NULL, *out = NULL;
    apr_proc_t proc;
    int fd = -1;
    apr_status_t rv = plan_file(cfo_round_write(ptemp, round), ptemp, &plan);

    if (rv == APR_SUCCESS)
        rv = event_pipe(ptemp, &fd, &out);
    if (rv == APR_SUCCESS)
        rv = execute(program, plan, out, ptemp, &proc);
    if (plan)
        apr_file_close(plan);
    if (out)
        apr_file_close(out);
    if (rv != APR_SUCCESS) {
        if (fd >= 0)
            close(fd);
        return apr_psprintf(ptemp,
                            "%s can't be started: %pm; CFOriginLibexecDir "
                            "names the folder of the module's two programs",
                            program, &rv);
    }
    r->keeper_pid = proc.pid;
    r->keeper_fd = fd;
    r->keeper_checks = checks;
    r->keeper_said_done = 0;
    r->keeper_tells = 0;
    r->keeper_started = apr_time_now();
    watch(gen);
    return NULL;
}

/* --- its words --- */

static void tell(cfo_generation_t *gen, const char *line,
                 cfo_keeper_event_fn *on_event, apr_pool_t *ptemp)
{
    const char *fault = NULL;
    cfo_event_t *event = cfo_event_read(ptemp, line, &fault);

    if (event == NULL) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base,
                     "the keeper sent a line that can't be read: %s", fault);
        return;
    }
    if (event->kind == CFO_EVENT_DONE)
        gen->retained->keeper_said_done = 1;
    on_event(gen, event);
}

/* Keep the begin of a line until its end comes, perhaps in the next
 * generation: plain memory, since a pool's clean-up would be code of ours. */
static void keep_rest(cfo_retained_t *r, const cfo_lines_t *lines)
{
    apr_size_t len;
    const char *rest = cfo_lines_rest(lines, &len);

    free(r->keeper_rest);
    r->keeper_rest = len ? malloc(len) : NULL;
    r->keeper_rest_len = r->keeper_rest ? len : 0;
    if (r->keeper_rest)
        memcpy(r->keeper_rest, rest, len);
}

static void forget(cfo_retained_t *r)
{
    close(r->keeper_fd);
    r->keeper_fd = -1;
    free(r->keeper_rest);
    r->keeper_rest = NULL;
    r->keeper_rest_len = 0;
    r->keeper_ended = apr_time_now();
}

int cfo_keeper_read(cfo_generation_t *gen, cfo_keeper_event_fn *on_event)
{
    cfo_retained_t *r = gen->retained;
    apr_pool_t *pool, *ptemp;
    cfo_lines_t *lines;
    apr_status_t rv;

    if (r->keeper_fd < 0)
        return 0;
    apr_pool_create(&pool, gen->pool);
    apr_pool_create(&ptemp, pool);
    lines = cfo_lines_make(pool, LINE_MAX_BYTES);
    (void)cfo_lines_put(lines, r->keeper_rest, r->keeper_rest_len);
    do {
        char *line;

        rv = cfo_lines_read(lines, r->keeper_fd);
        while ((line = cfo_lines_next(lines)) != NULL) {
            tell(gen, line, on_event, ptemp);
            apr_pool_clear(ptemp);
        }
    } while (rv == APR_SUCCESS || rv == APR_ENOSPC || APR_STATUS_IS_EINTR(rv));
    if (APR_STATUS_IS_EAGAIN(rv))
        keep_rest(r, lines);
    else
        forget(r);
    apr_pool_destroy(pool);
    return !APR_STATUS_IS_EAGAIN(rv);
}

int cfo_keeper_wait(const cfo_retained_t *r, apr_interval_time_t patience)
{
    struct pollfd fd = {r->keeper_fd, POLLIN, 0};

    if (r->keeper_fd < 0)
        return 0;
    if (patience > apr_time_from_sec(1))
        patience = apr_time_from_sec(1);
    (void)poll(&fd, 1, (int)apr_time_as_msec(patience) + 1);
    return 1;
}
