/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What is to be done about one wanted certificate, and why. Pure: facts in,
 * one action and one reason out; nothing else in the module decides this.
 */
#include "cforigin_decide.h"

#include <stdlib.h>
#include <string.h>

#include "cforigin_names.h"
#include "cforigin_schedule.h"

static const char *const reason_words[CFO_REASONS] = {
    [CFO_VALID] = "valid",
    [CFO_MISSING] = "missing",
    [CFO_DAMAGED] = "damaged",
    [CFO_UNREADABLE] = "unreadable",
    [CFO_KEY_MISMATCH] = "key-mismatch",
    [CFO_NAMES_CHANGED] = "names-changed",
    [CFO_TYPE_CHANGED] = "type-changed",
    [CFO_VALIDITY_CHANGED] = "validity-changed",
    [CFO_RENEW_WINDOW] = "renew-window",
    [CFO_EXPIRED] = "expired",
    [CFO_FORCED] = "forced",
    [CFO_FOREIGN] = "foreign",
    [CFO_ADOPTED] = "adopted",
};

const char *cfo_reason_word(cfo_reason_t reason)
{
    if ((unsigned)reason >= CFO_REASONS)
        return "unknown";
    return reason_words[reason];
}

int cfo_reason_parse(const char *word, cfo_reason_t *reason)
{
    for (int i = 0; word && i < CFO_REASONS; i++) {
        if (strcmp(word, reason_words[i]) == 0) {
            *reason = (cfo_reason_t)i;
            return 1;
        }
    }
    return 0;
}

const char *cfo_action_word(cfo_action_t action)
{
    switch (action) {
    case CFO_KEEP:
        return "keep";
    case CFO_ISSUE:
        return "issue";
    case CFO_ADOPT:
        return "adopt";
    }
    return "unknown";
}

/* The API puts dates on the minute and may begin a certificate a little
 * early: a day either way is the lifetime that was asked for. */
static int validity_differs(const cfo_cert_facts_t *facts, int validity)
{
    apr_interval_time_t day = apr_time_from_sec(24 * 60 * 60);
    apr_interval_time_t lifetime = facts->not_after - facts->not_before;

    return llabs(lifetime - validity * day) > day;
}

static int is_good(const cfo_wanted_t *wanted, const cfo_cert_facts_t *facts,
                   apr_time_t now, apr_pool_t *ptemp)
{
    return (!now || now < facts->not_after) &&
           !cfo_names_uncovered(wanted->hostnames, facts->hostnames, ptemp);
}

int cfo_decide_adoptable(const cfo_wanted_t *wanted,
                         const cfo_stored_t *stored,
                         const cfo_cert_facts_t *found, apr_time_t now,
                         apr_pool_t *ptemp)
{
    int good;

    if (stored->state == CFO_STORED_UNREADABLE)
        return 0;
    if (stored->state != CFO_STORED_PAIR)
        return 1;
    good = is_good(wanted, found, now, ptemp);
    if (good != is_good(wanted, stored->facts, now, ptemp))
        return good;
    return found->not_before >= stored->facts->not_before;
}

/* The first reason that holds for a pair; CFO_VALID and CFO_ADOPTED are the
 * two that leave it be. */
static cfo_reason_t judge_pair(const cfo_wanted_t *wanted,
                               const cfo_stored_t *stored, apr_time_t renew_at,
                               apr_time_t now, apr_pool_t *ptemp)
{
    const cfo_cert_facts_t *facts = stored->facts;

    if (now && facts->not_after <= now)
        return CFO_EXPIRED;
    if (cfo_names_uncovered(wanted->hostnames, facts->hostnames, ptemp))
        return CFO_NAMES_CHANGED;
    if (!stored->adopted && facts->has_type &&
        facts->type != wanted->request_type)
        return CFO_TYPE_CHANGED;
    if (!stored->adopted && !stored->anothers &&
        validity_differs(facts, wanted->settings.validity))
        return CFO_VALIDITY_CHANGED;
    if (stored->forced)
        return CFO_FORCED;
    if (now && renew_at <= now)
        return CFO_RENEW_WINDOW;
    return stored->adopted ? CFO_ADOPTED : CFO_VALID;
}

/* One that is in its window when it comes, with dates that lie in the past,
 * would be asked for again at once, and so on without end: it gets half of
 * what it has left. */
static apr_time_t renew_at(const cfo_wanted_t *wanted,
                           const cfo_stored_t *stored, const char *host)
{
    const cfo_cert_facts_t *facts = stored->facts;
    apr_time_t at = cfo_schedule_renew_at(facts->not_before, facts->not_after,
                                          &wanted->settings.renew_window, host,
                                          facts->serial);
    apr_time_t came = stored->adopted ? 0 : stored->installed;

    if (came >= at && came < facts->not_after)
        return came + (facts->not_after - came) / 2;
    return at;
}

static cfo_decision_t decide_pair(const cfo_wanted_t *wanted,
                                  const cfo_stored_t *stored, const char *host,
                                  apr_time_t now, apr_pool_t *ptemp)
{
    cfo_decision_t decision = {CFO_KEEP, CFO_VALID, 0};

    decision.renew_at = renew_at(wanted, stored, host);
    decision.reason =
        judge_pair(wanted, stored, decision.renew_at, now, ptemp);
    if (decision.reason != CFO_VALID && decision.reason != CFO_ADOPTED &&
        (!wanted->settings.renew_manual || stored->forced))
        decision.action = CFO_ISSUE;
    return decision;
}

cfo_decision_t cfo_decide(const cfo_wanted_t *wanted,
                          const cfo_stored_t *stored, const char *host,
                          apr_time_t now, apr_pool_t *ptemp)
{
    cfo_decision_t decision = {CFO_ISSUE, CFO_MISSING, 0};

    switch (stored->state) {
    case CFO_STORED_UNREADABLE:
        return (cfo_decision_t){CFO_KEEP, CFO_UNREADABLE, 0};
    case CFO_STORED_PAIR:
        decision = decide_pair(wanted, stored, host, now, ptemp);
        break;
    case CFO_STORED_DAMAGED:
        decision.reason = CFO_DAMAGED;
        break;
    case CFO_STORED_KEY_MISMATCH:
        decision.reason = CFO_KEY_MISMATCH;
        break;
    case CFO_STORED_NONE:
        if (stored->other_type)
            decision.reason = CFO_TYPE_CHANGED;
        break;
    }
    if (stored->adoptable) {
        decision.action = CFO_ADOPT;
        decision.reason = CFO_ADOPTED;
    }
    return decision;
}
