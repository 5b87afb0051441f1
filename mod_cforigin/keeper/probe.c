/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is our clock right? Asked of the API once a round, when there is a
 * certificate that only its date says has to be replaced: with a clock that
 * is wrong it has not. Main thread only.
 */
#include "cforigin_round.h"

int cfo_probe_is_due_by_date(const cfo_task_t *task)
{
    return task->old_serial &&
           (task->reason == CFO_EXPIRED || task->reason == CFO_RENEW_WINDOW);
}

/* Whatever it says of the certificate, what counts is its date. A good answer
 * that has none leaves us as clever as before. */
static void answered(void *baton, const cfo_answer_t *answer)
{
    cfo_desk_t *desk = baton;
    apr_array_header_t *waiting = desk->clock_waiting;

    cfo_desk_learn(desk, CFO_OP_GET, answer);
    desk->clock_waiting =
        apr_array_make(desk->keeper->pool, 4, sizeof(cfo_task_t *));
    if (!answer->date && answer->result.kind == CFO_OK)
        desk->keeper->clock_known = 1;
    for (int i = 0; i < waiting->nelts; i++)
        cfo_task_probed(APR_ARRAY_IDX(waiting, i, cfo_task_t *),
                        desk->keeper->clock_known ? NULL : &answer->result);
}

void cfo_probe(cfo_task_t *task)
{
    cfo_request_t request = {.op = CFO_OP_GET};

    APR_ARRAY_PUSH(task->desk->clock_waiting, cfo_task_t *) = task;
    if (task->desk->clock_waiting->nelts > 1)
        return; /* it is being asked */
    request.serial = task->old_serial;
    cfo_issuer_ask(task->desk->issuer, &request, task->keeper->pool, answered,
                   task->desk);
}
