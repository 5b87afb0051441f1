/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any text as a plan (what the keeper reads), any line as an event (what
 * httpd's parent reads). What was read is written and read as the same.
 */
#include "fuzz.h"

#include "cforigin_round_wire.h"

static void as_plan(apr_pool_t *p, const char *text, size_t size)
{
    const char *fault = NULL, *plan;
    cfo_round_t *round = cfo_round_read(p, text, size, &fault);

    if (!round) {
        must(fault && *fault);
        return;
    }
    must(round->store && round->libexec && round->api);
    for (int i = 0; i < round->items->nelts; i++) {
        const cfo_item_t *item = APR_ARRAY_IDX(round->items, i, cfo_item_t *);

        must(item->wanted.account < round->accounts->nelts);
        must(item->wanted.hostnames && item->wanted.targets);
        must(!strchr(item->wanted.folder, '/'));
    }
    plan = cfo_round_write(p, round);
    round = cfo_round_read(p, plan, strlen(plan), &fault);
    must(round && !strcmp(cfo_round_write(p, round), plan));
}

static void as_event(apr_pool_t *p, const char *text)
{
    const char *fault = NULL, *line;
    cfo_event_t *event = cfo_event_read(p, text, &fault);

    if (!event) {
        must(fault && *fault);
        return;
    }
    line = cfo_event_write(p, event);
    must(line && !strchr(line, '\n'));
    event = cfo_event_read(p, line, &fault);
    must(event && !strcmp(cfo_event_write(p, event), line));
}

static void run(apr_pool_t *p, char *text, size_t size)
{
    as_plan(p, text, size);
    as_event(p, text);
}
