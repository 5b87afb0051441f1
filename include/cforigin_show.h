/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Text on its way to somebody who looks: a small buffer in front of wherever
 * it goes, and the escapes that HTML, JSON, OpenMetrics and plain lines need.
 *
 * Whatever text comes in, the output is well-formed UTF-8 without control
 * characters (cfo_utf8_is_control): what is none becomes U+FFFD. No pool, no
 * memory but the buffer; thousands of certificates cost no allocation here.
 * Pure; in core/show.c.
 */
#ifndef CFORIGIN_SHOW_H
#define CFORIGIN_SHOW_H

#include "cforigin.h"

typedef void cfo_out_fn(void *baton, const char *data, apr_size_t len);

typedef struct cfo_out_t {
    cfo_out_fn *write;
    void *baton;
    apr_size_t len;
    char buffer[8192];
} cfo_out_t;

void cfo_out_begin(cfo_out_t *out, cfo_out_fn *write, void *baton);

/** Hand on what is still in the buffer. */
void cfo_out_end(cfo_out_t *out);

/** As it is. */
void cfo_out_bytes(cfo_out_t *out, const char *data, apr_size_t len);
void cfo_out_text(cfo_out_t *out, const char *text);
#define CFO_SAY(out, literal) cfo_out_bytes(out, literal, sizeof(literal) - 1)

void cfo_out_number(cfo_out_t *out, apr_int64_t number);

/** "2026-11-23T08:00:00Z". */
void cfo_out_time(cfo_out_t *out, apr_time_t t);

/** Text of an element or of a quoted attribute. ASCII: what is not becomes a
 * character reference, so it reads the same in a page of any charset. NULL is
 * nothing. */
void cfo_out_html(cfo_out_t *out, const char *text);

/** A JSON string with its quotes; NULL is null. */
void cfo_out_json(cfo_out_t *out, const char *text);

/** The value of an OpenMetrics label, with its quotes. */
void cfo_out_label(cfo_out_t *out, const char *text);

/** The value of a "Key: value" line: one line, whatever is in it. */
void cfo_out_line(cfo_out_t *out, const char *text);

/** One segment of a URL's path, percent-encoded. */
void cfo_out_segment(cfo_out_t *out, const char *text);

#define CFO_RELATIVE_MAX 40

/**
 * A time as a person says it: "in 14 years", "3 hours ago", "now". Rounded
 * down, in the largest unit of which there are two.
 * @param words filled in, and returned
 */
const char *cfo_show_relative(char words[CFO_RELATIVE_MAX], apr_time_t t,
                              apr_time_t now);

/**
 * A sentence of this machine's without the paths in it: of each only the last
 * part stays ("…/token"). Where keys and tokens lie is for the error log.
 * @param secrets paths (const char *) that are taken out whole first, blanks
 *        in them included; those that are not hard need not be among them
 */
const char *cfo_show_without_paths(apr_pool_t *p, const char *text,
                                   const apr_array_header_t *secrets);

/** 1 when nothing but knowing it tells where this path ends: a blank or the
 * like is in it. */
int cfo_show_is_hard_path(const char *path);

#endif
