/* SPDX-License-Identifier: Apache-2.0 */
/* The model: shared records, and the picture made from them. Renders
 * nothing. */
#include "cforigin_status.h"
#include "cforigin_background.h"
#include "cforigin_keeper_link.h"
#include "cforigin_reload.h"

#include <apr_atomic.h>
#include <sys/mman.h>

/* What changes about one certificate while a generation lives. */
typedef struct live_t {
    int reason;
    int has_pair; /* the store has one; the facts below are its */
    int adopted;
    int trying;
    int action;
    int generation;
    int failures;
    apr_time_t last_try, next_try;
    apr_time_t not_before, not_after, renew_at;
    char serial[64], sha256[72], key[24], issuer[160];
    int kind, code, http, retry_after;
    char message[512], ray[64];
} live_t;

/* A record and its sequence count: odd while it is being written. */
typedef struct cell_t {
    volatile apr_uint32_t sequence;
    live_t live;
} cell_t;

typedef struct head_t {
    char reload_reason[512];
    int keeper_running;
    apr_time_t keeper_last_run, keeper_next_run;
} head_t;

typedef struct head_cell_t {
    volatile apr_uint32_t sequence;
    head_t head;
} head_cell_t;

typedef struct account_cell_t {
    volatile apr_uint32_t sequence;
    cfo_account_state_t state;
} account_cell_t;

static struct {
    head_cell_t *head;
    cell_t *cells;
    account_cell_t *accounts;
} shared;

static const char *const state_words[CFO_STATES] = {
    "ok",       "expiring", "renewing", "pending", "error",
    "degraded", "expired",  "adopted",  "foreign"};

const char *cfo_state_word(cfo_state_t state)
{
    return state_words[state];
}

/* --- the parent writes
 * -------------------------------------------------------- */

/* One writer, readers that look twice: an odd or changed count means the copy
 * was torn. Atomic operations of APR's are full barriers. */
static void put(volatile apr_uint32_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    apr_atomic_inc32(sequence);
    memcpy(to, from, size);
    apr_atomic_inc32(sequence);
}

static void get(volatile apr_uint32_t *sequence, void *to, const void *from,
                apr_size_t size)
{
    apr_uint32_t before;
    int spins;

    /* A parent that died in the middle must not hold a worker for ever. */
    for (spins = 0; spins < 100000; spins++) {
        before = apr_atomic_add32(sequence, 0);
        if (before & 1)
            continue;
        memcpy(to, from, size);
        if (apr_atomic_add32(sequence, 0) == before)
            return;
    }
}

static void text(char *to, apr_size_t size, const char *from)
{
    apr_cpystrn(to, from ? from : "", size);
}

static void fill_live(const cfo_standing_t *st, live_t *live)
{
    const cfo_cert_facts_t *facts = st->entry->stored.facts;
    const cfo_attempt_t *attempt = &st->attempt;

    memset(live, 0, sizeof(*live));
    live->reason = (int)st->decision.reason;
    live->action = (int)st->decision.action;
    live->trying = st->trying;
    live->failures = attempt->failures;
    live->last_try = attempt->last_try;
    live->next_try = st->decision.action == CFO_KEEP ? 0 : st->due_at;
    live->renew_at = st->decision.renew_at;
    live->adopted = st->entry->stored.adopted;
    live->generation = st->entry->generation;
    if (facts) {
        live->has_pair = 1;
        live->not_before = facts->not_before;
        live->not_after = facts->not_after;
        text(live->serial, sizeof(live->serial), facts->serial);
        text(live->sha256, sizeof(live->sha256), facts->sha256);
        text(live->key, sizeof(live->key), facts->key);
        text(live->issuer, sizeof(live->issuer), facts->issuer);
    }
    if (attempt->failures > 0) {
        live->kind = (int)attempt->last_error.kind;
        live->code = attempt->last_error.code;
        live->http = attempt->last_error.http;
        live->retry_after = attempt->last_error.retry_after;
        text(live->message, sizeof(live->message),
             attempt->last_error.message);
        text(live->ray, sizeof(live->ray), attempt->last_error.ray);
    }
}

static void publish_head(const cfo_generation_t *gen)
{
    head_t head;
    const cfo_retained_t *r = gen->retained;

    memset(&head, 0, sizeof(head));
    text(head.reload_reason, sizeof(head.reload_reason), cfo_reload_reason());
    head.keeper_running = cfo_keeper_is_running(r);
    head.keeper_last_run =
        head.keeper_running ? r->keeper_started : r->keeper_ended;
    head.keeper_next_run = cfo_background_next(gen);
    put(&shared.head->sequence, &shared.head->head, &head, sizeof(head));
}

void cfo_status_publish(const cfo_generation_t *gen)
{
    int i;

    if (shared.head == NULL)
        return;
    publish_head(gen);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        live_t live;

        fill_live(&gen->standings[i], &live);
        if (memcmp(&live, &shared.cells[i].live, sizeof(live)))
            put(&shared.cells[i].sequence, &shared.cells[i].live, &live,
                sizeof(live));
    }
    for (i = 0; i < gen->plan->accounts->nelts; i++)
        put(&shared.accounts[i].sequence, &shared.accounts[i].state,
            &gen->accounts[i], sizeof(gen->accounts[i]));
}

typedef struct mapping_t {
    void *base;
    apr_size_t size;
} mapping_t;

static apr_status_t unmap(void *data)
{
    mapping_t *mapping = data;

    munmap(mapping->base, mapping->size);
    memset(&shared, 0, sizeof(shared));
    return APR_SUCCESS;
}

void cfo_status_create(cfo_generation_t *gen)
{
    apr_size_t cells = (apr_size_t)gen->plan->wanted->nelts;
    apr_size_t accounts = (apr_size_t)gen->plan->accounts->nelts;
    mapping_t *mapping = apr_pcalloc(gen->pool, sizeof(*mapping));

    mapping->size = sizeof(head_cell_t) + accounts * sizeof(account_cell_t) +
                    cells * sizeof(cell_t);
    mapping->base = mmap(NULL, mapping->size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping->base == MAP_FAILED) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, gen->base,
                     "no shared memory for the status; it stays as it was "
                     "at this start");
        mapping->base = apr_pcalloc(gen->pool, mapping->size);
    }
    else {
        apr_pool_cleanup_register(gen->pool, mapping, unmap,
                                  apr_pool_cleanup_null);
    }
    shared.head = mapping->base;
    shared.accounts = (account_cell_t *)(shared.head + 1);
    shared.cells = (cell_t *)(void *)(shared.accounts + accounts);
    cfo_status_publish(gen);
}

/* --- anybody reads
 * --------------------------------------------------------------- */

/* The words of the contract; the first that holds. */
static cfo_state_t state_of(const live_t *live, int served,
                            apr_time_t not_after, apr_time_t warn_at,
                            apr_time_t now)
{
    if (served && not_after <= now)
        return CFO_STATE_EXPIRED;
    if (live->failures > 0)
        return served ? CFO_STATE_DEGRADED : CFO_STATE_ERROR;
    if (served && warn_at <= now)
        return CFO_STATE_EXPIRING;
    if (!served)
        return CFO_STATE_PENDING;
    if (live->action == CFO_ISSUE)
        return CFO_STATE_RENEWING;
    return live->adopted ? CFO_STATE_ADOPTED : CFO_STATE_OK;
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

/* What is shown is what visitors get; where that is nothing yet, what the
 * store has. */
static void show_facts(const cfo_standing_t *st, const live_t *live,
                       cfo_status_cert_t *cert)
{
    if (st->served) {
        cert->serial = st->served->serial;
        cert->sha256 = st->served->sha256;
        cert->key = st->served->key;
        cert->issuer = st->served->issuer;
        cert->not_before = st->served->not_before;
        cert->not_after = st->served->not_after;
    }
    else if (live->has_pair) {
        cert->serial = live->serial;
        cert->sha256 = live->sha256;
        cert->key = live->key;
        cert->issuer = live->issuer;
        cert->not_before = live->not_before;
        cert->not_after = live->not_after;
    }
}

static void show_error(const live_t *live, cfo_status_cert_t *cert)
{
    if (live->failures == 0)
        return;
    cert->last_error.kind = (cfo_kind_t)live->kind;
    cert->last_error.code = live->code;
    cert->last_error.http = live->http;
    cert->last_error.retry_after = live->retry_after;
    cert->last_error.message = live->message;
    cert->last_error.ray = live->ray[0] ? live->ray : NULL;
}

static void show_wanted(const cfo_generation_t *gen, int i,
                        cfo_status_cert_t *cert, apr_pool_t *p, apr_time_t now)
{
    const cfo_standing_t *st = &gen->standings[i];
    const cfo_wanted_t *wanted = st->wanted;
    live_t *live = apr_palloc(p, sizeof(*live));
    apr_time_t warn_at;

    memset(live, 0, sizeof(*live));
    get(&shared.cells[i].sequence, live, &shared.cells[i].live, sizeof(*live));
    memset(cert, 0, sizeof(*cert));
    cert->name = wanted->name;
    cert->request_type = cfo_request_type_word(wanted->request_type);
    cert->hostnames = wanted->hostnames;
    cert->vhosts = labels_of(gen, wanted->vhosts, p);
    show_facts(st, live, cert);
    warn_at = cfo_schedule_warn_at(cert->not_before, cert->not_after,
                                   &wanted->settings.warn_window);
    cert->inside_warn_window = cert->not_after && warn_at <= now;
    cert->state =
        state_of(live, st->served != NULL, cert->not_after, warn_at, now);
    cert->reason = cfo_reason_word((cfo_reason_t)live->reason);
    cert->generation = live->generation;
    cert->renew_at = live->renew_at;
    cert->requested_validity = wanted->settings.validity;
    cert->failures = live->failures;
    cert->last_try = live->last_try;
    cert->next_try = live->next_try;
    show_error(live, cert);
}

/* A vhost whose files hold another CA's certificate: what its file says. */
static void show_foreign(const cfo_generation_t *gen, int index,
                         cfo_status_t *status, apr_pool_t *p)
{
    const cfo_vhost_t *vhost = &APR_ARRAY_IDX(gen->vhosts, index, cfo_vhost_t);
    const cfo_server_conf_t *conf =
        cfo_directives_of(APR_ARRAY_IDX(gen->servers, index, server_rec *));
    apr_array_header_t *vhosts = apr_array_make(p, 1, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(vhosts, const char *) = vhost->label;
    for (i = 0; i < conf->certs->nelts; i++) {
        const cfo_cert_facts_t *facts =
            cfo_target_look(gen->looker,
                            APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t).path)
                ->facts;
        cfo_status_cert_t *cert;

        if (facts == NULL)
            continue;
        cert = apr_array_push(status->certificates);
        memset(cert, 0, sizeof(*cert));
        cert->name = vhost->server_name ? vhost->server_name : vhost->label;
        cert->request_type =
            facts->has_type ? cfo_request_type_word(facts->type) : NULL;
        cert->hostnames = facts->hostnames;
        cert->vhosts = vhosts;
        cert->state = facts->not_after <= status->now ? CFO_STATE_EXPIRED
                                                      : CFO_STATE_FOREIGN;
        cert->reason = cfo_reason_word(CFO_FOREIGN);
        cert->serial = facts->serial;
        cert->sha256 = facts->sha256;
        cert->key = facts->key;
        cert->issuer = facts->issuer;
        cert->not_before = facts->not_before;
        cert->not_after = facts->not_after;
    }
}

static void add_up(cfo_status_t *status)
{
    int i;

    for (i = 0; i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *cert =
            &APR_ARRAY_IDX(status->certificates, i, cfo_status_cert_t);

        status->totals[cert->state]++;
        if (cert->not_after && (status->soonest_not_after == 0 ||
                                cert->not_after < status->soonest_not_after))
            status->soonest_not_after = cert->not_after;
    }
}

static void read_head(cfo_status_t *status, apr_pool_t *p)
{
    head_t *head = apr_pcalloc(p, sizeof(*head));

    get(&shared.head->sequence, head, &shared.head->head, sizeof(*head));
    status->reload_wanted =
        head->reload_reason[0] ? head->reload_reason : NULL;
    status->keeper_running = head->keeper_running;
    status->keeper_last_run = head->keeper_last_run;
    status->keeper_next_run = head->keeper_next_run;
}

cfo_status_t *cfo_status_read(const cfo_generation_t *gen, apr_pool_t *p,
                              apr_time_t now)
{
    cfo_status_t *status = apr_pcalloc(p, sizeof(*status));
    int i, n = gen->plan->wanted->nelts;

    status->now = now;
    status->server = ap_get_server_banner();
    status->certificates = apr_array_make(p, n + 1, sizeof(cfo_status_cert_t));
    status->accounts = apr_array_make(p, gen->plan->accounts->nelts + 1,
                                      sizeof(cfo_status_account_t));
    if (shared.head == NULL)
        return status;
    for (i = 0; i < n; i++)
        show_wanted(gen, i, apr_array_push(status->certificates), p, now);
    for (i = 0; i < gen->vhosts->nelts; i++) {
        if (APR_ARRAY_IDX(gen->plan->assignments, i, cfo_assignment_t).state ==
            CFO_VHOST_FOREIGN)
            show_foreign(gen, i, status, p);
    }
    for (i = 0; i < gen->plan->accounts->nelts; i++) {
        cfo_status_account_t *account = apr_array_push(status->accounts);
        cfo_account_state_t state = {0, 0};

        get(&shared.accounts[i].sequence, &state, &shared.accounts[i].state,
            sizeof(state));
        account->account =
            APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).name;
        account->paused_until =
            state.paused_until > now ? state.paused_until : 0;
        account->last_success = state.last_success;
    }
    add_up(status);
    read_head(status, p);
    return status;
}
