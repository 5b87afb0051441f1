/* SPDX-License-Identifier: Apache-2.0 */
/* From shared records, and what a generation knows, to a picture. Renders
 * nothing, opens nothing. */
#include "status_record.h"

#define DAY (24 * 60 * 60)

/* What a generation knows from its start on; workers inherit it. */
static apr_array_header_t *foreign; /* cfo_status_cert_t */

/* --- what a generation knows --- */

/* A vhost whose files hold another CA's certificate: what its file says. */
static void learn_foreign(const cfo_generation_t *gen, int index)
{
    const cfo_vhost_t *vhost = &APR_ARRAY_IDX(gen->vhosts, index, cfo_vhost_t);
    const cfo_server_conf_t *conf =
        cfo_directives_of(APR_ARRAY_IDX(gen->servers, index, server_rec *));
    apr_array_header_t *labels =
        apr_array_make(gen->pool, 1, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(labels, const char *) = vhost->label;
    for (i = 0; i < conf->certs->nelts; i++) {
        const cfo_cert_facts_t *facts =
            cfo_target_look(gen->looker,
                            APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t).path)
                ->facts;
        cfo_status_cert_t *cert;

        if (facts == NULL)
            continue;
        facts = cfo_known_copy_facts(gen->pool, facts);
        cert = apr_array_push(foreign);
        memset(cert, 0, sizeof(*cert));
        cert->name = vhost->server_name ? vhost->server_name : vhost->label;
        cert->request_type =
            facts->has_type ? cfo_request_type_word(facts->type) : NULL;
        cert->hostnames = facts->hostnames;
        cert->vhosts = labels;
        cert->reason = CFO_FOREIGN;
        cert->served = 1;
        cert->serial = facts->serial;
        cert->sha256 = facts->sha256;
        cert->key = facts->key;
        cert->issuer = facts->issuer;
        cert->not_before = facts->not_before;
        cert->not_after = facts->not_after;
        /* Until it is shown: when its warning begins. */
        cert->renew_at = cfo_schedule_warn_at(
            facts->not_before, facts->not_after, &vhost->settings.warn_window);
    }
}

static void learn(const cfo_generation_t *gen)
{
    int i;

    foreign = apr_array_make(gen->pool, 4, sizeof(cfo_status_cert_t));
    for (i = 0; i < gen->vhosts->nelts; i++) {
        if (APR_ARRAY_IDX(gen->plan->assignments, i, cfo_assignment_t).state ==
            CFO_VHOST_FOREIGN)
            learn_foreign(gen, i);
    }
}

void cfo_status_create(cfo_generation_t *gen)
{
    learn(gen);
    cfo_record_learn(gen);
    if (!cfo_shared_create(gen->pool, gen->plan->wanted->nelts,
                           gen->plan->accounts->nelts))
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, gen->base,
                     "no shared memory for the status: it shows nothing "
                     "until the next start");
}

void cfo_status_only_read(void)
{
    cfo_shared_only_read();
}

/* --- from records to a picture --- */

/* ".../3/cert.pem" is of generation 3; a target's file is of none. */
static int generation_of(const cfo_generation_t *gen, const char *path)
{
    const char *store = gen->global->store;
    const char *end = path ? strrchr(path, '/') : NULL;
    const char *begin = end;

    if (end == NULL || strncmp(path, store, strlen(store)))
        return 0;
    while (begin > path && begin[-1] != '/')
        begin--;
    return atoi(begin);
}

static void show_served(const cfo_generation_t *gen, const cfo_standing_t *st,
                        const cfo_live_t *live, cfo_status_cert_t *cert)
{
    cert->served = 1;
    cert->serial = st->served->serial;
    cert->sha256 = st->served->sha256;
    cert->key = st->served->key;
    cert->issuer = st->served->issuer;
    cert->not_before = st->served->not_before;
    cert->not_after = st->served->not_after;
    cert->generation = generation_of(gen, st->served_cert);
    if (!live->has_pair || live->is_served)
        return;
    cert->installed_generation = live->generation;
    cert->installed_not_after = live->not_after;
}

/* Where nothing is served, what the store has meanwhile. */
static void show_stored(const cfo_live_t *live, cfo_status_cert_t *cert,
                        apr_pool_t *p)
{
    if (!live->has_pair)
        return;
    cert->serial = apr_pstrdup(p, live->serial);
    cert->sha256 = apr_pstrdup(p, live->sha256);
    cert->key = apr_pstrdup(p, live->key);
    cert->issuer = apr_pstrdup(p, live->issuer);
    cert->not_before = live->not_before;
    cert->not_after = live->not_after;
    cert->generation = cert->installed_generation = live->generation;
    cert->installed_not_after = live->not_after;
}

static void show_error(const cfo_live_t *live, cfo_status_cert_t *cert,
                       apr_pool_t *p)
{
    cert->failures = live->failures;
    cert->last_try = live->last_try;
    cert->next_try = live->next_try;
    if (live->failures == 0)
        return;
    cert->last_error.kind = (cfo_kind_t)live->kind;
    cert->last_error.code = live->code;
    cert->last_error.http = live->http;
    cert->last_error.retry_after = live->retry_after;
    if (live->message[0])
        cert->last_error.message = apr_pstrdup(p, live->message);
    if (live->ray[0])
        cert->last_error.ray = apr_pstrdup(p, live->ray);
}

static const apr_array_header_t *labels_of(const cfo_generation_t *gen,
                                           const apr_array_header_t *indexes,
                                           apr_pool_t *p)
{
    apr_array_header_t *labels =
        apr_array_make(p, indexes->nelts, sizeof(const char *));
    int i;

    for (i = 0; i < indexes->nelts; i++)
        APR_ARRAY_PUSH(labels, const char *) =
            APR_ARRAY_IDX(gen->vhosts, APR_ARRAY_IDX(indexes, i, int),
                          cfo_vhost_t)
                .label;
    return labels;
}

/* What was taken over was asked for by somebody else, for so many days. */
static int days_of(const cfo_status_cert_t *cert)
{
    return (int)((apr_time_sec(cert->not_after - cert->not_before) + DAY / 2) /
                 DAY);
}

static void show_wanted(const cfo_generation_t *gen, const cfo_standing_t *st,
                        const cfo_live_t *live, cfo_status_cert_t *cert,
                        apr_pool_t *p, apr_time_t now)
{
    const cfo_wanted_t *wanted = st->wanted;
    cfo_state_facts_t facts;

    memset(cert, 0, sizeof(*cert));
    cert->name = wanted->name;
    cert->request_type = cfo_request_type_word(wanted->request_type);
    cert->hostnames = wanted->hostnames;
    cert->vhosts = labels_of(gen, wanted->vhosts, p);
    cert->reason = (cfo_reason_t)live->reason;
    cert->renew_at = live->renew_at;
    cert->requested_validity = wanted->settings.validity;
    cert->manual = wanted->settings.renew_manual;
    cert->trying = live->trying;
    if (st->served && !st->lacking)
        show_served(gen, st, live, cert);
    else
        show_stored(live, cert, p);
    show_error(live, cert, p);
    memset(&facts, 0, sizeof(facts));
    facts.served = cert->served;
    facts.failures = live->failures;
    facts.issuing = live->action == CFO_ISSUE;
    facts.adopted = live->adopted || live->action == CFO_ADOPT;
    facts.not_after = cert->not_after;
    if (live->adopted && cert->not_after)
        cert->requested_validity = days_of(cert);
    facts.warn_at = cfo_schedule_warn_at(cert->not_before, cert->not_after,
                                         &wanted->settings.warn_window);
    cert->inside_warn_window = cert->not_after && facts.warn_at <= now;
    cert->state = cfo_state_of(&facts, now);
}

static void show_foreign(cfo_status_t *status)
{
    int i;

    for (i = 0; i < foreign->nelts; i++) {
        cfo_status_cert_t *cert = apr_array_push(status->certificates);
        cfo_state_facts_t facts;

        *cert = APR_ARRAY_IDX(foreign, i, cfo_status_cert_t);
        cert->inside_warn_window = cert->renew_at <= status->now;
        cert->renew_at = 0;
        memset(&facts, 0, sizeof(facts));
        facts.foreign = facts.served = 1;
        facts.not_after = cert->not_after;
        cert->state = cfo_state_of(&facts, status->now);
    }
}

static void show_account(const cfo_generation_t *gen, int i,
                         const cfo_account_state_t *state,
                         cfo_status_t *status)
{
    cfo_status_account_t *account = apr_array_push(status->accounts);

    account->account =
        APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).name;
    account->paused_until =
        state->paused_until > status->now ? state->paused_until : 0;
    account->last_success = state->last_success;
}

static void show_head(const cfo_live_head_t *head, cfo_status_t *status,
                      apr_pool_t *p)
{
    if (head->reload_reason[0])
        status->reload_wanted = apr_pstrdup(p, head->reload_reason);
    status->looked_at = head->looked_at;
    status->keeper_running = head->keeper_running;
    status->keeper_last_run = head->keeper_last_run;
    status->keeper_next_run = head->keeper_next_run;
    status->reloads = head->reloads;
    memcpy(status->calls, head->calls, sizeof(status->calls));
}

/* Work whose time came a while ago and that nobody has begun. */
static void find_overdue(cfo_status_t *status)
{
    int i;

    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        if (c->next_try && !c->trying &&
            status->now - c->next_try > CFO_STATUS_LATE &&
            (status->keeper_overdue == 0 ||
             c->next_try < status->keeper_overdue))
            status->keeper_overdue = c->next_try;
    }
    if (status->keeper_running)
        status->keeper_overdue = 0;
}

static cfo_status_t *picture_make(const cfo_generation_t *gen, apr_pool_t *p,
                                  apr_time_t now)
{
    cfo_status_t *status = apr_pcalloc(p, sizeof(*status));

    status->now = now;
    status->server = ap_get_server_banner();
    status->one_process = gen->one_process;
    status->state = -1;
    status->certificates = apr_array_make(p, gen->plan->wanted->nelts + 8,
                                          sizeof(cfo_status_cert_t));
    status->accounts = apr_array_make(p, gen->plan->accounts->nelts + 1,
                                      sizeof(cfo_status_account_t));
    return status;
}

static void picture_finish(cfo_status_t *status)
{
    cfo_status_add_up(status);
    find_overdue(status);
}

/* --- the parent publishes --- */

const cfo_status_t *cfo_status_publish(const cfo_generation_t *gen,
                                       apr_pool_t *p)
{
    cfo_status_t *status = picture_make(gen, p, apr_time_now());
    cfo_live_head_t head;
    apr_pool_t *ptemp;
    int i;

    apr_pool_create(&ptemp, p);
    cfo_shared_begin();
    cfo_record_fill_head(gen, &head, ptemp);
    cfo_shared_put_head(&head);
    show_head(&head, status, p);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];
        cfo_live_t live;

        cfo_record_fill(gen, st, &live, ptemp);
        cfo_shared_put(i, &live);
        show_wanted(gen, st, &live, apr_array_push(status->certificates), p,
                    status->now);
        apr_pool_clear(ptemp);
    }
    show_foreign(status);
    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        cfo_account_state_t state = gen->accounts[i];

        if (state.paused_until < gen->refused_until[i])
            state.paused_until = gen->refused_until[i];
        cfo_shared_put_account(i, &state);
        show_account(gen, i, &state, status);
    }
    cfo_shared_end();
    apr_pool_destroy(ptemp);
    picture_finish(status);
    return status;
}

/* --- a worker reads --- */

static void read_all(const cfo_generation_t *gen, cfo_status_t *status,
                     apr_pool_t *p)
{
    cfo_live_head_t head;
    int i;

    status->certificates->nelts = status->accounts->nelts = 0;
    status->reload_wanted = NULL;
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_live_t live;

        cfo_shared_get(i, &live);
        show_wanted(gen, &gen->standings[i], &live,
                    apr_array_push(status->certificates), p, status->now);
    }
    show_foreign(status);
    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        cfo_account_state_t state;

        cfo_shared_get_account(i, &state);
        show_account(gen, i, &state, status);
    }
    cfo_shared_get_head(&head);
    show_head(&head, status, p);
}

cfo_status_t *cfo_status_read(const cfo_generation_t *gen, apr_pool_t *p,
                              apr_time_t now)
{
    cfo_status_t *status = picture_make(gen, p, now);
    int tries = 0;
    apr_uint32_t before;

    if (!cfo_shared_is_there())
        return status;
    do {
        before = cfo_shared_picture();
        read_all(gen, status, p);
    } while ((before & 1 || cfo_shared_picture() != before) && ++tries < 5);
    picture_finish(status);
    return status;
}
