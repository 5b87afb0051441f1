/* SPDX-License-Identifier: Apache-2.0 */
/* The page for a person: one sentence, what needs attention, the table. No
 * script and nothing from outside, so the strictest policy lets it through. */
#include "status_html.h"

#include <apr_strings.h>
#include <string.h>

/* --- the filter --- */

static void state_link(cfo_out_t *out, const cfo_status_t *status, int state,
                       int count)
{
    CFO_SAY(out, "<li><a href=\"");
    cfo_out_html(out, status->self);
    cfo_out_text(out, state >= 0 || status->q ? "?" : "");
    if (state >= 0) {
        CFO_SAY(out, "state=");
        cfo_out_text(out, cfo_state_word((cfo_state_t)state));
    }
    if (status->q) {
        cfo_out_text(out, state >= 0 ? "&amp;q=" : "q=");
        cfo_out_segment(out, status->q);
    }
    cfo_out_text(out,
                 status->state == state ? "\" aria-current=\"true\">" : "\">");
    cfo_out_text(out, state < 0 ? "all" : cfo_state_word((cfo_state_t)state));
    CFO_SAY(out, " ");
    cfo_out_number(out, count);
    CFO_SAY(out, "</a></li>\n");
}

static void filter(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    CFO_SAY(out, "<nav aria-label=\"By state\"><ul class=\"states\">\n");
    state_link(out, status, -1, status->certificates->nelts);
    for (i = 0; i < CFO_STATES; i++) {
        if (status->totals[i] || status->state == i)
            state_link(out, status, i, status->totals[i]);
    }
    CFO_SAY(out,
            "</ul></nav>\n<form role=\"search\" method=\"get\" action=\"");
    cfo_out_html(out, status->self);
    CFO_SAY(out, "\"><label for=\"q\">Find</label><input id=\"q\" name=\"q\" "
                 "type=\"search\" placeholder=\"name, host, serial\" "
                 "value=\"");
    cfo_out_html(out, status->q);
    CFO_SAY(out, "\">");
    if (status->state >= 0) {
        CFO_SAY(out, "<input type=\"hidden\" name=\"state\" value=\"");
        cfo_out_text(out, cfo_state_word((cfo_state_t)status->state));
        CFO_SAY(out, "\">");
    }
    CFO_SAY(out, "<button type=\"submit\">Find</button></form>\n");
}

/* --- the frame --- */

static void notice(cfo_out_t *out, const char *class, const char *before,
                   const char *text)
{
    CFO_SAY(out, "<p class=\"box ");
    cfo_out_text(out, class);
    CFO_SAY(out, "\" role=\"note\">");
    cfo_out_text(out, before);
    cfo_out_html(out, text);
    CFO_SAY(out, "</p>\n");
}

static void notices(cfo_out_t *out, const cfo_status_t *status, apr_pool_t *p)
{
    const char *fault = cfo_status_watch_fault(p, status);
    int i;

    if (fault)
        notice(out, "bad", "", fault);
    if (status->reload_wanted)
        notice(out, "warn",
               "A newer certificate is installed and not served yet: it waits "
               "for a reload of httpd. ",
               apr_pstrcat(p, "Why it has not happened: ",
                           status->reload_wanted, ".", NULL));
    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *account =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);

        if (account->paused_until == 0)
            continue;
        CFO_SAY(out, "<p class=\"box warn\" role=\"note\">Account <bdi>");
        cfo_out_html(out, account->account);
        CFO_SAY(out, "</bdi> is paused, as Cloudflare limits its requests or "
                     "refused its token; asked again ");
        cfo_html_time(out, account->paused_until, status->now);
        CFO_SAY(out, ".</p>\n");
    }
}

static void rendering(cfo_out_t *out, const cfo_status_t *status,
                      const char *query, const char *word)
{
    CFO_SAY(out, " &#183; <a href=\"");
    cfo_out_html(out, status->self);
    if (status->only) {
        CFO_SAY(out, "/");
        cfo_out_segment(out, status->only);
    }
    cfo_out_text(out, query);
    CFO_SAY(out, "\">");
    cfo_out_text(out, word);
    CFO_SAY(out, "</a>");
}

static void keeper(cfo_out_t *out, const cfo_status_t *status)
{
    CFO_SAY(out, "<p>Keeper: ");
    if (status->keeper_running) {
        CFO_SAY(out, "at work, begun ");
        cfo_html_time(out, status->keeper_last_run, status->now);
    }
    else if (status->keeper_last_run) {
        CFO_SAY(out, "last run ");
        cfo_html_time(out, status->keeper_last_run, status->now);
    }
    else
        CFO_SAY(out, "not needed since the start");
    if (status->keeper_next_run && !status->keeper_running) {
        CFO_SAY(out, "; next run ");
        cfo_html_time(out,
                      status->keeper_next_run > status->now
                          ? status->keeper_next_run
                          : status->now,
                      status->now);
    }
    if (status->looked_at) {
        CFO_SAY(out, ". httpd's parent last looked ");
        cfo_html_time(out, status->looked_at, status->now);
    }
    CFO_SAY(out, ".</p>\n");
}

static void accounts(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    for (i = 0; i < status->accounts->nelts; i++) {
        const cfo_status_account_t *account =
            &APR_ARRAY_IDX(status->accounts, i, cfo_status_account_t);

        CFO_SAY(out, "<p>Account <bdi>");
        cfo_out_html(out, account->account);
        CFO_SAY(out, "</bdi>: last success ");
        if (account->last_success)
            cfo_html_time(out, account->last_success, status->now);
        else
            CFO_SAY(out, "none yet");
        CFO_SAY(out, ".</p>\n");
    }
}

static void footer(cfo_out_t *out, const cfo_status_t *status)
{
    CFO_SAY(out, "<footer>\n");
    keeper(out, status);
    accounts(out, status);
    CFO_SAY(out, "<p>" CFO_MODULE ", ");
    cfo_out_html(out, status->server);
    CFO_SAY(out, ", <time>");
    cfo_out_time(out, status->now);
    CFO_SAY(out, "</time>");
    rendering(out, status, "?format=json", "JSON");
    rendering(out, status, "?format=metrics", "metrics");
    rendering(out, status, "?auto", "plain lines");
    rendering(out, status, "?check", "check");
    CFO_SAY(out, "</p>\n</footer>\n");
}

static void head(cfo_out_t *out, const cfo_status_t *status)
{
    int i, bad = 0;

    for (i = 0; i < status->certificates->nelts; i++)
        bad += cfo_status_needs_attention(
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t));
    CFO_SAY(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
                 "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                 "content=\"width=device-width,initial-scale=1\">\n<title>");
    if (bad) {
        CFO_SAY(out, "(");
        cfo_out_number(out, bad);
        CFO_SAY(out, ") ");
    }
    if (status->only) {
        cfo_out_html(out, status->only);
        CFO_SAY(out, " &#8211; ");
    }
    CFO_SAY(out, "Origin certificates</title>\n<style>");
    cfo_out_text(out, cfo_status_style);
    CFO_SAY(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
    if (status->only) {
        CFO_SAY(out, "<a href=\"");
        cfo_out_html(out, status->self);
        CFO_SAY(out, "\">Origin certificates</a> / <bdi>");
        cfo_out_html(out, status->only);
        CFO_SAY(out, "</bdi>");
    }
    else
        CFO_SAY(out, "Origin certificates");
    CFO_SAY(out, "</h1>\n");
}

void cfo_status_html(cfo_out_t *out, const cfo_status_t *status, apr_pool_t *p)
{
    head(out, status);
    CFO_SAY(out, "<p class=\"sum\">");
    cfo_out_html(out, cfo_status_sentence(p, status));
    CFO_SAY(out, "</p>\n</header>\n<main>\n");
    notices(out, status, p);
    cfo_html_attention(out, status, p, "2");
    if (status->only)
        cfo_html_details(out, status);
    else if (status->certificates->nelts > 0) {
        filter(out, status);
        cfo_html_table(out, status);
    }
    CFO_SAY(out, "</main>\n");
    footer(out, status);
    CFO_SAY(out, "</body>\n</html>\n");
}
