/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Events and journal lines. Touches the keeper's stdout and, by store_write,
 * the journal.
 */
#include "cforigin_report.h"
#include "cforigin_json.h"
#include "cforigin_store_write.h"
#include "cforigin_wire.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* A log line that quotes a stranger is cut here. */
#define LOG_MAX 1000

struct cfo_report_t {
    apr_pool_t *scratch; /* cleared by each call */
    cfo_queue_t *queue;
    int fd;
    int gone;          /* nobody reads any more */
    const char *store; /* NULL: no journal yet */
    int journal_fails;
};

cfo_report_t *cfo_report_make(apr_pool_t *p, int fd)
{
    cfo_report_t *report = apr_pcalloc(p, sizeof(*report));
    int flags = fcntl(fd, F_GETFL);

    apr_pool_create(&report->scratch, p);
    report->queue = cfo_queue_make(p);
    report->fd = fd;
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return report;
}

void cfo_report_open_journal(cfo_report_t *report, const char *store)
{
    report->store = store;
}

void cfo_report_event(cfo_report_t *report, const cfo_event_t *event)
{
    cfo_queue_put(report->queue, cfo_event_write(report->scratch, event));
    apr_pool_clear(report->scratch);
    cfo_report_write(report, 0);
}

void cfo_report_log(cfo_report_t *report, cfo_level_t level, const char *fmt,
                    ...)
{
    cfo_event_t event = {.kind = CFO_EVENT_LOG, .level = level};
    const char *text;
    va_list args;

    va_start(args, fmt);
    text = apr_pvsprintf(report->scratch, fmt, args);
    va_end(args);
    event.message =
        cfo_text_clean(report->scratch, text, strlen(text), LOG_MAX);
    cfo_report_event(report, &event);
}

void cfo_report_journal(cfo_report_t *report, const cfo_journal_t *line)
{
    apr_pool_t *p = report->scratch;
    json_t *json;
    cfo_result_t result;

    if (!report->store)
        return;
    json = json_object();
    cfo_json_put_time(p, json, "time", apr_time_now());
    cfo_json_put_text(json, "event", line->event);
    cfo_json_put_text(json, "name", line->wanted->name);
    cfo_json_put_text(json, "request_type",
                      cfo_request_type_word(line->wanted->request_type));
    cfo_json_put_text(json, "reason", line->reason);
    cfo_json_put_message(p, json, "serial", line->serial);
    cfo_json_put_message(p, json, "ray", line->ray);
    cfo_json_put_message(p, json, "message", line->message);
    cfo_json_put_number(json, "pid", getpid());
    result = cfo_store_journal(p, report->store, cfo_json_line(p, json));
    if (result.kind != CFO_OK && !report->journal_fails++)
        cfo_report_log(report, CFO_LEVEL_WARNING, "%s",
                       cfo_result_sentence(p, &result));
    apr_pool_clear(p);
}

short cfo_report_poll(const cfo_report_t *report)
{
    return cfo_queue_is_empty(report->queue) ? 0 : POLLOUT;
}

int cfo_report_write(cfo_report_t *report, short revents)
{
    apr_status_t rv = APR_SUCCESS;

    if (!report->gone && !cfo_queue_is_empty(report->queue))
        rv = cfo_queue_write(report->queue, report->fd);
    if ((rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) ||
        (revents & (POLLERR | POLLNVAL)))
        report->gone = 1;
    return !report->gone;
}

void cfo_report_flush(cfo_report_t *report, const volatile sig_atomic_t *stop)
{
    struct pollfd fd = {.fd = report->fd, .events = POLLOUT};

    while (!*stop && cfo_report_write(report, fd.revents) &&
           !cfo_queue_is_empty(report->queue))
        if (poll(&fd, 1, 100) < 0) {
            fd.revents = 0;
            if (errno != EINTR)
                return;
        }
}
