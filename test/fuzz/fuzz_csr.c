/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any lines as the hostnames of a CSR: what is made is read by OpenSSL, signed
 * by the key beside it, and asks for just these names. And any bytes as the
 * pending/csr.pem of a good key: what of it goes to the issuer is one line,
 * and arrives as it was or is refused.
 */
#include "fuzz.h"

#include <apr_file_io.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#include "../../mod_cforigin/core/store_json.h"
#include "cforigin_names.h"
#include "cforigin_wire.h"

#define NAMES_MAX 20

int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[] = "/tmp/cforigin-fuzz-XXXXXX"; /* as cfo_store_dir's */

/* ---- a CSR of our own ---- */

static void asks_for(X509_REQ *request, const apr_array_header_t *names)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *found =
        X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

    must(X509_NAME_entry_count(X509_REQ_get_subject_name(request)) == 0);
    must(sk_GENERAL_NAME_num(found) == (names->nelts ? names->nelts : -1));
    for (int i = 0; i < names->nelts; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(found, i);
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const ASN1_STRING *text = one->d.dNSName;

        must(one->type == GEN_DNS);
        must(ASN1_STRING_length(text) == (int)strlen(name));
        must(!memcmp(ASN1_STRING_get0_data(text), name, strlen(name)));
    }
    GENERAL_NAMES_free(found);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

/* Signed by the key that the hash is of. */
static void is_of_key(apr_pool_t *p, X509_REQ *request, const char *spki)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &der);

    must(X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) == 1);
    must(len > 0 && !strcmp(spki, cfo_pki_sha256(p, der, (apr_size_t)len)));
    OPENSSL_free(der);
}

static void make(apr_pool_t *p, const apr_array_header_t *names, int spelled)
{
    const char *spki = NULL, *again = NULL;
    cfo_pem_t key, csr;
    X509_REQ *request;
    BIO *bio;

    if (cfo_pki_make(p, CFO_ORIGIN_ECC, names, &key, &csr, &spki) !=
        APR_SUCCESS) {
        must(!spelled);
        return;
    }
    bio = BIO_new_mem_buf(csr.data, (int)csr.len);
    request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    must(request != NULL && BIO_eof(bio));
    asks_for(request, names);
    is_of_key(p, request, spki);
    must(cfo_pki_key_spki(p, &key, &again) == APR_SUCCESS);
    must(!strcmp(spki, again));
    X509_REQ_free(request);
    BIO_free(bio);
    must(ERR_peek_error() == 0);
}

/* ---- one that was found ---- */

static void put(const char *name, const char *bytes, size_t size)
{
    char path[80];
    FILE *out;

    apr_snprintf(path, sizeof(path), "%s/pending/%s", folder, name);
    out = fopen(path, "wb");
    must(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
}

static void look(apr_pool_t *p, const char *text, size_t size)
{
    const cfo_pending_t *found;
    cfo_request_t request = {.id = 1, .op = CFO_OP_CREATE}, *arrived;
    const char *line, *fault = NULL;

    put("csr.pem", text, size);
    found = cfo_store_pending(p, folder);
    must((found != NULL) == (size > 0));
    if (!found) {
        return;
    }
    must(found->csr.len == size && !memcmp(found->csr.data, text, size));
    request.csr = found->csr.data;
    request.hostnames = found->intent.hostnames;
    request.request_type = cfo_request_type_word(found->intent.request_type);
    request.requested_validity = found->intent.validity;
    line = cfo_wire_request(p, &request);
    must(line && !strchr(line, '\n'));
    arrived = cfo_wire_read_request(p, line, &fault);
    must(arrived ? !strcmp(arrived->csr, request.csr) : fault && *fault);
}

/* ---- */

static void clean_up(void)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    for (int i = 0; i < 3; i++) {
        static const char *const files[] = {"key.pem", "csr.pem",
                                            "intent.json"};

        unlink(apr_pstrcat(p, folder, "/pending/", files[i], NULL));
    }
    rmdir(apr_pstrcat(p, folder, "/pending", NULL));
    rmdir(folder);
    apr_pool_destroy(p);
}

/* A folder with a key and an intent that fit each other. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    cfo_intent_t intent = {.request_type = CFO_ORIGIN_ECC, .validity = 90};
    apr_array_header_t *names;
    cfo_pem_t key, csr, text;
    apr_pool_t *p;

    (void)argc;
    (void)argv;
    apr_initialize();
    apr_pool_create(&p, NULL);
    names = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(names, const char *) = "a.example.com";
    must(cfo_pki_make(p, CFO_ORIGIN_ECC, names, &key, &csr,
                      &intent.spki_sha256) == APR_SUCCESS);
    must(mkdtemp(folder) != NULL);
    must(apr_dir_make(apr_pstrcat(p, folder, "/pending", NULL),
                      APR_FPROT_OS_DEFAULT, p) == APR_SUCCESS);
    intent.hostnames = names;
    text = cfo_store_intent_print(p, &intent);
    put("key.pem", key.data, key.len);
    put("intent.json", text.data, text.len);
    apr_pool_destroy(p);
    atexit(clean_up);
    return 0;
}

static void run(apr_pool_t *p, char *text, size_t size)
{
    apr_array_header_t *names =
        apr_array_make(p, NAMES_MAX, sizeof(const char *));
    char *last = NULL, *name;
    int spelled = 1;

    look(p, text, size);
    for (name = apr_strtok(apr_pstrdup(p, text), "\n", &last);
         name && names->nelts < NAMES_MAX;
         name = apr_strtok(NULL, "\n", &last)) {
        const char *same = NULL;

        spelled &= cfo_name_spell(p, name, &same) == CFO_NAME_OK &&
                   !strcmp(name, same);
        APR_ARRAY_PUSH(names, const char *) = name;
    }
    make(p, names, spelled);
}
