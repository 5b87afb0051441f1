/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the page share. Each writes finished HTML; every text that
 * is not a literal of ours goes through cfo_out_html. */
#ifndef STATUS_HTML_H
#define STATUS_HTML_H

#include "cforigin_picture.h"

/** The style sheet, without its element; status_style.c. */
extern const char cfo_status_style[];

/** A time in words, with the exact one for machines and as a tooltip. */
void cfo_html_time(cfo_out_t *out, apr_time_t t, apr_time_t now);

/** The state's word with a sign of its own, so that colour is not alone. */
void cfo_html_state(cfo_out_t *out, cfo_state_t state);

/** The error in words: code, message, Ray, HTTP status. */
void cfo_html_error(cfo_out_t *out, const cfo_result_t *error);

/** A link to one certificate's page. */
void cfo_html_name(cfo_out_t *out, const cfo_status_t *status,
                   const char *name);

/** A hostname that may be broken after a dot, rather than anywhere. */
void cfo_html_hostname(cfo_out_t *out, const char *name);

/** The table, a row a certificate; status_table.c. */
void cfo_html_table(cfo_out_t *out, const cfo_status_t *status);

/** "Needs attention": what is alike is told once. Nothing when all is well.
 * @param heading "2" or "3": the level of its heading */
void cfo_html_attention(cfo_out_t *out, const cfo_status_t *status,
                        apr_pool_t *p, const char *heading);

/** All that is known of each certificate, one after another. */
void cfo_html_details(cfo_out_t *out, const cfo_status_t *status);

#endif
