/* SPDX-License-Identifier: Apache-2.0 */
/* The page for a person. Every text is escaped. */
#include "cforigin_status.h"

#include <http_protocol.h>

static const char *escaped(request_rec *r, const char *text)
{
    return text ? ap_escape_html2(r->pool, text, 1) : "";
}

static void cell(request_rec *r, const char *text)
{
    ap_rvputs(r, "<td>", escaped(r, text), "</td>", NULL);
}

static void row(request_rec *r, const cfo_status_cert_t *c)
{
    ap_rvputs(r, "<tr><th scope=\"row\">", escaped(r, c->name), "</th>", NULL);
    cell(r, c->request_type);
    cell(r, apr_array_pstrcat(r->pool, c->hostnames, ' '));
    cell(r, apr_array_pstrcat(r->pool, c->vhosts, ' '));
    cell(r, apr_pstrcat(r->pool, cfo_state_word(c->state), " (", c->reason,
                        ")", NULL));
    cell(r, cfo_time_word(r->pool, c->not_after));
    cell(r, cfo_time_word(r->pool, c->renew_at));
    cell(r, c->last_error.kind == CFO_OK
                ? ""
                : apr_pstrcat(r->pool,
                              cfo_result_sentence(r->pool, &c->last_error),
                              ". ", cfo_result_advice(&c->last_error), NULL));
    ap_rputs("</tr>\n", r);
}

void cfo_status_html(request_rec *r, const cfo_status_t *status)
{
    const char *line;
    int i;

    (void)cfo_status_alarm(r->pool, status, &line);
    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_rputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
             "charset=\"utf-8\"><title>Origin certificates</title></head>"
             "<body>\n<h1>Origin certificates</h1>\n",
             r);
    ap_rvputs(r, "<p>", escaped(r, line), "</p>\n", NULL);
    if (status->reload_wanted)
        ap_rvputs(r,
                  "<p>A reload is wanted: ", escaped(r, status->reload_wanted),
                  "</p>\n", NULL);
    ap_rputs("<table><thead><tr><th>Name</th><th>Request type</th><th>"
             "Hostnames</th><th>Virtual hosts</th><th>State</th><th>Valid "
             "until</th><th>Renewed from</th><th>Last error</th></tr>"
             "</thead><tbody>\n",
             r);
    for (i = 0; i < status->certificates->nelts; i++)
        row(r, &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t));
    ap_rputs("</tbody></table>\n</body></html>\n", r);
}
