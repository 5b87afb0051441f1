/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Any lines as the hostnames of a CSR: what is made is read by OpenSSL, signed
 * by the key that it was made for, and asks for just these names. And any
 * bytes as the pending/csr.pem of that key: they are taken as they are when
 * they are its CSR, and else another is made; what goes to the issuer is one
 * line, and arrives as it was.
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
static apr_pool_t *top;
/* Whose CSR is in the corpus; of no use for anything else. */
static char key_text[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgY7EvqKUKGQqQTYQp\n"
    "ol68IVh6y3UME4Zgv2gdlncrkkahRANCAAQ9LtH7xPXeEFkErD6LhwCOrBEUzTlN\n"
    "XpDJGyZhGLgAtNl3q2mkh2V8H+rRvpGmHTGtDXtZYRbuCGEwtAh7sD8m\n"
    "-----END PRIVATE KEY-----\n";
static const cfo_pem_t our_key = {key_text, sizeof(key_text) - 1};
static const char *our_spki;

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

static void make(apr_pool_t *p, const apr_array_header_t *names, int spelled)
{
    X509_REQ *request;
    cfo_pem_t csr;
    BIO *bio;

    if (cfo_pki_csr_make(p, &our_key, names, &csr) != APR_SUCCESS) {
        must(!spelled);
        return;
    }
    bio = BIO_new_mem_buf(csr.data, (int)csr.len);
    request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    must(request != NULL && BIO_eof(bio));
    asks_for(request, names);
    must(!strcmp(cfo_pki_csr_spki(p, &csr), our_spki));
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

static void look(apr_pool_t *p, char *text, size_t size)
{
    const cfo_pem_t bytes = {text, size};
    const char *spki = cfo_pki_csr_spki(p, &bytes), *line, *fault = NULL;
    cfo_request_t request = {.id = 1, .op = CFO_OP_CREATE}, *arrived;
    const cfo_pending_t *found;

    put("csr.pem", text, size);
    found = cfo_store_pending(p, folder);
    must(found != NULL);
    must(!strcmp(cfo_pki_csr_spki(p, &found->csr), our_spki));
    must(!spki || strcmp(spki, our_spki) || !strcmp(found->csr.data, text));
    request.csr = found->csr.data;
    request.hostnames = found->intent.hostnames;
    request.request_type = cfo_request_type_word(found->intent.request_type);
    request.requested_validity = found->intent.validity;
    line = cfo_wire_request(p, &request);
    must(line && !strchr(line, '\n'));
    arrived = cfo_wire_read_request(p, line, &fault);
    must(arrived && !strcmp(arrived->csr, request.csr));
}

/* ---- */

static void clean_up(void)
{
    static const char *const left[] = {"/pending/key.pem", "/pending/csr.pem",
                                       "/pending/intent.json", "/pending", ""};

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        remove(apr_pstrcat(top, folder, left[i], NULL));
    }
}

/* A folder with a key and an intent that fit each other. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    cfo_intent_t intent = {.request_type = CFO_ORIGIN_ECC, .validity = 90};
    apr_array_header_t *names;
    cfo_pem_t text;

    (void)argc;
    (void)argv;
    apr_initialize();
    apr_pool_create(&top, NULL);
    names = apr_array_make(top, 1, sizeof(const char *));
    APR_ARRAY_PUSH(names, const char *) = "a.example.com";
    must(cfo_pki_key_spki(top, &our_key, &our_spki) == APR_SUCCESS);
    must(mkdtemp(folder) != NULL);
    must(apr_dir_make(apr_pstrcat(top, folder, "/pending", NULL),
                      APR_FPROT_OS_DEFAULT, top) == APR_SUCCESS);
    intent.hostnames = names;
    intent.spki_sha256 = our_spki;
    text = cfo_store_intent_print(top, &intent);
    put("key.pem", our_key.data, our_key.len);
    put("intent.json", text.data, text.len);
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
