/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hands pairs to mod_ssl, and what stands in for a pair that does not exist
 * yet: a self-signed certificate made in memory, on which every request gets
 * 503. Whatever is handed over was opened and checked before: a pair that
 * doesn't load would end the server.
 */
#ifndef CFORIGIN_TLS_H
#define CFORIGIN_TLS_H

#include "cforigin_standing.h"

/** mod_ssl asks for the certificates of one server. */
int cfo_tls_add_cert_files(cfo_generation_t *gen, server_rec *s,
                           apr_pool_t *p, apr_array_header_t *certs,
                           apr_array_header_t *keys);

/** mod_ssl is through with all servers: close what the fallback kept open. */
void cfo_tls_done(cfo_generation_t *gen);

/** 503 with Retry-After for a request over TLS to a server that has nothing
 * but the fallback, else DECLINED. */
int cfo_tls_check_request(const cfo_generation_t *gen, request_rec *r);

#endif
