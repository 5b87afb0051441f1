/* SPDX-License-Identifier: Apache-2.0 */
/* The log tells what the page tells: at a start a line for each certificate
 * that needs something and one in sum, then what changes and nobody else
 * says. What is tried, installed or failed is said by the keeper, that our
 * own certificates end soon by warn.c. */
#include "cforigin_status.h"

/* The states that were told last, by the picture's order. */
static struct {
    int *states;
    int n;
} told;

#define CERT(status, i)                                                       \
    (&APR_ARRAY_IDX((status)->certificates, i, cfo_status_cert_t))

/* What the page cuts, paths of this machine, the log has whole. */
static const cfo_result_t *error_of(const cfo_generation_t *gen, int i,
                                    const cfo_status_cert_t *c)
{
    return c->last_error.kind != CFO_OK && i < gen->plan->wanted->nelts
               ? &gen->standings[i].attempt->last_error
               : &c->last_error;
}

static const char *in_words(const cfo_status_cert_t *c,
                            const cfo_result_t *error, apr_pool_t *p)
{
    const char *text =
        apr_psprintf(p, "%s (%s): %s (%s)", c->name,
                     c->request_type ? c->request_type : "another type",
                     cfo_state_word(c->state), cfo_reason_word(c->reason));
    const char *advice = cfo_status_advice(c);

    if (c->not_after)
        text = apr_psprintf(p, "%s, ends %s", text,
                            cfo_time_word(p, c->not_after));
    if (error->kind != CFO_OK)
        text = apr_pstrcat(
            p, text, "; last error: ", cfo_result_sentence(p, error), NULL);
    if (c->trying)
        text = apr_pstrcat(p, text, "; being asked for", NULL);
    else if (c->next_try)
        text = apr_psprintf(p, "%s; next try %s", text,
                            cfo_time_word(p, c->next_try));
    if (!c->served)
        text = apr_pstrcat(p, text,
                           "; until it is there, its virtual hosts "
                           "answer 503",
                           NULL);
    return advice ? apr_pstrcat(p, text, ". ", advice, NULL) : text;
}

static int is_news(const cfo_status_cert_t *c)
{
    return cfo_status_needs_attention(c) || c->state == CFO_STATE_PENDING ||
           c->state == CFO_STATE_RENEWING;
}

static apr_status_t forget(void *data)
{
    (void)data;
    told.states = NULL;
    return APR_SUCCESS;
}

void cfo_status_tell(const cfo_generation_t *gen, const cfo_status_t *status)
{
    apr_pool_t *ptemp;
    int i;

    apr_pool_create(&ptemp, gen->pool);
    told.n = status->certificates->nelts;
    told.states =
        apr_palloc(gen->pool, sizeof(int) * (apr_size_t)(told.n + 1));
    apr_pool_cleanup_register(gen->pool, NULL, forget, apr_pool_cleanup_null);
    for (i = 0; i < told.n; i++) {
        const cfo_status_cert_t *c = CERT(status, i);

        told.states[i] = (int)c->state;
        if (is_news(c))
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, gen->base, "%s",
                         in_words(c, error_of(gen, i, c), ptemp));
    }
    if (told.n > 0)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, gen->base, "%s",
                     cfo_status_sentence(ptemp, status));
    apr_pool_destroy(ptemp);
}

/* Of a foreign one nobody else says that it ends. */
static int level_of(const cfo_status_cert_t *c)
{
    return c->reason == CFO_FOREIGN && c->state == CFO_STATE_EXPIRED
               ? APLOG_WARNING
               : APLOG_DEBUG;
}

void cfo_status_tell_changes(const cfo_generation_t *gen,
                             const cfo_status_t *status)
{
    apr_pool_t *ptemp;
    int i;

    if (told.states == NULL)
        return;
    apr_pool_create(&ptemp, gen->pool);
    for (i = 0; i < told.n && i < status->certificates->nelts; i++) {
        const cfo_status_cert_t *c = CERT(status, i);

        if (told.states[i] == (int)c->state)
            continue;
        ap_log_error(APLOG_MARK, level_of(c), 0, gen->base, "%s, was %s",
                     in_words(c, error_of(gen, i, c), ptemp),
                     cfo_state_word((cfo_state_t)told.states[i]));
        told.states[i] = (int)c->state;
    }
    apr_pool_destroy(ptemp);
}
