/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One request of the keeper's as calls of the API: what to ask next, and what
 * an answer means for it. Most are one call; a list is one a page, a zone one
 * a suffix of the hostname. When a call is made, how often, and what is done
 * about failures is not this room's business. Pure.
 */
#ifndef CFORIGIN_JOB_H
#define CFORIGIN_JOB_H

#include "cforigin_cloudflare.h"

typedef struct cfo_job_t {
    apr_pool_t *p;    /* what the answer is made of */
    apr_pool_t *step; /* what this call is made of; cleared before the next */
    const cfo_request_t *request;
    cfo_answer_t answer; /* its result is set at the end, by the caller */
    cfo_call_t call;
    int page;                   /* list: the one that is asked for */
    apr_size_t bytes;           /* list: of its certificates, so far */
    const char *page_head;      /* list: first serial of the page before */
    apr_array_header_t *listed; /* list: of the page that was read, until
                                 * the next call: cfo_listed_t */
    const char *candidate;      /* zone: the suffix that is looked for now */
} cfo_job_t;

void cfo_job_begin(cfo_job_t *job, apr_pool_t *p,
                   const cfo_request_t *request);

/** Make job->call the next call. The same one again until an answer to it was
 * read. */
void cfo_job_call(cfo_job_t *job);

/**
 * Read a good answer to job->call.
 * @param result what the envelope came to; made a failure when the answer
 *        lacks what was asked for
 * @return 1 when the job is done, 0 when there is another call to make
 */
int cfo_job_read(cfo_job_t *job, const struct json_t *envelope,
                 cfo_result_t *result);

/** Read a failure. @return 1 when it is none for this job: result is made
 * good (a certificate that is revoked already) */
int cfo_job_forgives(cfo_job_t *job, cfo_result_t *result);

#endif
