/* SPDX-License-Identifier: Apache-2.0 */
/* SetHandler cforigin-status: which rendering, which method, which headers. */
#include "cforigin_status.h"

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#define HANDLER "cforigin-status"

/* The value of one word of the query string, "" for a bare word, NULL. */
static const char *query(const request_rec *r, const char *word)
{
    const char *args = r->args ? r->args : "";
    apr_size_t len = strlen(word);

    while (*args) {
        const char *part = ap_getword(r->pool, &args, '&');

        if (!strncmp(part, word, len) &&
            (part[len] == '\0' || part[len] == '='))
            return part[len] ? part + len + 1 : "";
    }
    return NULL;
}

int cfo_status_alarm(apr_pool_t *p, const cfo_status_t *status,
                     const char **line)
{
    int i, bad = 0, n = status->certificates->nelts;
    const cfo_status_cert_t *first = NULL;

    for (i = 0; i < n; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        if (c->state != CFO_STATE_ERROR && c->state != CFO_STATE_EXPIRED &&
            c->state != CFO_STATE_EXPIRING &&
            !(c->state == CFO_STATE_DEGRADED && c->inside_warn_window))
            continue;
        bad++;
        if (first == NULL)
            first = c;
    }
    if (first)
        *line =
            apr_psprintf(p, "CRITICAL - %d of %d certificates: %s is %s", bad,
                         n, first->name, cfo_state_word(first->state));
    else
        *line = apr_psprintf(p, "OK - %d certificate%s", n, n == 1 ? "" : "s");
    return first != NULL;
}

static int check(request_rec *r, const cfo_status_t *status)
{
    const char *line;
    int alarm = cfo_status_alarm(r->pool, status, &line);

    ap_set_content_type(r, "text/plain; charset=utf-8");
    /* The body is ours, not ErrorDocument's. */
    r->status = alarm ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK;
    ap_rprintf(r, "%s\n", line);
    return OK;
}

int cfo_status_handle(const cfo_generation_t *gen, request_rec *r)
{
    const char *format;
    const cfo_status_t *status;

    if (r->handler == NULL || strcmp(r->handler, HANDLER))
        return DECLINED;
    r->allowed = AP_METHOD_BIT << M_GET;
    if (r->method_number != M_GET) /* HEAD is a GET to httpd */
        return HTTP_METHOD_NOT_ALLOWED;
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    status = cfo_status_read(gen, r->pool, apr_time_now());
    if (query(r, "check"))
        return check(r, status);
    format = query(r, "format");
    if (format && !strcmp(format, "json"))
        cfo_status_json(r, status);
    else
        cfo_status_html(r, status);
    return OK;
}
