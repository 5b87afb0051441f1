/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which certificate does a listener show to a client that asks for a name?
 * A handshake and nothing more: nothing is verified, nothing is sent. Touches
 * the network only.
 */
#include "cforigin_cloudflare.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define SERVED_SECONDS 5L

typedef struct look_t {
    cfo_transfer_t transfer; /* first: the wheel knows it by this */
    apr_pool_t *p;
    const cfo_request_t *request;
    cfo_served_done_fn *done;
    void *baton;
    struct curl_slist *connect_to;
    char error[CURL_ERROR_SIZE];
} look_t;

static const char *sha256_of_pem(apr_pool_t *p, const char *pem)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    const char *hex = NULL;

    if (x509 && X509_digest(x509, EVP_sha256(), digest, &len)) {
        hex = apr_pescape_hex(p, digest, len, 0);
    }
    X509_free(x509);
    BIO_free(bio);
    return hex;
}

/* libcurl tells the chain as lists of "Name:value"; the leaf comes first. */
static const char *leaf_sha256(apr_pool_t *p, CURL *easy)
{
    struct curl_certinfo *chain = NULL;
    struct curl_slist *line;

    curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain);
    line = chain && chain->num_of_certs > 0 ? chain->certinfo[0] : NULL;
    for (; line; line = line->next) {
        if (!strncmp(line->data, "Cert:", 5)) {
            return sha256_of_pem(p, line->data + 5);
        }
    }
    return NULL;
}

static void finish(look_t *look, const char *sha256, const char *why)
{
    cfo_result_t result = cfo_result_ok();

    if (!sha256) {
        result = cfo_result_make(look->p, CFO_TRANSIENT,
                                 "no certificate for %s from %s port %d: %s",
                                 look->request->sni, look->request->address,
                                 look->request->port, why);
    }
    look->done(look->baton, &result, sha256);
}

static void ended(cfo_transfer_t *transfer, CURL *easy, CURLcode code)
{
    look_t *look = (look_t *)transfer;
    const char *sha256 = leaf_sha256(look->p, easy);

    curl_easy_cleanup(easy);
    curl_slist_free_all(look->connect_to);
    finish(look, sha256,
           look->error[0] ? look->error : curl_easy_strerror(code));
}

/* Where a server has both types it goes by what the client can: TLS 1.2 is
 * the last one in which the ciphers say so. */
static void ask_for_type(CURL *easy, const char *request_type)
{
    cfo_request_type_t type;

    if (!request_type || !cfo_request_type_parse(request_type, &type)) {
        return;
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                     (long)CURL_SSLVERSION_TLSv1_2 |
                         (long)CURL_SSLVERSION_MAX_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST,
                     type == CFO_ORIGIN_RSA ? "aRSA+kECDHE:aRSA" : "aECDSA");
}

void cfo_served_start(cfo_http_t *http, apr_pool_t *p,
                      const cfo_request_t *request, cfo_served_done_fn *done,
                      void *baton)
{
    int is_v6 = strchr(request->address, ':') != NULL;
    look_t *look = apr_pcalloc(p, sizeof(*look));
    CURL *easy = curl_easy_init();

    look->p = p;
    look->request = request;
    look->done = done;
    look->baton = baton;
    look->transfer.ended = ended;
    look->connect_to = curl_slist_append(
        NULL, apr_psprintf(p, "::%s%s%s:%d", is_v6 ? "[" : "",
                           request->address, is_v6 ? "]" : "", request->port));
    curl_easy_setopt(
        easy, CURLOPT_URL,
        apr_psprintf(p, "https://%s:%d/", request->sni, request->port));
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, look->connect_to);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    ask_for_type(easy, request->request_type);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, SERVED_SECONDS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, look->error);
    if (!easy || !cfo_http_add(http, easy, &look->transfer)) {
        curl_easy_cleanup(easy);
        curl_slist_free_all(look->connect_to);
        finish(look, NULL, "libcurl has no memory");
    }
}
