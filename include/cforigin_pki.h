/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Keys, CSRs, facts of a certificate and the named checks. The one room that
 * knows OpenSSL (3.x EVP interface only). It opens no file: PEM text comes in
 * and goes out, so keys exist only in memory that this room's callers clear.
 *
 * Thread-safe: calls may run side by side with different pools.
 * Private key text is written into memory that cfo_pki_wipe clears; whoever
 * gets one wipes it when done.
 */
#ifndef CFORIGIN_PKI_H
#define CFORIGIN_PKI_H

#include "cforigin_decide.h"
#include "cforigin_result.h"

/** PEM text and its length; data is NUL-terminated besides. */
typedef struct cfo_pem_t {
    char *data;
    apr_size_t len;
} cfo_pem_t;

/** Overwrite a private key's text before its pool goes. NULL is fine. */
void cfo_pki_wipe(cfo_pem_t *pem);

/**
 * What a certificate is asked for with: a new private key, P-256 or RSA 2048,
 * as unencrypted PKCS#8 PEM; a CSR of it with an empty subject and the
 * hostnames as subjectAltName (the API ignores both; other readers don't),
 * signed with SHA-256; and what cfo_pki_key_spki says of the key. All at once,
 * since OpenSSL takes twice as long to read a P-256 key as to make all three.
 * RSA takes tens of milliseconds: call it from a thread.
 * @return APR_SUCCESS, or APR_EGENERAL when OpenSSL fails (no entropy, memory)
 */
apr_status_t cfo_pki_make(apr_pool_t *p, cfo_request_type_t type,
                          const apr_array_header_t *hostnames, cfo_pem_t *key,
                          cfo_pem_t *csr, const char **spki_sha256);

/** The same CSR, or one as good, of a key that is there: for a pending one
 * whose CSR was lost or damaged. */
apr_status_t cfo_pki_csr_make(apr_pool_t *p, const cfo_pem_t *key,
                              const apr_array_header_t *hostnames,
                              cfo_pem_t *csr);

/** What cfo_pki_key_spki says of its key, NULL when it is no CSR or not signed
 * by that key: the API would refuse it. */
const char *cfo_pki_csr_spki(apr_pool_t *p, const cfo_pem_t *csr);

/** Lower-case hex SHA-256 of a private key's public half (SPKI, DER). */
apr_status_t cfo_pki_key_spki(apr_pool_t *p, const cfo_pem_t *key,
                              const char **spki_sha256);

/**
 * Read the first certificate of a PEM text. Anything after it but white space
 * (and further certificates, for a file of an administrator's) is refused.
 * @param strict 1: exactly one certificate, as the API gives; 0: a file, where
 *        a chain, a key or text may stand around it
 * @return NULL when it is no certificate, or the facts
 */
const cfo_cert_facts_t *cfo_pki_facts(apr_pool_t *p, const char *pem,
                                      apr_size_t len, int strict);

/** 1 when the private key in key_pem belongs to the first certificate in
 * cert_pem, 0 when not, -1 when one of them can't be read. */
int cfo_pki_pair_matches(const char *cert_pem, apr_size_t cert_len,
                         const char *key_pem, apr_size_t key_len);

/** 1 when a text holds a private key behind a pass phrase. */
int cfo_pki_key_is_locked(const cfo_pem_t *text);

/** Both at once, each text read once: the facts of the first certificate in
 * cert_pem (NULL: it is none), and what cfo_pki_pair_matches says of the two.
 * For the store, which checks thousands of pairs at a start. */
const cfo_cert_facts_t *cfo_pki_pair(apr_pool_t *p, const char *cert_pem,
                                     apr_size_t cert_len, const char *key_pem,
                                     apr_size_t key_len, int *matches);

/** The roots a certificate must chain to; opaque, lives as long as its pool.
 */
typedef struct cfo_roots_t cfo_roots_t;

/** Read every certificate of a PEM text. NULL when there is none, or one of
 * them is broken: half the roots would refuse good certificates. The roots'
 * own dates are not judged, here or later. */
cfo_roots_t *cfo_pki_roots(apr_pool_t *p, const char *pem, apr_size_t len);

/** 1 when OpenSSL could trust somebody by this file: as curl loads it, with
 * all kinds of PEM blocks that can stand in such a one.
 * @param or_crl a list of revoked certificates is enough */
int cfo_pki_is_trust_file(const char *pem, apr_size_t len, int or_crl);

/** 1 when one of the roots signed the first certificate in pem. */
int cfo_pki_is_origin_ca(const cfo_roots_t *roots, const char *pem,
                         apr_size_t len);

/**
 * The named checks between the API and the store. The first that fails is
 * told: kind CFO_CHECK, message "check <word>: …" with word one of
 * parse, key, names, dates, lifetime, issuer (in this order).
 *   parse     exactly one X.509 certificate, an end entity, sane signature
 *   key       its public key is that of `key`
 *   names     every wanted name is covered
 *   dates     not_before <= now < not_after (an hour's grace on not_before)
 *   lifetime  not_after - not_before is validity days, ± 1 day; validity 0
 *             skips it (a certificate that is adopted)
 *   issuer    signed by one of the roots
 * @param now 0: the clock can't be trusted, `dates` is skipped
 * @param facts set when parse succeeded, else NULL
 */
cfo_result_t cfo_pki_check(apr_pool_t *p, const char *cert_pem,
                           apr_size_t cert_len, const cfo_pem_t *key,
                           const apr_array_header_t *hostnames, int validity,
                           const cfo_roots_t *roots, apr_time_t now,
                           const cfo_cert_facts_t **facts);

/** The fallback's key, made once a generation. Opaque, freed with p; for one
 * thread at a time. */
typedef struct cfo_fallback_t cfo_fallback_t;
cfo_fallback_t *cfo_pki_fallback_make(apr_pool_t *p);

/** A self-signed certificate of the fallback key for one name, valid from a
 * day ago for a fortnight, O="mod_cforigin", OU="fallback, not trusted". */
apr_status_t cfo_pki_fallback_cert(apr_pool_t *p, const cfo_fallback_t *fb,
                                   const char *hostname, apr_time_t now,
                                   cfo_pem_t *cert);
const cfo_pem_t *cfo_pki_fallback_key(const cfo_fallback_t *fb);

/** Lower-case hex SHA-256 of bytes. */
const char *cfo_pki_sha256(apr_pool_t *p, const void *data, apr_size_t len);

#endif
