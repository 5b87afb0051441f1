/* SPDX-License-Identifier: Apache-2.0 */
/* What a record says: from the parent's standings, in plain data, and without
 * the paths that are nobody's business. Opens nothing. */
#include "status_record.h"
#include "cforigin_keeper_link.h"
#include "cforigin_reload.h"
#include "cforigin_tries.h"

/* Paths that a text must not show; of this generation. */
static apr_array_header_t *secrets; /* const char * */

/* Thousands of keys, and each failure's text is searched for them: only those
 * that a text would not give away by their looks. */
static void learn_secret(const char *path)
{
    if (cfo_show_is_hard_path(path))
        APR_ARRAY_PUSH(secrets, const char *) = path;
}

void cfo_record_learn(const cfo_generation_t *gen)
{
    int i, k;

    secrets = apr_array_make(gen->pool, 4, sizeof(const char *));
    for (i = 0; i < gen->plan->accounts->nelts; i++)
        learn_secret(
            APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).token_file);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const apr_array_header_t *targets =
            APR_ARRAY_IDX(gen->plan->wanted, i, cfo_wanted_t *)->targets;

        for (k = 0; targets && k < targets->nelts; k++)
            learn_secret(APR_ARRAY_IDX(targets, k, cfo_target_t).key);
    }
    learn_secret(gen->global->store);
}

static void text(char *to, apr_size_t size, const char *from)
{
    apr_cpystrn(to, from ? from : "", size);
}

/* What this machine has to say of itself names paths; the log has them. */
static const char *shown(apr_pool_t *p, const cfo_result_t *error)
{
    return error->code || error->http
               ? error->message
               : cfo_show_without_paths(p, error->message, secrets);
}

static void fill_error(const cfo_attempt_t *attempt, cfo_live_t *live,
                       apr_pool_t *p)
{
    const cfo_result_t *error = &attempt->last_error;

    live->failures = attempt->failures;
    if (attempt->failures == 0)
        return;
    live->last_try = attempt->last_try;
    live->kind = (int)error->kind;
    live->code = error->code;
    live->http = error->http;
    live->retry_after = error->retry_after;
    text(live->message, sizeof(live->message), shown(p, error));
    text(live->ray, sizeof(live->ray), error->ray);
}

static void fill_pair(const cfo_cert_facts_t *facts,
                      const cfo_cert_facts_t *served, cfo_live_t *live)
{
    live->has_pair = 1;
    live->not_before = facts->not_before;
    live->not_after = facts->not_after;
    live->is_served = served && !strcmp(facts->sha256, served->sha256);
    if (live->is_served)
        return;
    text(live->serial, sizeof(live->serial), facts->serial);
    text(live->sha256, sizeof(live->sha256), facts->sha256);
    text(live->key, sizeof(live->key), facts->key);
    text(live->issuer, sizeof(live->issuer), facts->issuer);
}

void cfo_record_fill(const cfo_generation_t *gen, const cfo_standing_t *st,
                     cfo_live_t *live, apr_pool_t *p)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;

    memset(live, 0, sizeof(*live)); /* its padding, too: it is compared */
    live->reason = (int)st->decision.reason;
    live->action = (int)st->decision.action;
    live->trying = st->trying;
    live->renew_at = st->decision.renew_at;
    live->adopted = st->entry->stored.adopted;
    live->generation = st->entry->generation;
    if (!live->adopted) /* a success leaves no attempt; it is one itself */
        live->last_try = st->entry->stored.installed;
    if (st->decision.action != CFO_KEEP || st->attempt->failures > 0)
        live->next_try = cfo_tries_at(gen, st);
    if (facts && st->entry->cert_path)
        fill_pair(facts, st->served, live);
    fill_error(st->attempt, live, p);
}

static const char *reload_reason(const cfo_generation_t *gen)
{
    const char *reason = cfo_reload_reason();
    int i;

    for (i = 0; reason == NULL && i < gen->plan->wanted->nelts; i++) {
        if (cfo_standing_wants_reload(&gen->standings[i]))
            reason = cfo_keeper_is_running(gen->retained)
                         ? "the keeper is still at work on others"
                         : "it was installed this moment";
    }
    return reason;
}

void cfo_record_fill_head(const cfo_generation_t *gen, cfo_live_head_t *head,
                          apr_pool_t *p)
{
    const cfo_retained_t *r = gen->retained;

    memset(head, 0, sizeof(*head));
    head->looked_at = apr_time_now();
    text(head->reload_reason, sizeof(head->reload_reason),
         cfo_show_without_paths(p, reload_reason(gen), secrets));
    head->keeper_running = cfo_keeper_is_running(r);
    head->keeper_last_run =
        head->keeper_running ? r->keeper_started : r->keeper_ended;
    head->keeper_next_run = cfo_tries_next(gen);
    memcpy(head->calls, r->calls, sizeof(head->calls));
    head->reloads = r->gracefuls;
}
