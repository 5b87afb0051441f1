/* SPDX-License-Identifier: Apache-2.0 */
/**
 * CFOriginPack: who shares a packed certificate, and that a vhost more or
 * less changes one of them. "Issued" below means: what the plan wants is in
 * the store when the next plan is made.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cforigin_plan.h"

#define DAY apr_time_from_sec(86400)

static apr_pool_t *pool;

static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a = apr_array_make(pool, 4, sizeof(const char *));
    char *rest, *word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);

    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

static apr_array_header_t *no_vhosts(void)
{
    return apr_array_make(pool, 16, sizeof(cfo_vhost_t));
}

static apr_array_header_t *no_packs(void)
{
    return apr_array_make(pool, 4, sizeof(cfo_pack_t));
}

static cfo_vhost_t *add(apr_array_header_t *vhosts, const char *names)
{
    apr_array_header_t *words = strings(names);
    cfo_vhost_t *v = apr_array_push(vhosts);

    memset(v, 0, sizeof *v);
    v->server_name = APR_ARRAY_IDX(words, 0, const char *);
    v->label = v->server_name;
    v->where = "x.conf:1";
    v->enabled = v->enabled_here = v->tls = 1;
    v->aliases = words;
    v->settings.request_types = 1u << CFO_ORIGIN_ECC;
    v->settings.validity = 5475;
    v->settings.renew_window.length = 30 * DAY;
    v->settings.warn_window.length = 14 * DAY;
    v->settings.token_file = "/etc/cf/token";
    return v;
}

/* The certificates as lines "name: hostname hostname"; sorted by nothing. */
static const char *text_of(const cfo_plan_t *plan)
{
    const char *text = "";

    for (int i = 0; i < plan->wanted->nelts; i++) {
        const cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *);

        text = apr_pstrcat(pool, text, w->name, ": ",
                           apr_array_pstrcat(pool, w->hostnames, ' '), "\n",
                           NULL);
    }
    return text;
}

/* The store once all of the plan is issued; what nobody wants stays. */
static apr_array_header_t *issued(const cfo_plan_t *plan,
                                  const apr_array_header_t *before)
{
    apr_array_header_t *packs = no_packs();

    for (int i = 0; i < plan->wanted->nelts; i++) {
        const cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *);
        cfo_pack_t pack = {w->folder, w->hostnames, 0};

        if (!strncmp(w->folder, CFO_PACK_PREFIX, strlen(CFO_PACK_PREFIX)))
            APR_ARRAY_PUSH(packs, cfo_pack_t) = pack;
    }
    for (int i = 0; before && i < before->nelts; i++) {
        const cfo_pack_t *pack = &APR_ARRAY_IDX(before, i, cfo_pack_t);

        if (!cfo_plan_find(plan, pack->folder, CFO_ORIGIN_ECC))
            APR_ARRAY_PUSH(packs, cfo_pack_t) = *pack;
    }
    return packs;
}

static int holds(const apr_array_header_t *names, const char *name)
{
    for (int i = 0; i < names->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(names, i, const char *), name))
            return 1;
    }
    return 0;
}

/* How many certificates would be asked for, given this store. */
static int calls(const cfo_plan_t *plan, const apr_array_header_t *packs)
{
    apr_hash_t *stored = apr_hash_make(pool);
    int count = 0;

    for (int i = 0; i < packs->nelts; i++) {
        const cfo_pack_t *pack = &APR_ARRAY_IDX(packs, i, cfo_pack_t);

        apr_hash_set(stored, pack->folder, APR_HASH_KEY_STRING,
                     pack->hostnames);
    }
    for (int i = 0; i < plan->wanted->nelts; i++) {
        const cfo_wanted_t *w = APR_ARRAY_IDX(plan->wanted, i, cfo_wanted_t *);
        const apr_array_header_t *names =
            apr_hash_get(stored, w->folder, APR_HASH_KEY_STRING);
        int covered = names != NULL;

        for (int n = 0; covered && n < w->hostnames->nelts; n++)
            covered =
                holds(names, APR_ARRAY_IDX(w->hostnames, n, const char *));
        count += !covered;
    }
    return count;
}

/* Each vhost is on one certificate that has all of its names, and none has
 * too many. */
static void check_whole(const cfo_plan_t *plan,
                        const apr_array_header_t *vhosts)
{
    assert_int_equal(plan->errors, 0);
    for (int i = 0; i < vhosts->nelts; i++) {
        const cfo_vhost_t *v = &APR_ARRAY_IDX(vhosts, i, cfo_vhost_t);
        int at = APR_ARRAY_IDX(plan->assignments, i, cfo_assignment_t)
                     .wanted[CFO_ORIGIN_ECC];
        const cfo_wanted_t *w;

        assert_true(at >= 0);
        w = APR_ARRAY_IDX(plan->wanted, at, cfo_wanted_t *);
        assert_true(w->hostnames->nelts <= CFO_HOSTNAMES_MAX);
        for (int n = 0; n < v->aliases->nelts; n++)
            assert_true(holds(w->hostnames,
                              APR_ARRAY_IDX(v->aliases, n, const char *)));
    }
}

static cfo_plan_t *plan_of(const apr_array_header_t *vhosts,
                           const apr_array_header_t *packs)
{
    cfo_plan_t *plan = cfo_plan_make(pool, vhosts, NULL, packs);

    check_whole(plan, vhosts);
    return plan;
}

/* Which zone. */

static const struct {
    const char *about, *names, *wanted;
} zones[] = {
    {"one zone", "a.example.com|b.example.com|example.com",
     "pack+a.example.com: a.example.com b.example.com example.com\n"},
    {"two zones", "a.example.com|a.example.net|b.example.com",
     "pack+a.example.com: a.example.com b.example.com\n"
     "pack+a.example.net: a.example.net\n"},
    {"deeper names are of the same zone", "a.b.c.example.com|example.com",
     "pack+a.b.c.example.com: a.b.c.example.com example.com\n"},
    {"below co.uk", "a.one.co.uk|b.one.co.uk|a.two.co.uk|two.co.uk",
     "pack+a.one.co.uk: a.one.co.uk b.one.co.uk\n"
     "pack+a.two.co.uk: a.two.co.uk two.co.uk\n"},
    {"a short name below a country is a zone", "a.abc.de|b.abc.de",
     "pack+a.abc.de: a.abc.de b.abc.de\n"},
    {"com below no country", "a.com.example|b.com.example",
     "pack+a.com.example: a.com.example b.com.example\n"},
    {"a wildcard", "*.example.com|example.com|*.one.co.uk|b.one.co.uk",
     "pack+*.example.com: *.example.com example.com\n"
     "pack+*.one.co.uk: *.one.co.uk b.one.co.uk\n"},
    {"aliases come along", "a.example.com www.a.example.com|b.example.com",
     "pack+a.example.com: a.example.com www.a.example.com b.example.com\n"},
    {"one first name twice",
     "a.example.com x.example.com|b.example.com|"
     "a.example.com y.example.com",
     "pack+a.example.com: a.example.com x.example.com y.example.com "
     "b.example.com\n"},
};

static void by_zone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        apr_array_header_t *vhosts = no_vhosts();
        char *rest, *names;

        names = apr_strtok(apr_pstrdup(pool, zones[i].names), "|", &rest);
        for (; names; names = apr_strtok(NULL, "|", &rest))
            add(vhosts, names);
        print_message("zone: %s\n", zones[i].about);
        assert_string_equal(text_of(plan_of(vhosts, no_packs())),
                            zones[i].wanted);
    }
}

static void a_wildcard_pack_is_found_again(void **state)
{
    apr_array_header_t *vhosts = no_vhosts();
    apr_array_header_t *packs;
    cfo_plan_t *plan;

    (void)state;
    add(vhosts, "*.example.com");
    plan = plan_of(vhosts, no_packs());
    assert_string_equal(APR_ARRAY_IDX(plan->wanted, 0, cfo_wanted_t *)->folder,
                        "pack+_.example.com");
    packs = issued(plan, NULL);
    assert_string_equal(text_of(plan_of(vhosts, packs)), text_of(plan));
    assert_non_null(cfo_plan_find(plan, "pack+_.example.com", CFO_ORIGIN_ECC));
}

/* Settings. */

static const char *settings_text(void (*change)(cfo_vhost_t *))
{
    apr_array_header_t *vhosts = no_vhosts();

    add(vhosts, "a.example.com");
    change(add(vhosts, "b.example.com"));
    add(vhosts, "c.example.com");
    return text_of(plan_of(vhosts, no_packs()));
}

static void other_validity(cfo_vhost_t *v)
{
    v->settings.validity = 90;
}

static void other_mode(cfo_vhost_t *v)
{
    v->settings.renew_manual = 1;
}

static void other_renew(cfo_vhost_t *v)
{
    v->settings.renew_window.percent = 10;
}

static void other_warn(cfo_vhost_t *v)
{
    v->settings.warn_window.length = 7 * DAY;
}

static void default_window(cfo_vhost_t *v)
{
    v->settings.renew_window.is_default = 1;
}

static void other_token(cfo_vhost_t *v)
{
    v->settings.token_file = "/etc/cf/other";
}

static void other_zone(cfo_vhost_t *v)
{
    v->settings.zone_id = "0123456789abcdef0123456789abcdef";
}

static void with_hostnames(cfo_vhost_t *v)
{
    v->hostnames = strings("b.example.com");
}

static void with_targets(cfo_vhost_t *v)
{
    apr_array_header_t *targets =
        apr_array_make(pool, 1, sizeof(cfo_target_t));
    cfo_target_t target = {"/etc/c.pem", "/etc/k.pem", "x.conf:2", 0, 0};

    APR_ARRAY_PUSH(targets, cfo_target_t) = target;
    v->targets = targets;
}

static void who_differs_is_packed_apart(void **state)
{
    static void (*const changes[])(cfo_vhost_t *) = {
        other_validity, other_mode,  other_renew, other_warn,
        default_window, other_token, other_zone};

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_string_equal(settings_text(changes[i]),
                            "pack+a.example.com: a.example.com "
                            "c.example.com\n"
                            "pack+b.example.com: b.example.com\n");
}

static void who_said_its_names_or_files_keeps_its_own(void **state)
{
    static void (*const changes[])(cfo_vhost_t *) = {with_hostnames,
                                                     with_targets};

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_string_equal(settings_text(changes[i]),
                            "pack+a.example.com: a.example.com "
                            "c.example.com\n"
                            "b.example.com: b.example.com\n");
}

static void a_shared_line_is_used_as_ever(void **state)
{
    apr_array_header_t *vhosts = no_vhosts();
    apr_array_header_t *shared = apr_array_make(pool, 1, sizeof(cfo_shared_t));
    cfo_shared_t apps = {"apps", strings("*.apps.example.com"), "x.conf:9"};
    cfo_plan_t *plan;

    (void)state;
    APR_ARRAY_PUSH(shared, cfo_shared_t) = apps;
    add(vhosts, "a.apps.example.com");
    add(vhosts, "b.example.com");
    plan = cfo_plan_make(pool, vhosts, shared, no_packs());
    assert_string_equal(text_of(plan), "apps: *.apps.example.com\n"
                                       "pack+b.example.com: b.example.com\n");
}

static void both_types_are_packed_alike(void **state)
{
    apr_array_header_t *vhosts = no_vhosts();
    cfo_plan_t *plan;

    (void)state;
    for (int i = 0; i < 2; i++)
        add(vhosts, i ? "b.example.com" : "a.example.com")
            ->settings.request_types =
            (1u << CFO_ORIGIN_ECC) | (1u << CFO_ORIGIN_RSA);
    plan = plan_of(vhosts, no_packs());
    assert_string_equal(text_of(plan),
                        "pack+a.example.com: a.example.com b.example.com\n"
                        "pack+a.example.com: a.example.com b.example.com\n");
    assert_int_equal(
        APR_ARRAY_IDX(plan->wanted, 1, cfo_wanted_t *)->request_type,
        CFO_ORIGIN_RSA);
}

/* Stability. */

static apr_array_header_t *numbered(int count)
{
    apr_array_header_t *vhosts = no_vhosts();

    for (int i = 0; i < count; i++)
        add(vhosts, apr_psprintf(pool, "n%d.example.com", i));
    return vhosts;
}

static apr_array_header_t *with_one_at(const apr_array_header_t *vhosts,
                                       int at, const char *names)
{
    apr_array_header_t *more = no_vhosts();

    for (int i = 0; i < vhosts->nelts; i++) {
        if (i == at)
            add(more, names);
        APR_ARRAY_PUSH(more, cfo_vhost_t) =
            APR_ARRAY_IDX(vhosts, i, cfo_vhost_t);
    }
    if (at >= vhosts->nelts)
        add(more, names);
    return more;
}

static apr_array_header_t *without(const apr_array_header_t *vhosts, int from,
                                   int step)
{
    apr_array_header_t *less = no_vhosts();

    for (int i = 0; i < vhosts->nelts; i++) {
        if (i < from || (i - from) % step)
            APR_ARRAY_PUSH(less, cfo_vhost_t) =
                APR_ARRAY_IDX(vhosts, i, cfo_vhost_t);
    }
    return less;
}

static void as_few_as_can_be(void **state)
{
    static const int counts[][2] = {{1, 1},     {200, 1},   {201, 2},
                                    {4000, 20}, {4001, 21}, {10000, 50}};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        apr_array_header_t *vhosts = numbered(counts[i][0]);
        cfo_plan_t *plan = plan_of(vhosts, no_packs());

        assert_int_equal(plan->wanted->nelts, counts[i][1]);
        assert_int_equal(calls(plan, no_packs()), counts[i][1]);
        assert_int_equal(
            calls(plan_of(vhosts, issued(plan, NULL)), issued(plan, NULL)), 0);
    }
}

/* First, somewhere, last; with full certificates and with one that has room.
 */
static void one_more_changes_one(void **state)
{
    static const int counts[] = {10, 199, 200, 3990, 4000};

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        apr_array_header_t *vhosts = numbered(counts[c]);
        apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);
        const int places[] = {0, counts[c] / 3, counts[c]};

        for (int i = 0; i < 3; i++) {
            cfo_plan_t *plan = plan_of(
                with_one_at(vhosts, places[i], "new.example.com"), packs);

            assert_int_equal(calls(plan, packs), 1);
        }
    }
}

static void one_less_changes_none(void **state)
{
    apr_array_header_t *vhosts = numbered(1000);
    apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);

    (void)state;
    /* also the one that the certificate is named for */
    for (int i = 0; i < 1000; i += 200)
        assert_int_equal(
            calls(plan_of(without(vhosts, i, 9999), packs), packs), 0);
    assert_int_equal(calls(plan_of(without(vhosts, 0, 2), packs), packs), 0);
}

static void order_does_not_matter_once_it_is_issued(void **state)
{
    apr_array_header_t *vhosts = numbered(1000), *turned = no_vhosts();
    apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);

    (void)state;
    for (int i = 999; i >= 0; i--)
        APR_ARRAY_PUSH(turned, cfo_vhost_t) =
            APR_ARRAY_IDX(vhosts, i, cfo_vhost_t);
    assert_int_equal(calls(plan_of(turned, packs), packs), 0);
}

/* Vhosts come and go: each that comes costs at most one call, no other
 * certificate changes, and freed places are taken. */
static void a_long_life(void **state)
{
    apr_array_header_t *vhosts = numbered(900);
    apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);
    unsigned random = 7;

    (void)state;
    for (int round = 0; round < 60; round++) {
        cfo_plan_t *plan;

        random = random * 1103515245u + 12345u;
        if (random >> 16 & 1)
            vhosts = without(vhosts, (int)(random >> 17) % vhosts->nelts, 97);
        else
            vhosts = with_one_at(vhosts, (int)(random >> 17) % vhosts->nelts,
                                 apr_psprintf(pool, "m%d.example.com", round));
        plan = plan_of(vhosts, packs);
        assert_true(calls(plan, packs) <= 1);
        packs = issued(plan, packs);
        assert_true(plan->wanted->nelts <= 6);
    }
}

static void an_alias_more_changes_one_or_moves(void **state)
{
    apr_array_header_t *vhosts = numbered(399);
    apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);
    cfo_plan_t *plan;

    (void)state;
    /* in the certificate with room: it stays */
    vhosts = without(vhosts, 398, 9999);
    add(vhosts, "n398.example.com www.n398.example.com");
    plan = plan_of(vhosts, packs);
    assert_int_equal(calls(plan, packs), 1);
    /* in the full one: it goes where there is room */
    vhosts = without(numbered(398), 0, 9999);
    add(vhosts, "n0.example.com www.n0.example.com");
    plan = plan_of(vhosts, packs);
    assert_int_equal(calls(plan, packs), 1);
}

static void a_round_cut_short_goes_on(void **state)
{
    apr_array_header_t *vhosts = numbered(2000);
    cfo_plan_t *plan = plan_of(vhosts, no_packs());
    apr_array_header_t *packs = issued(plan, NULL), *half = no_packs();
    const char *all = text_of(plan);

    (void)state;
    for (int i = 1; i < packs->nelts; i += 2)
        APR_ARRAY_PUSH(half, cfo_pack_t) = APR_ARRAY_IDX(packs, i, cfo_pack_t);
    plan = plan_of(vhosts, half);
    assert_int_equal(calls(plan, half), 5);
    assert_string_equal(text_of(plan), all);
}

static const char *folder_of(const cfo_plan_t *plan, int vhost)
{
    int index =
        APR_ARRAY_IDX(plan->assignments, vhost, cfo_assignment_t).wanted[0];

    return APR_ARRAY_IDX(plan->wanted, index, cfo_wanted_t *)->folder;
}

static void a_change_of_settings_keeps_the_grouping(void **state)
{
    apr_array_header_t *vhosts = numbered(600);
    cfo_plan_t *plan = plan_of(vhosts, no_packs()), *after;
    const char *before = text_of(plan);

    (void)state;
    for (int i = 0; i < 600; i++)
        other_validity(&APR_ARRAY_IDX(vhosts, i, cfo_vhost_t));
    assert_string_equal(text_of(plan_of(vhosts, issued(plan, NULL))), before);
    /* two of 600 leave for one of their own, in front of the rest or not, and
     * nobody else */
    default_window(&APR_ARRAY_IDX(vhosts, 0, cfo_vhost_t));
    default_window(&APR_ARRAY_IDX(vhosts, 300, cfo_vhost_t));
    after = plan_of(vhosts, issued(plan, NULL));
    assert_int_equal(after->wanted->nelts, 4);
    assert_string_equal(folder_of(after, 0), folder_of(after, 300));
    for (int i = 1; i < 600; i++)
        if (i != 300)
            assert_string_equal(folder_of(after, i), folder_of(plan, i));
}

/* A sick disk orders nothing: whoever is not seen elsewhere waits there. */
static void nobody_leaves_what_can_not_be_read(void **state)
{
    apr_array_header_t *vhosts = numbered(400);
    apr_array_header_t *packs = issued(plan_of(vhosts, no_packs()), NULL);
    cfo_pack_t *sick = &APR_ARRAY_IDX(packs, 1, cfo_pack_t);
    cfo_plan_t *plan;

    (void)state;
    sick->hostnames = strings("");
    sick->unreadable = 1;
    plan = plan_of(vhosts, packs);
    assert_int_equal(plan->wanted->nelts, 2);
    assert_non_null(cfo_plan_find(plan, sick->folder, CFO_ORIGIN_ECC));
}

/* Two servers with other vhosts on one store leave each other alone. */
static void strangers_packs_are_not_touched(void **state)
{
    apr_array_header_t *mine = no_vhosts(), *theirs = no_vhosts();
    apr_array_header_t *packs;
    cfo_plan_t *plan;

    (void)state;
    add(theirs, "a.example.com");
    packs = issued(plan_of(theirs, no_packs()), NULL);
    add(mine, "b.example.com");
    plan = plan_of(mine, packs);
    assert_string_equal(text_of(plan), "pack+b.example.com: b.example.com\n");
    packs = issued(plan, packs);
    assert_int_equal(calls(plan_of(theirs, packs), packs), 0);
}

/* The name is taken by one that its first vhost left. */
static void a_name_that_is_taken(void **state)
{
    apr_array_header_t *vhosts = numbered(200), *packs;
    cfo_plan_t *plan = plan_of(vhosts, no_packs());

    (void)state;
    packs = issued(plan, NULL);
    vhosts = without(vhosts, 0, 9999);
    add(vhosts, "x.example.com");
    packs = issued(plan_of(vhosts, packs), packs);
    add(vhosts, "n0.example.com");
    plan = plan_of(vhosts, packs);
    assert_int_equal(plan->wanted->nelts, 2);
    assert_non_null(
        cfo_plan_find(plan, "pack+n0.example.com+2", CFO_ORIGIN_ECC));
}

static void long_lists_of_names(void **state)
{
    apr_array_header_t *vhosts = no_vhosts();
    cfo_plan_t *plan;

    (void)state;
    for (int i = 0; i < 300; i++) {
        const char *names = apr_psprintf(pool, "v%d.example.com", i);

        for (int n = 1; n < 1 + i % 150; n++)
            names = apr_psprintf(pool, "%s v%d-%d.example.com", names, i, n);
        add(vhosts, names);
    }
    plan = plan_of(vhosts, no_packs());
    /* 22,650 names need 114 at least; in this order, each vhost a little
     * larger than the one before, it is hard to do well */
    assert_in_range(plan->wanted->nelts, 114, 160);
    assert_int_equal(
        calls(plan_of(vhosts, issued(plan, NULL)), issued(plan, NULL)), 0);
}

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(by_zone),
        EACH(a_wildcard_pack_is_found_again),
        EACH(who_differs_is_packed_apart),
        EACH(who_said_its_names_or_files_keeps_its_own),
        EACH(a_shared_line_is_used_as_ever),
        EACH(both_types_are_packed_alike),
        EACH(as_few_as_can_be),
        EACH(one_more_changes_one),
        EACH(one_less_changes_none),
        EACH(order_does_not_matter_once_it_is_issued),
        EACH(a_long_life),
        EACH(an_alias_more_changes_one_or_moves),
        EACH(a_round_cut_short_goes_on),
        EACH(a_change_of_settings_keeps_the_grouping),
        EACH(nobody_leaves_what_can_not_be_read),
        EACH(strangers_packs_are_not_touched),
        EACH(a_name_that_is_taken),
        EACH(long_lists_of_names),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
