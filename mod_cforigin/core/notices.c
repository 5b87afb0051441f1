/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which event is told, again or no more. Touches nothing but memory.
 */
#include "cforigin_notices.h"
#include "cforigin_json.h"
#include "cforigin_schedule.h"
#include "cforigin_memory.h"

#include <string.h>

#define DAY apr_time_from_sec(24 * 60 * 60)
#define BIT(notice) (1u << (notice))

static const char *const words[CFO_NOTICES] = {
    [CFO_NOTICE_ISSUED] = "issued",       [CFO_NOTICE_RENEWED] = "renewed",
    [CFO_NOTICE_RECOVERED] = "recovered", [CFO_NOTICE_EXPIRING] = "expiring",
    [CFO_NOTICE_ERRORED] = "errored",
};

const char *cfo_notice_word(cfo_notice_t notice)
{
    return (unsigned)notice < CFO_NOTICES ? words[notice] : "unknown";
}

/* What is said once a day has no second try. */
static int is_daily(cfo_notice_t notice)
{
    return notice == CFO_NOTICE_EXPIRING || notice == CFO_NOTICE_ERRORED;
}

/* Told less than a day ago; a time ahead of the clock is not believed. */
static int was_told(apr_time_t at, apr_time_t now)
{
    return at > 0 && at <= now && now - at < DAY;
}

static void wait_for(cfo_notices_t *notices, cfo_notice_t notice)
{
    notices->waiting |= BIT(notice);
    notices->next_try = 0;
}

void cfo_notices_kept(cfo_notices_t *notices)
{
    notices->waiting &= ~(BIT(CFO_NOTICE_ERRORED) | BIT(CFO_NOTICE_EXPIRING));
    if (notices->unwell)
        wait_for(notices, CFO_NOTICE_RECOVERED);
    notices->unwell = 0;
}

void cfo_notices_installed(cfo_notices_t *notices, int renewed)
{
    cfo_notices_kept(notices);
    wait_for(notices, renewed ? CFO_NOTICE_RENEWED : CFO_NOTICE_ISSUED);
}

void cfo_notices_failed(cfo_notices_t *notices, apr_time_t now)
{
    notices->waiting &= ~BIT(CFO_NOTICE_RECOVERED);
    if (!was_told(notices->told_errored, now))
        wait_for(notices, CFO_NOTICE_ERRORED);
}

void cfo_notices_expiring(cfo_notices_t *notices, apr_time_t now)
{
    if (!was_told(notices->told_expiring, now))
        wait_for(notices, CFO_NOTICE_EXPIRING);
}

int cfo_notices_next(const cfo_notices_t *notices)
{
    for (int i = 0; i < CFO_NOTICES; i++)
        if (notices->waiting & BIT(i))
            return i;
    return -1;
}

void cfo_notices_told(cfo_notices_t *notices, cfo_notice_t notice, int ok,
                      apr_time_t now, const char *seed)
{
    cfo_result_t failed = {.kind = CFO_LOCAL, .retry_after = -1};

    if (notice == CFO_NOTICE_EXPIRING)
        notices->told_expiring = now;
    if (notice == CFO_NOTICE_ERRORED) {
        notices->told_errored = now;
        notices->unwell = 1;
    }
    if (ok || is_daily(notice))
        notices->waiting &= ~BIT(notice);
    if (ok || !notices->waiting) {
        notices->tries = 0;
        notices->next_try = 0;
        return;
    }
    notices->tries++;
    notices->next_try =
        cfo_schedule_next_try(&failed, notices->tries, now, seed);
}

void cfo_notices_merge(cfo_notices_t *mine, const cfo_notices_t *before,
                       const cfo_notices_t *there)
{
    mine->waiting |= there->waiting & ~before->waiting;
    if (mine->unwell == before->unwell)
        mine->unwell = there->unwell;
    if (mine->told_expiring < there->told_expiring)
        mine->told_expiring = there->told_expiring;
    if (mine->told_errored < there->told_errored)
        mine->told_errored = there->told_errored;
}

apr_time_t cfo_notices_due(const cfo_notices_t *notices)
{
    if (!notices->waiting)
        return 0;
    return notices->next_try ? notices->next_try : 1;
}

/* --- JSON --- */

json_t *cfo_json_notices(const cfo_notices_t *notices)
{
    json_t *json = json_object();
    json_t *waiting = json_array();
    apr_pool_t *scratch = cfo_memory_pool();

    for (int i = 0; i < CFO_NOTICES; i++)
        if (notices->waiting & BIT(i))
            json_array_append_new(waiting, json_string(words[i]));
    json_object_set_new(json, "waiting", waiting);
    json_object_set_new(json, "unwell", json_boolean(notices->unwell));
    cfo_json_put_number(json, "tries", notices->tries);
    if (!scratch)
        return json;
    cfo_json_put_time(scratch, json, "next_try", notices->next_try);
    cfo_json_put_time(scratch, json, "told_expiring", notices->told_expiring);
    cfo_json_put_time(scratch, json, "told_errored", notices->told_errored);
    apr_pool_destroy(scratch);
    return json;
}

cfo_notices_t cfo_json_read_notices(const json_t *json)
{
    const json_t *waiting = json_object_get(json, "waiting");
    cfo_notices_t notices = {0};

    for (size_t i = 0; i < json_array_size(waiting); i++) {
        const char *word = json_string_value(json_array_get(waiting, i));

        for (int k = 0; word && k < CFO_NOTICES; k++)
            if (strcmp(word, words[k]) == 0)
                notices.waiting |= BIT(k);
    }
    notices.unwell = json_is_true(json_object_get(json, "unwell"));
    notices.tries = cfo_json_int(json, "tries", 0);
    if (notices.tries < 0)
        notices.tries = 0;
    notices.next_try = cfo_json_time(json, "next_try");
    notices.told_expiring = cfo_json_time(json, "told_expiring");
    notices.told_errored = cfo_json_time(json, "told_errored");
    return notices;
}
