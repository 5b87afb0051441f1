/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A certificate's text read, and what it says of itself. Touches OpenSSL and
 * memory, nothing else; judges nothing.
 */
#include <string.h>

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include "cforigin_calendar.h"
#include "cforigin_pki.h"
#include "pki_openssl.h"

/** DER of an end entity; 200 long names are some 52 KiB. */
#define DER_MAX (64 * 1024)

#define BEGIN_CERT "-----BEGIN CERTIFICATE-----"

/* ---- reading a certificate ---- */

static int is_blank(const char *text, apr_size_t len)
{
    while (len && apr_isspace(*text)) {
        text++;
        len--;
    }
    return len == 0;
}

/* What is left in the BIO after the first certificate, as a fault or NULL. */
static const char *fault_of_rest(BIO *bio)
{
    char buf[512];
    int n, rubbish = 0;

    while ((n = BIO_read(bio, buf, (int)sizeof(buf))) > 0) {
        rubbish |= !is_blank(buf, (apr_size_t)n);
    }
    return rubbish ? "more than one certificate, or something after it" : NULL;
}

static X509 *der_read(const unsigned char *der, long len, const char **why)
{
    const unsigned char *end = der;
    X509 *x;

    if (len > DER_MAX) {
        *why = "larger than 64 KiB";
        return NULL;
    }
    x = d2i_X509(NULL, &end, len);
    if (!x) {
        *why = "not an X.509 certificate";
    }
    else if (end != der + len) {
        *why = "bytes after the certificate's end";
        X509_free(x);
        x = NULL;
    }
    return x;
}

/* The API's habit: one PEM block, nothing but white space around it. */
static X509 *strict_read(BIO *bio, const char *pem, apr_size_t len,
                         const char **why)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    X509 *x = NULL;
    long n = 0;

    while (len && apr_isspace(*pem)) {
        pem++;
        len--;
    }
    if (len < strlen(BEGIN_CERT) ||
        memcmp(pem, BEGIN_CERT, strlen(BEGIN_CERT))) {
        *why = "does not begin with " BEGIN_CERT;
        return NULL;
    }
    if (PEM_read_bio(bio, &name, &header, &der, &n) != 1 || *header) {
        *why = "the PEM text is broken or cut";
    }
    else {
        x = der_read(der, n, why);
    }
    if (x && (*why = fault_of_rest(bio)) != NULL) {
        X509_free(x);
        x = NULL;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return x;
}

/* A file, as mod_ssl reads one: the first is the server's, all that follow
 * are its chain, and a broken one among them would end the start. */
static X509 *file_read(BIO *bio, const char **why)
{
    X509 *first =
        PEM_read_bio_X509_AUX(bio, NULL, cfo_pki_no_passphrase, NULL);
    X509 *next;
    unsigned long err;

    if (!first) {
        *why = "no certificate in it, or a broken one";
        return NULL;
    }
    while (
        (next = PEM_read_bio_X509(bio, NULL, cfo_pki_no_passphrase, NULL))) {
        X509_free(next);
    }
    err = ERR_peek_last_error();
    if (ERR_GET_LIB(err) != ERR_LIB_PEM ||
        ERR_GET_REASON(err) != PEM_R_NO_START_LINE) {
        *why = "a broken certificate after the first";
        X509_free(first);
        return NULL;
    }
    return first;
}

X509 *cfo_pki_cert_read(const char *pem, apr_size_t len, int strict,
                        const char **why)
{
    BIO *bio = cfo_pki_bio_of(pem, len);
    X509 *x;

    *why = NULL;
    if (!bio) {
        *why = !len ? "empty" : "zero bytes in it, or far too long";
        return NULL;
    }
    x = strict ? strict_read(bio, pem, len, why) : file_read(bio, why);
    BIO_free(bio);
    return x;
}

/* ---- what it says ---- */

static int time_of(const ASN1_TIME *asn1, apr_time_t *t)
{
    cfo_date_t date;
    struct tm tm;

    if (!asn1 || ASN1_TIME_to_tm(asn1, &tm) != 1) {
        return 0;
    }
    date.year = tm.tm_year + 1900;
    date.month = tm.tm_mon + 1;
    date.day = tm.tm_mday;
    date.hour = tm.tm_hour;
    date.minute = tm.tm_min;
    date.second = tm.tm_sec;
    *t = cfo_date_time(&date);
    return 1;
}

static const char *serial_of(apr_pool_t *p, const X509 *x)
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    char *dec = bn ? BN_bn2dec(bn) : NULL;
    const char *serial = dec ? apr_pstrdup(p, dec) : NULL;

    OPENSSL_free(dec);
    BN_free(bn);
    return serial;
}

/* A dNSName in small letters; NULL when it holds what no hostname can. */
static const char *dns_name(apr_pool_t *p, const ASN1_STRING *s)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(s);
    int i, len = ASN1_STRING_length(s);
    char *name;

    if (len <= 0) {
        return NULL;
    }
    name = apr_palloc(p, (apr_size_t)len + 1);
    for (i = 0; i < len; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~') {
            return NULL;
        }
        name[i] = (char)apr_tolower(bytes[i]);
    }
    name[len] = '\0';
    return name;
}

static apr_array_header_t *hostnames_of(apr_pool_t *p, const X509 *x,
                                        int strict)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    GENERAL_NAMES *names =
        X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int i, bad = 0;

    for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const char *dns;

        if (name->type != GEN_DNS) {
            continue;
        }
        dns = dns_name(p, name->d.dNSName);
        if (dns) {
            APR_ARRAY_PUSH(list, const char *) = dns;
        }
        bad |= !dns;
    }
    GENERAL_NAMES_free(names);
    return strict && bad ? NULL : list;
}

static const char *name_part(apr_pool_t *p, const X509_NAME *name, int nid)
{
    int i = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *utf8 = NULL;
    const char *text = NULL;
    int len;

    if (i < 0) {
        return NULL;
    }
    len = ASN1_STRING_to_UTF8(
        &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (len > 0) {
        text = cfo_text_clean(p, (const char *)utf8, (apr_size_t)len, 200);
    }
    OPENSSL_free(utf8);
    return text;
}

static const char *issuer_of(apr_pool_t *p, const X509 *x)
{
    const X509_NAME *name = X509_get_issuer_name(x);
    const char *who = name_part(p, name, NID_commonName);
    const char *org = name_part(p, name, NID_organizationName);

    if (!who) {
        who = name_part(p, name, NID_organizationalUnitName);
    }
    if (who && org) {
        return apr_pstrcat(p, who, ", ", org, NULL);
    }
    return who ? who : org ? org : "";
}

static void key_facts(apr_pool_t *p, X509 *x, cfo_cert_facts_t *facts)
{
    EVP_PKEY *pkey = X509_get0_pubkey(x);
    char group[64];
    const char *nist;

    facts->spki_sha256 = cfo_pki_encoded_spki(p, X509_get_X509_PUBKEY(x));
    if (!pkey) {
        facts->key = "unknown";
        return;
    }
    if (EVP_PKEY_is_a(pkey, "RSA")) {
        facts->key = apr_psprintf(p, "RSA %d", EVP_PKEY_get_bits(pkey));
        facts->type = CFO_ORIGIN_RSA;
        facts->has_type = 1;
    }
    else if (EVP_PKEY_is_a(pkey, "EC") &&
             EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1) {
        nist = EC_curve_nid2nist(OBJ_txt2nid(group));
        facts->key = apr_psprintf(p, "EC %s", nist ? nist : group);
        facts->has_type = nist && !strcmp(nist, "P-256");
    }
    else {
        nist = EVP_PKEY_get0_type_name(pkey);
        facts->key = apr_pstrdup(p, nist ? nist : "unknown");
    }
}

cfo_cert_facts_t *cfo_pki_cert_facts(apr_pool_t *p, X509 *x, int strict)
{
    cfo_cert_facts_t *facts = apr_pcalloc(p, sizeof(*facts));
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    facts->hostnames = hostnames_of(p, x, strict);
    facts->serial = serial_of(p, x);
    facts->issuer = issuer_of(p, x);
    if (!facts->hostnames || !facts->serial ||
        !time_of(X509_get0_notBefore(x), &facts->not_before) ||
        !time_of(X509_get0_notAfter(x), &facts->not_after) ||
        X509_digest(x, EVP_sha256(), md, &n) != 1) {
        return NULL;
    }
    facts->sha256 = apr_pescape_hex(p, md, n, 0);
    key_facts(p, x, facts);
    return facts;
}

const cfo_cert_facts_t *cfo_pki_facts(apr_pool_t *p, const char *pem,
                                      apr_size_t len, int strict)
{
    const cfo_cert_facts_t *facts = NULL;
    const char *why;
    X509 *x;

    ERR_set_mark();
    x = cfo_pki_cert_read(pem, len, strict, &why);
    if (x) {
        facts = cfo_pki_cert_facts(p, x, strict);
    }
    X509_free(x);
    ERR_pop_to_mark();
    return facts;
}
