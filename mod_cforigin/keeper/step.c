/* SPDX-License-Identifier: Apache-2.0 */
/** What the steps on worker threads share: the time, and how they tell. */
#include "cforigin_round.h"

#include <apr_strings.h>

/* Before this moment a clock is taken for one that was never set:
 * 2026-01-01. */
#define CLOCK_SANE apr_time_from_sec(1767225600)

apr_time_t cfo_step_trusted_now(const cfo_task_t *task)
{
    apr_time_t now = apr_time_now();
    int off = __atomic_load_n(&task->keeper->clock_off, __ATOMIC_RELAXED);

    return now < CLOCK_SANE || off ? 0 : now;
}

void cfo_step_note(cfo_task_t *task, cfo_level_t level, int target,
                   const char *text)
{
    cfo_note_t *one = apr_array_push(task->notes);

    one->level = level;
    one->text = text;
    one->target = target;
    one->key = NULL;
}

/* What can't be read may be all that is needed: nothing is asked for. */
cfo_look_t cfo_step_cant_read(cfo_task_t *task, const char *path,
                              apr_status_t rv)
{
    char word[120];

    task->result = cfo_result_make(
        task->p, CFO_LOCAL, "%s can't be read: %s%s", path,
        apr_strerror(rv, word, sizeof(word)), cfo_result_remedy(rv));
    return CFO_LOOK_FAULT;
}
