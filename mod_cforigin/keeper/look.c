/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What do this server's listeners show? Asked of an issuer that has no token:
 * the keeper itself opens no connection. Main thread only.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_strings.h>
#include <poll.h>
#include <string.h>

/* Handshakes at a time, and how long all of them may take. */
#define AT_ONCE 16
#define LIMIT_MS 30000

typedef struct looks_t {
    cfo_keeper_t *keeper;
    cfo_issuer_t *issuer;
    apr_array_header_t *list; /* look_t * */
    int next, open;
} looks_t;

typedef struct look_t {
    looks_t *looks;
    const cfo_served_t *served;
} look_t;

cfo_request_t cfo_look_request(const cfo_served_t *served)
{
    cfo_request_t request = {.op = CFO_OP_SERVED};

    request.address = served->address;
    request.port = served->port;
    request.sni = served->sni;
    if (served->one_of_two)
        request.request_type = cfo_request_type_word(served->request_type);
    return request;
}

static void answered(void *baton, const cfo_answer_t *answer)
{
    const look_t *look = baton;
    cfo_keeper_t *keeper = look->looks->keeper;
    const cfo_served_t *served = look->served;
    cfo_event_t event = {.kind = CFO_EVENT_SERVED};

    look->looks->open--;
    event.name = served->name;
    event.request_type = served->request_type;
    event.sha256 = answer->sha256;
    event.message = apr_psprintf(keeper->pool, "%s port %d", served->address,
                                 served->port);
    if (answer->result.kind != CFO_OK || !answer->sha256) {
        event.ok = -1;
        event.message = answer->result.message;
    }
    else
        event.ok = strcmp(answer->sha256, served->sha256) == 0;
    cfo_report_event(keeper->report, &event);
}

static void ask_some(looks_t *looks)
{
    while (looks->open < AT_ONCE && looks->next < looks->list->nelts) {
        look_t *look = APR_ARRAY_IDX(looks->list, looks->next++, look_t *);
        cfo_request_t request = cfo_look_request(look->served);

        looks->open++;
        cfo_issuer_ask(looks->issuer, &request, looks->keeper->pool, answered,
                       look);
    }
}

static void said(void *baton, const char *line)
{
    const looks_t *looks = baton;

    cfo_report_log(looks->keeper->report, CFO_LEVEL_WARNING,
                   "cforigin-issuer: %s", line);
}

static void wait_for_all(looks_t *looks)
{
    long deadline = cfo_child_clock() + LIMIT_MS;
    struct pollfd fds[3];

    ask_some(looks);
    while (looks->open > 0 && !*looks->keeper->stop &&
           cfo_child_clock() < deadline) {
        int n = cfo_issuer_poll(looks->issuer, fds);

        poll(fds, (nfds_t)n, 100);
        cfo_issuer_events(looks->issuer, fds, n);
        ask_some(looks);
    }
}

void cfo_look_run(cfo_keeper_t *keeper)
{
    const apr_array_header_t *served = keeper->round->served;
    looks_t looks = {.keeper = keeper};
    cfo_result_t fault;

    looks.list = apr_array_make(keeper->pool, 4, sizeof(look_t *));
    for (int i = 0; i < served->nelts; i++) {
        const cfo_served_t *one =
            APR_ARRAY_IDX(served, i, const cfo_served_t *);
        look_t *look = apr_pcalloc(keeper->pool, sizeof(*look));

        look->looks = &looks;
        look->served = one;
        if (!one->revoke)
            APR_ARRAY_PUSH(looks.list, look_t *) = look;
    }
    if (looks.list->nelts == 0)
        return;
    looks.issuer = cfo_issuer_start(keeper->pool, keeper->round, NULL, 0, said,
                                    &looks, &fault);
    if (!looks.issuer) {
        cfo_report_log(keeper->report, CFO_LEVEL_WARNING, "%s", fault.message);
        return;
    }
    wait_for_all(&looks);
    cfo_issuer_stop(looks.issuer);
}
