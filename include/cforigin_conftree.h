/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The configuration tree before anybody acts on it: its hash, and mod_ssl's
 * certificate lines in managed virtual hosts. mod_ssl refuses a line whose
 * file does not exist yet, and loads whatever stands there; so these lines
 * are renamed to directives of ours, which httpd then hands us under the
 * right server, macros and templates included.
 *
 * A scope keeps its lines, with mod_ssl's own behaviour and messages, when it
 * is not managed, or when one of them names a certificate of another CA,
 * something that is no certificate and that this module did not write, a key
 * that is not the certificate's or is behind a pass phrase, or a place that is
 * no file (pkcs11:).
 */
#ifndef CFORIGIN_CONFTREE_H
#define CFORIGIN_CONFTREE_H

#include "cforigin_module.h"
#include "cforigin_target_look.h"

/** Hash over the whole expanded tree (directive, arguments, nesting, order),
 * the modules that are loaded and the roots of relative paths, 40 hex digits.
 * Call it before anything edits the tree. */
const char *cfo_conftree_hash(apr_pool_t *p, const ap_directive_t *tree);

/** The value a server-scope directive has in the tree (the last one counts),
 * absolute, or fallback. For what is needed before directives are run. */
const char *cfo_conftree_path(apr_pool_t *p, const ap_directive_t *tree,
                              const char *directive, const char *fallback);

/** Rename the lines of managed scopes. */
void cfo_conftree_take_lines(ap_directive_t *tree, cfo_looker_t *looker,
                             const char *store, apr_pool_t *ptemp);

#endif
