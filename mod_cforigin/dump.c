/* SPDX-License-Identifier: Apache-2.0 */
/* The plan and its decisions as text. Only prints. */
#include "cforigin_dump.h"
#include "cforigin_tries.h"

#include <apr_file_io.h>

static void line(apr_file_t *out, const char *label, const char *text)
{
    apr_file_printf(out, "  %-14s %s\n", label, text);
}

static const char *joined(const apr_array_header_t *words, apr_pool_t *p)
{
    return apr_array_pstrcat(p, words, ' ');
}

static void dump_vhosts(const cfo_generation_t *gen,
                        const cfo_wanted_t *wanted, apr_file_t *out,
                        apr_pool_t *p)
{
    int i;

    for (i = 0; i < wanted->vhosts->nelts; i++) {
        const cfo_vhost_t *vhost = &APR_ARRAY_IDX(
            gen->vhosts, APR_ARRAY_IDX(wanted->vhosts, i, int), cfo_vhost_t);

        line(out, i ? "" : "vhosts",
             apr_psprintf(p, "%s (%s)", vhost->label,
                          vhost->where ? vhost->where : "base server"));
    }
}

static void dump_targets(const cfo_wanted_t *wanted, apr_file_t *out,
                         apr_pool_t *p)
{
    int i;

    for (i = 0; wanted->targets && i < wanted->targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(wanted->targets, i, cfo_target_t);

        line(out, i ? "" : "files",
             apr_pstrcat(p, target->certificate, " ", target->key, NULL));
    }
}

static void dump_stored(const cfo_standing_t *st, apr_file_t *out,
                        apr_pool_t *p)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;

    if (facts == NULL) {
        line(out, "stored", st->other ? "the other request type's" : "none");
        return;
    }
    line(out, "stored",
         apr_psprintf(p, "generation %d, serial %s, until %s",
                      st->entry->generation, facts->serial,
                      cfo_time_word(p, facts->not_after)));
}

/* What the next start does; "at" when a try has to wait for its time. */
static void dump_next(const cfo_generation_t *gen, const cfo_standing_t *st,
                      apr_file_t *out, apr_pool_t *p)
{
    const char *reason = cfo_reason_word(st->decision.reason);
    apr_time_t at = cfo_tries_at(gen, st);
    const char *text = apr_psprintf(
        p, "%s (%s)", cfo_action_word(st->decision.action), reason);

    if (st->decision.action == CFO_KEEP) {
        if (st->decision.renew_at)
            text = apr_psprintf(p, "%s, renewed from %s%s", text,
                                cfo_time_word(p, st->decision.renew_at),
                                st->wanted->settings.renew_manual
                                    ? " by hand (CFOriginRenewMode manual)"
                                    : "");
    }
    else if (at > apr_time_now()) {
        text =
            apr_psprintf(p, "%s, not before %s", text, cfo_time_word(p, at));
    }
    line(out, "next start", text);
    if (st->attempt->failures > 0)
        line(out, "last error",
             apr_psprintf(p, "%s, after %d failed %s",
                          cfo_result_sentence(p, &st->attempt->last_error),
                          st->attempt->failures,
                          st->attempt->failures == 1 ? "try" : "tries"));
}

/* What will happen, not what is written: of a short life a long window is
 * only a part. */
static void dump_validity(const cfo_settings_t *settings, apr_file_t *out,
                          apr_pool_t *p)
{
    const cfo_window_t *window = &settings->renew_window;
    apr_interval_time_t lifetime =
        apr_time_from_sec((apr_time_t)settings->validity * 86400);
    apr_interval_time_t most = lifetime / 3;
    const char *word = cfo_window_word(p, window);
    const char *text;

    if (settings->renew_manual)
        text = "never renewed by itself (CFOriginRenewMode manual)";
    else if (window->percent ? window->percent > 33 : window->length > most)
        text = apr_psprintf(
            p,
            "renewed %s before its end, a third of its life, as "
            "CFOriginRenewWindow %s is more",
            cfo_duration_word(p, cfo_schedule_window(lifetime, window)), word);
    else
        text = apr_psprintf(p, "renewed %s before its end", word);
    line(out, "validity",
         apr_psprintf(p, "%d days, %s", settings->validity, text));
}

static void dump_certificate(const cfo_generation_t *gen,
                             const cfo_standing_t *st, apr_file_t *out,
                             apr_pool_t *p)
{
    const cfo_wanted_t *wanted = st->wanted;
    const cfo_account_t *account =
        &APR_ARRAY_IDX(gen->plan->accounts, wanted->account, cfo_account_t);

    apr_file_printf(out, "certificate %s %s\n", wanted->name,
                    cfo_request_type_word(wanted->request_type));
    line(out, "hostnames", joined(wanted->hostnames, p));
    dump_vhosts(gen, wanted, out, p);
    dump_validity(&wanted->settings, out, p);
    line(out, "account",
         apr_psprintf(p, "%s (%s)", account->name, account->token_file));
    dump_targets(wanted, out, p);
    dump_stored(st, out, p);
    dump_next(gen, st, out, p);
}

static void dump_others(const cfo_generation_t *gen, apr_file_t *out)
{
    static const char *const why[] = {
        NULL,
        "not managed: SSLEngine on is not said for it",
        "left out: it has no name a certificate could be asked for; it gets "
        "the fallback and answers 503",
        "foreign: its files hold no pair of the Origin CA and are left to "
        "mod_ssl",
        "left to the other module that serves it",
        NULL};
    int i;

    for (i = 0; i < gen->vhosts->nelts; i++) {
        const cfo_vhost_t *vhost = &APR_ARRAY_IDX(gen->vhosts, i, cfo_vhost_t);
        const char *text =
            why[APR_ARRAY_IDX(gen->plan->assignments, i, cfo_assignment_t)
                    .state];

        if (text)
            apr_file_printf(out, "vhost %s (%s)\n  %s\n", vhost->label,
                            vhost->where ? vhost->where : "base server", text);
    }
}

/* mod_ssl refuses a line whose file is absent or empty. */
static const char *absent_file(const cfo_vhost_t *vhost, apr_pool_t *p)
{
    int i, k;

    for (i = 0; vhost->targets && i < vhost->targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(vhost->targets, i, cfo_target_t);
        const char *const paths[] = {target->certificate, target->key};

        for (k = 0; k < 2; k++) {
            apr_finfo_t info;
            apr_status_t rv = apr_stat(&info, paths[k], APR_FINFO_SIZE, p);

            if (APR_STATUS_IS_ENOENT(rv) ||
                (rv == APR_SUCCESS && info.size == 0))
                return paths[k];
        }
    }
    return NULL;
}

/* Why httpd would not start if the module were gone; NULL: it would. A vhost
 * inherits the certificate lines of the server's scope. */
static const char *missed_by(const cfo_generation_t *gen, int index,
                             apr_pool_t *p)
{
    const cfo_vhost_t *vhosts = (const cfo_vhost_t *)gen->vhosts->elts;
    cfo_vhost_state_t state =
        APR_ARRAY_IDX(gen->plan->assignments, index, cfo_assignment_t).state;
    const char *path;

    if (state != CFO_VHOST_MANAGED && state != CFO_VHOST_LEFT_OUT)
        return NULL;
    if (!vhosts[index].has_ssl_lines && !vhosts[0].has_ssl_lines)
        return "no SSLCertificateFile is written for it";
    path = absent_file(&vhosts[index], p);
    return path ? apr_pstrcat(p, path, " is not there", NULL) : NULL;
}

/* For who wants to take the module out; the package's prerm reads it, too. */
static void dump_without(const cfo_generation_t *gen, apr_file_t *out,
                         apr_pool_t *p)
{
    int i, said = 0;

    for (i = 0; i < gen->vhosts->nelts; i++) {
        const cfo_vhost_t *vhost = &APR_ARRAY_IDX(gen->vhosts, i, cfo_vhost_t);
        const char *why = missed_by(gen, i, p);

        if (why == NULL)
            continue;
        if (!said++)
            apr_file_printf(out, "without mod_cforigin\n");
        apr_file_printf(out, "  %s (%s): httpd would not start, %s\n",
                        vhost->label,
                        vhost->is_base ? "base server" : vhost->where, why);
    }
}

/* What the token of an account has to be allowed to do. */
static void dump_account(const cfo_generation_t *gen, int index,
                         apr_file_t *out)
{
    const cfo_account_t *account =
        &APR_ARRAY_IDX(gen->plan->accounts, index, cfo_account_t);
    int i, n = 0, by_name = 0;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_wanted_t *wanted = gen->standings[i].wanted;

        if (wanted->account != index)
            continue;
        n++;
        by_name += wanted->settings.zone_id == NULL;
    }
    if (n == 0)
        return;
    apr_file_printf(out, "account %s (%s)\n", account->name,
                    account->token_file);
    line(out, "permissions",
         "Zone / SSL and Certificates / Edit, for the zones of all these "
         "hostnames");
    line(out, "",
         by_name ? "Zone / Zone / Read, to find a certificate whose answer "
                   "was lost; CFOriginZoneID spares it"
                 : "Zone / Zone / Read is not needed, CFOriginZoneID is set");
}

/* Folders in the store that nothing of this configuration wants. */
static void dump_unused(const cfo_generation_t *gen, apr_file_t *out,
                        apr_pool_t *p)
{
    apr_array_header_t *folders = cfo_store_folders(p, gen->global->store);
    apr_hash_t *used = apr_hash_make(p);
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++)
        apr_hash_set(used, gen->standings[i].folder, APR_HASH_KEY_STRING, "");
    for (i = 0; i < folders->nelts; i++) {
        const char *folder = APR_ARRAY_IDX(folders, i, const char *);

        if (apr_hash_get(used, folder, APR_HASH_KEY_STRING) == NULL)
            apr_file_printf(out,
                            "unused %s\n  kept in the store, never "
                            "renewed: no vhost wants it\n",
                            folder);
    }
}

void cfo_dump(const cfo_generation_t *gen, apr_file_t *out, apr_pool_t *p)
{
    int i, n = gen->plan->wanted->nelts, todo = 0;

    for (i = 0; i < n; i++)
        todo += gen->standings[i].decision.action != CFO_KEEP;
    apr_file_printf(out,
                    CFO_MODULE ": %d certificate%s wanted, %d to be asked "
                               "for at the next start\n"
                               "store %s\n",
                    n, n == 1 ? "" : "s", todo, gen->global->store);
    for (i = 0; i < n; i++)
        dump_certificate(gen, &gen->standings[i], out, p);
    for (i = 0; i < gen->plan->accounts->nelts; i++)
        dump_account(gen, i, out);
    dump_others(gen, out);
    if (ap_find_linked_module("mod_md.c"))
        apr_file_printf(out, "mod_md is loaded\n  what it manages is left to "
                             "it; which that is shows at a start\n");
    dump_without(gen, out, p);
    dump_unused(gen, out, p);
}
