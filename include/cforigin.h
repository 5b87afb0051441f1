/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Words that every room shares: the version, the API's request types and
 * validities, durations and windows as an administrator writes them, and
 * times as the API, the store and the status page write them.
 *
 * Everything here is pure: text in, value out. Nothing opens a file, looks at
 * a clock or knows httpd. Implemented in core/words.c.
 */
#ifndef CFORIGIN_H
#define CFORIGIN_H

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#define CFO_VERSION "0.1.0"
#define CFO_MODULE "mod_cforigin/" CFO_VERSION

/** Hostnames that one certificate of the Origin CA can carry. */
#define CFO_HOSTNAMES_MAX 200

/** Days of validity asked for when nothing else is said: 15 years. */
#define CFO_VALIDITY_DEFAULT 5475

/** The API's request_type; a vhost may want one or both. */
typedef enum {
    CFO_ORIGIN_ECC = 0, /* "origin-ecc": a P-256 key, signed by the ECC root */
    CFO_ORIGIN_RSA = 1  /* "origin-rsa": an RSA 2048 key, the RSA root */
} cfo_request_type_t;

#define CFO_REQUEST_TYPES 2

/** The word the API, the store and the status use: "origin-ecc". */
const char *cfo_request_type_word(cfo_request_type_t type);

/** The one of the two that this is not. */
cfo_request_type_t cfo_request_type_other(cfo_request_type_t type);

/** 1 and *type when word is a request type of ours, else 0. */
int cfo_request_type_parse(const char *word, cfo_request_type_t *type);

/** 1 when the API accepts this requested_validity (days). */
int cfo_validity_is_allowed(long days);

/** The allowed validities as text for messages: "7, 30, …, 5475". */
#define CFO_VALIDITIES "7, 30, 90, 365, 730, 1095 or 5475"

/**
 * A length of time before not_after: absolute, or a share of the lifetime.
 * is_default tells a value nobody wrote, which the schedule may cap harder.
 */
typedef struct cfo_window_t {
    apr_interval_time_t length; /* microseconds; unused when percent > 0 */
    int percent;                /* 1 to 100, or 0 for an absolute length */
    int is_default;
} cfo_window_t;

/**
 * Read a duration: digits and one of d, h, m, s ("30d", "12h", "5m", "90s"),
 * or a bare 0. Nothing else, no sign, no blank, no overflow past 100 years.
 * @return 1 and *length in microseconds, or 0
 */
int cfo_duration_parse(const char *text, apr_interval_time_t *length);

/** As cfo_duration_parse, and "33%" (1 to 100). is_default is set to 0. */
int cfo_window_parse(const char *text, cfo_window_t *window);

/** "30d", "12h", "90s" or "33%": the shortest exact spelling. */
const char *cfo_duration_word(apr_pool_t *p, apr_interval_time_t length);
const char *cfo_window_word(apr_pool_t *p, const cfo_window_t *window);

/** "2026-11-23T08:00:00Z", as cfo_date_word says it; NULL when t is 0
 * (unknown). */
const char *cfo_time_word(apr_pool_t *p, apr_time_t t);

/**
 * Read a time: RFC 3339 ("2014-01-01T05:20:00.12345Z", also with an offset)
 * or Go's time.String() ("2025-04-01 10:11:00 +0000 UTC"). Years 1970 to 9999.
 * @return the time, or 0 when text is NULL or no such time
 */
apr_time_t cfo_time_parse(const char *text);

/** 1 when the two arrays hold the same strings, order and repeats aside. */
int cfo_strings_equal_as_sets(const apr_array_header_t *a,
                              const apr_array_header_t *b, apr_pool_t *ptemp);

/** All of a, then what b has besides; a new array of the same strings. */
apr_array_header_t *cfo_strings_union(apr_pool_t *p,
                                      const apr_array_header_t *a,
                                      const apr_array_header_t *b);

/** Stable 64-bit FNV-1a over text; for jitter and spreading, not secrecy. */
apr_uint64_t cfo_hash_text(const char *text);

#endif
