/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the keeper tells httpd's parent, one event a line, and the JSON of a
 * result and of a failed try, which attempt.json has in common with them.
 * Touches nothing but memory.
 */
#include "cforigin_json.h"
#include "cforigin_round_wire.h"
#include "cforigin_memory.h"

#include <apr_strings.h>
#include <string.h>

static const char *const event_words[] = {
    [CFO_EVENT_LOG] = "log",
    [CFO_EVENT_TRYING] = "trying",
    [CFO_EVENT_INSTALLED] = "installed",
    [CFO_EVENT_KEPT] = "kept",
    [CFO_EVENT_FAILED] = "failed",
    [CFO_EVENT_ACCOUNT] = "account",
    [CFO_EVENT_RELOAD_CHECK] = "reload-check",
    [CFO_EVENT_CALLS] = "calls",
    [CFO_EVENT_CLOCK] = "clock",
    [CFO_EVENT_SERVED] = "served",
    [CFO_EVENT_NOTICES] = "notices",
    [CFO_EVENT_TELLING] = "telling",
    [CFO_EVENT_DONE] = "done",
};

static const char *const level_words[] = {
    [CFO_LEVEL_ERROR] = "error",   [CFO_LEVEL_WARNING] = "warning",
    [CFO_LEVEL_NOTICE] = "notice", [CFO_LEVEL_INFO] = "info",
    [CFO_LEVEL_DEBUG] = "debug",
};

static const char *const op_words[CFO_CALL_OPS] = {"create", "list", "get",
                                                   "revoke", "zone"};

#define COUNT(words) ((int)(sizeof(words) / sizeof(*(words))))

/* The place of a word, or -1. */
static int find_word(const char *const *words, int n, const char *word)
{
    for (int i = 0; word && i < n; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

const char *cfo_call_op_word(int op)
{
    return op_words[op];
}

int cfo_call_op_find(const char *word)
{
    return find_word(op_words, CFO_CALL_OPS, word);
}

/* A next try must not come out earlier than it was, so its time, which is
 * written in seconds, is rounded up. */
static apr_time_t whole_second(apr_time_t t)
{
    return (t + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC * APR_USEC_PER_SEC;
}

json_t *cfo_json_result(const cfo_result_t *result)
{
    apr_pool_t *scratch = cfo_memory_pool();
    json_t *json = json_object();

    if (!scratch)
        return json;
    cfo_json_put_text(json, "kind", cfo_kind_word(result->kind));
    if (result->code)
        cfo_json_put_number(json, "code", result->code);
    if (result->http)
        cfo_json_put_number(json, "http", result->http);
    cfo_json_put_message(scratch, json, "message", result->message);
    cfo_json_put_message(scratch, json, "ray", result->ray);
    if (result->kind != CFO_OK && result->retry_after >= 0)
        cfo_json_put_number(json, "retry_after", result->retry_after);
    if (result->lost)
        cfo_json_put_number(json, "lost", 1);
    apr_pool_destroy(scratch);
    return json;
}

void cfo_json_read_result(apr_pool_t *p, const json_t *json,
                          cfo_result_t *result)
{
    const char *word = json_string_value(json_object_get(json, "kind"));

    memset(result, 0, sizeof(*result));
    if (!word || !cfo_kind_parse(word, &result->kind))
        result->kind = CFO_LOCAL;
    result->code = cfo_json_int(json, "code", 0);
    result->http = cfo_json_int(json, "http", 0);
    result->message = cfo_json_text(p, json, "message");
    result->ray = cfo_json_text(p, json, "ray");
    result->retry_after = cfo_json_int(json, "retry_after", -1);
    result->lost = cfo_json_int(json, "lost", 0) != 0;
}

json_t *cfo_json_attempt(const cfo_attempt_t *attempt)
{
    apr_pool_t *scratch = cfo_memory_pool();
    json_t *json = json_object();

    if (!scratch)
        return json;
    cfo_json_put_number(json, "failures", attempt->failures);
    cfo_json_put_time(scratch, json, "last_try", attempt->last_try);
    cfo_json_put_time(scratch, json, "next_try",
                      whole_second(attempt->next_try));
    if (attempt->last_error.kind != CFO_OK)
        json_object_set_new(json, "last_error",
                            cfo_json_result(&attempt->last_error));
    apr_pool_destroy(scratch);
    return json;
}

int cfo_json_read_attempt(apr_pool_t *p, const json_t *json,
                          cfo_attempt_t *attempt)
{
    const json_t *error = json_object_get(json, "last_error");

    memset(attempt, 0, sizeof(*attempt));
    attempt->last_error = cfo_result_ok();
    attempt->failures = cfo_json_int(json, "failures", -1);
    attempt->last_try = cfo_json_time(json, "last_try");
    attempt->next_try = cfo_json_time(json, "next_try");
    if (json_is_object(error))
        cfo_json_read_result(p, error, &attempt->last_error);
    if (attempt->failures >= 0)
        return 1;
    attempt->failures = 0;
    return 0;
}

const char *cfo_event_write(apr_pool_t *p, const cfo_event_t *event)
{
    json_t *json = json_object();

    cfo_json_put_text(json, "event", event_words[event->kind]);
    cfo_json_put_message(p, json, "message", event->message);
    cfo_json_put_message(p, json, "name", event->name);
    if (event->kind == CFO_EVENT_LOG)
        cfo_json_put_text(json, "level", level_words[event->level]);
    if (event->name)
        cfo_json_put_text(json, "request_type",
                          cfo_request_type_word(event->request_type));
    if (event->kind == CFO_EVENT_TRYING || event->kind == CFO_EVENT_INSTALLED)
        cfo_json_put_text(json, "reason", cfo_reason_word(event->reason));
    if (event->kind == CFO_EVENT_INSTALLED || event->kind == CFO_EVENT_KEPT)
        cfo_json_put_number(json, "generation", event->generation);
    if (event->kind == CFO_EVENT_FAILED)
        json_object_set_new(json, "attempt",
                            cfo_json_attempt(&event->attempt));
    if (event->kind == CFO_EVENT_ACCOUNT) {
        const cfo_account_state_t *state = &event->account_state;

        cfo_json_put_text(json, "account", event->account);
        cfo_json_put_time(p, json, "paused_until",
                          whole_second(state->paused_until));
        cfo_json_put_time(p, json, "last_success", state->last_success);
    }
    if (event->kind == CFO_EVENT_RELOAD_CHECK ||
        event->kind == CFO_EVENT_SERVED || event->kind == CFO_EVENT_NOTICES)
        cfo_json_put_number(json, "ok", event->ok);
    if (event->kind == CFO_EVENT_SERVED)
        cfo_json_put_text(json, "sha256", event->sha256);
    if (event->kind == CFO_EVENT_CLOCK)
        cfo_json_put_number(json, "offset", event->offset);
    if (event->kind == CFO_EVENT_NOTICES)
        json_object_set_new(json, "notices",
                            cfo_json_notices(&event->notices));
    if (event->kind == CFO_EVENT_CALLS) {
        cfo_json_put_text(json, "op", op_words[event->op]);
        cfo_json_put_text(json, "outcome", cfo_kind_word(event->outcome));
        cfo_json_put_number(json, "calls", event->calls);
    }
    return cfo_json_line(p, json);
}

/* What each kind can't do without. */
static const char *missing_field(const cfo_event_t *event)
{
    switch (event->kind) {
    case CFO_EVENT_LOG:
        return event->message ? NULL : "message";
    case CFO_EVENT_TRYING:
    case CFO_EVENT_INSTALLED:
    case CFO_EVENT_KEPT:
    case CFO_EVENT_FAILED:
    case CFO_EVENT_SERVED:
    case CFO_EVENT_NOTICES:
        return event->name ? NULL : "name";
    case CFO_EVENT_ACCOUNT:
        return event->account ? NULL : "account";
    case CFO_EVENT_CALLS:
        return event->calls < 1 ? "calls" : event->op < 0 ? "op" : NULL;
    default:
        return NULL;
    }
}

static const char *read_words(const json_t *json, cfo_event_t *event)
{
    const char *type =
        json_string_value(json_object_get(json, "request_type"));
    const char *reason = json_string_value(json_object_get(json, "reason"));
    const char *level = json_string_value(json_object_get(json, "level"));
    const char *outcome = json_string_value(json_object_get(json, "outcome"));
    int place = find_word(level_words, COUNT(level_words), level);

    event->level = place < 0 ? CFO_LEVEL_INFO : (cfo_level_t)place;
    if (event->name &&
        (!type || !cfo_request_type_parse(type, &event->request_type)))
        return "request_type";
    if (reason && !cfo_reason_parse(reason, &event->reason))
        return "reason";
    if (outcome && !cfo_kind_parse(outcome, &event->outcome))
        return "outcome";
    return missing_field(event);
}

static const char *read_event(apr_pool_t *p, const json_t *json,
                              cfo_event_t *event)
{
    const char *word = json_string_value(json_object_get(json, "event"));
    int kind = find_word(event_words, COUNT(event_words), word);

    if (kind < 0)
        return "event";
    event->kind = (cfo_event_kind_t)kind;
    event->message = cfo_json_text(p, json, "message");
    event->name = cfo_json_text(p, json, "name");
    event->generation = cfo_json_int(json, "generation", 0);
    event->account = cfo_json_text(p, json, "account");
    event->account_state.paused_until = cfo_json_time(json, "paused_until");
    event->account_state.last_success = cfo_json_time(json, "last_success");
    event->ok = cfo_json_int(json, "ok", 0);
    event->sha256 = cfo_json_text(p, json, "sha256");
    event->offset = cfo_json_number(json, "offset", 0);
    event->notices = cfo_json_read_notices(json_object_get(json, "notices"));
    event->op =
        cfo_call_op_find(json_string_value(json_object_get(json, "op")));
    event->calls = cfo_json_int(json, "calls", 0);
    if (event->kind == CFO_EVENT_FAILED &&
        !cfo_json_read_attempt(p, json_object_get(json, "attempt"),
                               &event->attempt))
        return "attempt";
    return read_words(json, event);
}

cfo_event_t *cfo_event_read(apr_pool_t *p, const char *line,
                            const char **fault)
{
    cfo_event_t *event = apr_pcalloc(p, sizeof(*event));
    json_t *json = json_loads(line, 0, NULL);
    const char *field = NULL;

    *fault = NULL;
    if (!json_is_object(json))
        *fault = "the line is no JSON object";
    else if ((field = read_event(p, json, event)))
        *fault = apr_psprintf(p, "\"%s\" is missing or unknown", field);
    json_decref(json);
    return *fault ? NULL : event;
}
