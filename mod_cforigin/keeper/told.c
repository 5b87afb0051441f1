/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One fault of an account, a disk or the API meets every certificate of a
 * round, and would fill the log with one sentence: the first few are logged
 * as they are, the others for who looks for them, and how many those were at
 * the end. Main thread only, but for the key, which touches nothing.
 */
#include "cforigin_round.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <string.h>

#define TOLD_MAX 5

typedef struct told_t {
    cfo_level_t level;
    int times;
    const char *sentence; /* the first one's */
} told_t;

/* The end of a sentence is the system's word for it, what stands before says
 * where; a check says first what it is. */
const char *cfo_told_key(apr_pool_t *p, const cfo_result_t *result)
{
    const char *words = result->message ? result->message : "";
    const char *at;

    if (result->code || result->http)
        return apr_psprintf(p, "%s %d %d", cfo_kind_word(result->kind),
                            result->code, result->http);
    if (result->kind == CFO_CHECK)
        return apr_pstrndup(p, words, strcspn(words, ":"));
    while ((at = strstr(words, ": ")) != NULL)
        words = at + 2;
    return apr_pstrcat(p, cfo_kind_word(result->kind), " ", words, NULL);
}

cfo_level_t cfo_told_level(cfo_keeper_t *keeper, cfo_level_t level,
                           const char *key, const char *sentence)
{
    told_t *told;

    key = apr_psprintf(keeper->pool, "%d %s", level, key);
    told = apr_hash_get(keeper->told, key, APR_HASH_KEY_STRING);
    if (!told) {
        told = apr_pcalloc(keeper->pool, sizeof(*told));
        told->level = level;
        told->sentence = apr_pstrdup(keeper->pool, sentence);
        apr_hash_set(keeper->told, key, APR_HASH_KEY_STRING, told);
    }
    return ++told->times > TOLD_MAX ? CFO_LEVEL_DEBUG : level;
}

void cfo_told_rest(cfo_keeper_t *keeper)
{
    apr_hash_index_t *at;

    for (at = apr_hash_first(keeper->pool, keeper->told); at;
         at = apr_hash_next(at)) {
        const told_t *told = apr_hash_this_val(at);

        if (told->times > TOLD_MAX)
            cfo_report_log(keeper->report, told->level,
                           "%d more like this: %s", told->times - TOLD_MAX,
                           told->sentence);
    }
}
