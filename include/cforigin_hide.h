/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An API, or a proxy that answers for it, may quote the Authorization header
 * it was sent. What it quotes would go on to the log, the journal, the store
 * and the status page; so the token is overwritten in whatever comes back,
 * before anything is read, cut or quoted. Pure: touches nothing but the text.
 *
 * Not only the whole token: an answer may quote the first half of it, and a
 * half is worth guessing the rest of. Every piece of CFO_HIDE_PIECE bytes or
 * more goes, also where line breaks or control characters stand in it. What
 * is left is shorter than that. (A secret that is shorter itself is none, and
 * is not looked for: its letters would be missing everywhere.)
 */
#ifndef CFORIGIN_HIDE_H
#define CFORIGIN_HIDE_H

#include <apr_pools.h>

struct json_t;

#define CFO_HIDE_PIECE 8

/**
 * Overwrite the pieces of a secret by asterisks, in place.
 * @param secret printable ASCII without white space, or NULL: nothing is done
 * @return 1 when there was something to hide
 */
int cfo_hide(const char *secret, char *text, apr_size_t len);

/** The same in every string of a JSON value, where escapes (\u0063) are
 * decoded by now. */
void cfo_hide_json(apr_pool_t *p, const char *secret, struct json_t *value);

#endif
