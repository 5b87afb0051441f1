/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Keys, CSRs and hashes. Touches OpenSSL and memory, nothing else: no file,
 * no clock, no terminal.
 */
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "cforigin_pki.h"
#include "pki_openssl.h"

/** A file of an administrator's; far above what the store reads whole. */
#define TEXT_MAX (16 * 1024 * 1024)

void cfo_pki_wipe(cfo_pem_t *pem)
{
    if (pem && pem->data) {
        OPENSSL_cleanse(pem->data, pem->len);
        pem->len = 0;
    }
}

int cfo_pki_no_passphrase(char *buf, int size, int rwflag, void *data)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)data;
    return -1;
}

BIO *cfo_pki_bio_of(const char *text, apr_size_t len)
{
    if (!text || !len || len > TEXT_MAX || memchr(text, 0, len)) {
        return NULL;
    }
    return BIO_new_mem_buf(text, (int)len);
}

apr_status_t cfo_pki_bio_copy(apr_pool_t *p, BIO *bio, cfo_pem_t *pem)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    if (len <= 0 || !text) {
        return APR_EGENERAL;
    }
    pem->len = (apr_size_t)len;
    pem->data = apr_pstrmemdup(p, text, pem->len);
    return APR_SUCCESS;
}

/* ---- keys ---- */

EVP_PKEY *cfo_pki_key_new(cfo_request_type_t type)
{
    if (type == CFO_ORIGIN_RSA) {
        return EVP_RSA_gen(2048);
    }
    return EVP_EC_gen("P-256");
}

apr_status_t cfo_pki_key_print(apr_pool_t *p, EVP_PKEY *pkey, cfo_pem_t *key)
{
    apr_status_t rv = APR_EGENERAL;
    BIO *bio = BIO_new(BIO_s_secmem()); /* clears its memory when freed */

    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
                                             NULL) == 1) {
        rv = cfo_pki_bio_copy(p, bio, key);
    }
    BIO_free(bio);
    return rv;
}

EVP_PKEY *cfo_pki_key_read(const char *pem, apr_size_t len)
{
    EVP_PKEY *pkey = NULL;
    BIO *bio = cfo_pki_bio_of(pem, len);

    if (bio) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, cfo_pki_no_passphrase, NULL);
    }
    BIO_free(bio);
    return pkey;
}

int cfo_pki_key_is_locked(const cfo_pem_t *text)
{
    return strstr(text->data, "PRIVATE KEY-----") != NULL &&
           strstr(text->data, "ENCRYPTED") != NULL;
}

/* ---- hashes ---- */

const char *cfo_pki_sha256(apr_pool_t *p, const void *data, apr_size_t len)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    int ok;

    ERR_set_mark();
    ok = EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) == 1;
    ERR_pop_to_mark();
    return ok ? apr_pescape_hex(p, md, n, 0) : "";
}

const char *cfo_pki_spki(apr_pool_t *p, const EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    const char *hex = NULL;
    int len = i2d_PUBKEY(pkey, &der);

    if (len > 0) {
        hex = cfo_pki_sha256(p, der, (apr_size_t)len);
    }
    OPENSSL_free(der);
    return hex;
}

const char *cfo_pki_encoded_spki(apr_pool_t *p, X509_PUBKEY *encoded)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(encoded, &der);
    const char *hex = len > 0 ? cfo_pki_sha256(p, der, (apr_size_t)len) : NULL;

    OPENSSL_free(der);
    return hex;
}

apr_status_t cfo_pki_key_spki(apr_pool_t *p, const cfo_pem_t *key,
                              const char **spki_sha256)
{
    EVP_PKEY *pkey;

    *spki_sha256 = NULL;
    ERR_set_mark();
    pkey = cfo_pki_key_read(key->data, key->len);
    if (pkey) {
        *spki_sha256 = cfo_pki_spki(p, pkey);
    }
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    return *spki_sha256 ? APR_SUCCESS : APR_EGENERAL;
}

/* ---- CSRs ---- */

static X509_REQ *csr_read(const cfo_pem_t *csr)
{
    X509_REQ *req = NULL;
    BIO *bio = cfo_pki_bio_of(csr->data, csr->len);

    if (bio) {
        req = PEM_read_bio_X509_REQ(bio, NULL, cfo_pki_no_passphrase, NULL);
    }
    BIO_free(bio);
    return req;
}

const char *cfo_pki_csr_spki(apr_pool_t *p, const cfo_pem_t *csr)
{
    const char *spki = NULL;
    X509_REQ *req;

    ERR_set_mark();
    req = csr_read(csr);
    if (req && X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1) {
        spki = cfo_pki_encoded_spki(p, X509_REQ_get_X509_PUBKEY(req));
    }
    X509_REQ_free(req);
    ERR_pop_to_mark();
    return spki;
}

static int san_push(GENERAL_NAMES *names, const char *hostname)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();

    if (name && text &&
        ASN1_STRING_set(text, hostname, (int)strlen(hostname)) == 1) {
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        if (sk_GENERAL_NAME_push(names, name) > 0) {
            return 1;
        }
        text = NULL; /* name owns it now */
    }
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(name);
    return 0;
}

X509_EXTENSION *cfo_pki_san_make(const apr_array_header_t *hostnames)
{
    X509_EXTENSION *ext = NULL;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    int i, ok = names != NULL;

    for (i = 0; ok && i < hostnames->nelts; i++) {
        ok = san_push(names, APR_ARRAY_IDX(hostnames, i, const char *));
    }
    if (ok) {
        ext = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
    }
    GENERAL_NAMES_free(names);
    return ext;
}

static int csr_add_names(X509_REQ *req, const apr_array_header_t *hostnames)
{
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *ext = cfo_pki_san_make(hostnames);
    int ok = 0;

    if (exts && ext && sk_X509_EXTENSION_push(exts, ext) > 0) {
        ext = NULL;
        ok = X509_REQ_add_extensions(req, exts) == 1;
    }
    X509_EXTENSION_free(ext);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    return ok;
}

/* What X509_REQ_set_pubkey does for a P-256 key takes as long as the rest of
 * the CSR and the key together: it reads what it has encoded. */
static int csr_set_key(X509_REQ *req, EVP_PKEY *pkey)
{
    unsigned char *point = NULL;
    size_t len;

    if (!EVP_PKEY_is_a(pkey, "EC")) {
        return X509_REQ_set_pubkey(req, pkey) == 1;
    }
    len = EVP_PKEY_get1_encoded_public_key(pkey, &point);
    if (len && X509_PUBKEY_set0_param(
                   X509_REQ_get_X509_PUBKEY(req),
                   OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                   OBJ_nid2obj(NID_X9_62_prime256v1), point, (int)len) == 1) {
        return 1;
    }
    OPENSSL_free(point);
    return 0;
}

static int csr_print(apr_pool_t *p, X509_REQ *req, cfo_pem_t *csr)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int ok = bio && PEM_write_bio_X509_REQ(bio, req) == 1 &&
             cfo_pki_bio_copy(p, bio, csr) == APR_SUCCESS;

    BIO_free(bio);
    return ok;
}

static int csr_make(apr_pool_t *p, EVP_PKEY *pkey,
                    const apr_array_header_t *hostnames, cfo_pem_t *csr,
                    const char **spki_sha256)
{
    X509_REQ *req = X509_REQ_new();
    int ok = 0;

    if (req && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
        csr_set_key(req, pkey) &&
        (!hostnames->nelts || csr_add_names(req, hostnames)) &&
        X509_REQ_sign(req, pkey, EVP_sha256()) > 0 && csr_print(p, req, csr)) {
        *spki_sha256 = cfo_pki_encoded_spki(p, X509_REQ_get_X509_PUBKEY(req));
        ok = *spki_sha256 != NULL;
    }
    X509_REQ_free(req);
    return ok;
}

apr_status_t cfo_pki_make(apr_pool_t *p, cfo_request_type_t type,
                          const apr_array_header_t *hostnames, cfo_pem_t *key,
                          cfo_pem_t *csr, const char **spki_sha256)
{
    EVP_PKEY *pkey;
    int ok;

    memset(key, 0, sizeof(*key));
    memset(csr, 0, sizeof(*csr));
    *spki_sha256 = NULL;
    ERR_set_mark();
    pkey = cfo_pki_key_new(type);
    ok = pkey && cfo_pki_key_print(p, pkey, key) == APR_SUCCESS &&
         csr_make(p, pkey, hostnames, csr, spki_sha256);
    if (!ok) {
        cfo_pki_wipe(key);
    }
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    return ok ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t cfo_pki_csr_make(apr_pool_t *p, const cfo_pem_t *key,
                              const apr_array_header_t *hostnames,
                              cfo_pem_t *csr)
{
    const char *spki_sha256;
    EVP_PKEY *pkey;
    int ok;

    memset(csr, 0, sizeof(*csr));
    ERR_set_mark();
    pkey = cfo_pki_key_read(key->data, key->len);
    ok = pkey && csr_make(p, pkey, hostnames, csr, &spki_sha256);
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    return ok ? APR_SUCCESS : APR_EGENERAL;
}
