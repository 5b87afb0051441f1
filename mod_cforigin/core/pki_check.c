/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The named checks that stand between an answer of the API and the store,
 * and the roots they judge by. Pure: text and times in, a result out.
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/decoder.h>
#include <openssl/pem.h>

#include "cforigin_names.h"
#include "cforigin_pki.h"
#include "pki_openssl.h"

#define DAY ((apr_time_t)86400 * APR_USEC_PER_SEC)
#define HOUR ((apr_time_t)3600 * APR_USEC_PER_SEC)

/** Bits of security below which OpenSSL's default level refuses to serve a
 * certificate: RSA under 2048 bits, MD5, SHA-1. */
#define STRENGTH_MIN 112

struct cfo_roots_t {
    STACK_OF(X509) * certs;
};

/* ---- roots ---- */

static apr_status_t roots_free(void *data)
{
    cfo_roots_t *roots = data;

    sk_X509_pop_free(roots->certs, X509_free);
    roots->certs = NULL;
    return APR_SUCCESS;
}

/* Half a file of roots would refuse good certificates later without a word,
 * so a broken block makes the whole file none. */
static int roots_fill(STACK_OF(X509) * certs, BIO *bio)
{
    unsigned long err;
    X509 *x;

    while ((x = PEM_read_bio_X509(bio, NULL, cfo_pki_no_passphrase, NULL))) {
        if (!X509_get0_pubkey(x) || sk_X509_push(certs, x) <= 0) {
            X509_free(x);
            return 0;
        }
    }
    err = ERR_peek_last_error();
    return sk_X509_num(certs) > 0 && ERR_GET_LIB(err) == ERR_LIB_PEM &&
           ERR_GET_REASON(err) == PEM_R_NO_START_LINE;
}

cfo_roots_t *cfo_pki_roots(apr_pool_t *p, const char *pem, apr_size_t len)
{
    cfo_roots_t *roots = apr_pcalloc(p, sizeof(*roots));
    BIO *bio = NULL;
    int ok = 0;

    ERR_set_mark();
    roots->certs = sk_X509_new_null();
    if (roots->certs && pem && len && len < APR_INT32_MAX) {
        bio = BIO_new_mem_buf(pem, (int)len);
        ok = bio && roots_fill(roots->certs, bio);
    }
    BIO_free(bio);
    ERR_pop_to_mark();
    if (!ok) {
        roots_free(roots);
        return NULL;
    }
    apr_pool_cleanup_register(p, roots, roots_free, apr_pool_cleanup_null);
    return roots;
}

int cfo_pki_is_trust_file(const char *pem, apr_size_t len, int or_crl)
{
    STACK_OF(X509_INFO) *blocks = NULL;
    BIO *bio = NULL;
    int found = 0;

    ERR_set_mark();
    if (pem && len && len < APR_INT32_MAX) {
        bio = BIO_new_mem_buf(pem, (int)len);
    }
    if (bio) {
        blocks =
            PEM_X509_INFO_read_bio(bio, NULL, cfo_pki_no_passphrase, NULL);
    }
    for (int i = 0; !found && i < sk_X509_INFO_num(blocks); i++) {
        const X509_INFO *block = sk_X509_INFO_value(blocks, i);

        found = block->x509 != NULL || (or_crl && block->crl != NULL);
    }
    sk_X509_INFO_pop_free(blocks, X509_INFO_free);
    BIO_free(bio);
    ERR_pop_to_mark();
    return found;
}

static int is_signed_by(const cfo_roots_t *roots, X509 *x)
{
    int i;

    for (i = 0; roots && i < sk_X509_num(roots->certs); i++) {
        const X509 *root = sk_X509_value(roots->certs, i);

        if (X509_NAME_cmp(X509_get_subject_name(root),
                          X509_get_issuer_name(x)) == 0 &&
            X509_verify(x, X509_get0_pubkey(root)) == 1) {
            return 1;
        }
    }
    return 0;
}

int cfo_pki_is_origin_ca(const cfo_roots_t *roots, const char *pem,
                         apr_size_t len)
{
    const char *why;
    int yes = 0;
    X509 *x;

    ERR_set_mark();
    x = cfo_pki_cert_read(pem, len, 0, &why);
    if (x) {
        yes = is_signed_by(roots, x);
    }
    X509_free(x);
    ERR_pop_to_mark();
    return yes;
}

/* ---- pairs ---- */

/* Decoding a key of a known algorithm takes a quarter of the time that
 * finding out the algorithm takes; the certificate tells it. */
static EVP_PKEY *key_of_type(const char *type, const char *pem, apr_size_t len)
{
    const unsigned char *text = (const unsigned char *)pem;
    EVP_PKEY *pkey = NULL;
    OSSL_DECODER_CTX *ctx;

    if (!type || !len || memchr(pem, 0, len)) {
        return NULL;
    }
    ctx = OSSL_DECODER_CTX_new_for_pkey(&pkey, "PEM", NULL, type,
                                        EVP_PKEY_KEYPAIR, NULL, NULL);
    if (ctx) {
        OSSL_DECODER_CTX_set_pem_password_cb(ctx, cfo_pki_no_passphrase, NULL);
        OSSL_DECODER_from_data(ctx, &text, &len);
    }
    OSSL_DECODER_CTX_free(ctx);
    return pkey;
}

/* @return -1 when one of the two can't be read */
static int pair_state(X509 *x, const char *key_pem, apr_size_t key_len)
{
    const EVP_PKEY *public = X509_get0_pubkey(x);
    EVP_PKEY *pkey;
    int result = -1;

    if (!public) {
        return -1;
    }
    pkey = key_of_type(EVP_PKEY_get0_type_name(public), key_pem, key_len);
    if (!pkey) {
        pkey = cfo_pki_key_read(key_pem, key_len);
    }
    if (pkey) {
        result = X509_check_private_key(x, pkey) == 1;
    }
    EVP_PKEY_free(pkey);
    return result;
}

const cfo_cert_facts_t *cfo_pki_pair(apr_pool_t *p, const char *cert_pem,
                                     apr_size_t cert_len, const char *key_pem,
                                     apr_size_t key_len, int *matches)
{
    const cfo_cert_facts_t *facts = NULL;
    const char *why;
    X509 *x;

    *matches = -1;
    ERR_set_mark();
    x = cfo_pki_cert_read(cert_pem, cert_len, 0, &why);
    if (x) {
        *matches = pair_state(x, key_pem, key_len);
        facts = cfo_pki_cert_facts(p, x, 0);
    }
    X509_free(x);
    ERR_pop_to_mark();
    return facts;
}

int cfo_pki_pair_matches(const char *cert_pem, apr_size_t cert_len,
                         const char *key_pem, apr_size_t key_len)
{
    const char *why;
    int result = -1;
    X509 *x;

    ERR_set_mark();
    x = cfo_pki_cert_read(cert_pem, cert_len, 0, &why);
    if (x) {
        result = pair_state(x, key_pem, key_len);
    }
    X509_free(x);
    ERR_pop_to_mark();
    return result;
}

/* ---- the checks, in their order; each says its fault or NULL ---- */

static const char *weak_key(apr_pool_t *p, X509 *x)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x);

    if (!pkey) {
        return "its public key can't be read";
    }
    if (EVP_PKEY_get_security_bits(pkey) < STRENGTH_MIN) {
        return apr_psprintf(p, "its key of %d bits is too weak",
                            EVP_PKEY_get_bits(pkey));
    }
    return NULL;
}

static const char *fault_of_shape(apr_pool_t *p, X509 *x)
{
    apr_uint32_t flags = X509_get_extension_flags(x);
    int md = NID_undef, bits = 0;

    if (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) {
        return "an extension is broken, or critical and unknown";
    }
    /* The flag beside the call: a key usage without signing of certificates
     * makes the call overlook what BasicConstraints say. */
    if (X509_check_ca(x) || (flags & EXFLAG_CA)) {
        return "it is the certificate of a CA, not of a server";
    }
    if (X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0) != 1) {
        return "its key usage does not allow a TLS server";
    }
    if (X509_get_signature_info(x, &md, NULL, &bits, NULL) != 1) {
        return "its signature algorithm is unknown";
    }
    if (bits < STRENGTH_MIN) {
        return apr_psprintf(p, "it is signed with %s", OBJ_nid2sn(md));
    }
    return weak_key(p, x);
}

static const char *fault_of_key(X509 *x, const cfo_pem_t *key)
{
    switch (key ? pair_state(x, key->data, key->len) : -1) {
    case 1:
        return NULL;
    case 0:
        return "its public key is not that of our private key";
    default:
        return "our own private key can't be read";
    }
}

static const char *fault_of_names(apr_pool_t *p, const cfo_cert_facts_t *facts,
                                  const apr_array_header_t *hostnames)
{
    const char *name = cfo_names_uncovered(hostnames, facts->hostnames, p);

    return name ? apr_psprintf(p, "%s is not on the certificate", name) : NULL;
}

static const char *fault_of_dates(apr_pool_t *p, const cfo_cert_facts_t *facts,
                                  apr_time_t now)
{
    if (now && facts->not_before > now + HOUR) {
        return apr_psprintf(p, "not valid before %s",
                            cfo_time_word(p, facts->not_before));
    }
    if (now && facts->not_after <= now) {
        return apr_psprintf(p, "expired at %s",
                            cfo_time_word(p, facts->not_after));
    }
    return NULL;
}

static const char *fault_of_lifetime(apr_pool_t *p,
                                     const cfo_cert_facts_t *facts,
                                     int validity)
{
    apr_time_t given = facts->not_after - facts->not_before;
    apr_time_t asked = validity * DAY;

    if (!validity || (given >= asked - DAY && given <= asked + DAY)) {
        return NULL;
    }
    return apr_psprintf(p, "%d days asked, %" APR_INT64_T_FMT " days given",
                        validity, (given + DAY / 2) / DAY);
}

static cfo_result_t refused(apr_pool_t *p, const char *word, const char *fault)
{
    return cfo_result_make(p, CFO_CHECK, "check %s: %s", word, fault);
}

static cfo_result_t judge(apr_pool_t *p, X509 *x,
                          const cfo_cert_facts_t *facts, const cfo_pem_t *key,
                          const apr_array_header_t *hostnames, int validity,
                          const cfo_roots_t *roots, apr_time_t now)
{
    const char *fault;

    if ((fault = fault_of_key(x, key))) {
        return refused(p, "key", fault);
    }
    if ((fault = fault_of_names(p, facts, hostnames))) {
        return refused(p, "names", fault);
    }
    if ((fault = fault_of_dates(p, facts, now))) {
        return refused(p, "dates", fault);
    }
    if ((fault = fault_of_lifetime(p, facts, validity))) {
        return refused(p, "lifetime", fault);
    }
    if (!is_signed_by(roots, x)) {
        return refused(
            p, "issuer",
            apr_psprintf(p,
                         "not signed by a root in the root "
                         "file, but by %s",
                         *facts->issuer ? facts->issuer : "nobody it names"));
    }
    return cfo_result_ok();
}

cfo_result_t cfo_pki_check(apr_pool_t *p, const char *cert_pem,
                           apr_size_t cert_len, const cfo_pem_t *key,
                           const apr_array_header_t *hostnames, int validity,
                           const cfo_roots_t *roots, apr_time_t now,
                           const cfo_cert_facts_t **facts)
{
    cfo_result_t result;
    const char *fault = NULL;
    X509 *x;

    *facts = NULL;
    ERR_set_mark();
    x = cfo_pki_cert_read(cert_pem, cert_len, 1, &fault);
    if (x && !(fault = fault_of_shape(p, x)) &&
        !(*facts = cfo_pki_cert_facts(p, x, 1))) {
        fault = "a name or a date in it is none";
    }
    if (fault) {
        result = refused(p, "parse", fault);
    }
    else {
        result = judge(p, x, *facts, key, hostnames, validity, roots, now);
    }
    X509_free(x);
    ERR_pop_to_mark();
    return result;
}
