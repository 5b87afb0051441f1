/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the page: a row a certificate, a cell a question. Written so
 * that a phone can show each row as a list. */
#include "status_html.h"

#include <apr_strings.h>
#include <string.h>

/* Hostnames shown before the rest is folded away. */
#define NAMES_SHOWN 3

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
        cfo_html_hostname(out, APR_ARRAY_IDX(list, i, const char *));
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

void cfo_html_table(cfo_out_t *out, const cfo_status_t *status)
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
