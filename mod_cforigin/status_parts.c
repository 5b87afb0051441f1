/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the page that stand for themselves: what needs attention, all of
 * one certificate, the section in mod_status's page. */
#include "status_html.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdlib.h>

/* --- what needs attention --- */

/* Certificates with the same trouble: a bad token fails a thousand of them,
 * and is one thing to do. */
typedef struct trouble_t {
    const cfo_status_cert_t *first;
    apr_array_header_t *certificates; /* const cfo_status_cert_t * */
    apr_time_t next_try, not_after;   /* the first of theirs */
} trouble_t;

#define TROUBLES_SHOWN 20
#define NAMES_SHOWN 8

static trouble_t *trouble_of(apr_hash_t *known, apr_array_header_t *troubles,
                             const cfo_status_cert_t *c, apr_pool_t *p)
{
    const cfo_result_t *e = &c->last_error;
    const char *advice = cfo_status_advice(c);
    const char *key =
        apr_psprintf(p, "%d %d %d %d %d %s|%s", c->state, e->kind, e->code,
                     e->http, c->installed_generation != 0,
                     e->message ? e->message : "", advice ? advice : "");
    trouble_t *trouble = apr_hash_get(known, key, APR_HASH_KEY_STRING);

    if (trouble)
        return trouble;
    trouble = apr_pcalloc(p, sizeof(*trouble));
    trouble->first = c;
    trouble->certificates =
        apr_array_make(p, 1, sizeof(const cfo_status_cert_t *));
    apr_hash_set(known, key, APR_HASH_KEY_STRING, trouble);
    APR_ARRAY_PUSH(troubles, trouble_t *) = trouble;
    return trouble;
}

/* The worst first; what is alike stays in the table's order. */
static int by_weight(const void *a, const void *b)
{
    static const int weights[CFO_STATES] = {
        [CFO_STATE_EXPIRED] = 5,  [CFO_STATE_ERROR] = 4,
        [CFO_STATE_EXPIRING] = 3, [CFO_STATE_DEGRADED] = 2,
        [CFO_STATE_FOREIGN] = 1,
    };
    const trouble_t *x = *(const trouble_t *const *)a;
    const trouble_t *y = *(const trouble_t *const *)b;
    int order = weights[y->first->state] - weights[x->first->state];

    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static apr_array_header_t *collect(const cfo_status_t *status, apr_pool_t *p)
{
    apr_array_header_t *troubles = apr_array_make(p, 4, sizeof(trouble_t *));
    apr_hash_t *known = apr_hash_make(p);
    int i;

    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);
        trouble_t *trouble;

        if (!cfo_status_needs_attention(c))
            continue;
        trouble = trouble_of(known, troubles, c, p);
        APR_ARRAY_PUSH(trouble->certificates, const cfo_status_cert_t *) = c;
        if (c->next_try &&
            (trouble->next_try == 0 || c->next_try < trouble->next_try))
            trouble->next_try = c->next_try;
        if (c->not_after &&
            (trouble->not_after == 0 || c->not_after < trouble->not_after))
            trouble->not_after = c->not_after;
    }
    qsort(troubles->elts, (size_t)troubles->nelts, sizeof(trouble_t *),
          by_weight);
    return troubles;
}

static void heading(cfo_out_t *out, const cfo_status_t *status,
                    const trouble_t *trouble)
{
    int i, n = trouble->certificates->nelts;

    cfo_html_state(out, trouble->first->state);
    for (i = 0; i < n && i < NAMES_SHOWN; i++) {
        const cfo_status_cert_t *c =
            APR_ARRAY_IDX(trouble->certificates, i, const cfo_status_cert_t *);

        cfo_out_text(out, i ? ", " : " ");
        cfo_html_name(out, status, c->name);
        if (c->request_type) {
            CFO_SAY(out, " <span class=\"dim\">");
            cfo_out_text(out, c->request_type);
            CFO_SAY(out, "</span>");
        }
    }
    if (n > NAMES_SHOWN) {
        CFO_SAY(out, " and ");
        cfo_out_number(out, n - NAMES_SHOWN);
        CFO_SAY(out, " more");
    }
}

static void next_try(cfo_out_t *out, const trouble_t *trouble, apr_time_t now)
{
    if (trouble->first->trying)
        CFO_SAY(out, " It is being tried now.");
    else if (trouble->next_try) {
        CFO_SAY(out, " Next try ");
        cfo_html_time(out, trouble->next_try > now ? trouble->next_try : now,
                      now);
        CFO_SAY(out, ".");
    }
}

static void show_trouble(cfo_out_t *out, const cfo_status_t *status,
                         const trouble_t *trouble, const char *level)
{
    const cfo_status_cert_t *c = trouble->first;
    int bad = c->state == CFO_STATE_ERROR || c->state == CFO_STATE_EXPIRED;

    CFO_SAY(out, "<li class=\"box ");
    cfo_out_text(out, bad ? "bad\"><h" : "warn\"><h");
    cfo_out_text(out, level);
    CFO_SAY(out, ">");
    heading(out, status, trouble);
    CFO_SAY(out, "</h");
    cfo_out_text(out, level);
    CFO_SAY(out, ">\n");
    if (trouble->not_after) {
        cfo_out_text(out, trouble->certificates->nelts > 1
                              ? "<p>The first that is served "
                              : "<p>What is served ");
        cfo_out_text(out,
                     trouble->not_after <= status->now ? "ended " : "ends ");
        cfo_html_time(out, trouble->not_after, status->now);
        CFO_SAY(out, ".</p>\n");
    }
    else if (!c->served)
        CFO_SAY(out, "<p>Until it is there, its virtual hosts answer 503."
                     "</p>\n");
    if (c->last_error.kind != CFO_OK) {
        CFO_SAY(out, "<p>");
        cfo_html_error(out, &c->last_error);
        CFO_SAY(out, "</p>\n");
    }
    CFO_SAY(out, "<p><strong>What to do:</strong> ");
    cfo_out_html(out, cfo_status_advice(c));
    next_try(out, trouble, status->now);
    CFO_SAY(out, "</p></li>\n");
}

void cfo_html_attention(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p, const char *level)
{
    const apr_array_header_t *troubles = collect(status, p);
    const char *below = level[0] == '2' ? "3" : "4";
    int i, n = troubles->nelts;

    if (n == 0)
        return;
    CFO_SAY(out, "<section aria-labelledby=\"attention\"><h");
    cfo_out_text(out, level);
    CFO_SAY(out, " id=\"attention\">Needs attention</h");
    cfo_out_text(out, level);
    CFO_SAY(out, ">\n<ul style=\"list-style:none;padding:0;margin:0\">\n");
    for (i = 0; i < n && i < TROUBLES_SHOWN; i++)
        show_trouble(out, status, APR_ARRAY_IDX(troubles, i, trouble_t *),
                     below);
    CFO_SAY(out, "</ul>\n");
    if (n > TROUBLES_SHOWN) {
        CFO_SAY(out, "<p>And ");
        cfo_out_number(out, n - TROUBLES_SHOWN);
        CFO_SAY(out, " other kinds of trouble: see the table.</p>\n");
    }
    CFO_SAY(out, "</section>\n");
}

/* --- all of one certificate --- */

static void term(cfo_out_t *out, const char *word)
{
    CFO_SAY(out, "<dt>");
    cfo_out_text(out, word);
    CFO_SAY(out, "</dt><dd>");
}

#define END_TERM(out) CFO_SAY(out, "</dd>\n")

static void text_term(cfo_out_t *out, const char *word, const char *text)
{
    if (text == NULL)
        return;
    term(out, word);
    cfo_out_html(out, text);
    END_TERM(out);
}

static void number_term(cfo_out_t *out, const char *word, int number)
{
    if (number == 0)
        return;
    term(out, word);
    cfo_out_number(out, number);
    END_TERM(out);
}

static void time_term(cfo_out_t *out, const char *word, apr_time_t t,
                      apr_time_t now)
{
    if (t == 0)
        return;
    term(out, word);
    cfo_html_time(out, t, now);
    CFO_SAY(out, " <span class=\"dim\">");
    cfo_out_time(out, t);
    CFO_SAY(out, "</span>");
    END_TERM(out);
}

static void list_term(cfo_out_t *out, const char *word,
                      const apr_array_header_t *list)
{
    int i;

    term(out, word);
    for (i = 0; list && i < list->nelts; i++) {
        if (i)
            CFO_SAY(out, "<br>");
        cfo_out_html(out, APR_ARRAY_IDX(list, i, const char *));
    }
    END_TERM(out);
}

static void details(cfo_out_t *out, const cfo_status_cert_t *c, apr_time_t now)
{
    CFO_SAY(out, "<section><h2>");
    cfo_out_html(out, c->request_type ? c->request_type : c->name);
    CFO_SAY(out, " ");
    cfo_html_state(out, c->state);
    CFO_SAY(out, "</h2>\n<dl>\n");
    term(out, "Reason");
    cfo_out_text(out, cfo_reason_word(c->reason));
    CFO_SAY(out, ": ");
    cfo_out_text(out, cfo_reason_sentence(c->reason));
    END_TERM(out);
    list_term(out, "Hostnames", c->hostnames);
    list_term(out, "Virtual hosts", c->vhosts);
    term(out, "Served");
    cfo_out_text(out, c->served ? "yes, this one"
                                : "no; visitors get 503 on a stand-in");
    END_TERM(out);
    number_term(out, "Generation", c->generation);
    number_term(out, "Installed, waits for a reload", c->installed_generation);
    time_term(out, "That one ends", c->installed_not_after, now);
    time_term(out, "Begins", c->not_before, now);
    time_term(out, "Ends", c->not_after, now);
    time_term(out, "Renewal from", c->renew_at, now);
    if (c->manual)
        text_term(out, "Renewed", "by hand (CFOriginRenewMode manual)");
    number_term(out, "Validity asked for, days", c->requested_validity);
    text_term(out, "Key", c->key);
    text_term(out, "Serial", c->serial);
    text_term(out, "SHA-256", c->sha256);
    text_term(out, "Issuer", c->issuer);
    number_term(out, "Failures in a row", c->failures);
    time_term(out, "Last try", c->last_try, now);
    time_term(out, "Next try", c->next_try, now);
    if (c->last_error.kind != CFO_OK) {
        term(out, "Last error");
        cfo_html_error(out, &c->last_error);
        END_TERM(out);
        text_term(out, "Kind", cfo_kind_word(c->last_error.kind));
    }
    text_term(out, "What to do", cfo_status_advice(c));
    CFO_SAY(out, "</dl></section>\n");
}

void cfo_html_details(cfo_out_t *out, const cfo_status_t *status)
{
    int i;

    for (i = 0; i < status->certificates->nelts; i++)
        details(out,
                &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t),
                status->now);
}

/* --- in mod_status's page --- */

static void section_row(cfo_out_t *out, const cfo_status_cert_t *c,
                        apr_time_t now)
{
    CFO_SAY(out, "<tr><th scope=\"row\">");
    cfo_out_html(out, c->name);
    CFO_SAY(out, "</th><td>");
    cfo_out_html(out, c->request_type);
    CFO_SAY(out, "</td><td>");
    cfo_out_text(out, cfo_state_word(c->state));
    CFO_SAY(out, " (");
    cfo_out_text(out, cfo_reason_word(c->reason));
    CFO_SAY(out, ")</td><td>");
    if (c->not_after)
        cfo_html_time(out, c->not_after, now);
    CFO_SAY(out, "</td><td>");
    if (c->next_try)
        cfo_html_time(out, c->next_try > now ? c->next_try : now, now);
    else if (c->renew_at)
        cfo_html_time(out, c->renew_at, now);
    CFO_SAY(out, "</td></tr>\n");
}

void cfo_status_section(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p)
{
    const char *fault = cfo_status_watch_fault(p, status);
    int i;

    CFO_SAY(out, "<hr>\n<h2>Origin certificates</h2>\n<p>");
    cfo_out_html(out, cfo_status_sentence(p, status));
    CFO_SAY(out, "</p>\n");
    if (fault) {
        CFO_SAY(out, "<p>");
        cfo_out_html(out, fault);
        CFO_SAY(out, "</p>\n");
    }
    if (status->reload_wanted) {
        CFO_SAY(out, "<p>A newer certificate waits for a reload of httpd: ");
        cfo_out_html(out, status->reload_wanted);
        CFO_SAY(out, ".</p>\n");
    }
    cfo_html_attention(out, status, p, "3");
    if (status->certificates->nelts == 0)
        return;
    CFO_SAY(out, "<table border=\"0\"><caption>Certificates</caption>\n"
                 "<tr><th scope=\"col\">Name</th><th scope=\"col\">Type</th>"
                 "<th scope=\"col\">State</th><th scope=\"col\">Ends</th>"
                 "<th scope=\"col\">Next try or renewal</th></tr>\n");
    for (i = 0; i < status->certificates->nelts; i++)
        section_row(out,
                    &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t),
                    status->now);
    CFO_SAY(out, "</table>\n");
}
