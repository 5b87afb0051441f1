/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door: the module record, the hook table, and the story of a start.
 *
 *  1. pre_config: the tree is whole and nobody has acted on it. Hash it, and
 *     take mod_ssl's certificate lines in managed virtual hosts, whose files
 *     may not exist yet (conftree.c).
 *  2. directives: the text becomes configuration (directives.c).
 *  3. check_config: server_recs become facts (vhosts.c), facts become the
 *     plan (core/plan.c). Mistakes in the text end the start here; at
 *     `httpd -t` faults of the surroundings do too (surroundings.c). A text
 *     that this server runs with already does not end it.
 *  4. post_config, before mod_ssl: look at the store (standing.c). A cold
 *     start's first pass stops there. Its second pass has a keeper do what is
 *     due and waits for it a little while (background.c).
 *  5. mod_ssl asks for each server's certificates: the store's pair, or the
 *     fallback (tls.c).
 *  6. post_config, after mod_ssl: a reload starts its keeper, without
 *     waiting; what is known goes to the status (status.c).
 *  7. monitor: every ten seconds look around, start keepers, ask for a
 *     graceful restart when something new is to be loaded (background.c,
 *     reload.c).
 *
 * From step 4 on nothing may fail for the server: there is a pair, or the
 * fallback, or a log line.
 */
#include "cforigin_background.h"
#include "cforigin_conftree.h"
#include "cforigin_dump.h"
#include "cforigin_errand.h"
#include "cforigin_keeper_link.h"
#include "cforigin_reload.h"
#include "cforigin_neighbours.h"
#include "cforigin_packs.h"
#include "cforigin_standing.h"
#include "cforigin_status.h"
#include "cforigin_surroundings.h"
#include "cforigin_tls.h"
#include "cforigin_vhosts.h"
#include "cforigin_tries.h"

#include <ap_mpm.h>
#include <apr_file_io.h>
#include <http_core.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_ssl.h>
#include <mod_status.h>
#include <mpm_common.h>

/* What one reading of httpd.conf leads to; all of it is on pconf. */
static const char *tree_hash;
static cfo_looker_t *looker;
static cfo_generation_t *generation;

/* --- 1. the tree --- */

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    generation = NULL;
    tree_hash = cfo_conftree_hash(pconf, ap_conftree);
    looker = cfo_target_looker(
        pconf, cfo_conftree_path(ptemp, ap_conftree, "CFOriginCARootFile",
                                 CFO_DATADIR "/origin_ca_roots.pem"));
    if (ap_find_linked_module("mod_ssl.c"))
        cfo_conftree_take_lines(ap_conftree, looker,
                                cfo_conftree_path(ptemp, ap_conftree,
                                                  "CFOriginStoreDir",
                                                  CFO_STOREDIR),
                                ptemp);
    return OK;
}

/* --- 3. the plan --- */

static cfo_generation_t *generation_make(apr_pool_t *pconf, server_rec *base)
{
    cfo_generation_t *gen = apr_pcalloc(pconf, sizeof(*gen));
    char host[APRMAXHOSTLEN + 1];
    apr_size_t n;

    gen->pool = pconf;
    gen->base = base;
    gen->retained = cfo_retained_get(base->process);
    cfo_known_begin(&gen->retained->known);
    gen->global = cfo_directives_of(base)->global;
    gen->tree_hash = tree_hash;
    gen->looker = looker;
    if (apr_gethostname(host, APRMAXHOSTLEN, pconf) != APR_SUCCESS)
        apr_cpystrn(host, "localhost", sizeof(host));
    gen->host = apr_pstrdup(pconf, host);
    gen->server = apr_psprintf(
        pconf, "%016" APR_UINT64_T_HEX_FMT,
        cfo_hash_text(apr_pstrcat(pconf, host, "\n", ap_server_root, "\n",
                                  ap_pid_fname ? ap_pid_fname : "", NULL)));
    gen->one_process = ap_exists_config_define("ONE_PROCESS") ||
                       ap_exists_config_define("DEBUG");
    gen->vhosts = cfo_vhosts_facts(pconf, base, looker, gen->retained->taken,
                                   &gen->servers);
    gen->plan = cfo_plan_make(
        pconf, gen->vhosts, gen->global->shared,
        gen->global->pack ? cfo_packs_stored(pconf, gen->global->store,
                                             gen->retained->known.pairs)
                          : NULL);
    n = (apr_size_t)gen->vhosts->nelts;
    gen->hook_called = apr_pcalloc(pconf, n);
    gen->on_fallback = apr_pcalloc(pconf, n);
    return gen;
}

/* Errors always; warnings where somebody reads them. */
static void tell_messages(const cfo_generation_t *gen, int warnings)
{
    static const int levels[] = {APLOG_ERR, APLOG_WARNING, APLOG_INFO};
    int i;

    for (i = 0; i < gen->plan->messages->nelts; i++) {
        const cfo_plan_message_t *m =
            &APR_ARRAY_IDX(gen->plan->messages, i, cfo_plan_message_t);

        if (m->level != CFO_PLAN_ERROR && !warnings)
            continue;
        ap_log_error(APLOG_MARK,
                     levels[m->level] |
                         (m->level == CFO_PLAN_ERROR ? APLOG_STARTUP : 0),
                     0, gen->base, "%s%s%s", m->where ? m->where : "",
                     m->where ? ": " : "", m->text);
    }
}

static void tell_surroundings(const cfo_generation_t *gen, int level,
                              const apr_array_header_t *sentences)
{
    int i;

    for (i = 0; i < sentences->nelts; i++)
        ap_log_error(APLOG_MARK, level | APLOG_STARTUP, 0, gen->base, "%s",
                     APR_ARRAY_IDX(sentences, i, const char *));
}

/* At -t faults of the surroundings are errors; in the keeper's own test of
 * the configuration they are not, or a token file that went missing would
 * keep renewed certificates from being loaded. */
static int test_surroundings(const cfo_generation_t *gen, apr_pool_t *ptemp)
{
    int own_test = ap_exists_config_define(CFO_RELOAD_DEFINE);
    apr_array_header_t *faults = cfo_surroundings_check(gen, ptemp);

    if (!own_test)
        tell_surroundings(gen, APLOG_WARNING,
                          cfo_surroundings_warnings(gen, ptemp));
    tell_surroundings(gen, own_test ? APLOG_WARNING : APLOG_ERR, faults);
    return faults->nelts > 0 && !own_test ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/* The very text that this server runs with: what is a mistake in it now is
 * one because a file was lost. In the keeper's own test the hash decides. */
static int is_known_text(const cfo_generation_t *gen, int testing)
{
    return testing ? ap_exists_config_define(CFO_RELOAD_DEFINE)
                   : !strcmp(gen->tree_hash, gen->retained->tree_hash);
}

static void forgive(cfo_plan_t *plan)
{
    int i;

    for (i = 0; i < plan->messages->nelts; i++) {
        cfo_plan_message_t *m =
            &APR_ARRAY_IDX(plan->messages, i, cfo_plan_message_t);

        if (m->level == CFO_PLAN_ERROR)
            m->level = CFO_PLAN_WARNING;
    }
    plan->errors = 0;
}

static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    int testing = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;

    (void)plog;
    generation = generation_make(pconf, s);
    if (is_known_text(generation, testing))
        forgive(generation->plan);
    tell_messages(generation, testing);
    if (generation->plan->errors > 0)
        return HTTP_INTERNAL_SERVER_ERROR;
    return testing ? test_surroundings(generation, ptemp) : OK;
}

static void test_config(apr_pool_t *pconf, server_rec *s)
{
    apr_file_t *out;

    (void)s;
    if (generation == NULL || apr_file_open_stdout(&out, pconf))
        return;
    if (ap_exists_config_define(CFO_RELOAD_DEFINE))
        apr_file_printf(out, CFO_RELOAD_HASH "%s\n", generation->tree_hash);
    if (ap_exists_config_define("DUMP_CFORIGIN")) {
        cfo_standing_look_all(generation, CFO_CAUSE_START, apr_time_now());
        cfo_dump(generation, out, pconf);
    }
}

/* --- 4. before mod_ssl --- */

static cfo_cause_t cause_of(cfo_generation_t *gen)
{
    int own = gen->retained->own_graceful;
    cfo_cause_t cause = CFO_CAUSE_RELOAD;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        gen->cold_pass = 1;
    else if (ap_state_query(AP_SQ_CONFIG_GEN) == 1)
        gen->cold_pass = 2;
    gen->retained->own_graceful = 0;
    if (gen->cold_pass)
        cause = CFO_CAUSE_START;
    else if (own)
        return CFO_CAUSE_OWN_RELOAD;
    cfo_tries_pardon(gen, cause, apr_time_now());
    return cause;
}

static int before_mod_ssl(apr_pool_t *pconf, apr_pool_t *plog,
                          apr_pool_t *ptemp, server_rec *s)
{
    cfo_cause_t cause;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    (void)s;
    if (generation == NULL)
        return OK;
    cause = cause_of(generation);
    cfo_reload_begin();
    if (generation->cold_pass != 1)
        tell_messages(generation, 1);
    cfo_standing_look_all(generation, cause, apr_time_now());
    if (generation->cold_pass == 2)
        cfo_background_cold_start(generation);
    return OK;
}

/* --- 5. mod_ssl asks --- */

static int add_cert_files(server_rec *s, apr_pool_t *p,
                          apr_array_header_t *certs, apr_array_header_t *keys)
{
    if (generation == NULL || generation->standings == NULL)
        return DECLINED;
    return cfo_tls_add_cert_files(generation, s, p, certs, keys);
}

static int check_request(request_rec *r)
{
    return generation ? cfo_tls_check_request(generation, r) : DECLINED;
}

/* --- 6. after mod_ssl --- */

/* mod_md answers mod_ssl before us and ends the asking: a managed vhost that
 * we were not asked for is its. The next pass plans without it. */
static void note_taken(const cfo_generation_t *gen, apr_pool_t *ptemp)
{
    apr_array_header_t *taken = apr_array_make(ptemp, 4, sizeof(const char *));
    int i;

    for (i = 0; i < gen->vhosts->nelts; i++) {
        cfo_vhost_state_t state =
            APR_ARRAY_IDX(gen->plan->assignments, i, cfo_assignment_t).state;

        if ((state == CFO_VHOST_MANAGED || state == CFO_VHOST_TAKEN) &&
            !gen->hook_called[i])
            APR_ARRAY_PUSH(taken, const char *) =
                APR_ARRAY_IDX(gen->vhosts, i, cfo_vhost_t).label;
    }
    cfo_retained_put_taken(gen->retained, taken);
}

static void note_targets(const cfo_generation_t *gen, apr_pool_t *ptemp)
{
    apr_array_header_t *paths = apr_array_make(ptemp, 4, sizeof(const char *));
    int i, k;

    for (i = 0; i < gen->vhosts->nelts; i++) {
        const apr_array_header_t *targets =
            APR_ARRAY_IDX(gen->vhosts, i, cfo_vhost_t).targets;

        for (k = 0; targets && k < targets->nelts; k++)
            APR_ARRAY_PUSH(paths, const char *) =
                APR_ARRAY_IDX(targets, k, cfo_target_t).certificate;
    }
    cfo_retained_put_targets(gen->retained, paths);
}

static int after_mod_ssl(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf;
    (void)plog;
    (void)s;
    if (generation == NULL)
        return OK;
    generation->handed_over = 1;
    cfo_tls_done(generation);
    cfo_neighbours_note(generation);
    note_taken(generation, ptemp);
    note_targets(generation, ptemp);
    apr_cpystrn(generation->retained->tree_hash, generation->tree_hash,
                sizeof(generation->retained->tree_hash));
    if (generation->cold_pass == 1)
        return OK;
    if (generation->cold_pass == 2)
        cfo_background_catch_up(generation);
    else
        cfo_background_begin(generation);
    cfo_status_create(generation);
    cfo_status_tell(generation, cfo_status_publish(generation, ptemp));
    return OK;
}

/* --- 7. while it runs --- */

static int monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    (void)s;
    if (generation)
        cfo_background_tick(generation);
    return OK;
}

/* A worker is who it will be, and has served nobody yet. */
static void child_init(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    (void)s;
    if (generation == NULL)
        return;
    cfo_status_only_read();
    cfo_keeper_disown(generation->retained);
}

static int handle_status(request_rec *r)
{
    return generation ? cfo_status_handle(generation, r) : DECLINED;
}

static int server_status(request_rec *r, int flags)
{
    return generation ? cfo_status_server_status(generation, r, flags)
                      : DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    static const char *const mod_ssl[] = {"mod_ssl.c", NULL};
    static const char *const mod_md[] = {"mod_md.c", NULL};

    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(test_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(before_mod_ssl, NULL, mod_ssl, APR_HOOK_FIRST);
    ap_hook_post_config(after_mod_ssl, mod_ssl, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_ssl_add_cert_files(add_cert_files, mod_md, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(check_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(handle_status, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, server_status, NULL, NULL,
                      APR_HOOK_MIDDLE);
}

__attribute__((visibility("default")))
module AP_MODULE_DECLARE_DATA cforigin_module = {
    STANDARD20_MODULE_STUFF,
    NULL, /* per directory: none, ever */
    NULL,
    cfo_directives_create,
    cfo_directives_merge,
    cfo_directives,
    register_hooks,
#ifdef AP_MODULE_FLAG_ALWAYS_MERGE
    AP_MODULE_FLAG_ALWAYS_MERGE
#endif
};
