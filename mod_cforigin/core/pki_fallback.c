/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The fallback: one key a generation of httpd, and a self-signed certificate
 * for each vhost that has no certificate of its own yet, or mod_ssl would end
 * the start. Nobody is meant to trust it; every request on it gets a 503.
 * Made in memory, so that it needs no disk.
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/pem.h>
#include <openssl/rand.h>

#include "cforigin_pki.h"
#include "pki_openssl.h"

#define DAY_SECONDS 86400
#define LIFETIME_DAYS 14

/** X.520's upper bound of a commonName. */
#define CN_MAX 64

/** The certificate is one for all names, signed anew for each: to put its key
 * into it takes longer than all the rest. */
struct cfo_fallback_t {
    EVP_PKEY *pkey;
    X509 *x;
    cfo_pem_t key;
};

static apr_status_t fallback_free(void *data)
{
    cfo_fallback_t *fb = data;

    EVP_PKEY_free(fb->pkey);
    X509_free(fb->x);
    fb->pkey = NULL;
    fb->x = NULL;
    cfo_pki_wipe(&fb->key);
    return APR_SUCCESS;
}

static int set_serial(X509 *x)
{
    unsigned char bytes[16];
    BIGNUM *bn;
    int ok;

    if (RAND_bytes(bytes, (int)sizeof(bytes)) != 1) {
        return 0;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* never zero */
    bn = BN_bin2bn(bytes, (int)sizeof(bytes), NULL);
    ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x));
    BN_free(bn);
    return ok;
}

static int set_name_part(X509_NAME *name, const char *field, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                      (const unsigned char *)text, -1, -1,
                                      0) == 1;
}

static int set_names(X509 *x, const char *hostname)
{
    X509_NAME *name = X509_NAME_new();
    apr_size_t len = strlen(hostname);
    int ok = name && set_name_part(name, "O", "mod_cforigin") &&
             set_name_part(name, "OU", "fallback, not trusted") &&
             (!len || len > CN_MAX || set_name_part(name, "CN", hostname)) &&
             X509_set_subject_name(x, name) == 1 &&
             X509_set_issuer_name(x, name) == 1;

    X509_NAME_free(name);
    return ok;
}

static int set_dates(X509 *x, apr_time_t now)
{
    apr_time_t from = apr_time_sec(now) - DAY_SECONDS;
    time_t begin = (time_t)(from > 0 ? from : 0);

    return ASN1_TIME_adj(X509_getm_notBefore(x), begin, 0, 0) &&
           ASN1_TIME_adj(X509_getm_notAfter(x), begin, LIFETIME_DAYS, 0);
}

static int add_text_ext(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    int ok = ext && X509_add_ext(x, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return ok;
}

/* In the place of that of the name before. */
static int set_san(apr_pool_t *p, X509 *x, const char *hostname)
{
    apr_array_header_t *list = apr_array_make(p, 1, sizeof(const char *));
    int before = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
    X509_EXTENSION *ext;
    int ok;

    if (before >= 0) {
        X509_EXTENSION_free(X509_delete_ext(x, before));
    }
    if (!*hostname) {
        return 1;
    }
    APR_ARRAY_PUSH(list, const char *) = hostname;
    ext = cfo_pki_san_make(list);
    ok = ext && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* A vhost's name is whatever httpd took for one; what a dNSName can't hold is
 * left out, the certificate is made all the same. */
static const char *plain_name(const char *hostname)
{
    const unsigned char *c;

    for (c = (const unsigned char *)(hostname ? hostname : ""); *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return "";
        }
    }
    return hostname ? hostname : "";
}

/* ---- what all names have in common ---- */

static int begin(apr_pool_t *p, cfo_fallback_t *fb)
{
    fb->pkey = cfo_pki_key_new(CFO_ORIGIN_ECC);
    fb->x = X509_new();
    return fb->pkey && fb->x &&
           cfo_pki_key_print(p, fb->pkey, &fb->key) == APR_SUCCESS &&
           X509_set_version(fb->x, X509_VERSION_3) == 1 &&
           X509_set_pubkey(fb->x, fb->pkey) == 1 &&
           add_text_ext(fb->x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_text_ext(fb->x, NID_key_usage, "critical,digitalSignature") &&
           add_text_ext(fb->x, NID_ext_key_usage, "serverAuth");
}

cfo_fallback_t *cfo_pki_fallback_make(apr_pool_t *p)
{
    cfo_fallback_t *fb = apr_pcalloc(p, sizeof(*fb));
    int ok;

    ERR_set_mark();
    ok = begin(p, fb);
    ERR_pop_to_mark();
    if (!ok) {
        fallback_free(fb);
        return NULL;
    }
    apr_pool_cleanup_register(p, fb, fallback_free, apr_pool_cleanup_null);
    return fb;
}

const cfo_pem_t *cfo_pki_fallback_key(const cfo_fallback_t *fb)
{
    return &fb->key;
}

/* ---- one name ---- */

static int fill(apr_pool_t *p, const cfo_fallback_t *fb, const char *hostname,
                apr_time_t now)
{
    hostname = plain_name(hostname);
    return set_serial(fb->x) && set_names(fb->x, hostname) &&
           set_dates(fb->x, now) && set_san(p, fb->x, hostname) &&
           X509_sign(fb->x, fb->pkey, EVP_sha256()) > 0;
}

apr_status_t cfo_pki_fallback_cert(apr_pool_t *p, const cfo_fallback_t *fb,
                                   const char *hostname, apr_time_t now,
                                   cfo_pem_t *cert)
{
    apr_status_t rv = APR_EGENERAL;
    BIO *bio;

    memset(cert, 0, sizeof(*cert));
    ERR_set_mark();
    bio = BIO_new(BIO_s_mem());
    if (bio && fill(p, fb, hostname, now) &&
        PEM_write_bio_X509(bio, fb->x) == 1) {
        rv = cfo_pki_bio_copy(p, bio, cert);
    }
    BIO_free(bio);
    ERR_pop_to_mark();
    return rv;
}
