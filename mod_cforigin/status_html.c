/* SPDX-License-Identifier: Apache-2.0 */
/* The page for a person: one sentence, what needs attention, the table. No
 * script and nothing from outside, so the strictest policy lets it through. */
#include "status_html.h"

#include <apr_strings.h>
#include <string.h>

/* Hostnames shown before the rest is folded away. */
#define NAMES_SHOWN 3

/* --- pieces
 * ---------------------------------------------------------------- */

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

/* A hostname may be broken after a dot, rather than anywhere. */
static void hostname(cfo_out_t *out, const char *name)
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
    hostname(out, name);
    if (status->self)
        CFO_SAY(out, "</a>");
}

/* --- the table
 * ------------------------------------------------------------- */

static void cell(cfo_out_t *out, const char *label)
{
    CFO_SAY(out, "<td role=\"cell\" data-l=\"");
    cfo_out_text(out, label);
    CFO_SAY(out, "\"><div>");
}

#define END_CELL(out) CFO_SAY(out, "</div></td>\n")
#define UNKNOWN(out) CFO_SAY(out, "<span class=\"none\">none yet</span>")

static void names(cfo_out_t *out, const apr_array_header_t *list,
                  const char *noun)
{
    int i, n = list ? list->nelts : 0;
    int folded = n > NAMES_SHOWN + 1;

    for (i = 0; i < n; i++) {
        if (folded && i == NAMES_SHOWN) {
            CFO_SAY(out, "<details><summary>");
            cfo_out_number(out, n - NAMES_SHOWN);
            CFO_SAY(out, " more ");
            cfo_out_text(out, noun);
            CFO_SAY(out, "</summary>");
        }
        else if (i) {
            CFO_SAY(out, "<br>");
        }
        hostname(out, APR_ARRAY_IDX(list, i, const char *));
    }
    if (folded)
        CFO_SAY(out, "</details>");
}

/* In the table a line; all of it is told above, and here when asked for. */
static void folded_error(cfo_out_t *out, const cfo_status_cert_t *c)
{
    CFO_SAY(out, "<details><summary>failed ");
    if (c->failures > 1) {
        cfo_out_number(out, c->failures);
        CFO_SAY(out, " times");
    }
    else
        CFO_SAY(out, "once");
    CFO_SAY(out, ": ");
    if (c->last_error.code)
        cfo_out_number(out, c->last_error.code);
    else
        cfo_out_text(out, cfo_kind_word(c->last_error.kind));
    CFO_SAY(out, "</summary><small>");
    cfo_html_error(out, &c->last_error);
    CFO_SAY(out, " ");
    cfo_out_html(out, cfo_status_advice(c));
    CFO_SAY(out, "</small></details>");
}

static void state_cell(cfo_out_t *out, const cfo_status_cert_t *c)
{
    cell(out, "State");
    cfo_html_state(out, c->state);
    CFO_SAY(out, "<small>");
    cfo_out_text(out, cfo_reason_word(c->reason));
    CFO_SAY(out, ": ");
    cfo_out_text(out, cfo_reason_sentence(c->reason));
    CFO_SAY(out, "</small>");
    if (c->last_error.kind != CFO_OK)
        folded_error(out, c);
    if (c->installed_generation)
        CFO_SAY(out, "<small>a newer one waits for a reload</small>");
    END_CELL(out);
}

/* How much of its life is over, in words beside it: the bar is decoration. */
static void bar(cfo_out_t *out, const cfo_status_cert_t *c, apr_time_t now)
{
    apr_time_t life = c->not_after - c->not_before;
    apr_time_t over = now - c->not_before;
    apr_int64_t percent = life <= 0 || over >= life ? 100
                          : over <= 0               ? 0
                                                    : over / (life / 100 + 1);

    CFO_SAY(out, "<span class=\"bar ");
    cfo_out_text(out, percent == 100          ? "bad"
                      : c->inside_warn_window ? "warn"
                                              : "good");
    CFO_SAY(out, "\" aria-hidden=\"true\"><i style=\"width:");
    cfo_out_number(out, percent);
    CFO_SAY(out, "%\"></i></span>");
}

static void validity_cell(cfo_out_t *out, const cfo_status_cert_t *c,
                          apr_time_t now)
{
    cell(out, "Validity");
    if (c->not_after == 0)
        UNKNOWN(out);
    else {
        bar(out, c, now);
        cfo_out_text(out, c->not_after <= now
                              ? "<span class=\"nowrap\">ended "
                              : "<span class=\"nowrap\">ends ");
        cfo_html_time(out, c->not_after, now);
        CFO_SAY(out, "</span><small class=\"nowrap\">began ");
        cfo_html_time(out, c->not_before, now);
        CFO_SAY(out, "</small>");
    }
    END_CELL(out);
}

static void renewal(cfo_out_t *out, const cfo_status_cert_t *c, apr_time_t now)
{
    if (c->trying)
        CFO_SAY(out, "being tried now");
    else if (c->next_try) {
        CFO_SAY(out, "next try ");
        cfo_html_time(out, c->next_try > now ? c->next_try : now, now);
    }
    else if (c->reason == CFO_FOREIGN)
        CFO_SAY(out, "not by this module");
    else if (c->manual)
        CFO_SAY(out, "by hand");
    else if (c->renew_at)
        cfo_html_time(out, c->renew_at, now);
    else
        CFO_SAY(out, "when it can be looked at");
}

static void clipped(cfo_out_t *out, const char *label, const char *text)
{
    CFO_SAY(out, "<span class=\"clip\"><span class=\"dim\">");
    cfo_out_text(out, label);
    CFO_SAY(out, "</span> <code>");
    cfo_out_html(out, text);
    CFO_SAY(out, "</code></span>");
}

static void key_cell(cfo_out_t *out, const cfo_status_cert_t *c)
{
    cell(out, "Key");
    if (c->serial == NULL)
        UNKNOWN(out);
    else {
        cfo_out_html(out, c->key);
        clipped(out, "serial", c->serial);
        clipped(out, "SHA-256", c->sha256);
    }
    END_CELL(out);
}

static void row(cfo_out_t *out, const cfo_status_t *status,
                const cfo_status_cert_t *c)
{
    CFO_SAY(out, "<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">");
    cfo_html_name(out, status, c->name);
    CFO_SAY(out, "<small>");
    cfo_out_html(out, c->request_type);
    CFO_SAY(out, "</small></th>\n");
    state_cell(out, c);
    validity_cell(out, c, status->now);
    cell(out, "Renewal");
    renewal(out, c, status->now);
    END_CELL(out);
    cell(out, "Hostnames");
    names(out, c->hostnames, "hostnames");
    END_CELL(out);
    cell(out, "Virtual hosts");
    names(out, c->vhosts, "virtual hosts");
    END_CELL(out);
    key_cell(out, c);
    CFO_SAY(out, "</tr>\n");
}

static void table(cfo_out_t *out, const cfo_status_t *status)
{
    int i, shown = 0, n = status->certificates->nelts;

    for (i = 0; i < n; i++)
        shown +=
            cfo_status_shows(status, &APR_ARRAY_IDX(status->certificates, i,
                                                    cfo_status_cert_t));
    CFO_SAY(out, "<div class=\"wide\"><table role=\"table\"><caption>");
    if (shown == n)
        cfo_out_number(out, n);
    else {
        cfo_out_number(out, shown);
        CFO_SAY(out, " of ");
        cfo_out_number(out, n);
    }
    cfo_out_text(out, n == 1 ? " certificate" : " certificates");
    CFO_SAY(out, "</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">"
                 "<th scope=\"col\" role=\"columnheader\">Certificate</th>"
                 "<th scope=\"col\" role=\"columnheader\">State</th>"
                 "<th scope=\"col\" role=\"columnheader\">Validity</th>"
                 "<th scope=\"col\" role=\"columnheader\">Renewal</th>"
                 "<th scope=\"col\" role=\"columnheader\">Hostnames</th>"
                 "<th scope=\"col\" role=\"columnheader\">Virtual hosts</th>"
                 "<th scope=\"col\" role=\"columnheader\">Key, serial, "
                 "fingerprint</th></tr>"
                 "</thead>\n<tbody role=\"rowgroup\">\n");
    for (i = 0; i < n; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        if (cfo_status_shows(status, c))
            row(out, status, c);
    }
    CFO_SAY(out, "</tbody></table></div>\n");
}

/* --- the filter
 * ------------------------------------------------------------ */

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

/* --- the frame
 * ------------------------------------------------------------- */

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
        CFO_SAY(out, "</bdi> is paused by Cloudflare's rate limit; asked "
                     "again ");
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
        table(out, status);
    }
    CFO_SAY(out, "</main>\n");
    footer(out, status);
    CFO_SAY(out, "</body>\n</html>\n");
}
