/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper is sent to do, from what stands. */
#include "cforigin_errand.h"
#include "cforigin_confirm.h"
#include "cforigin_warn.h"
#include "cforigin_tries.h"

#include <http_core.h>
#include <unistd.h>
#include <unixd.h>

/* How long a keeper waits for one of another server on the same store. */
#define LOCK_WAIT apr_time_from_sec(60)

/* httpd's own binary and arguments, to be asked whether the configuration on
 * disk is good: the very file that would do the restart, even if a package
 * upgrade has replaced its path. */
static apr_array_header_t *test_argv(const cfo_generation_t *gen,
                                     apr_pool_t *ptemp)
{
    const process_rec *process = gen->base->process;
    apr_array_header_t *argv =
        apr_array_make(ptemp, process->argc + 4, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(argv, const char *) =
        apr_psprintf(ptemp, "/proc/%d/exe", (int)getpid());
    for (i = 1; i < process->argc; i++) {
        /* -E would send what it says to a file, and there is no terminal. */
        if (!strncmp(process->argv[i], "-E", 2)) {
            i += process->argv[i][2] == '\0';
            continue;
        }
        if (!strcmp(process->argv[i], "-X"))
            continue;
        APR_ARRAY_PUSH(argv, const char *) = process->argv[i];
    }
    APR_ARRAY_PUSH(argv, const char *) = "-t";
    APR_ARRAY_PUSH(argv, const char *) = "-D";
    APR_ARRAY_PUSH(argv, const char *) = CFO_RELOAD_DEFINE;
    return argv;
}

/* Whom workers and issuer become. As an ordinary user everything is that
 * user. */
static void set_users(const cfo_generation_t *gen, cfo_round_t *round)
{
    round->user = round->uid = round->gid = -1;
    if (geteuid() != 0)
        return;
    round->user = (int)ap_unixd_config.user_id;
    round->uid = (int)(gen->global->has_user ? gen->global->uid
                                             : ap_unixd_config.user_id);
    round->gid = (int)(gen->global->has_user ? gen->global->gid
                                             : ap_unixd_config.group_id);
}

/* Where httpd would read its configuration from: once it is detached that is
 * "/", whatever its arguments were relative to when it was started. */
static const char *cwd_now(apr_pool_t *ptemp)
{
    char *cwd;

    return apr_filepath_get(&cwd, APR_FILEPATH_NATIVE, ptemp) == APR_SUCCESS
               ? cwd
               : NULL;
}

static cfo_round_t *round_make(const cfo_generation_t *gen, apr_pool_t *ptemp)
{
    const cfo_global_t *global = gen->global;
    cfo_round_t *round = apr_pcalloc(ptemp, sizeof(*round));

    round->store = global->store;
    round->libexec = global->libexec;
    round->ca_root_file = global->ca_root_file;
    round->api = global->api;
    round->api_ca_file = global->api_ca_file;
    round->proxy = global->proxy;
    round->user_agent = apr_pstrcat(ptemp, CFO_MODULE " (",
                                    ap_get_server_description(), ")", NULL);
    round->host = gen->host;
    round->server = gen->server;
    round->max_concurrent = global->max_concurrent;
    set_users(gen, round);
    round->lock_wait = LOCK_WAIT;
    if (!gen->one_process && !global->reload_off)
        round->reload_argv = test_argv(gen, ptemp);
    round->reload_cwd = cwd_now(ptemp);
    if (gen->cold_pass == 2 && !gen->handed_over)
        round->start_waits = global->startup_wait;
    round->notify_argv = global->notify;
    round->revoke_superseded = global->revoke_superseded;
    round->accounts = gen->plan->accounts;
    round->items = apr_array_make(ptemp, 16, sizeof(cfo_item_t *));
    round->notices = apr_array_make(ptemp, 4, sizeof(cfo_item_t *));
    round->served = apr_array_make(ptemp, 4, sizeof(cfo_served_t *));
    return round;
}

static cfo_item_t *item_of(cfo_generation_t *gen, cfo_standing_t *st,
                           apr_time_t now, apr_pool_t *ptemp)
{
    cfo_item_t *item = apr_pcalloc(ptemp, sizeof(*item));

    item->wanted = *st->wanted;
    item->wanted.folder = st->folder;
    item->failures = st->failures;
    item->issue = st->decision.action == CFO_ISSUE;
    cfo_warn_fill(gen, st, item, now);
    return item;
}

static void add_standing(cfo_generation_t *gen, cfo_round_t *round,
                         cfo_standing_t *st, apr_time_t now, apr_pool_t *ptemp)
{
    int due = cfo_tries_is_due(gen, st, now);

    if (due)
        st->trying = 1;
    else if (st->trying || !cfo_warn_is_due(gen, st, now))
        return;
    APR_ARRAY_PUSH(due ? round->items : round->notices, cfo_item_t *) =
        item_of(gen, st, now, ptemp);
}

cfo_round_t *cfo_errand_round(cfo_generation_t *gen, int serving,
                              apr_time_t now, apr_pool_t *ptemp)
{
    cfo_round_t *round = round_make(gen, ptemp);
    int i;

    cfo_tries_look_at_accounts(gen, now);
    for (i = 0; i < gen->plan->wanted->nelts; i++)
        add_standing(gen, round, &gen->standings[i], now, ptemp);
    if (serving) {
        cfo_confirm_add(gen, round->served, ptemp);
        cfo_confirm_add_revokes(gen, round->served, now, ptemp);
    }
    return round->items->nelts + round->notices->nelts + round->served->nelts >
                   0
               ? round
               : NULL;
}

cfo_round_t *cfo_errand_test(const cfo_generation_t *gen, apr_pool_t *ptemp)
{
    return round_make(gen, ptemp);
}
