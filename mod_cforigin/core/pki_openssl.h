/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the three files of the pki room share among themselves: OpenSSL's own
 * types never leave it. Every public call of the room begins with
 * ERR_set_mark and ends with ERR_pop_to_mark, because httpd's parent shares
 * its error queue with mod_ssl.
 */
#ifndef CFORIGIN_PKI_OPENSSL_H
#define CFORIGIN_PKI_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cforigin_pki.h"

/** A callback that refuses: an encrypted key can't be used by a server that
 * starts unattended, and OpenSSL's own would ask on the terminal. */
int cfo_pki_no_passphrase(char *buf, int size, int rwflag, void *data);

/** A BIO over text that can be PEM at all, or NULL: empty, zero bytes. */
BIO *cfo_pki_bio_of(const char *text, apr_size_t len);

/** Hex SHA-256 of a public key's SubjectPublicKeyInfo, or NULL. */
const char *cfo_pki_spki(apr_pool_t *p, const EVP_PKEY *pkey);

/** The same of the bytes that a certificate or a CSR holds: encoding them anew
 * costs as much as all the rest together, and gives the same. */
const char *cfo_pki_encoded_spki(apr_pool_t *p, X509_PUBKEY *encoded);

/** The first certificate of a PEM text, or NULL and why it is none. */
X509 *cfo_pki_cert_read(const char *pem, apr_size_t len, int strict,
                        const char **why);

/** The private key of a PEM text; never asks for a passphrase. */
EVP_PKEY *cfo_pki_key_read(const char *pem, apr_size_t len);

/** What x says; NULL when a date or (strict) a name in it is no such thing. */
cfo_cert_facts_t *cfo_pki_cert_facts(apr_pool_t *p, X509 *x, int strict);

/** A key as unencrypted PKCS#8. */
apr_status_t cfo_pki_key_print(apr_pool_t *p, EVP_PKEY *pkey, cfo_pem_t *key);

/** A new key, or NULL. */
EVP_PKEY *cfo_pki_key_new(cfo_request_type_t type);

/** subjectAltName of DNS names (const char *), or NULL. */
X509_EXTENSION *cfo_pki_san_make(const apr_array_header_t *hostnames);

/** All that a memory BIO holds, copied into p. */
apr_status_t cfo_pki_bio_copy(apr_pool_t *p, BIO *bio, cfo_pem_t *pem);

#endif
