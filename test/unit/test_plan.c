/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Plan: from facts about vhosts to wanted certificates. Each scenario is a
 * few vhosts and what becomes of them, written as text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cforigin_plan.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define DAY apr_time_from_sec(86400)

static apr_pool_t *pool;

/* A vhost as short as can be: enabled in itself, with TLS and a token. */
typedef struct vhost_t {
    const char *server_name;
    const char *aliases;   /* "a b" */
    const char *hostnames; /* "a b" */
    const char *targets;   /* "cert:key cert:key:ecc" */
    int base, off, inherits, no_tls, ssl_lines, foreign, taken;
    const char *types;                 /* "e" (default), "r", "er", "re" */
    int validity, manual, renew, warn; /* days */
    const char *token, *zone;          /* token "": none */
} vhost_t;

#define VHOSTS_MAX 6
#define SHARED_MAX 4

typedef struct scenario_t {
    const char *about;
    vhost_t vhosts[VHOSTS_MAX];     /* ends where nothing is said */
    int count;                      /* of vhosts, when the last says nothing */
    const char *shared[SHARED_MAX]; /* "apps *.x.org x.org" */
    const char *states;             /* "managed off" */
    const char *wanted;   /* lines: "name type [names] vhosts targets" */
    const char *messages; /* lines: "E0 text|text", "W- text" */
} scenario_t;

static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a = apr_array_make(pool, 4, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

static apr_array_header_t *targets_of(const char *text, int vhost)
{
    apr_array_header_t *words = strings(text);
    apr_array_header_t *a = apr_array_make(pool, 2, sizeof(cfo_target_t));

    for (int i = 0; i < words->nelts; i++) {
        cfo_target_t *t = apr_array_push(a);
        char *rest, *type;

        memset(t, 0, sizeof *t);
        t->certificate =
            apr_strtok(APR_ARRAY_IDX(words, i, char *), ":", &rest);
        t->key = apr_strtok(NULL, ":", &rest);
        t->where = apr_psprintf(pool, "x.conf:%d%d", vhost, i + 5);
        type = apr_strtok(NULL, ":", &rest);
        if (type) {
            t->has_type = 1;
            t->type = *type == 'r' ? CFO_ORIGIN_RSA : CFO_ORIGIN_ECC;
        }
    }
    return a;
}

static cfo_settings_t settings_of(const vhost_t *v)
{
    cfo_settings_t s = {0};
    const char *types = v->types ? v->types : "e";

    s.first_type = *types == 'r' ? CFO_ORIGIN_RSA : CFO_ORIGIN_ECC;
    for (; *types; types++)
        s.request_types |=
            1u << (*types == 'r' ? CFO_ORIGIN_RSA : CFO_ORIGIN_ECC);
    s.validity = v->validity ? v->validity : 5475;
    s.renew_manual = v->manual;
    s.renew_window.length = (v->renew ? v->renew : 30) * DAY;
    s.warn_window.length = (v->warn ? v->warn : 14) * DAY;
    s.token_file = v->token ? v->token : "/etc/cf/default";
    if (!*s.token_file)
        s.token_file = NULL;
    s.zone_id = v->zone;
    return s;
}

static void add_vhost(apr_array_header_t *facts, const vhost_t *v)
{
    int i = facts->nelts;
    cfo_vhost_t *f = apr_array_push(facts);

    memset(f, 0, sizeof *f);
    f->label = apr_psprintf(pool, "v%d:443", i);
    f->where = apr_psprintf(pool, "x.conf:%d0", i);
    f->is_base = v->base;
    f->enabled = !v->off;
    f->enabled_here = !v->off && !v->inherits;
    f->tls = !v->no_tls;
    f->server_name = v->server_name;
    f->aliases = strings(v->aliases ? v->aliases : "");
    f->hostnames = v->hostnames ? strings(v->hostnames) : NULL;
    f->hostnames_where =
        v->hostnames ? apr_psprintf(pool, "x.conf:%d3", i) : NULL;
    f->has_ssl_lines = v->ssl_lines;
    f->targets = v->targets ? targets_of(v->targets, i) : NULL;
    f->foreign = v->foreign;
    f->taken = v->taken;
    f->settings = settings_of(v);
}

static void add_shared(apr_array_header_t *shared, const char *line)
{
    cfo_shared_t *s = apr_array_push(shared);
    apr_array_header_t *hosts = apr_array_make(pool, 4, sizeof(char *));
    apr_array_header_t *words = strings(line);

    for (int i = 1; i < words->nelts; i++)
        APR_ARRAY_PUSH(hosts, const char *) =
            APR_ARRAY_IDX(words, i, const char *);
    s->where = apr_psprintf(pool, "x.conf:%d", 899 + shared->nelts);
    s->name = APR_ARRAY_IDX(words, 0, const char *);
    s->hostnames = hosts;
}

static int says_something(const vhost_t *v)
{
    static const vhost_t nothing;

    return memcmp(v, &nothing, sizeof nothing) != 0;
}

static cfo_plan_t *plan_of(const scenario_t *s)
{
    apr_array_header_t *facts = apr_array_make(pool, 4, sizeof(cfo_vhost_t));
    apr_array_header_t *shared = apr_array_make(pool, 4, sizeof(cfo_shared_t));

    for (int i = 0; i < VHOSTS_MAX; i++) {
        if (i < s->count || says_something(&s->vhosts[i]))
            add_vhost(facts, &s->vhosts[i]);
    }
    for (int i = 0; i < SHARED_MAX && s->shared[i]; i++)
        add_shared(shared, s->shared[i]);
    return cfo_plan_make(pool, facts, shared, NULL);
}

/* What came out, as the scenarios write it. */

static const char *states_text(const cfo_plan_t *plan)
{
    static const char *const words[] = {"off",     "no-tls", "left-out",
                                        "foreign", "taken",  "managed"};
    const char *text = "";

    for (int i = 0; i < plan->assignments->nelts; i++)
        text = apr_pstrcat(
            pool, text, *text ? " " : "",
            words[APR_ARRAY_IDX(plan->assignments, i, cfo_assignment_t).state],
            NULL);
    return text;
}

static const char *wanted_text(const cfo_plan_t *plan)
{
    const char *text = "";

    for (int i = 0; i < plan->wanted->nelts; i++) {
        const cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *);
        const char *vhosts = "", *targets = "";

        for (int n = 0; n < w->vhosts->nelts; n++)
            vhosts = apr_psprintf(pool, "%s%s%d", vhosts, n ? "," : "",
                                  APR_ARRAY_IDX(w->vhosts, n, int));
        for (int n = 0; w->targets && n < w->targets->nelts; n++)
            targets = apr_pstrcat(
                pool, targets, " ",
                APR_ARRAY_IDX(w->targets, n, cfo_target_t).certificate, ":",
                APR_ARRAY_IDX(w->targets, n, cfo_target_t).key, NULL);
        text = apr_psprintf(
            pool, "%s%s%s %s [%s] %s%s", text, i ? "\n" : "", w->name,
            cfo_request_type_word(w->request_type) + strlen("origin-"),
            apr_array_pstrcat(pool, w->hostnames, ' '), vhosts, targets);
    }
    return text;
}

static const char *message_text(const cfo_plan_message_t *m)
{
    const char *vhost =
        m->vhost < 0 ? "-" : apr_psprintf(pool, "%d", m->vhost);

    return apr_psprintf(pool, "%c%s %s: %s", "EWI"[m->level], vhost,
                        m -> where ? m -> where : "", m->text);
}

/* "E0 a|b": level, vhost, and all the texts are in it */
static int message_matches(const cfo_plan_message_t *m, char *expected)
{
    const char *text = message_text(m);
    char *rest, *part = apr_strtok(expected, "|", &rest);
    apr_size_t head = strcspn(part, " ");

    if (strncmp(text, part, head + 1))
        return 0;
    for (part += head + 1; part; part = apr_strtok(NULL, "|", &rest)) {
        if (!strstr(text + head, part))
            return 0;
    }
    return 1;
}

static void check_messages(const scenario_t *s, const cfo_plan_t *plan)
{
    char *rest, *line;
    int i = 0, errors = 0;

    line = apr_strtok(apr_pstrdup(pool, s->messages ? s->messages : ""), "\n",
                      &rest);
    for (; line; line = apr_strtok(NULL, "\n", &rest), i++) {
        const cfo_plan_message_t *m;

        if (i >= plan->messages->nelts)
            fail_msg("%s: missing: %s", s->about, line);
        m = &APR_ARRAY_IDX(plan->messages, i, cfo_plan_message_t);
        errors += m->level == CFO_PLAN_ERROR;
        if (!message_matches(m, apr_pstrdup(pool, line)))
            fail_msg("%s: %s\n instead of: %s", s->about, message_text(m),
                     line);
    }
    if (i < plan->messages->nelts)
        fail_msg("%s: too much: %s", s->about,
                 message_text(
                     &APR_ARRAY_IDX(plan->messages, i, cfo_plan_message_t)));
    assert_int_equal(plan->errors, errors);
}

/* What holds for every plan. */
static void check_whole(const cfo_plan_t *plan)
{
    for (int i = 0; i < plan->wanted->nelts; i++) {
        cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *);

        assert_int_equal(w->index, i);
        assert_ptr_equal(cfo_plan_find(plan, w->name, w->request_type), w);
        assert_ptr_equal(cfo_plan_find(plan, w->folder, w->request_type), w);
        assert_int_equal(w->settings.request_types, 1u << w->request_type);
        assert_in_range(w->account, 0, plan->accounts->nelts - 1);
        assert_string_equal(
            APR_ARRAY_IDX(plan->accounts, w->account, cfo_account_t)
                .token_file,
            w->settings.token_file);
        for (int n = 0; n < w->vhosts->nelts; n++) {
            int vhost = APR_ARRAY_IDX(w->vhosts, n, int);

            assert_int_equal(
                APR_ARRAY_IDX(plan->assignments, vhost, cfo_assignment_t)
                    .wanted[w->request_type],
                i);
        }
    }
    for (int i = 0; i < plan->assignments->nelts; i++) {
        const cfo_assignment_t *a =
            &APR_ARRAY_IDX(plan->assignments, i, cfo_assignment_t);
        int has = a->wanted[0] >= 0 || a->wanted[1] >= 0;

        assert_int_equal(has, a->state == CFO_VHOST_MANAGED);
    }
}

static void run(const scenario_t *scenarios, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const scenario_t *s = &scenarios[i];
        cfo_plan_t *plan = plan_of(s);

        if (strcmp(states_text(plan), s->states))
            fail_msg("%s: %s", s->about, states_text(plan));
        if (strcmp(wanted_text(plan), s->wanted ? s->wanted : ""))
            fail_msg("%s:\n%s\n instead of\n%s", s->about, wanted_text(plan),
                     s->wanted ? s->wanted : "");
        check_messages(s, plan);
        check_whole(plan);
    }
}

static void who_is_managed(void **state)
{
    static const scenario_t rows[] = {
        {.about = "nothing", .states = ""},
        {.about = "one",
         .vhosts = {{"a.x.org"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0"},
        {.about = "off",
         .vhosts = {{"a.x.org", .off = 1, .ssl_lines = 1}},
         .states = "off"},
        {.about = "no TLS, said here",
         .vhosts = {{"a.x.org", .no_tls = 1}},
         .states = "no-tls",
         .messages = "W0 x.conf:00|v0:443|SSLEngine on|CFOrigin off"},
        {.about = "no TLS, inherited",
         .vhosts = {{"a.x.org", .no_tls = 1, .inherits = 1}},
         .states = "no-tls"},
        {.about = "no TLS, inherited, with lines",
         .vhosts = {{"a.x.org", .no_tls = 1, .inherits = 1, .ssl_lines = 1}},
         .states = "no-tls",
         .messages = "W0 SSLEngine"},
        {.about = "no TLS in the server scope",
         .vhosts = {{NULL, .base = 1, .no_tls = 1}, {"a.x.org"}},
         .states = "no-tls managed",
         .wanted = "a.x.org ecc [a.x.org] 1"},
        {.about = "nameless, inherited",
         .vhosts = {{.inherits = 1, .aliases = "b.x.org"}},
         .states = "left-out",
         .messages = "W0 inherits|ServerName"},
        {.about = "nameless, said here",
         .count = 1,
         .states = "left-out",
         .messages = "E0 x.conf:00|v0:443|ServerName|CFOriginHostnames"},
        {.about = "nameless base",
         .vhosts = {{.base = 1}},
         .states = "left-out",
         .messages = "W0 main server|ServerName"},
        {.about = "named base",
         .vhosts = {{"a.x.org", .base = 1}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0"},
        {.about = "base that is localhost",
         .vhosts = {{"localhost", .base = 1}},
         .states = "left-out",
         .messages = "W0 localhost|single label"},
        {.about = "foreign",
         .vhosts = {{"10.0.0.1", .foreign = 1}},
         .states = "foreign",
         .messages = "I0 no pair of the Origin CA"},
        {.about = "taken",
         .vhosts = {{"10.0.0.1", .taken = 1}},
         .states = "taken",
         .messages = "I0 another module"},
        {.about = "no token",
         .vhosts = {{"a.x.org", .token = ""},
                    {"b.x.org"},
                    {"c.x.org", .token = ""},
                    {"d.x.org", .token = ""}},
         .states = "left-out managed left-out left-out",
         .wanted = "b.x.org ecc [b.x.org] 1",
         .messages = "E0 CFOriginTokenFile|v0:443 and 2 more"},
        {.about = "no token, one",
         .vhosts = {{"a.x.org", .token = ""}},
         .states = "left-out",
         .messages = "E0 missing for v0:443, where"},
    };
    (void)state;
    run(rows, COUNT(rows));
}

static void which_names(void **state)
{
    static const scenario_t rows[] = {
        {.about = "aliases, spelled, once",
         .vhosts = {{"A.x.org", "b.x.org a.X.org. b.x.org *.c.x.org"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org *.c.x.org] 0"},
        {.about = "hostnames instead",
         .vhosts = {{"localhost", "b.x.org w*.x.org",
                     "c.x.org *.x.org c.x.org"}},
         .states = "managed",
         .wanted = "c.x.org ecc [c.x.org *.x.org] 0"},
        {.about = "hostnames need no ServerName",
         .vhosts = {{.hostnames = "bücher.x.org"}},
         .states = "managed",
         .wanted = "xn--bcher-kva.x.org ecc [xn--bcher-kva.x.org] 0"},
        {.about = "a wildcard first",
         .vhosts = {{.hostnames = "*.x.org"}},
         .states = "managed",
         .wanted = "*.x.org ecc [*.x.org] 0"},
        {.about = "aliases that can't be",
         .vhosts = {{"a.x.org",
                     "www?.x.org * localhost 10.0.0.1 b.x.org *.*.x.org"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0",
         .messages = "W0 ServerAlias|\"www?.x.org\"|pattern\n"
                     "W0 ServerAlias|\"*\"\nW0 \"localhost\"\n"
                     "W0 \"10.0.0.1\"|IP address\nW0 \"*.*.x.org\""},
        {.about = "an address",
         .vhosts = {{"10.0.0.1", "b.x.org"}, {"c.x.org"}},
         .states = "left-out managed",
         .wanted = "c.x.org ecc [c.x.org] 1",
         .messages = "E0 x.conf:00|ServerName|\"10.0.0.1\"|host names only|"
                     "CFOriginHostnames"},
        {.about = "a single label, inherited",
         .vhosts = {{"web1", .inherits = 1}},
         .states = "left-out",
         .messages = "E0 ServerName|\"web1\"|CFOriginHostnames"},
        {.about = "*.com",
         .vhosts = {{.hostnames = "a.x.org *.com *.*.y.z"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0",
         .messages = "E0 x.conf:03|CFOriginHostnames|\"*.com\"|two labels\n"
                     "E0 CFOriginHostnames|\"*.*.y.z\""},
        {.about = "hostnames of a vhost that asks for nothing",
         .vhosts = {{.hostnames = "a.x.org *.com", .off = 1},
                    {.hostnames = "localhost", .no_tls = 1, .inherits = 1},
                    {.hostnames = "::1", .foreign = 1},
                    {.hostnames = "b.x.org", .off = 1}},
         .states = "off no-tls foreign off",
         .messages =
             "E0 x.conf:03|CFOriginHostnames|\"*.com\"\n"
             "E1 x.conf:13|CFOriginHostnames|\"localhost\"\n"
             "I2 no pair of the Origin CA\nE2 CFOriginHostnames|\"::1\""},
        {.about = "no hostname left",
         .vhosts = {{"a.x.org", 0, "::1"}},
         .states = "left-out",
         .messages = "E0 CFOriginHostnames|\"::1\""},
        {.about = "IDN as ServerName",
         .vhosts = {{"bücher.x.org", "öl.x.org"}},
         .states = "managed",
         .wanted = "xn--bcher-kva.x.org ecc "
                   "[xn--bcher-kva.x.org xn--l-0ga.x.org] 0",
         .messages = "W0 \"bücher.x.org\"|ServerName xn--bcher-kva.x.org"},
    };
    (void)state;
    run(rows, COUNT(rows));
}

static void who_shares(void **state)
{
    static const scenario_t rows[] = {
        {.about = "one first name",
         .vhosts = {{"a.x.org", "b.x.org"},
                    {"z.x.org"},
                    {"A.x.org", "c.x.org b.x.org"}},
         .states = "managed managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org c.x.org] 0,2\n"
                   "z.x.org ecc [z.x.org] 1"},
        {.about = "an alias is no first name",
         .vhosts = {{"a.x.org", "b.x.org"}, {"b.x.org", "a.x.org"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0\n"
                   "b.x.org ecc [b.x.org a.x.org] 1"},
        {.about = "one target",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"b.x.org", .targets = "/c:/k"},
                    {"c.x.org", .targets = "/d:/l"}},
         .states = "managed managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0,1 /c:/k\n"
                   "c.x.org ecc [c.x.org] 2 /d:/l"},
        {.about = "a chain of both",
         .vhosts = {{"a.x.org"},
                    {"b.x.org", .targets = "/c:/k"},
                    {"c.x.org", .targets = "/d:/l"},
                    {"b.x.org", .targets = "/d:/l"},
                    {"a.x.org", "e.x.org"}},
         .states = "managed managed managed managed managed",
         .wanted = "a.x.org ecc [a.x.org e.x.org] 0,4\n"
                   "b.x.org ecc [b.x.org c.x.org] 1,2,3 /c:/k /d:/l"},
        {.about = "CFOriginCertificate",
         .vhosts = {{"a.x.org"},
                    {"x.org"},
                    {"b.x.org", "c.x.org"},
                    {"d.x.org", "d.y.org"}},
         .shared = {"Apps *.x.org"},
         .states = "managed managed managed managed",
         .wanted = "apps ecc [*.x.org] 0,2\nx.org ecc [x.org] 1\n"
                   "d.x.org ecc [d.x.org d.y.org] 3"},
        {.about = "the first that covers",
         .vhosts = {{"a.x.org"}, {"b.x.org", "y.org"}, {"*.x.org"}},
         .shared = {"two y.org *.x.org", "one a.x.org", "three *.x.org"},
         .states = "managed managed managed",
         .wanted = "two ecc [y.org *.x.org] 0,1,2",
         .messages = "W- x.conf:901|CFOriginCertificate one\n"
                     "W- x.conf:902|CFOriginCertificate three"},
        {.about = "an exact name before a wildcard",
         .vhosts = {{"a.x.org"}, {"b.x.org"}},
         .shared = {"one a.x.org", "two *.x.org"},
         .states = "managed managed",
         .wanted = "one ecc [a.x.org] 0\ntwo ecc [*.x.org] 1"},
        {.about = "a wildcard covers one label",
         .vhosts = {{"a.b.x.org"}, {"c.x.org"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed",
         .wanted = "a.b.x.org ecc [a.b.x.org] 0\napps ecc [*.x.org] 1"},
        {.about = "shared and own with one first name",
         .vhosts = {{"a.x.org"}, {"a.x.org", "a.y.org"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed",
         .wanted = "apps ecc [*.x.org] 0\n"
                   "a.x.org ecc [a.x.org a.y.org] 1"},
        {.about = "both types",
         .vhosts = {{"b.x.org", .types = "re"},
                    {"a.x.org", .types = "er"},
                    {"c.x.org", .types = "r"}},
         .states = "managed managed managed",
         .wanted = "b.x.org rsa [b.x.org] 0\nb.x.org ecc [b.x.org] 0\n"
                   "a.x.org ecc [a.x.org] 1\na.x.org rsa [a.x.org] 1\n"
                   "c.x.org rsa [c.x.org] 2"},
    };
    (void)state;
    run(rows, COUNT(rows));
}

static void who_disagrees(void **state)
{
#define TWO(text, ...)                                                        \
    {                                                                         \
        .about = text, .vhosts = {{"a.x.org"}, {"a.x.org", __VA_ARGS__}},     \
        .states = "managed managed", .wanted = "a.x.org ecc [a.x.org] 0,1",   \
        .messages =                                                           \
            "E1 x.conf:10|v0:443 (x.conf:00)|v1:443 (x.conf:10)|" text        \
    }
    static const scenario_t rows[] = {
        {.about = "agree",
         .vhosts = {{"a.x.org", .zone = "z", .types = "er"},
                    {"a.x.org", .zone = "z", .types = "re"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1\na.x.org rsa [a.x.org] 0,1"},
        TWO("CFOriginRequestType: origin-ecc and origin-ecc origin-rsa",
            .types = "er"),
        TWO("CFOriginRequestType: origin-ecc and origin-rsa", .types = "r"),
        TWO("CFOriginValidity: 5475 and 90", .validity = 90),
        TWO("CFOriginRenewMode: auto and manual", .manual = 1),
        TWO("CFOriginRenewWindow: 30d and 20d", .renew = 20),
        TWO("CFOriginWarnWindow: 14d and 3d", .warn = 3),
        TWO("CFOriginTokenFile: /etc/cf/default and /t", .token = "/t"),
        TWO("CFOriginZoneID: (none) and abc", .zone = "abc"),
        {.about = "manual first",
         .vhosts = {{"a.x.org", .manual = 1}, {"a.x.org"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1",
         .messages = "E1 CFOriginRenewMode: manual and auto"},
        {.about = "vhosts of a CFOriginCertificate",
         .vhosts = {{"a.x.org"}, {"b.x.org", .validity = 7}},
         .shared = {"apps *.x.org"},
         .states = "managed managed",
         .wanted = "apps ecc [*.x.org] 0,1",
         .messages = "E1 v0:443|v1:443|certificate apps|CFOriginValidity"},
        {.about = "one target",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"b.x.org", .targets = "/c:/k", .token = "/t"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0,1 /c:/k",
         .messages = "E1 v0:443|v1:443|CFOriginTokenFile"},
    };
#undef TWO
    (void)state;
    run(rows, COUNT(rows));
}

static void shared_lines(void **state)
{
    static const scenario_t rows[] = {
        {.about = "one name twice",
         .vhosts = {{"a.x.org"}},
         .shared = {"apps *.x.org", "APPS *.y.org"},
         .states = "managed",
         .wanted = "apps ecc [*.x.org] 0",
         .messages = "E- x.conf:901|CFOriginCertificate APPS|x.conf:900"},
        {.about = "names that are no folder",
         .vhosts = {{"a.x.org"}},
         .shared = {"../etc *.x.org", ".apps *.x.org", "a/b *.x.org",
                    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
                    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeef "
                    "*.x.org"},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0",
         .messages = "E- x.conf:900|\"../etc\"|allowed\nE- \".apps\"\n"
                     "E- \"a/b\"\nE- x.conf:903|100"},
        {.about = "hosts that can't be",
         .vhosts = {{"a.x.org"}},
         .shared = {"apps *.x.org *.com 10.0.0.1"},
         .states = "managed",
         .wanted = "apps ecc [*.x.org] 0",
         .messages = "E- x.conf:900|CFOriginCertificate apps|\"*.com\"\n"
                     "E- \"10.0.0.1\""},
        {.about = "used by none",
         .vhosts = {{"a.y.org"}},
         .shared = {"apps *.x.org"},
         .states = "managed",
         .wanted = "a.y.org ecc [a.y.org] 0",
         .messages = "W- x.conf:900|CFOriginCertificate apps|covers"},
        {.about = "the name of a vhost's",
         .vhosts = {{"a.x.org"}, {"*.y.org"}, {"b.z.org"}},
         .shared = {"a.x.org b.z.org", "_.y.org c.z.org"},
         .states = "managed managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0\n*.y.org ecc [*.y.org] 1\n"
                   "a.x.org ecc [b.z.org] 2",
         .messages = "E- x.conf:900|CFOriginCertificate a.x.org|v0:443\n"
                     "E- x.conf:901|CFOriginCertificate _.y.org|v1:443\n"
                     "W- x.conf:901|CFOriginCertificate _.y.org"},
    };
    (void)state;
    /* the last has two certificates of one name: an error, and found once */
    run(rows, COUNT(rows) - 1);
    check_messages(&rows[COUNT(rows) - 1], plan_of(&rows[COUNT(rows) - 1]));
}

static void targets(void **state)
{
    static const scenario_t rows[] = {
        {.about = "two types, two lines",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/e:/ek /r:/rk"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /e:/ek\n"
                   "a.x.org rsa [a.x.org] 0 /r:/rk"},
        {.about = "the first type gets the first line",
         .vhosts = {{"a.x.org", .types = "re", .targets = "/1:/1k /2:/2k"}},
         .states = "managed",
         .wanted = "a.x.org rsa [a.x.org] 0 /1:/1k\n"
                   "a.x.org ecc [a.x.org] 0 /2:/2k"},
        {.about = "what is there keeps its type",
         .vhosts = {{"a.x.org", .types = "er",
                     .targets = "/1:/1k:r /2:/2k:e"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /2:/2k\n"
                   "a.x.org rsa [a.x.org] 0 /1:/1k"},
        {.about = "one is there",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/1:/1k /2:/2k:e"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /2:/2k\n"
                   "a.x.org rsa [a.x.org] 0 /1:/1k"},
        {.about = "a type that is not wanted",
         .vhosts = {{"a.x.org", .targets = "/1:/1k:r"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /1:/1k"},
        {.about = "both of one type",
         .vhosts = {{"a.x.org", .targets = "/1:/1k:e /2:/2k:e"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /1:/1k /2:/2k"},
        {.about = "one type, two lines",
         .vhosts = {{"a.x.org", .targets = "/1:/1k /2:/2k"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /1:/1k",
         .messages = "W0 x.conf:06|/2|left out|CFOriginRequestType"},
        {.about = "two types, one line",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/1:/1k"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /1:/1k\n"
                   "a.x.org rsa [a.x.org] 0"},
        {.about = "a single PEM",
         .vhosts = {{"a.x.org", .targets = "/c:/c"},
                    {"b.x.org", .targets = "/c:/c"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0,1 /c:/c"},
        {.about = "two keys",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"b.x.org", .targets = "/c:/l"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org b.x.org] 0,1 /c:/k",
         .messages = "E1 x.conf:15|SSLCertificateFile /c|/k and /l|v0:443"},
        {.about = "one certificate for two keys, one of them itself",
         .vhosts = {{"a.x.org", .targets = "/c:/c"},
                    {"a.x.org", .targets = "/c:/k"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /c:/c",
         .messages = "E1 /c and /k"},
        {.about = "claimed by shared and own",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"a.y.org", .targets = "/c:/k"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed",
         .wanted = "apps ecc [*.x.org] 0 /c:/k\na.y.org ecc [a.y.org] 1",
         .messages = "E1 x.conf:15|/c|one target is claimed by two "
                     "certificates|apps|a.y.org|v0:443"},
        {.about = "a shared one joins no others",
         .vhosts = {{"a.x.org", "a.y.org"},
                    {"a.x.org", .targets = "/c:/k"},
                    {"b.y.org", .targets = "/c:/k"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed managed",
         .wanted = "a.x.org ecc [a.x.org a.y.org] 0\n"
                   "apps ecc [*.x.org] 1 /c:/k\nb.y.org ecc [b.y.org] 2",
         .messages = "E2 two certificates"},
        {.about = "claimed by both types",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/c:/k /c:/k"}},
         .states = "managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /c:/k\n"
                   "a.x.org rsa [a.x.org] 0",
         .messages = "E0 x.conf:06|/c|origin-ecc|origin-rsa"},
        {.about = "one key for two certificates",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"b.x.org", .targets = "/d:/k"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0 /c:/k\nb.x.org ecc [b.x.org] 1",
         .messages = "E1 SSLCertificateKeyFile /k|two certificates"},
        {.about = "one key for two files of one certificate",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"a.x.org", .targets = "/d:/k"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /c:/k /d:/k"},
        {.about = "a certificate that is a key",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"a.x.org", .targets = "/k:/l"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /c:/k",
         .messages = "E1 SSLCertificateFile /k|key of another"},
        {.about = "a key that is a certificate",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"a.x.org", .targets = "/d:/c"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /c:/k",
         .messages = "E1 SSLCertificateKeyFile /c|another certificate"},
        {.about = "the vhosts of a CFOriginCertificate",
         .vhosts = {{"a.x.org", .targets = "/c:/k"},
                    {"b.x.org", .targets = "/c:/k"},
                    {"c.x.org", .targets = "/d:/l"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed managed",
         .wanted = "apps ecc [*.x.org] 0,1,2 /c:/k /d:/l"},
        {.about = "two orders of the same lines",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/e:/ek /r:/rk"},
                    {"a.x.org", .types = "er", .targets = "/r:/rk /e:/ek"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /e:/ek\n"
                   "a.x.org rsa [a.x.org] 0,1 /r:/rk"},
        {.about = "a line of its own before a shared one",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/e:/ek"},
                    {"a.x.org", .types = "er", .targets = "/r:/rk /e:/ek"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /e:/ek\n"
                   "a.x.org rsa [a.x.org] 0,1 /r:/rk"},
        {.about = "one key for what are two types by their files",
         .vhosts = {{"a.x.org", .types = "er", .targets = "/c:/k:e"},
                    {"a.x.org", .types = "er", .targets = "/d:/k:r"}},
         .states = "managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,1 /c:/k\n"
                   "a.x.org rsa [a.x.org] 0,1",
         .messages = "W1 SSLCertificateKeyFile /k|two certificates"},
        {.about = "left out by the text, there by its file, and another's",
         .vhosts = {{"a.x.org", .targets = "/c:/k:e /d:/l:e"},
                    {"a.y.org", .targets = "/d:/l:e"}},
         .shared = {"apps *.x.org"},
         .states = "managed managed",
         .wanted = "apps ecc [*.x.org] 0 /c:/k /d:/l\n"
                   "a.y.org ecc [a.y.org] 1",
         .messages = "W1 SSLCertificateFile /d|two certificates"},
    };
    (void)state;
    run(rows, COUNT(rows));
}

/* Every file absent, or of either type, whatever its vhosts want. */
static void no_error_depends_on_a_file(void **state)
{
    static const char *const pairs[] = {"/a:/ak", "/b:/bk", "/c:/ak",
                                        "/b:/ck"};
    static const char *const files[] = {"", ":e", ":r"};
    static const char *const types[] = {"e", "er", "re"};
    (void)state;

    /* two vhosts with two lines each, of four; 3 types; 3 files each */
    for (int n = 0; n < 4 * 4 * 4 * 4 * 3; n++) {
        int line[4] = {n % 4, n / 4 % 4, n / 16 % 4, n / 64 % 4};
        int errors = -1;

        for (int f = 0; f < 3 * 3 * 3; f++) {
            int of[4] = {f % 3, f / 3 % 3, f / 9 % 3, f / 3 % 3};
            scenario_t s = {.count = 2};
            cfo_plan_t *plan;

            for (int v = 0; v < 2; v++) {
                s.vhosts[v].server_name = v ? "a.x.org" : "a.y.org";
                s.vhosts[v].types = types[n / 256];
                s.vhosts[v].targets = apr_pstrcat(
                    pool, pairs[line[2 * v]], files[of[line[2 * v]]], " ",
                    pairs[line[2 * v + 1]], files[of[line[2 * v + 1]]], NULL);
            }
            if (n % 2)
                s.shared[0] = "apps *.x.org";
            plan = plan_of(&s);
            if (errors < 0)
                errors = plan->errors;
            if (plan->errors != errors)
                fail_msg("%s and %s: %d errors, %d without files",
                         s.vhosts[0].targets, s.vhosts[1].targets,
                         plan->errors, errors);
        }
        apr_pool_clear(pool);
    }
}

static void order_of_messages(void **state)
{
    static const scenario_t rows[] = {
        {.about = "by vhost, those about none first",
         .vhosts = {{"a.x.org", "*", .targets = "/c:/k /d:/l"},
                    {"b.x.org", "w?.x.org", .targets = "/e:/e /f:/f"},
                    {"a.x.org", "localhost", .validity = 7}},
         .shared = {"apps *.y.org"},
         .states = "managed managed managed",
         .wanted = "a.x.org ecc [a.x.org] 0,2 /c:/k\n"
                   "b.x.org ecc [b.x.org] 1 /e:/e",
         .messages = "W- apps\nW0 ServerAlias\nW0 /d\nW1 ServerAlias\n"
                     "W1 /f\nW2 ServerAlias\nE2 CFOriginValidity"},
    };
    (void)state;
    run(rows, COUNT(rows));
}

/* 200 names are taken, 201 are not: on a vhost, over two, and shared. */
static void too_many_names(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        const char *names = "", *half = "", *rest = "";
        cfo_plan_t *plan;

        for (int i = 1; i < 200 + more; i++)
            names = apr_psprintf(pool, "%s n%d.x.org", names, i);
        for (int i = 101; i < 200 + more; i++)
            half = apr_psprintf(pool, "%s n%d.x.org", half, i);
        for (int i = 1; i < 101; i++)
            rest = apr_psprintf(pool, "%s n%d.x.org", rest, i);

        scenario_t rows[] = {
            {.vhosts = {{"a.x.org", names}},
             .messages = "E0 x.conf:00|201 names|v0:443 (x.conf:00)|200"},
            {.vhosts = {{.hostnames =
                             apr_pstrcat(pool, "a.x.org ", names, NULL)}},
             .messages = "E0 201 names|CFOriginHostnames"},
            {.vhosts = {{"a.x.org", half}, {"a.x.org", rest}},
             .messages = "E0 201 names|v0:443 (x.conf:00), v1:443"},
            {.vhosts = {{"a.x.org"}},
             .shared = {apr_pstrcat(pool, "apps a.x.org ", names, NULL)},
             .messages = "E- x.conf:900|CFOriginCertificate apps|201|200"},
        };
        for (size_t i = 0; i < COUNT(rows); i++) {
            rows[i].about = apr_psprintf(pool, "%d+%d", (int)i, more);
            if (!more)
                rows[i].messages = NULL;
            plan = plan_of(&rows[i]);
            check_messages(&rows[i], plan);
            assert_int_equal(APR_ARRAY_IDX(plan->wanted, 0, cfo_wanted_t *)
                                 ->hostnames->nelts,
                             200 + more);
        }
    }
}

static void accounts(void **state)
{
    static const scenario_t s = {.vhosts = {{"a.x.org", .token = "/b/token"},
                                            {"b.x.org", .token = "/a/token-2"},
                                            {"c.x.org", .token = "/a/token"},
                                            {"d.x.org", .token = "/b/token"},
                                            {"e.x.org", .token = "/c/token"},
                                            {"f.x.org", .token = "/a/token"}}};
    static const char *const names[] = {"token", "token-2", "token-3",
                                        "token-4"};
    static const int account[] = {0, 1, 2, 0, 3, 2};
    cfo_plan_t *plan = plan_of(&s);
    (void)state;

    assert_int_equal(plan->accounts->nelts, COUNT(names));
    for (int i = 0; i < plan->accounts->nelts; i++) {
        const cfo_account_t *a =
            &APR_ARRAY_IDX(plan->accounts, i, cfo_account_t);

        assert_string_equal(a->name, names[i]);
        assert_string_equal(a->id, cfo_account_id(pool, a->token_file));
        assert_int_equal(strlen(a->id), 16);
    }
    assert_int_equal(plan->wanted->nelts, COUNT(account));
    for (int i = 0; i < plan->wanted->nelts; i++)
        assert_int_equal(
            APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *)->account,
            account[i]);
    /* FNV-1a of "a": ids are file names, so they may never change */
    assert_string_equal(cfo_account_id(pool, "a"), "af63dc4c8601ec8c");
    check_whole(plan);
}

static void finding(void **state)
{
    static const scenario_t s = {.vhosts = {{.hostnames = "*.x.org"}}};
    cfo_plan_t *plan = plan_of(&s);
    cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, 0, cfo_wanted_t *);
    (void)state;

    assert_string_equal(w->folder, "_.x.org");
    assert_ptr_equal(cfo_plan_find(plan, "_.x.org", CFO_ORIGIN_ECC), w);
    assert_ptr_equal(cfo_plan_find(plan, "*.x.org", CFO_ORIGIN_ECC), w);
    assert_null(cfo_plan_find(plan, "*.x.org", CFO_ORIGIN_RSA));
    assert_null(cfo_plan_find(plan, "a.x.org", CFO_ORIGIN_ECC));
    assert_null(cfo_plan_find(plan, "_.x.org", (cfo_request_type_t)2));
}

/* A thousand who chain into one, and a thousand on their own, in one go. */
static void many(void **state)
{
    apr_array_header_t *facts =
        apr_array_make(pool, 2000, sizeof(cfo_vhost_t));
    cfo_plan_t *plan;
    (void)state;

    for (int i = 0; i < 2000; i++) {
        vhost_t v = {.server_name = apr_psprintf(pool, "n%d.x.org", i)};

        if (i < 1000) /* backwards, so that each joins the one before */
            v.targets = apr_psprintf(pool, "/c%d:/k%d /c%d:/k%d", 999 - i,
                                     999 - i, 1000 - i, 1000 - i);
        v.types = "er";
        add_vhost(facts, &v);
    }
    plan = cfo_plan_make(pool, facts, NULL, NULL);
    assert_int_equal(plan->wanted->nelts, 2 * 1001);
    assert_int_equal(plan->errors, 1); /* so many names */
    assert_int_equal(
        APR_ARRAY_IDX(plan->wanted, 0, cfo_wanted_t *)->vhosts->nelts, 1000);
}

/* With a number, one plan for so many vhosts: for whoever measures. */
static void measure(int count)
{
    apr_array_header_t *facts =
        apr_array_make(pool, count, sizeof(cfo_vhost_t));
    apr_array_header_t *shared = apr_array_make(pool, 4, sizeof(cfo_shared_t));
    apr_time_t begin;
    cfo_plan_t *plan;

    for (int i = 0; i < count; i++) {
        vhost_t v = {.server_name = apr_psprintf(pool, "n%d.x.org", i / 2)};

        v.aliases = apr_psprintf(pool, "www.n%d.x.org m%d.x.org", i, i);
        v.targets = apr_psprintf(pool, "/c%d:/k%d", i / 2, i / 2);
        if (i % 5 == 0)
            v = (vhost_t){.server_name =
                              apr_psprintf(pool, "n%d.apps.x.org", i)};
        add_vhost(facts, &v);
    }
    for (int i = 0; i < count / 100; i++)
        add_shared(shared, apr_psprintf(pool, "s%d *.z%d.x.org", i, i));
    add_shared(shared, "apps *.apps.x.org");
    begin = apr_time_now();
    plan = cfo_plan_make(pool, facts, shared, NULL);
    print_message("%d vhosts: %d certificates, %d errors, %d ms\n", count,
                  plan->wanted->nelts, plan->errors,
                  (int)apr_time_as_msec(apr_time_now() - begin));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_managed),
        cmocka_unit_test(which_names),
        cmocka_unit_test(who_shares),
        cmocka_unit_test(who_disagrees),
        cmocka_unit_test(shared_lines),
        cmocka_unit_test(targets),
        cmocka_unit_test(no_error_depends_on_a_file),
        cmocka_unit_test(too_many_names),
        cmocka_unit_test(accounts),
        cmocka_unit_test(finding),
        cmocka_unit_test(many),
        cmocka_unit_test(order_of_messages),
    };
    int rc = 0;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    if (argc > 1)
        measure(atoi(argv[1]));
    else
        rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
