/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A request of the keeper's as calls of the API. Pure: touches nothing.
 */
#include "cforigin_job.h"

#include <apr_strings.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PER_PAGE 50

/* Bodies. A page is as large as its certificates may be. */
#define ONE_MAX CFO_WIRE_CERTIFICATE_MAX
#define PAGE_MAX (PER_PAGE * ONE_MAX)

#define ENTRY_BYTES 64 /* of an entry's own, beside its texts */

void cfo_job_begin(cfo_job_t *job, apr_pool_t *p, const cfo_request_t *request)
{
    const char *name = request->hostname;

    memset(job, 0, sizeof(*job));
    job->p = p;
    job->request = request;
    job->answer.id = request->id;
    job->page = 1;
    job->candidate = name && !strncmp(name, "*.", 2) ? name + 2 : name;
    apr_pool_create(&job->step, p);
}

/* ---- what is asked ---- */

static const char *create_body(apr_pool_t *p, const cfo_request_t *request)
{
    json_t *names = json_array();
    json_t *body;
    char *text;
    const char *copy;

    for (int i = 0; i < request->hostnames->nelts; i++) {
        json_array_append_new(
            names,
            json_string(APR_ARRAY_IDX(request->hostnames, i, const char *)));
    }
    body = json_pack("{s:s, s:o, s:s, s:i}", "csr", request->csr, "hostnames",
                     names, "request_type", request->request_type,
                     "requested_validity", request->requested_validity);
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    copy = text ? apr_pstrdup(p, text) : "{}";
    free(text);
    json_decref(body);
    return copy;
}

/* Whatever is put into a path or a query stays one piece of it. */
static const char *escape(apr_pool_t *p, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    const char *copy = apr_pstrdup(p, escaped ? escaped : "");

    curl_free(escaped);
    return copy;
}

void cfo_job_call(cfo_job_t *job)
{
    const cfo_request_t *request = job->request;
    apr_pool_t *p = job->step;
    cfo_call_t *call = &job->call;

    apr_pool_clear(p);
    memset(call, 0, sizeof(*call));
    call->p = p;
    call->method = "GET";
    call->max = ONE_MAX;
    switch (request->op) {
    case CFO_OP_CREATE:
        call->method = "POST";
        call->path = "/certificates";
        call->body = create_body(p, request);
        break;
    case CFO_OP_LIST:
        call->path =
            apr_psprintf(p, "/certificates?zone_id=%s&page=%d&per_page=%d",
                         escape(p, request->zone_id), job->page, PER_PAGE);
        call->max = PAGE_MAX;
        break;
    case CFO_OP_REVOKE:
        call->method = "DELETE"; /* fall through */
    case CFO_OP_GET:
        call->path =
            apr_pstrcat(p, "/certificates/", escape(p, request->serial), NULL);
        break;
    default:
        call->path = apr_psprintf(p, "/zones?name=%s&status=active",
                                  escape(p, job->candidate));
        break;
    }
}

/* ---- what came back ---- */

/* An answer that says success and lacks what was asked for. */
static void lacks(const cfo_job_t *job, cfo_result_t *result, const char *what)
{
    result->kind = CFO_TRANSIENT;
    result->message = what;
    result->lost = job->request->op == CFO_OP_CREATE;
}

/* Bytes that the list grows by. */
static apr_size_t size_of(const apr_array_header_t *listed)
{
    apr_size_t size = 0;

    for (int i = 0; i < listed->nelts; i++) {
        const cfo_listed_t *one = &APR_ARRAY_IDX(listed, i, cfo_listed_t);

        size += ENTRY_BYTES + strlen(one->certificate) +
                (one->serial ? strlen(one->serial) : 0);
    }
    return size;
}

static int read_page(cfo_job_t *job, const json_t *envelope,
                     cfo_result_t *result)
{
    apr_array_header_t *listed =
        apr_array_make(job->step, PER_PAGE, sizeof(cfo_listed_t));
    int n = cfo_envelope_list(job->step, envelope, listed);
    const char *head = listed->nelts > 0
                           ? APR_ARRAY_IDX(listed, 0, cfo_listed_t).serial
                           : NULL;

    job->listed = listed;
    if (n < 0) {
        lacks(job, result, "the list is no list");
        return 1;
    }
    if (head && job->page_head && !strcmp(head, job->page_head)) {
        n = 0; /* it knows no pages: the same one again */
    }
    if (n == 0) {
        return 1;
    }
    job->bytes += size_of(listed);
    if (job->bytes > CFO_WIRE_LIST_MAX || job->page >= CFO_WIRE_PAGES_MAX) {
        lacks(job, result, "the zone's list does not end");
        result->kind = CFO_PERMANENT; /* nor will it the next time */
        return 1;
    }
    job->page++;
    job->page_head = apr_pstrdup(job->p, head);
    return 0;
}

/* The next shorter suffix that can still be a zone, or NULL. */
static const char *shorter(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot && strchr(dot + 1, '.') ? dot + 1 : NULL;
}

/* That there is no such zone has to be said: what was asked for is asked for
 * again where it can't be looked for. */
static int read_zone(cfo_job_t *job, const json_t *envelope,
                     cfo_result_t *result)
{
    const json_t *zones = json_object_get(envelope, "result");
    const char *id = cfo_envelope_zone(job->p, envelope, job->candidate);

    if (!json_is_array(zones) && !json_is_null(zones)) {
        lacks(job, result, "the list of zones is no list");
        return 1;
    }
    if (!id && shorter(job->candidate)) {
        job->candidate = shorter(job->candidate);
        return 0;
    }
    job->answer.zone_id = id;
    job->answer.zone = id ? job->candidate : NULL;
    return 1;
}

int cfo_job_read(cfo_job_t *job, const json_t *envelope, cfo_result_t *result)
{
    const char *serial;

    switch (job->request->op) {
    case CFO_OP_LIST:
        return read_page(job, envelope, result);
    case CFO_OP_ZONE:
        return read_zone(job, envelope, result);
    case CFO_OP_REVOKE:
        serial = cfo_envelope_serial(job->p, envelope);
        job->answer.serial = serial ? serial : job->request->serial;
        return 1;
    default:
        if (!cfo_envelope_certificate(job->p, envelope, &job->answer)) {
            lacks(job, result,
                  "the API says success but gives no certificate");
        }
        return 1;
    }
}

int cfo_job_forgives(cfo_job_t *job, cfo_result_t *result)
{
    if (job->request->op != CFO_OP_REVOKE || result->code != 1014) {
        return 0;
    }
    job->answer.serial = job->request->serial;
    result->kind = CFO_OK;
    result->code = 0;
    result->message = NULL;
    return 1;
}
