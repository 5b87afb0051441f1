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

/** 1 for what belongs to root, or to the user who asks. */
int cfo_ours_is(const struct stat *st);

/**
 * Whether somebody else could put another thing in the place of what a path
 * names: a folder above it, as it is written and where its links lead, that
 * belongs to another user, or that others can write. A sticky one will do,
 * since what is ours can't be renamed there; root's own group is root's. What
 * is not there yet is passed over.
 * @param sticky 0: not the folder that it lies in, where others could add
 *        something beside it
 * @return a sentence with the remedy, NULL: nobody could
 */
const char *cfo_ours_fault_above(apr_pool_t *p, const char *path, int sticky);

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
