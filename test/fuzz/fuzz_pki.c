/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Texts of strangers through the pki room: certificates, keys and roots, as a
 * file of an administrator's or an answer of the API could hold them.
 *
 *   clang -fsanitize=fuzzer,address,undefined … fuzz_pki.c and the core rooms
 */
#include <stdint.h>
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "cforigin_pki.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *top;
static cfo_pem_t our_key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *spki;
    cfo_pem_t csr;

    (void)argc;
    (void)argv;
    apr_initialize();
    apr_pool_create(&top, NULL);
    cfo_pki_make(top, CFO_ORIGIN_ECC,
                 apr_array_make(top, 0, sizeof(const char *)), &our_key, &csr,
                 &spki);
    return 0;
}

static void need(int condition)
{
    if (!condition) {
        __builtin_trap();
    }
}

/* The bytes as DER: mutations of base64 alone seldom get that far. */
static const char *as_pem(apr_pool_t *p, const uint8_t *data, size_t size)
{
    unsigned char *base64 = apr_palloc(p, size * 4 / 3 + 8);

    EVP_EncodeBlock(base64, data, (int)size);
    return apr_pstrcat(p, "-----BEGIN CERTIFICATE-----\n", base64,
                       "\n-----END CERTIFICATE-----\n", NULL);
}

static void run(apr_pool_t *p, const char *text, size_t size)
{
    const cfo_cert_facts_t *strict, *facts, *paired, *checked;
    apr_array_header_t *names;
    cfo_roots_t *roots;
    cfo_result_t result;
    const char *spki;
    cfo_pem_t key;
    int matches;

    strict = cfo_pki_facts(p, text, size, 1);
    facts = cfo_pki_facts(p, text, size, 0);
    paired = cfo_pki_pair(p, text, size, text, size, &matches);
    need((paired != NULL) == (facts != NULL));
    need(!strict || strlen(strict->sha256) == 64);
    need(matches == cfo_pki_pair_matches(text, size, text, size));
    roots = cfo_pki_roots(p, text, size);
    cfo_pki_is_origin_ca(roots, text, size);
    names = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(names, const char *) = "a.example.com";
    result = cfo_pki_check(p, text, size, &our_key, names, 90, roots,
                           apr_time_from_sec(1795000000), &checked);
    need(result.kind == CFO_CHECK && result.message);
    key.data = apr_pstrmemdup(p, text, size);
    key.len = size;
    need(cfo_pki_key_spki(p, &key, &spki) != APR_SUCCESS ||
         strlen(spki) == 64);
    need(ERR_peek_error() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *pem;
    apr_pool_t *p;

    apr_pool_create(&p, top);
    run(p, apr_pstrmemdup(p, (const char *)data, size), size);
    pem = as_pem(p, data, size);
    run(p, pem, strlen(pem));
    apr_pool_destroy(p);
    return 0;
}
