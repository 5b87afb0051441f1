/* SPDX-License-Identifier: Apache-2.0 */
/**
 * `httpd -t -D DUMP_CFORIGIN`: the plan and its decisions for a person to
 * read: which vhost gets which certificate, from which names, what the next
 * start would do and why, and which vhosts httpd could not start with if the
 * module were gone. Reads the store; no network, lock or write.
 */
#ifndef CFORIGIN_DUMP_H
#define CFORIGIN_DUMP_H

#include "cforigin_standing.h"

void cfo_dump(const cfo_generation_t *gen, apr_file_t *out, apr_pool_t *p);

#endif
