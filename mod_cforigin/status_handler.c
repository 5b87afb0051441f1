/* SPDX-License-Identifier: Apache-2.0 */
/* SetHandler cforigin-status, and mod_status's hook: which rendering, which
 * method, which headers. */
#include "cforigin_status.h"

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_status.h>

#define HANDLER "cforigin-status"
#define PAGE "/cforigin-status"

/* What is written here is ours alone; the page needs no script and loads
 * nothing. */
#define POLICY                                                                \
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "     \
    "frame-ancestors 'none'; base-uri 'none'"

static void to_client(void *baton, const char *data, apr_size_t len)
{
    (void)ap_rwrite(data, (int)len, baton);
}

/* The value of one word of the query string, "" for a bare word, NULL. */
static const char *query(const request_rec *r, const char *word)
{
    const char *args = r->args ? r->args : "";
    apr_size_t len = strlen(word);

    while (*args) {
        char *part = ap_getword(r->pool, &args, '&');

        if (strncmp(part, word, len) ||
            (part[len] != '\0' && part[len] != '='))
            continue;
        if (part[len] == '\0')
            return "";
        part += len + 1;
        return ap_unescape_urlencoded(part) == OK ? part : "";
    }
    return NULL;
}

static int plain(request_rec *r, int code, const char *line)
{
    ap_set_content_type(r, "text/plain; charset=utf-8");
    /* The body is ours, not ErrorDocument's. */
    r->status = code;
    ap_rvputs(r, line, "\n", NULL);
    return OK;
}

/* --- which certificate --- */

/* The page's path as a link needs it, and what follows it; no "//host". */
static const char *link_to(request_rec *r, apr_size_t len)
{
    const char *uri = r->uri;

    while (len > 1 && uri[0] == '/' && uri[1] == '/') {
        uri++;
        len--;
    }
    while (len > 1 && uri[len - 1] == '/')
        len--;
    return ap_os_escape_path(r->pool, apr_pstrmemdup(r->pool, uri, len), 1);
}

/* Where the page is by convention, a name may follow. Elsewhere the last part
 * of the path is one when there is such a certificate. */
static int narrow(request_rec *r, cfo_status_t *status)
{
    const char *page = strstr(r->uri, PAGE "/");
    const char *last = strrchr(r->uri, '/');

    if (page) {
        const char *name = page + sizeof(PAGE "/") - 1;

        status->self =
            link_to(r, (apr_size_t)(page - r->uri) + sizeof(PAGE) - 1);
        return *name == '\0' || cfo_status_narrow(status, name);
    }
    status->self = link_to(r, strlen(r->uri));
    if (last && last[1] && last > r->uri) {
        int all = status->certificates->nelts;

        if (cfo_status_narrow(status, last + 1))
            status->self = link_to(r, (apr_size_t)(last - r->uri));
        else
            status->certificates->nelts = all;
    }
    return 1;
}

/* --- which rendering --- */

static void body(request_rec *r, const cfo_status_t *status,
                 const char *format)
{
    cfo_out_t *out = apr_palloc(r->pool, sizeof(*out));

    if (r->header_only)
        return;
    cfo_out_begin(out, to_client, r);
    if (!strcmp(format, "json"))
        cfo_status_json(out, status);
    else if (!strcmp(format, "metrics"))
        cfo_status_metrics(out, status, r->pool);
    else if (!strcmp(format, "auto"))
        cfo_status_auto(out, status);
    else
        cfo_status_html(out, status, r->pool);
    cfo_out_end(out);
}

static const char *content_type(const char *format)
{
    static const char *const types[][2] = {
        {"html", "text/html; charset=utf-8"},
        {"json", "application/json"},
        {"metrics",
         "application/openmetrics-text; version=1.0.0; charset=utf-8"},
        {"auto", "text/plain; charset=utf-8"}};
    unsigned i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!strcmp(types[i][0], format))
            return types[i][1];
    }
    return NULL;
}

/* ?q= and ?state=: what the table, or the list in JSON, is cut down to. */
static int filter(request_rec *r, cfo_status_t *status)
{
    const char *word = query(r, "state");
    const char *q = query(r, "q");
    int i;

    status->q = q && *q ? q : NULL;
    if (word == NULL || *word == '\0')
        return 1;
    for (i = 0; i < CFO_STATES; i++) {
        if (!strcmp(word, cfo_state_word((cfo_state_t)i)))
            status->state = i;
    }
    return status->state >= 0;
}

static int render(request_rec *r, cfo_status_t *status)
{
    const char *format = query(r, "auto") ? "auto" : query(r, "format");
    const char *line;

    if (query(r, "check")) {
        int alarm = cfo_status_alarm(r->pool, status, &line);

        return plain(r, alarm ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK, line);
    }
    if (format == NULL || *format == '\0')
        format = "html";
    if (content_type(format) == NULL)
        return plain(r, HTTP_BAD_REQUEST,
                     "format is html, json, metrics or auto");
    if (!filter(r, status))
        return plain(r, HTTP_BAD_REQUEST,
                     "state is ok, expiring, renewing, pending, error, "
                     "degraded, expired, adopted or foreign");
    ap_set_content_type(r, content_type(format));
    if (!strcmp(format, "html"))
        apr_table_setn(r->headers_out, "Content-Security-Policy", POLICY);
    body(r, status, format);
    return OK;
}

int cfo_status_handle(const cfo_generation_t *gen, request_rec *r)
{
    cfo_status_t *status;

    if (r->handler == NULL || strcmp(r->handler, HANDLER))
        return DECLINED;
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    if (r->method_number != M_GET) { /* HEAD is a GET to httpd */
        (void)ap_discard_request_body(r);
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return plain(r, HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only");
    }
    status = cfo_status_read(gen, r->pool, apr_time_now());
    return narrow(r, status) ? render(r, status) : HTTP_NOT_FOUND;
}

/* --- a section of mod_status's page --- */

int cfo_status_server_status(const cfo_generation_t *gen, request_rec *r,
                             int flags)
{
    const cfo_status_t *status = cfo_status_read(gen, r->pool, apr_time_now());
    cfo_out_t *out = apr_palloc(r->pool, sizeof(*out));

    cfo_out_begin(out, to_client, r);
    if (flags & AP_STATUS_SHORT)
        cfo_status_auto(out, status);
    else
        cfo_status_section(out, status, r->pool);
    cfo_out_end(out);
    return OK;
}
