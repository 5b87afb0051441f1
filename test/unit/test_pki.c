/* SPDX-License-Identifier: Apache-2.0 */
/** The pki room: keys, CSRs, facts, the named checks, the fallback. */
#include "make_cert.h"

#define NOW ((time_t)1795000000) /* 2026-11-18 */
#define APR_NOW apr_time_from_sec((apr_int64_t)NOW)

static apr_pool_t *pool;
static mc_ca_t ecc, rsa, other;
static EVP_PKEY *ours, *theirs;
static cfo_pem_t our_key;
static cfo_roots_t *roots;

static const mc_spec_t good = {.san = "DNS:a.example.com,DNS:*.b.example.com",
                               .basic = "critical,CA:FALSE",
                               .eku = "clientAuth,serverAuth",
                               .days = 5475};

static int setup(void **state)
{
    cfo_pem_t one, two;
    char *both;

    (void)state;
    apr_pool_create(&pool, NULL);
    mc_ca_open(&ecc, "ECC Root", 0);
    mc_ca_open(&rsa, "RSA Root", 1);
    mc_ca_open(&other, "ECC Root", 0); /* the same name, another key */
    ours = EVP_EC_gen("P-256");
    theirs = EVP_EC_gen("P-256");
    our_key = mc_key_text(pool, ours);
    one = mc_ca_text(pool, &ecc, NOW);
    two = mc_ca_text(pool, &rsa, NOW);
    both = apr_pstrcat(pool, "# a comment\n", one.data, "\n", two.data, NULL);
    roots = cfo_pki_roots(pool, both, strlen(both));
    return roots ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mc_ca_close(&ecc);
    mc_ca_close(&rsa);
    mc_ca_close(&other);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    apr_pool_destroy(pool);
    return 0;
}

/* ---- keys ---- */

static EVP_PKEY *key_of(const cfo_pem_t *text)
{
    BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static X509_REQ *csr_of(const cfo_pem_t *text)
{
    BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
    X509_REQ *req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(req);
    return req;
}

/* Each of the three is of the same key, and that is of the type wanted. */
static void what_is_asked_with_is_of_one_key(void **state)
{
    static const struct {
        cfo_request_type_t type;
        const char *alg;
        int bits;
    } rows[] = {{CFO_ORIGIN_ECC, "EC", 256}, {CFO_ORIGIN_RSA, "RSA", 2048}};
    const apr_array_header_t *names = mc_list(pool, "a.example.com");
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *spki, *read_again;
        cfo_pem_t key, csr;
        X509_REQ *req;
        EVP_PKEY *pkey;

        assert_int_equal(
            cfo_pki_make(pool, rows[i].type, names, &key, &csr, &spki), 0);
        assert_int_equal(key.len, strlen(key.data));
        assert_true(!strncmp(key.data, "-----BEGIN PRIVATE KEY-----\n", 28));
        pkey = key_of(&key);
        assert_true(EVP_PKEY_is_a(pkey, rows[i].alg));
        assert_int_equal(EVP_PKEY_get_bits(pkey), rows[i].bits);
        req = csr_of(&csr);
        assert_int_equal(X509_REQ_verify(req, pkey), 1);
        assert_int_equal(cfo_pki_key_spki(pool, &key, &read_again), 0);
        assert_string_equal(spki, read_again);
        X509_REQ_free(req);
        EVP_PKEY_free(pkey);
    }
}

static void wipe_leaves_nothing(void **state)
{
    cfo_pem_t key = mc_key_text(pool, theirs), none = {NULL, 0};
    apr_size_t i, len = key.len;

    (void)state;
    cfo_pki_wipe(&key);
    for (i = 0; i < len; i++) {
        assert_int_equal(key.data[i], 0);
    }
    cfo_pki_wipe(&key);
    cfo_pki_wipe(&none);
    cfo_pki_wipe(NULL);
}

static cfo_pem_t encrypted(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "pass", 4, NULL,
                                  NULL);
    return mc_text(pool, bio);
}

static void spki_is_the_same_for_key_and_certificate(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    cfo_pem_t bad = encrypted(ours), empty = {"", 0};
    const char *spki;

    (void)state;
    assert_int_equal(cfo_pki_key_spki(pool, &our_key, &spki), 0);
    assert_int_equal(strlen(spki), 64);
    assert_string_equal(
        spki, cfo_pki_facts(pool, cert.data, cert.len, 1)->spki_sha256);
    assert_int_not_equal(cfo_pki_key_spki(pool, &bad, &spki), 0);
    assert_null(spki);
    assert_int_not_equal(cfo_pki_key_spki(pool, &empty, &spki), 0);
}

/* "BEGIN EC PRIVATE KEY", as `openssl ecparam -genkey` writes it. */
static cfo_pem_t sec1_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
    return mc_text(pool, bio);
}

static void pairs(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    cfo_pem_t not_ours = mc_key_text(pool, theirs), locked = encrypted(ours);
    cfo_pem_t rsa_cert = mc_leaf(pool, &good, rsa.key, &ecc, NOW);
    cfo_pem_t rsa_key = mc_key_text(pool, rsa.key), sec1 = sec1_text(ours);
    const char *with_params =
        apr_pstrcat(pool,
                    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                    "-----END EC PARAMETERS-----\n",
                    sec1.data, NULL);
    const char *both = apr_pstrcat(pool, our_key.data, "\n", cert.data, NULL);
    const struct {
        const char *cert, *key;
        int expected;
    } rows[] = {
        {cert.data, our_key.data, 1},
        {both, both, 1},
        {cert.data, not_ours.data, 0},
        {cert.data, locked.data, -1},
        {cert.data, "", -1},
        {"", our_key.data, -1},
        {our_key.data, our_key.data, -1},
        {cert.data, cert.data, -1},
        {cert.data, "-----BEGIN PRIVATE KEY-----\nAAAA\n", -1},
        {cert.data, rsa_key.data, 0},
        {rsa_cert.data, rsa_key.data, 1},
        {cert.data, sec1.data, 1},
        {cert.data, with_params, 1},
    };
    const cfo_cert_facts_t *facts;
    int matches;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            cfo_pki_pair_matches(rows[i].cert, strlen(rows[i].cert),
                                 rows[i].key, strlen(rows[i].key)),
            rows[i].expected);
        facts = cfo_pki_pair(pool, rows[i].cert, strlen(rows[i].cert),
                             rows[i].key, strlen(rows[i].key), &matches);
        assert_int_equal(matches, rows[i].expected);
        assert_int_equal(facts != NULL,
                         strstr(rows[i].cert, "BEGIN CERT") != NULL);
    }
    /* zero bytes after a crash: the file is not whole, whatever loads */
    assert_int_equal(cfo_pki_pair_matches(cert.data, cert.len + 1,
                                          our_key.data, our_key.len),
                     -1);
}

static void csr_says_what_is_wanted(void **state)
{
    apr_array_header_t *names = mc_list(pool, "a.example.com *.b.example.com");
    STACK_OF(X509_EXTENSION) * exts;
    GENERAL_NAMES *san;
    const char *spki;
    X509_REQ *req;
    cfo_pem_t key, csr;
    int i;

    (void)state;
    assert_int_equal(
        cfo_pki_make(pool, CFO_ORIGIN_ECC, names, &key, &csr, &spki), 0);
    assert_true(
        !strncmp(csr.data, "-----BEGIN CERTIFICATE REQUEST-----\n", 36));
    req = csr_of(&csr);
    assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(req)), 0);
    assert_int_equal(X509_REQ_get_signature_nid(req), NID_ecdsa_with_SHA256);
    exts = X509_REQ_get_extensions(req);
    san = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(san), 2);
    for (i = 0; i < 2; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(san, i);

        assert_int_equal(name->type, GEN_DNS);
        assert_string_equal(
            (const char *)ASN1_STRING_get0_data(name->d.dNSName),
            APR_ARRAY_IDX(names, i, const char *));
    }
    GENERAL_NAMES_free(san);
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    X509_REQ_free(req);
}

static void a_csr_is_made_again(void **state)
{
    apr_array_header_t *names = mc_list(pool, "a.example.com");
    const int types[] = {CFO_ORIGIN_ECC, CFO_ORIGIN_RSA};
    cfo_pem_t key, csr, again, rubbish = mc_key_text(pool, ours);
    const char *spki;
    size_t i, at;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(cfo_pki_make(pool, (cfo_request_type_t)types[i],
                                      names, &key, &csr, &spki),
                         0);
        assert_string_equal(cfo_pki_csr_spki(pool, &csr), spki);
        assert_int_equal(cfo_pki_csr_make(pool, &key, names, &again), 0);
        assert_string_equal(cfo_pki_csr_spki(pool, &again), spki);
        /* any letter of it, but for those that only fill up its last line */
        for (at = 40; at < csr.len - 60; at += 7) {
            cfo_pem_t bad = {apr_pstrmemdup(pool, csr.data, csr.len), csr.len};

            bad.data[at] = bad.data[at] == 'A' ? 'B' : 'A';
            if (cfo_pki_csr_spki(pool, &bad)) {
                fail_msg("one with a wrong letter %d", (int)at);
            }
        }
    }
    assert_null(cfo_pki_csr_spki(pool, &rubbish));
    assert_int_not_equal(cfo_pki_csr_make(pool, &csr, names, &again), 0);
    assert_null(again.data);
}

/* ---- facts ---- */

static void facts_of_a_certificate(void **state)
{
    static const mc_spec_t spec = {
        .san = "DNS:A.Example.COM,IP:192.0.2.1,DNS:*.b.example.com",
        .from = 0,
        .days = 36525, /* 2126: past 2038 and past UTCTime */
        .serial = "500900000000000000000000000000000000000F"};
    cfo_pem_t cert = mc_leaf(pool, &spec, ours, &ecc, NOW);
    const cfo_cert_facts_t *facts =
        cfo_pki_facts(pool, cert.data, cert.len, 1);

    (void)state;
    assert_non_null(facts);
    assert_int_equal(facts->hostnames->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(facts->hostnames, 0, const char *),
                        "a.example.com");
    assert_string_equal(APR_ARRAY_IDX(facts->hostnames, 1, const char *),
                        "*.b.example.com");
    assert_true(facts->not_before == APR_NOW);
    assert_true(facts->not_after ==
                APR_NOW + apr_time_from_sec((apr_int64_t)36525 * 86400));
    assert_string_equal(facts->serial,
                        "456919968372693937546925331688292278896032743439");
    assert_string_equal(facts->issuer, "ECC Root, Test, Inc.");
    assert_int_equal(strlen(facts->sha256), 64);
    assert_true(strspn(facts->sha256, "0123456789abcdef") == 64);
}

static void fingerprint_is_of_the_der(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    BIO *bio = BIO_new_mem_buf(cert.data, (int)cert.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der);

    (void)state;
    assert_string_equal(cfo_pki_facts(pool, cert.data, cert.len, 1)->sha256,
                        cfo_pki_sha256(pool, der, (apr_size_t)len));
    assert_string_equal(cfo_pki_sha256(pool, "abc", 3),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
                        "ff61f20015ad");
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(bio);
}

static void type_follows_the_key(void **state)
{
    const struct {
        EVP_PKEY *key;
        const char *word;
        int has_type;
        cfo_request_type_t type;
    } rows[] = {
        {EVP_EC_gen("P-256"), "EC P-256", 1, CFO_ORIGIN_ECC},
        {EVP_EC_gen("P-384"), "EC P-384", 0, CFO_ORIGIN_ECC},
        {EVP_EC_gen("secp256k1"), "EC secp256k1", 0, CFO_ORIGIN_ECC},
        {EVP_RSA_gen(2048), "RSA 2048", 1, CFO_ORIGIN_RSA},
        {EVP_RSA_gen(3072), "RSA 3072", 1, CFO_ORIGIN_RSA},
        {EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "ED25519", 0,
         CFO_ORIGIN_ECC},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_pem_t cert = mc_leaf(pool, &good, rows[i].key, &ecc, NOW);
        const cfo_cert_facts_t *facts =
            cfo_pki_facts(pool, cert.data, cert.len, 1);

        assert_non_null(facts);
        assert_string_equal(facts->key, rows[i].word);
        assert_int_equal(facts->has_type, rows[i].has_type);
        assert_int_equal(facts->type, rows[i].type);
        EVP_PKEY_free(rows[i].key);
    }
}

static void texts_strict_and_not(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    cfo_pem_t root = mc_ca_text(pool, &ecc, NOW);
    const char *cut = apr_pstrndup(pool, cert.data, cert.len / 2);
    const struct {
        const char *text;
        int strict, file;
    } rows[] = {
        {cert.data, 1, 1},
        {apr_pstrcat(pool, " \r\n", cert.data, "\n \t\n", NULL), 1, 1},
        {apr_pstrcat(pool, cert.data, root.data, NULL), 0, 1},
        {apr_pstrcat(pool, cert.data, "junk\n", NULL), 0, 1},
        {apr_pstrcat(pool, "a word before\n", cert.data, NULL), 0, 1},
        {apr_pstrcat(pool, our_key.data, cert.data, NULL), 0, 1},
        {apr_pstrcat(pool, cert.data, our_key.data, NULL), 0, 1},
        {apr_pstrcat(pool, cert.data, cut, NULL), 0, 0},
        {cut, 0, 0},
        {our_key.data, 0, 0},
        {"", 0, 0},
        {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 0, 0},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"
         "-----END CERTIFICATE-----\n",
         0, 0},
        {"<html>no certificate</html>", 0, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apr_size_t len = strlen(rows[i].text);

        assert_int_equal(cfo_pki_facts(pool, rows[i].text, len, 1) != NULL,
                         rows[i].strict);
        assert_int_equal(cfo_pki_facts(pool, rows[i].text, len, 0) != NULL,
                         rows[i].file);
    }
    assert_null(cfo_pki_facts(pool, cert.data, cert.len + 1, 1));
    assert_null(cfo_pki_facts(pool, NULL, 0, 1));
}

/* ---- the checks ---- */

typedef struct check_row_t {
    const char *expected; /* message, or its beginning when it ends in "*" */
    mc_spec_t spec;
    const mc_ca_t *ca;
    EVP_PKEY *key; /* on the certificate */
    const char *hostnames;
    int validity;
    int clock_days; /* now, from NOW; -1: no clock */
} check_row_t;

#define SAN "DNS:a.example.com,DNS:*.b.example.com"
#define LEAF .basic = "critical,CA:FALSE", .eku = "clientAuth,serverAuth"
#define A "a.example.com"

static void run_check(const check_row_t *row)
{
    cfo_pem_t cert = mc_leaf(pool, &row->spec, row->key ? row->key : ours,
                             row->ca ? row->ca : &ecc, NOW);
    apr_time_t now = row->clock_days < 0
                         ? 0
                         : APR_NOW + apr_time_from_sec(
                                         (apr_int64_t)row->clock_days * 86400);
    const cfo_cert_facts_t *facts;
    cfo_result_t result = cfo_pki_check(pool, cert.data, cert.len, &our_key,
                                        mc_list(pool, row->hostnames),
                                        row->validity, roots, now, &facts);
    size_t len;

    if (!row->expected) {
        assert_null(result.message);
        assert_int_equal(result.kind, CFO_OK);
        assert_non_null(facts);
        return;
    }
    assert_int_equal(result.kind, CFO_CHECK);
    len = strlen(row->expected);
    if (row->expected[len - 1] == '*') {
        assert_memory_equal(result.message, row->expected, len - 1);
    }
    else {
        assert_string_equal(result.message, row->expected);
    }
    assert_int_equal(facts == NULL,
                     !strncmp(row->expected, "check parse", 11));
}

static void named_checks(void **state)
{
    EVP_PKEY *weak = EVP_RSA_gen(1024), *strong = EVP_RSA_gen(2048);
    const check_row_t rows[] = {
        {NULL, {.san = SAN, LEAF, .days = 5475}, NULL, NULL, A, 5475, 0},
        {NULL, {.san = SAN, LEAF, .days = 5475}, &rsa, NULL, A, 5475, 0},
        {NULL,
         {.san = SAN, LEAF, .days = 5475, .unknown = 1},
         NULL,
         NULL,
         A,
         5475,
         0},
        {NULL, {.san = SAN, .days = 5475}, NULL, NULL, A, 5475, 0},
        {NULL,
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         NULL,
         "a.example.com x.b.example.com *.b.example.com",
         5475,
         0},
        {NULL, {.san = SAN, LEAF, .days = 6}, NULL, NULL, A, 7, 0},
        {NULL, {.san = SAN, LEAF, .days = 8}, NULL, NULL, A, 7, 0},
        {NULL, {.san = SAN, LEAF, .days = 400}, NULL, NULL, A, 0, 0},
        {NULL, {.san = SAN, LEAF, .days = 7}, NULL, NULL, A, 7, -1},
        {NULL, {.san = SAN, LEAF, .from = 9, .days = 7}, NULL, NULL, A, 7, -1},
        {NULL, {.san = SAN, LEAF, .days = 7}, NULL, NULL, A, 7, 6},

        {"check parse: an extension is broken, or critical and unknown",
         {.san = SAN, LEAF, .days = 5475, .unknown = 2},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check key: its public key is not that of our private key",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         strong, /* enough */
         A,
         5475,
         0},
        {"check parse: it is the certificate of a CA, not of a server",
         {.san = SAN, .basic = "critical,CA:TRUE", .days = 5475},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check parse: it is the certificate of a CA, not of a server",
         {.san = SAN,
          .basic = "critical,CA:TRUE",
          .usage = "critical,digitalSignature,keyEncipherment",
          .days = 5475},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check parse: its key usage*",
         {.san = SAN, .eku = "clientAuth", .days = 5475},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check parse: it is signed with *",
         {.san = SAN, LEAF, .days = 5475, .md = EVP_sha1},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check parse: it is signed with *",
         {.san = SAN, LEAF, .days = 5475, .md = EVP_md5},
         &rsa,
         NULL,
         A,
         5475,
         0},
        {"check parse: its key of 1024 bits is too weak",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         weak,
         A,
         5475,
         0},
        {"check key: its public key is not that of our private key",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         theirs,
         A,
         5475,
         0},
        {"check names: www.example.com is not on the certificate",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         NULL,
         "a.example.com www.example.com",
         5475,
         0},
        {"check names: b.example.com is not on the certificate",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         NULL,
         "b.example.com",
         5475,
         0},
        {"check names: a.example.com is not on the certificate",
         {LEAF, .days = 5475},
         NULL,
         NULL,
         A,
         5475,
         0},
        {"check dates: expired at *",
         {.san = SAN, LEAF, .days = 7},
         NULL,
         NULL,
         A,
         7,
         7},
        {"check dates: not valid before *",
         {.san = SAN, LEAF, .from = 1, .days = 7},
         NULL,
         NULL,
         A,
         7,
         0},
        {"check lifetime: 30 days asked, 5475 days given",
         {.san = SAN, LEAF, .days = 5475},
         NULL,
         NULL,
         A,
         30,
         0},
        {"check lifetime: 7 days asked, 5 days given",
         {.san = SAN, LEAF, .days = 5},
         NULL,
         NULL,
         A,
         7,
         0},
        {"check lifetime: 7 days asked, 9 days given",
         {.san = SAN, LEAF, .days = 9},
         NULL,
         NULL,
         A,
         7,
         0},
        {"check issuer: not signed by a root in the root file, but by "
         "ECC Root, Test, Inc.",
         {.san = SAN, LEAF, .days = 5475},
         &other,
         NULL,
         A,
         5475,
         0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run_check(&rows[i]);
    }
    EVP_PKEY_free(weak);
    EVP_PKEY_free(strong);
}

/* An hour's grace for a clock that is behind the CA's, and no more. */
static void grace_on_not_before(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    static const struct {
        int behind; /* seconds */
        cfo_kind_t kind;
    } rows[] = {{0, CFO_OK}, {3600, CFO_OK}, {3601, CFO_CHECK}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const cfo_cert_facts_t *facts;
        cfo_result_t result = cfo_pki_check(
            pool, cert.data, cert.len, &our_key, mc_list(pool, A), 5475, roots,
            APR_NOW - apr_time_from_sec(rows[i].behind), &facts);

        assert_int_equal(result.kind, rows[i].kind);
    }
}

static void rubbish_is_a_parse_fault(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    const struct {
        const char *text;
        apr_size_t extra; /* zero bytes after it */
        const char *expected;
    } rows[] = {
        {"", 0, "check parse: empty"},
        {"<html>", 0,
         "check parse: does not begin with -----BEGIN CERTIFICATE-----"},
        {apr_pstrndup(pool, cert.data, cert.len - 30), 0,
         "check parse: the PEM text is broken or cut"},
        {apr_pstrcat(pool, cert.data, cert.data, NULL), 0,
         "check parse: more than one certificate, or something after it"},
        {apr_pstrcat(pool, cert.data, "x", NULL), 0,
         "check parse: more than one certificate, or something after it"},
        {cert.data, 1, "check parse: zero bytes in it, or far too long"},
        {"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----", 0,
         "check parse: not an X.509 certificate"},
    };
    const cfo_cert_facts_t *facts;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_result_t result = cfo_pki_check(
            pool, rows[i].text, strlen(rows[i].text) + rows[i].extra, &our_key,
            mc_list(pool, A), 5475, roots, APR_NOW, &facts);

        assert_string_equal(result.message, rows[i].expected);
        assert_null(facts);
    }
}

/* Bytes after the certificate inside the PEM block, and a DER too large. */
static void der_is_exact(void **state)
{
    cfo_pem_t cert = mc_leaf(pool, &good, ours, &ecc, NOW);
    static const long extra[] = {1, 70000};
    static const char *expected[] = {
        "check parse: bytes after the certificate's end",
        "check parse: larger than 64 KiB"};
    const cfo_cert_facts_t *facts;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        BIO *in = BIO_new_mem_buf(cert.data, (int)cert.len);
        BIO *out = BIO_new(BIO_s_mem());
        char *name, *header;
        unsigned char *der, *more;
        cfo_pem_t text;
        long n;

        assert_int_equal(PEM_read_bio(in, &name, &header, &der, &n), 1);
        more = calloc(1, (size_t)(n + extra[i]));
        memcpy(more, der, (size_t)n);
        PEM_write_bio(out, "CERTIFICATE", "", more, n + extra[i]);
        text = mc_text(pool, out);
        assert_string_equal(cfo_pki_check(pool, text.data, text.len, &our_key,
                                          mc_list(pool, A), 5475, roots,
                                          APR_NOW, &facts)
                                .message,
                            expected[i]);
        free(more);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
        BIO_free(in);
    }
}

static void a_zero_byte_in_a_name_is_refused(void **state)
{
    X509_NAME *subject = mc_name("Leaf");
    X509 *x = mc_sign(&good, ours, subject, ecc.name, ecc.key, NOW);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    const cfo_cert_facts_t *facts;
    cfo_pem_t cert;

    (void)state;
    ASN1_STRING_set(text, "a.example.com\0.evil.test", 24);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE);
    X509_sign(x, ecc.key, EVP_sha256());
    cert = mc_cert_text(pool, x);
    assert_string_equal(cfo_pki_check(pool, cert.data, cert.len, &our_key,
                                      mc_list(pool, A), 5475, roots, APR_NOW,
                                      &facts)
                            .message,
                        "check parse: a name or a date in it is none");
    assert_int_equal(
        cfo_pki_facts(pool, cert.data, cert.len, 0)->hostnames->nelts, 0);
    GENERAL_NAMES_free(names);
    X509_free(x);
    X509_NAME_free(subject);
}

/* ---- roots ---- */

static void origin_ca_is_told_from_others(void **state)
{
    const struct {
        const mc_ca_t *ca;
        int expected;
    } rows[] = {{&ecc, 1}, {&rsa, 1}, {&other, 0}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_pem_t cert = mc_leaf(pool, &good, ours, rows[i].ca, NOW);

        assert_int_equal(cfo_pki_is_origin_ca(roots, cert.data, cert.len),
                         rows[i].expected);
    }
    assert_int_equal(cfo_pki_is_origin_ca(roots, "rubbish", 7), 0);
    assert_int_equal(cfo_pki_is_origin_ca(NULL, "rubbish", 7), 0);
}

static void roots_are_whole_or_none(void **state)
{
    cfo_pem_t one = mc_ca_text(pool, &ecc, NOW);
    const char *cut = apr_pstrcat(
        pool, one.data, apr_pstrndup(pool, one.data, one.len - 40), NULL);

    (void)state;
    assert_non_null(cfo_pki_roots(pool, one.data, one.len));
    assert_null(cfo_pki_roots(pool, cut, strlen(cut)));
    assert_null(cfo_pki_roots(pool, "", 0));
    assert_null(cfo_pki_roots(pool, "no root", 7));
    assert_null(cfo_pki_roots(pool, our_key.data, our_key.len));
}

/* ---- the fallback ---- */

/* Signed by its own key, with a commonName or without. */
static void is_whole(const cfo_pem_t *cert, int has_cn)
{
    BIO *bio = BIO_new_mem_buf(cert->data, (int)cert->len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    const X509_NAME *name = X509_get_subject_name(x);

    assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
    assert_int_equal(X509_NAME_cmp(name, X509_get_issuer_name(x)), 0);
    assert_int_equal(X509_NAME_entry_count(name), 2 + has_cn);
    assert_int_equal(X509_NAME_get_index_by_NID(name, NID_commonName, -1) >= 0,
                     has_cn);
    X509_free(x);
    BIO_free(bio);
}

static void fallback_is_a_pair_for_any_name(void **state)
{
    cfo_fallback_t *fb = cfo_pki_fallback_make(pool);
    const cfo_pem_t *key = cfo_pki_fallback_key(fb);
    char longest[254];
    const struct {
        const char *hostname;
        int names;
    } rows[] = {
        {"a.example.com", 1},
        {"*.example.com", 1},
        {longest, 1}, /* for a commonName, it is too long */
        {"localhost", 1},
        {"192.0.2.1", 1},
        {"b\xc3\xbc.example", 0},
        {"", 0},
        {NULL, 0},
    };
    size_t i;

    (void)state;
    memset(longest, 'x', 253);
    longest[253] = '\0';
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const cfo_cert_facts_t *facts;
        cfo_pem_t cert;

        assert_int_equal(
            cfo_pki_fallback_cert(pool, fb, rows[i].hostname, APR_NOW, &cert),
            0);
        assert_int_equal(
            cfo_pki_pair_matches(cert.data, cert.len, key->data, key->len), 1);
        facts = cfo_pki_facts(pool, cert.data, cert.len, 1);
        assert_int_equal(facts->hostnames->nelts, rows[i].names);
        if (rows[i].names) {
            assert_string_equal(
                APR_ARRAY_IDX(facts->hostnames, 0, const char *),
                rows[i].hostname);
        }
        assert_true(facts->not_before == APR_NOW - apr_time_from_sec(86400));
        assert_true(facts->not_after ==
                    APR_NOW + apr_time_from_sec(13 * 86400));
        assert_string_equal(facts->key, "EC P-256");
        is_whole(&cert, rows[i].names && rows[i].hostname != longest);
        assert_int_equal(cfo_pki_is_origin_ca(roots, cert.data, cert.len), 0);
    }
    assert_int_equal(
        cfo_pki_fallback_cert(pool, fb, "a.b", 0, (cfo_pem_t[1]){{NULL, 0}}),
        0);
}

/* ---- OpenSSL's error queue belongs to mod_ssl as well ---- */

static void error_queue_is_left_alone(void **state)
{
    cfo_pem_t rubbish = {"-----BEGIN CERTIFICATE-----\nAA", 29}, key, out;
    const cfo_cert_facts_t *facts;
    const char *spki;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        ERR_clear_error();
        if (i) {
            ERR_raise(ERR_LIB_USER, 42); /* somebody else's */
        }
        cfo_pki_facts(pool, rubbish.data, rubbish.len, 0);
        cfo_pki_facts(pool, rubbish.data, rubbish.len, 1);
        cfo_pki_facts(pool, our_key.data, our_key.len, 0);
        cfo_pki_key_spki(pool, &rubbish, &spki);
        cfo_pki_make(pool, CFO_ORIGIN_ECC, mc_list(pool, A), &key, &out,
                     &spki);
        cfo_pki_pair_matches(rubbish.data, rubbish.len, "x", 1);
        cfo_pki_roots(pool, rubbish.data, rubbish.len);
        cfo_pki_is_origin_ca(roots, rubbish.data, rubbish.len);
        cfo_pki_check(pool, rubbish.data, rubbish.len, &rubbish,
                      mc_list(pool, A), 7, roots, APR_NOW, &facts);
        if (i) {
            assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), 42);
            ERR_get_error();
        }
        assert_int_equal(ERR_peek_error(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_with_is_of_one_key),
        cmocka_unit_test(wipe_leaves_nothing),
        cmocka_unit_test(spki_is_the_same_for_key_and_certificate),
        cmocka_unit_test(pairs),
        cmocka_unit_test(csr_says_what_is_wanted),
        cmocka_unit_test(a_csr_is_made_again),
        cmocka_unit_test(facts_of_a_certificate),
        cmocka_unit_test(fingerprint_is_of_the_der),
        cmocka_unit_test(type_follows_the_key),
        cmocka_unit_test(texts_strict_and_not),
        cmocka_unit_test(named_checks),
        cmocka_unit_test(grace_on_not_before),
        cmocka_unit_test(rubbish_is_a_parse_fault),
        cmocka_unit_test(der_is_exact),
        cmocka_unit_test(a_zero_byte_in_a_name_is_refused),
        cmocka_unit_test(origin_ca_is_told_from_others),
        cmocka_unit_test(roots_are_whole_or_none),
        cmocka_unit_test(fallback_is_a_pair_for_any_name),
        cmocka_unit_test(error_queue_is_left_alone),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
