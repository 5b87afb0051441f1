/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Small helpers over jansson for the rooms that read and write the lines
 * between parent and keeper and the store's files. A text that is NULL is left
 * out when written; a value of another type than asked for reads as if it were
 * not there.
 */
#ifndef CFORIGIN_JSON_H
#define CFORIGIN_JSON_H

#include "cforigin.h"

#include <jansson.h>

/** A text as a JSON value. One that is no UTF-8, as a path may be, goes as
 * {"bytes": "<hex>"}: JSON can't hold it otherwise. A new reference. */
json_t *cfo_json_string(const char *text);

/** What cfo_json_string was given, in p; NULL when it is no text. */
const char *cfo_json_string_value(apr_pool_t *p, const json_t *value);

void cfo_json_put_text(json_t *json, const char *key, const char *text);
void cfo_json_put_number(json_t *json, const char *key, apr_int64_t number);

/** A time as RFC 3339; left out when it is 0. */
void cfo_json_put_time(apr_pool_t *p, json_t *json, const char *key,
                       apr_time_t t);

/** A sentence: made printable and capped first, so never lost. */
void cfo_json_put_message(apr_pool_t *p, json_t *json, const char *key,
                          const char *text);

const char *cfo_json_text(apr_pool_t *p, const json_t *json, const char *key);
apr_int64_t cfo_json_number(const json_t *json, const char *key,
                            apr_int64_t otherwise);
int cfo_json_int(const json_t *json, const char *key, int otherwise);
apr_time_t cfo_json_time(const json_t *json, const char *key);

/** One line without newline in p; takes the reference. */
const char *cfo_json_line(apr_pool_t *p, json_t *json);

#endif
