/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the page that its parts share: a time, a state, an error, a
 * name. Every text is escaped here, whoever wrote it. */
#include "status_html.h"

#include <apr_strings.h>
#include <string.h>

void cfo_html_time(cfo_out_t *out, apr_time_t t, apr_time_t now)
{
    char words[CFO_RELATIVE_MAX];

    CFO_SAY(out, "<time datetime=\"");
    cfo_out_time(out, t);
    CFO_SAY(out, "\" title=\"");
    cfo_out_time(out, t);
    CFO_SAY(out, "\">");
    cfo_out_text(out, cfo_show_relative(words, t, now));
    CFO_SAY(out, "</time>");
}

static const struct {
    const char *class, *sign;
} looks[CFO_STATES] = {
    [CFO_STATE_OK] = {"good", "&#10003;"},
    [CFO_STATE_EXPIRING] = {"warn", "&#9651;"},
    [CFO_STATE_RENEWING] = {"go", "&#8635;"},
    [CFO_STATE_PENDING] = {"go", "&#8943;"},
    [CFO_STATE_ERROR] = {"bad", "&#10007;"},
    [CFO_STATE_DEGRADED] = {"warn", "!"},
    [CFO_STATE_EXPIRED] = {"bad", "&#10007;"},
    [CFO_STATE_ADOPTED] = {"good", "&#10003;"},
    [CFO_STATE_FOREIGN] = {"go", "&#8211;"},
};

void cfo_html_state(cfo_out_t *out, cfo_state_t state)
{
    CFO_SAY(out, "<span class=\"s ");
    cfo_out_text(out, looks[state].class);
    CFO_SAY(out, "\"><span aria-hidden=\"true\">");
    cfo_out_text(out, looks[state].sign);
    CFO_SAY(out, "</span> ");
    cfo_out_text(out, cfo_state_word(state));
    CFO_SAY(out, "</span>");
}

void cfo_html_error(cfo_out_t *out, const cfo_result_t *error)
{
    if (error->code) {
        cfo_out_number(out, error->code);
        CFO_SAY(out, " ");
    }
    if (error->http) {
        CFO_SAY(out, "(HTTP ");
        cfo_out_number(out, error->http);
        CFO_SAY(out, ") ");
    }
    CFO_SAY(out, "<bdi class=\"q\">");
    cfo_out_html(out,
                 error->message ? error->message : cfo_kind_word(error->kind));
    CFO_SAY(out, "</bdi>");
    if (error->ray) {
        CFO_SAY(out, " <span class=\"dim\">Ray <code>");
        cfo_out_html(out, error->ray);
        CFO_SAY(out, "</code></span>");
    }
}

void cfo_html_hostname(cfo_out_t *out, const char *name)
{
    const char *dot;

    for (; (dot = strchr(name, '.')) != NULL && dot[1]; name = dot + 1) {
        char part[64];

        if (dot - name >= (int)sizeof(part) - 1)
            break;
        apr_cpystrn(part, name, (apr_size_t)(dot - name) + 2);
        cfo_out_html(out, part);
        CFO_SAY(out, "<wbr>");
    }
    cfo_out_html(out, name);
}

void cfo_html_name(cfo_out_t *out, const cfo_status_t *status,
                   const char *name)
{
    if (status->self) {
        CFO_SAY(out, "<a href=\"");
        cfo_out_html(out, status->self);
        CFO_SAY(out, "/");
        cfo_out_segment(out, name);
        CFO_SAY(out, "\">");
    }
    cfo_html_hostname(out, name);
    if (status->self)
        CFO_SAY(out, "</a>");
}
