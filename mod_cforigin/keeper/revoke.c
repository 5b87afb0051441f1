/* SPDX-License-Identifier: Apache-2.0 */
/**
 * CFOriginRevoke superseded: generations that this store issued and replaced
 * at least a day ago are revoked and removed, once a listener was seen to
 * show the live one. Never one that was taken over, never the live one, and
 * nothing at all when what is served is something else or can't be seen. It
 * runs under the store's lock. Main thread only.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_strings.h>
#include <string.h>

typedef struct revoking_t {
    cfo_keeper_t *keeper;
    cfo_desk_t *desk;
    const cfo_served_t *served;
    const char *label, *dir;
    cfo_wanted_t wanted; /* for the journal */
    const cfo_entry_t *live;
    apr_array_header_t *old; /* const cfo_entry_t *: to be revoked */
    int next;
} revoking_t;

static void revoke_next(revoking_t *revoking);

static void finish(revoking_t *revoking)
{
    revoking->keeper->open--;
}

static void journal(const revoking_t *revoking, const char *event,
                    const cfo_entry_t *entry, const cfo_result_t *result)
{
    cfo_journal_t line = {
        .event = event, .wanted = &revoking->wanted, .reason = "superseded"};

    line.serial = entry->stored.facts->serial;
    line.ray = result->ray;
    if (result->kind != CFO_OK)
        line.message = cfo_result_sentence(revoking->keeper->pool, result);
    cfo_report_journal(revoking->keeper->report, &line);
}

/* What is refused for good says nothing of the others, and is asked for again
 * in a day; else the next round tries all of them. */
static void refused(revoking_t *revoking, const cfo_entry_t *entry,
                    const cfo_result_t *why)
{
    cfo_keeper_t *keeper = revoking->keeper;
    apr_pool_t *p = keeper->pool;
    const char *text =
        apr_psprintf(p,
                     "%s: certificate %s was replaced, but can't be revoked: "
                     "%s",
                     revoking->label, entry->stored.facts->serial,
                     cfo_result_sentence(p, why));

    journal(revoking, "revoke-failed", entry, why);
    cfo_report_log(
        keeper->report,
        cfo_told_level(keeper, CFO_LEVEL_WARNING, cfo_told_key(p, why), text),
        "%s", text);
    if (why->kind != CFO_PERMANENT) {
        finish(revoking);
        return;
    }
    cfo_store_put_refusal(p, revoking->dir, entry->generation);
    revoke_next(revoking);
}

static void revoked(void *baton, const cfo_answer_t *answer)
{
    revoking_t *revoking = baton;
    cfo_keeper_t *keeper = revoking->keeper;
    const cfo_entry_t *entry =
        APR_ARRAY_IDX(revoking->old, revoking->next, const cfo_entry_t *);
    const char *serial = entry->stored.facts->serial;

    cfo_desk_learn(revoking->desk, CFO_OP_REVOKE, answer);
    revoking->next++;
    if (answer->result.kind != CFO_OK) {
        refused(revoking, entry, &answer->result);
        return;
    }
    journal(revoking, "revoked", entry, &answer->result);
    cfo_report_log(keeper->report, CFO_LEVEL_NOTICE,
                   "%s: revoked certificate %s, which was replaced",
                   revoking->label, serial);
    cfo_store_remove_generation(keeper->pool, revoking->dir,
                                entry->generation);
    revoke_next(revoking);
}

static void revoke_next(revoking_t *revoking)
{
    cfo_request_t request = {.op = CFO_OP_REVOKE};
    cfo_result_t why;

    if (revoking->next >= revoking->old->nelts ||
        !cfo_desk_ready(revoking->desk, revoking->keeper->pool, &why)) {
        finish(revoking);
        return;
    }
    request.serial =
        APR_ARRAY_IDX(revoking->old, revoking->next, const cfo_entry_t *)
            ->stored.facts->serial;
    cfo_issuer_ask(revoking->desk->issuer, &request, revoking->keeper->pool,
                   revoked, revoking);
}

static void seen(void *baton, const cfo_answer_t *answer)
{
    revoking_t *revoking = baton;
    const char *live = revoking->live->stored.facts->sha256;

    revoking->keeper->moved = cfo_child_clock();
    if (answer->result.kind == CFO_OK && answer->sha256 &&
        strcmp(answer->sha256, live) == 0) {
        revoke_next(revoking);
        return;
    }
    cfo_report_log(
        revoking->keeper->report, CFO_LEVEL_INFO,
        "%s: nothing is revoked, since %s port %d %s", revoking->label,
        revoking->served->address, revoking->served->port,
        answer->result.kind == CFO_OK ? "does not show the live certificate"
                                      : "can't be asked what it shows");
    finish(revoking);
}

static revoking_t *make(cfo_keeper_t *keeper, const cfo_served_t *served)
{
    apr_pool_t *p = keeper->pool;
    revoking_t *revoking = apr_pcalloc(p, sizeof(*revoking));

    revoking->keeper = keeper;
    revoking->served = served;
    revoking->desk = &keeper->desks[served->account < 0 ? keeper->ndesks - 1
                                                        : served->account];
    revoking->dir = cfo_store_dir(p, keeper->round->store, served->folder,
                                  served->request_type);
    revoking->label =
        apr_psprintf(p, "%s (%s)", served->name,
                     cfo_request_type_word(served->request_type));
    revoking->wanted.name = served->name;
    revoking->wanted.folder = served->folder;
    revoking->wanted.request_type = served->request_type;
    revoking->old = apr_array_make(p, 1, sizeof(const cfo_entry_t *));
    revoking->live = cfo_store_look(p, keeper->round->store, served->folder,
                                    served->request_type, NULL);
    return revoking;
}

/* The parent may have looked before another server renewed: then what is
 * expected to be served is no longer what is live, and nothing is done. */
void cfo_revoke_begin(cfo_keeper_t *keeper, const cfo_served_t *served)
{
    revoking_t *revoking = make(keeper, served);
    const cfo_entry_t *live = revoking->live;
    cfo_request_t request = cfo_look_request(served);
    cfo_result_t why;

    if (live->stored.state == CFO_STORED_PAIR && !live->fell_back &&
        strcmp(live->stored.facts->sha256, served->sha256) == 0)
        revoking->old = cfo_store_superseded(
            keeper->pool, keeper->round->store, served->folder,
            served->request_type, live,
            revoking->desk->account ? revoking->desk->account->id : NULL,
            apr_time_now());
    if (revoking->old->nelts == 0 ||
        !cfo_desk_ready(revoking->desk, keeper->pool, &why)) {
        finish(revoking);
        return;
    }
    cfo_issuer_ask(revoking->desk->issuer, &request, keeper->pool, seen,
                   revoking);
}
