/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Certificates of any shape for the tests, made with OpenSSL alone, so that
 * what is tested is not what made them.
 */
#ifndef MAKE_CERT_H
#define MAKE_CERT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "cforigin_pki.h"

typedef struct mc_ca_t {
    EVP_PKEY *key;
    X509_NAME *name;
} mc_ca_t;

typedef struct mc_spec_t {
    const char *san;   /* as OpenSSL's configuration writes it, or NULL */
    const char *basic; /* basicConstraints, NULL: none */
    const char *eku;   /* extendedKeyUsage, NULL: none */
    const char *usage; /* keyUsage, NULL: none */
    int unknown;       /* an extension that nobody knows; 2: a critical one */
    int from;          /* days from now, may be negative */
    int days;          /* lifetime */
    const EVP_MD *(*md)(void); /* NULL: SHA-256 */
    const char *serial;        /* hex, NULL: 1 */
} mc_spec_t;

static inline void mc_add_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext;

    if (!value) {
        return;
    }
    ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static inline void mc_add_unknown(X509 *x, int critical)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext;

    assert_int_equal(
        ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2), 1);
    ext = X509_EXTENSION_create_by_OBJ(NULL, oid, critical, value);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
}

static inline X509_NAME *mc_name(const char *ou)
{
    X509_NAME *name = X509_NAME_new();

    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               (const unsigned char *)"Test, Inc.", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8,
                               (const unsigned char *)ou, -1, -1, 0);
    return name;
}

static inline X509 *mc_sign(const mc_spec_t *spec, EVP_PKEY *key,
                            X509_NAME *subject, X509_NAME *issuer,
                            EVP_PKEY *issuer_key, time_t now)
{
    X509 *x = X509_new();
    BIGNUM *bn = NULL;

    X509_set_version(x, X509_VERSION_3);
    BN_hex2bn(&bn, spec->serial ? spec->serial : "1");
    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    X509_set_subject_name(x, subject);
    X509_set_issuer_name(x, issuer);
    ASN1_TIME_adj(X509_getm_notBefore(x), now, spec->from, 0);
    ASN1_TIME_adj(X509_getm_notAfter(x), now, spec->from + spec->days, 0);
    X509_set_pubkey(x, key);
    mc_add_ext(x, NID_subject_alt_name, spec->san);
    mc_add_ext(x, NID_basic_constraints, spec->basic);
    mc_add_ext(x, NID_ext_key_usage, spec->eku);
    mc_add_ext(x, NID_key_usage, spec->usage);
    if (spec->unknown)
        mc_add_unknown(x, spec->unknown == 2);
    assert_true(
        X509_sign(x, issuer_key, spec->md ? spec->md() : EVP_sha256()) > 0);
    return x;
}

static inline cfo_pem_t mc_text(apr_pool_t *p, BIO *bio)
{
    cfo_pem_t pem;
    char *data = NULL;

    pem.len = (apr_size_t)BIO_get_mem_data(bio, &data);
    pem.data = apr_pstrmemdup(p, data, pem.len);
    BIO_free(bio);
    return pem;
}

static inline cfo_pem_t mc_cert_text(apr_pool_t *p, X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(bio, x);
    return mc_text(p, bio);
}

static inline cfo_pem_t mc_key_text(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return mc_text(p, bio);
}

static inline void mc_ca_open(mc_ca_t *ca, const char *ou, int rsa)
{
    ca->key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    ca->name = mc_name(ou);
}

static inline void mc_ca_close(mc_ca_t *ca)
{
    EVP_PKEY_free(ca->key);
    X509_NAME_free(ca->name);
}

/** The CA's own certificate; expired on purpose: its dates don't count. */
static inline cfo_pem_t mc_ca_text(apr_pool_t *p, const mc_ca_t *ca,
                                   time_t now)
{
    static const mc_spec_t spec = {
        .basic = "critical,CA:TRUE", .from = -900, .days = 800};
    X509 *x = mc_sign(&spec, ca->key, ca->name, ca->name, ca->key, now);
    cfo_pem_t pem = mc_cert_text(p, x);

    X509_free(x);
    return pem;
}

/** A leaf of the CA for the key. */
static inline cfo_pem_t mc_leaf(apr_pool_t *p, const mc_spec_t *spec,
                                EVP_PKEY *key, const mc_ca_t *ca, time_t now)
{
    X509_NAME *subject = mc_name("Leaf");
    X509 *x = mc_sign(spec, key, subject, ca->name, ca->key, now);
    cfo_pem_t pem = mc_cert_text(p, x);

    X509_free(x);
    X509_NAME_free(subject);
    return pem;
}

static inline apr_array_header_t *mc_list(apr_pool_t *p, const char *words)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    char *copy = apr_pstrdup(p, words), *state = NULL, *word;

    for (word = apr_strtok(copy, " ", &state); word;
         word = apr_strtok(NULL, " ", &state)) {
        APR_ARRAY_PUSH(list, const char *) = word;
    }
    return list;
}

#endif
