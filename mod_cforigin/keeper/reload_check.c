/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Would httpd load its configuration again, and is it the one that runs?
 * Executes `httpd -t …` as the parent gave it, with httpd's environment, and
 * tells the tree's hash that it printed, or why there is none.
 */
#include "cforigin_round.h"
#include "cforigin_child.h"

#include <apr_strings.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024)
#define LIMIT_MS 30000
#define MARK "cforigin-tree-hash: "
#define LAST_LINES 3
#define LAST_BYTES 600

extern char **environ;

static const char *find_hash(apr_pool_t *p, const cfo_capture_t *check)
{
    const char *line = check->output;

    while (line && *line) {
        if (strncmp(line, MARK, strlen(MARK)) == 0) {
            line += strlen(MARK);
            return apr_pstrndup(p, line, strcspn(line, "\r\n"));
        }
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return NULL;
}

/* The last few lines, as one. */
static const char *last_words(apr_pool_t *p, const cfo_capture_t *check)
{
    char *rest = apr_pstrdup(p, check->output);
    const char *lines[LAST_LINES] = {"", "", ""};
    const char *words = "";
    char *state = NULL;
    char *line;

    for (line = apr_strtok(rest, "\r\n", &state); line;
         line = apr_strtok(NULL, "\r\n", &state)) {
        memmove(lines, lines + 1, sizeof(lines) - sizeof(*lines));
        lines[LAST_LINES - 1] = line;
    }
    for (int i = 0; i < LAST_LINES; i++)
        if (*lines[i])
            words = apr_pstrcat(p, words, *words ? "; " : "", lines[i], NULL);
    return cfo_text_clean(p, words, strlen(words), LAST_BYTES);
}

static const char *why_not(apr_pool_t *p, const cfo_capture_t *check)
{
    const char *words = last_words(p, check);
    const char *how = "did not end in time";

    if (!check->killed && WIFEXITED(check->status))
        how =
            WEXITSTATUS(check->status)
                ? apr_psprintf(p, "ended with %d", WEXITSTATUS(check->status))
                : "printed no hash";
    else if (!check->killed)
        how = "was killed";
    return apr_psprintf(p, "the check of the configuration %s%s%s", how,
                        *words ? ": " : "", words);
}

static int run(const cfo_keeper_t *keeper, cfo_capture_t *check)
{
    const cfo_round_t *round = keeper->round;
    const apr_array_header_t *given = round->reload_argv;
    const char **argv = apr_pcalloc(
        keeper->pool, (apr_size_t)(given->nelts + 1) * sizeof(*argv));
    /* The hash and the error come last, after a warning for each of thousands
     * of virtual hosts. */
    cfo_child_t child = {.argv = argv,
                         .envp = environ,
                         .cwd = round->reload_cwd,
                         .last_words = 1};

    for (int i = 0; i < given->nelts; i++)
        argv[i] = APR_ARRAY_IDX(given, i, const char *);
    child.path = argv[0];
    return cfo_child_capture(keeper->pool, &child, OUTPUT_MAX, LIMIT_MS,
                             keeper->stop, check);
}

void cfo_reload_check(cfo_keeper_t *keeper)
{
    cfo_event_t event = {.kind = CFO_EVENT_RELOAD_CHECK};
    cfo_capture_t check = {0};
    int error = run(keeper, &check);

    if (error)
        event.message = apr_psprintf(
            keeper->pool, "%s can't be run: %s%s",
            APR_ARRAY_IDX(keeper->round->reload_argv, 0, const char *),
            strerror(error), cfo_result_remedy(error));
    else {
        if (!check.killed && WIFEXITED(check.status) &&
            WEXITSTATUS(check.status) == 0)
            event.message = find_hash(keeper->pool, &check);
        event.ok = event.message != NULL;
        if (!event.ok)
            event.message = why_not(keeper->pool, &check);
    }
    cfo_report_event(keeper->report, &event);
}
