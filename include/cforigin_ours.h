/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Whose is what root reads, runs or writes? Owners and modes as stat tells
 * them; nothing is opened. The keeper and `httpd -t` judge by the same words.
 * In core/ours.c.
 */
#ifndef CFORIGIN_OURS_H
#define CFORIGIN_OURS_H

#include "cforigin.h"

#include <sys/stat.h>

/**
 * Why a token file is not only ours: it belongs to a user whom requests are
 * served as, or whom the issuer becomes. Others may own it, as they do where a
 * container's users are not the machine's; and as nobody but root there are
 * no others.
 * @param user   httpd's User, -1: unknown
 * @param issuer whom cforigin-issuer becomes, -1: unknown
 * @return what is said after its path, with the remedy; or NULL
 */
const char *cfo_ours_token_fault(apr_pool_t *p, const char *path,
                                 const struct stat *st, int user, int issuer);

#endif
