/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings of certificates that end soon, and what the notify command has to
 * be told. Changes nothing but memory. */
#include "cforigin_warn.h"
#include "cforigin_clock.h"
#include "cforigin_schedule.h"

#define DAY apr_time_from_sec(24 * 60 * 60)

/* A keeper that could not start, or died, told nothing: it is tried again
 * after this. */
#define TELL_AGAIN apr_time_from_sec(60)

static const cfo_cert_facts_t *facts_of(const cfo_standing_t *st)
{
    return st->served ? st->served : st->entry->stored.facts;
}

void cfo_warn_begin(cfo_generation_t *gen)
{
    apr_pool_t *ptemp;
    int i;

    if (gen->global->notify == NULL)
        return;
    apr_pool_create(&ptemp, gen->pool);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        cfo_standing_t *st = &gen->standings[i];
        const cfo_kept_notices_t *kept =
            cfo_retained_notices(gen->retained, st->key);
        cfo_notices_t notices = cfo_store_notices(
            ptemp, cfo_store_dir(ptemp, gen->global->store, st->folder,
                                 st->wanted->request_type));

        if (kept && kept->unsaved)
            notices = kept->notices;
        st->tell_at = cfo_notices_due(&notices);
        st->tell_expiring = kept && kept->untold;
        if (st->tell_expiring)
            st->tell_at = 1; /* as soon as can be */
        apr_pool_clear(ptemp);
    }
    apr_pool_destroy(ptemp);
}

/* Inside its window, and nobody is about to replace it. */
static int is_expiring(const cfo_standing_t *st, apr_time_t now)
{
    const cfo_cert_facts_t *facts = facts_of(st);

    if (facts == NULL || now == 0 ||
        now < cfo_schedule_warn_at(facts->not_before, facts->not_after,
                                   &st->wanted->settings.warn_window))
        return 0;
    return st->decision.action == CFO_KEEP || st->attempt->failures > 0;
}

static const char *why(const cfo_standing_t *st, apr_pool_t *p)
{
    const cfo_cert_facts_t *stored = st->entry->stored.facts;

    if (st->served && stored && strcmp(st->served->sha256, stored->sha256))
        return "its successor is in the store and waits for a reload";
    if (st->attempt->failures > 0)
        return apr_psprintf(p, "%d %s to replace it failed, the last one: %s",
                            st->attempt->failures,
                            st->attempt->failures == 1 ? "try" : "tries",
                            cfo_result_sentence(p, &st->attempt->last_error));
    if (st->wanted->settings.renew_manual)
        return "CFOriginRenewMode is manual; touch the file renew in its "
               "folder of the store";
    return apr_psprintf(p, "it is to be replaced from %s on",
                        cfo_time_word(p, st->decision.renew_at));
}

static void warn(cfo_generation_t *gen, cfo_standing_t *st, apr_time_t now)
{
    cfo_kept_notices_t kept = {0};
    const cfo_kept_notices_t *old =
        cfo_retained_notices(gen->retained, st->key);
    apr_pool_t *ptemp;

    if (old)
        kept = *old;
    if (kept.warned && kept.warned <= now && now - kept.warned < DAY)
        return;
    kept.warned = now;
    kept.untold = gen->global->notify != NULL;
    cfo_retained_put_notices(gen->retained, st->key, &kept);
    apr_pool_create(&ptemp, gen->pool);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, gen->base,
                 "%s: the %s certificate %s at %s: %s", st->wanted->name,
                 cfo_request_type_word(st->wanted->request_type),
                 facts_of(st)->not_after <= now ? "expired" : "expires",
                 cfo_time_word(ptemp, facts_of(st)->not_after),
                 why(st, ptemp));
    apr_pool_destroy(ptemp);
    st->tell_expiring = kept.untold;
    if (st->tell_expiring)
        st->tell_at = now;
}

void cfo_warn_look(cfo_generation_t *gen, apr_time_t now)
{
    apr_time_t trusted = cfo_clock_trusted(gen, now);
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        if (is_expiring(&gen->standings[i], trusted))
            warn(gen, &gen->standings[i], now);
    }
}

int cfo_warn_is_due(const cfo_generation_t *gen, const cfo_standing_t *st,
                    apr_time_t now)
{
    return gen->global->notify && st->tell_at &&
           cfo_schedule_is_over(st->tell_at, now);
}

void cfo_warn_fill(cfo_generation_t *gen, cfo_standing_t *st, cfo_item_t *item,
                   apr_time_t now)
{
    const cfo_kept_notices_t *kept =
        cfo_retained_notices(gen->retained, st->key);

    if (kept && kept->unsaved)
        item->notices = kept->notices;
    if (st->tell_expiring && is_expiring(st, cfo_clock_trusted(gen, now))) {
        item->expiring = 1;
        item->not_after = facts_of(st)->not_after;
        item->serial = facts_of(st)->serial;
    }
    if (st->tell_at)
        st->tell_at = now + TELL_AGAIN;
}

void cfo_warn_learn(cfo_generation_t *gen, cfo_standing_t *st,
                    const cfo_notices_t *notices, int saved)
{
    cfo_kept_notices_t kept = {0};
    const cfo_kept_notices_t *old =
        cfo_retained_notices(gen->retained, st->key);

    if (old)
        kept = *old;
    kept.notices = *notices;
    kept.unsaved = !saved;
    kept.untold = st->tell_expiring = 0;
    cfo_retained_put_notices(gen->retained, st->key, &kept);
    st->tell_at = cfo_notices_due(notices);
}
