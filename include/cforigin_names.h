/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hostnames: what the Origin CA can put on a certificate, how a name is
 * spelled there, and which names a certificate covers.
 *
 * Pure. The spelling of a name is lower-case punycode without a final dot;
 * a wildcard is one leading "*." and covers exactly one label.
 */
#ifndef CFORIGIN_NAMES_H
#define CFORIGIN_NAMES_H

#include "cforigin.h"

/** Why the API can't take a name. */
typedef enum {
    CFO_NAME_OK = 0,
    CFO_NAME_EMPTY,
    CFO_NAME_ADDRESS,      /* an IPv4 or IPv6 address */
    CFO_NAME_SINGLE_LABEL, /* "localhost" */
    CFO_NAME_WILDCARD,     /* "*.*.a.b", "foo.*.a.b", "w*.a.b", "*", "*.com" */
    CFO_NAME_PATTERN,      /* "www?.example.com": only httpd understands it */
    CFO_NAME_LENGTH,       /* a label over 63 bytes, or 253 in all */
    CFO_NAME_CHARACTER,    /* anything else a hostname can't hold */
    CFO_NAME_IDN           /* libidn2 refuses it */
} cfo_name_fault_t;

/**
 * Spell a name as the API wants it.
 * @param name as written in httpd.conf, UTF-8
 * @param spelled set on success, allocated from p
 * @return CFO_NAME_OK, or why it can't be taken
 */
cfo_name_fault_t cfo_name_spell(apr_pool_t *p, const char *name,
                                const char **spelled);

/** What is wrong and what is allowed, as the end of a sentence that began
 * with the name: "is an IP address; the Origin CA signs hostnames only". */
const char *cfo_name_fault_text(cfo_name_fault_t fault);

/** 1 when pattern (a name or a wildcard) covers name. Both spelled. A
 * wildcard name is covered only by the same wildcard. */
int cfo_name_covers(const char *pattern, const char *name);

/**
 * The first of wanted that none of offered covers, or NULL when all are
 * covered. Linear: offered is hashed once.
 */
const char *cfo_names_uncovered(const apr_array_header_t *wanted,
                                const apr_array_header_t *offered,
                                apr_pool_t *ptemp);

/** The folder of a certificate that begins with this name: "*" as "_". */
const char *cfo_name_folder(apr_pool_t *p, const char *name);

#endif
