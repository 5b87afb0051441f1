/* SPDX-License-Identifier: Apache-2.0 */
/* Renders made-up pictures of the status, for looking at them and for tests:
 *
 *   show_status SCENARIO FORMAT [only=NAME] [q=TEXT] [state=WORD]
 *
 * SCENARIO is nothing, fine, states, wide, thousand, hostile, paused, twice,
 * late, overdue or a number of certificates; FORMAT is html, json, metrics,
 * auto, check or section. The time is always 2026-11-23T08:00:00Z. */
#include "cforigin_picture.h"

#include <apr_strings.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY apr_time_from_sec(86400)

static apr_pool_t *pool;
static cfo_status_t *status;

static cfo_status_cert_t *add(const char *name, cfo_state_t state,
                              cfo_reason_t reason)
{
    cfo_status_cert_t *c = apr_array_push(status->certificates);
    apr_array_header_t *hostnames, *vhosts;

    memset(c, 0, sizeof(*c));
    hostnames = apr_array_make(pool, 1, sizeof(const char *));
    vhosts = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(hostnames, const char *) = name;
    APR_ARRAY_PUSH(vhosts, const char *) =
        apr_pstrcat(pool, name, ":443", NULL);
    c->name = name;
    c->request_type = "origin-ecc";
    c->hostnames = hostnames;
    c->vhosts = vhosts;
    c->state = state;
    c->reason = reason;
    c->requested_validity = 5475;
    return c;
}

static void live(cfo_status_cert_t *c, apr_time_t began, int days)
{
    c->served = 1;
    c->generation = 1;
    c->serial = "500979254634698375239458723094857230948572309485";
    c->sha256 = "ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56a"
                "b12";
    c->key = "EC P-256";
    c->issuer = "C = US, O = \"CloudFlare, Inc.\", OU = CloudFlare Origin SSL "
                "ECC Certificate Authority";
    c->not_before = began;
    c->not_after = began + days * DAY;
    c->renew_at = c->not_after - 29 * DAY;
}

static void fail(cfo_status_cert_t *c, cfo_kind_t kind, int code, int http,
                 const char *message)
{
    c->failures = 3;
    c->last_try = status->now - apr_time_from_sec(40);
    c->next_try = status->now + apr_time_from_sec(7200);
    c->last_error.kind = kind;
    c->last_error.code = code;
    c->last_error.http = http;
    c->last_error.message = message;
    c->last_error.ray = http ? "8f3a1b2c4d5e6f70-FRA" : NULL;
    c->last_error.retry_after = -1;
}

static void account(const char *name, apr_time_t paused_until)
{
    cfo_status_account_t *a = apr_array_push(status->accounts);

    a->account = name;
    a->paused_until = paused_until;
    a->last_success = status->now - apr_time_from_sec(3 * 3600);
}

static void fine(int n)
{
    int i;

    account("token", 0);
    for (i = 0; i < n; i++)
        live(add(apr_psprintf(pool, "site%d.example.com", i), CFO_STATE_OK,
                 CFO_VALID),
             status->now - (i % 300) * DAY, 5475);
}

static void states(void)
{
    cfo_status_cert_t *c;

    account("token", 0);
    live(add("ok.example.com", CFO_STATE_OK, CFO_VALID),
         status->now - 200 * DAY, 5475);
    c = add("expiring.example.com", CFO_STATE_EXPIRING, CFO_RENEW_WINDOW);
    live(c, status->now - 360 * DAY, 365);
    c->manual = c->inside_warn_window = 1;
    c = add("renewing.example.com", CFO_STATE_RENEWING, CFO_NAMES_CHANGED);
    live(c, status->now - 100 * DAY, 365);
    c->trying = 1;
    c = add("pending.example.com", CFO_STATE_PENDING, CFO_MISSING);
    c->trying = 1;
    c = add("error.example.com", CFO_STATE_ERROR, CFO_MISSING);
    fail(c, CFO_PERMANENT, 1010, 400,
         "Failed to validate requested hostname error.example.com: This zone "
         "is either not part of your account, or you do not have access to "
         "it. Please contact support if using a multi-user organization.");
    c = add("degraded.example.com", CFO_STATE_DEGRADED, CFO_RENEW_WINDOW);
    live(c, status->now - 340 * DAY, 365);
    fail(c, CFO_TRANSIENT, 1100, 400, "Failed to write certificate");
    c = add("expired.example.com", CFO_STATE_EXPIRED, CFO_EXPIRED);
    live(c, status->now - 400 * DAY, 365);
    fail(c, CFO_LOCAL, 0, 0,
         "CFOriginTokenFile \xe2\x80\xa6/token is empty; put the API token "
         "into it");
    c = add("adopted.example.com", CFO_STATE_ADOPTED, CFO_ADOPTED);
    live(c, status->now - 10 * DAY, 5475);
    c->key = "RSA 2048";
    c->request_type = "origin-rsa";
    c = add("foreign.example.com", CFO_STATE_FOREIGN, CFO_FOREIGN);
    live(c, status->now - 10 * DAY, 90);
    c->generation = c->requested_validity = 0;
    c->renew_at = 0;
    c->issuer = "C = XX, O = Somebody Else";
    c = add("newer.example.com", CFO_STATE_OK, CFO_VALID);
    live(c, status->now - 350 * DAY, 5475);
    c->installed_generation = 2;
    c->installed_not_after = status->now + 5475 * DAY;
    status->reload_wanted = "CFOriginReload is off";
}

static void wide(void)
{
    cfo_status_cert_t *c = add("host0.example.com", CFO_STATE_OK, CFO_VALID);
    apr_array_header_t *hostnames =
        apr_array_make(pool, 200, sizeof(const char *));
    int i;

    account("token", 0);
    live(c, status->now - 20 * DAY, 5475);
    for (i = 0; i < 200; i++)
        APR_ARRAY_PUSH(hostnames, const char *) = apr_psprintf(
            pool, "host%d.a-rather-long-label-of-a-zone.example.com", i);
    c->hostnames = hostnames;
}

static void thousand(int n)
{
    int i;

    fine(n);
    for (i = 0; i < n; i += 10) {
        cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        c->state = CFO_STATE_DEGRADED;
        c->reason = CFO_RENEW_WINDOW;
        fail(c, CFO_AUTH, 10000, 403, "Authentication error");
    }
}

/* What an API should never say, and names no configuration lets in. */
static void hostile(void)
{
    static const char *const texts[] = {
        "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
        "\"' onmouseover='alert(1)' x=\"</td></table></body><h1>owned</h1>",
        "--></style></title><svg onload=alert(1)>&lt;b&gt;&amp;",
        "]]>\\u003cscript\\u003e\"}],\"owned\":true,\"x\":[{\"",
        "broken \xff\xfe \xc3 \xed\xa0\x80 \xf8\x88\x80\x80\x80 end",
        "controls \x01\x1b[31m\x7f\r\nCFOriginModule: owned\n# EOF\n\t.",
        "right to left \xe2\x80\xae gnp.exe and \xe2\x81\xa6 on",
        "umlauts \xc3\xa4\xc3\xb6 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x94\x92",
    };
    unsigned i;

    account("<b>token</b>", status->now + apr_time_from_sec(300));
    status->server = "Apache/2.4 <script>alert(2)</script>";
    status->reload_wanted = "<script>alert(3)</script>";
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cfo_status_cert_t *c = add(apr_psprintf(pool, "n%u%s", i, texts[i]),
                                   CFO_STATE_ERROR, CFO_MISSING);

        fail(c, CFO_PERMANENT, 4242, 400, texts[i]);
        c->last_error.ray = texts[i];
        c->serial = c->sha256 = c->key = c->issuer = texts[i];
    }
}

static int set_scene(const char *word)
{
    if (!strcmp(word, "nothing"))
        return 1;
    if (!strcmp(word, "fine"))
        fine(3);
    else if (!strcmp(word, "states"))
        states();
    else if (!strcmp(word, "wide"))
        wide();
    else if (!strcmp(word, "thousand"))
        thousand(1000);
    else if (!strcmp(word, "hostile"))
        hostile();
    else if (!strcmp(word, "paused")) {
        fine(2);
        account("other", status->now + apr_time_from_sec(290));
    }
    else if (!strcmp(word, "twice")) {
        live(add("twice.example.com", CFO_STATE_FOREIGN, CFO_FOREIGN),
             status->now, 90);
        live(add("twice.example.com", CFO_STATE_FOREIGN, CFO_FOREIGN),
             status->now, 90);
    }
    else if (!strcmp(word, "late")) {
        fine(2);
        status->looked_at = status->now - apr_time_from_sec(600);
    }
    else if (!strcmp(word, "overdue")) {
        fine(2);
        status->keeper_overdue = status->now - apr_time_from_sec(600);
    }
    else if (atoi(word) > 0)
        thousand(atoi(word));
    else
        return 0;
    return 1;
}

static void to_stdout(void *baton, const char *data, apr_size_t len)
{
    fwrite(data, 1, len, baton);
}

static int render(const char *format)
{
    static cfo_out_t out;
    const char *line;

    cfo_out_begin(&out, to_stdout, stdout);
    if (!strcmp(format, "html"))
        cfo_status_html(&out, status, pool);
    else if (!strcmp(format, "json"))
        cfo_status_json(&out, status);
    else if (!strcmp(format, "metrics"))
        cfo_status_metrics(&out, status, pool);
    else if (!strcmp(format, "auto"))
        cfo_status_auto(&out, status);
    else if (!strcmp(format, "section"))
        cfo_status_section(&out, status, pool);
    else if (!strcmp(format, "check")) {
        cfo_status_alarm(pool, status, &line);
        cfo_out_text(&out, line);
    }
    else
        return 0;
    cfo_out_end(&out);
    return 1;
}

static int take(const char *option)
{
    int i;

    if (!strncmp(option, "only=", 5))
        return cfo_status_narrow(status, option + 5);
    if (!strncmp(option, "q=", 2))
        status->q = option + 2;
    else if (!strncmp(option, "state=", 6)) {
        for (i = 0; i < CFO_STATES; i++) {
            if (!strcmp(option + 6, cfo_state_word((cfo_state_t)i)))
                status->state = i;
        }
    }
    else
        return 0;
    return 1;
}

int main(int argc, const char *const *argv)
{
    int i, ok = argc >= 3;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    status = apr_pcalloc(pool, sizeof(*status));
    status->certificates = apr_array_make(pool, 8, sizeof(cfo_status_cert_t));
    status->accounts = apr_array_make(pool, 2, sizeof(cfo_status_account_t));
    status->now = cfo_time_parse("2026-11-23T08:00:00Z");
    status->server = "Apache/2.4.71";
    status->self = "/cforigin-status";
    status->state = -1;
    status->looked_at = status->now - apr_time_from_sec(4);
    status->keeper_last_run = status->now - apr_time_from_sec(3600);
    status->calls[0][CFO_OK] = 7;
    status->calls[0][CFO_AUTH] = 2;
    status->reloads = 1;
    ok = ok && set_scene(argv[1]);
    cfo_status_add_up(status);
    for (i = 3; ok && i < argc; i++)
        ok = take(argv[i]);
    ok = ok && render(argv[2]);
    if (!ok)
        fputs("show_status SCENARIO FORMAT [only=NAME] [q=TEXT] "
              "[state=WORD]\n",
              stderr);
    apr_terminate();
    return !ok;
}
