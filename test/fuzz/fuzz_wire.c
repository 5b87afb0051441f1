/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any line as a request (what the issuer reads) and as an answer (what the
 * keeper reads). What was read is written as one line, and read as the same.
 */
#include "fuzz.h"

#include "cforigin_wire.h"

static void as_request(apr_pool_t *p, const char *text)
{
    const char *fault = NULL, *line;
    cfo_request_t *request = cfo_wire_read_request(p, text, &fault);

    if (!request) {
        must(fault && *fault);
        return;
    }
    line = cfo_wire_request(p, request);
    must(line && !strchr(line, '\n'));
    request = cfo_wire_read_request(p, line, &fault);
    must(request && !strcmp(cfo_wire_request(p, request), line));
}

static void as_answer(apr_pool_t *p, const char *text)
{
    const char *fault = NULL, *line;
    cfo_answer_t *answer = cfo_wire_read_answer(p, text, &fault);

    if (!answer) {
        must(fault && *fault);
        return;
    }
    must(answer->result.kind == CFO_OK ||
         cfo_result_sentence(p, &answer->result));
    line = cfo_wire_answer(p, answer);
    must(line && !strchr(line, '\n'));
    answer = cfo_wire_read_answer(p, line, &fault);
    must(answer && !strcmp(cfo_wire_answer(p, answer), line));
    answer = cfo_wire_copy_answer(p, answer);
    must(!strcmp(cfo_wire_answer(p, answer), line));
}

static void run(apr_pool_t *p, char *text, size_t size)
{
    cfo_lines_t *lines = cfo_lines_make(p, 4096);
    const char *line;

    cfo_lines_put(lines, text, size);
    while ((line = cfo_lines_next(lines))) {
        must(strlen(line) <= 4096);
    }
    must(cfo_wire_id(text) >= -1);
    as_request(p, text);
    as_answer(p, text);
}
