/* SPDX-License-Identifier: Apache-2.0 */
/**
 * HTTP by libcurl's multi interface. Touches the network and the CA file;
 * knows nothing of what the API says.
 */
#include "cforigin_http.h"
#include "cforigin_hide.h"
#include "cforigin_memory.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_SECONDS 10L
#define CALL_MS 30000L
#define HEADERS_MAX ((apr_size_t)64 * 1024)
#define RATELIMIT_MAX 1000
#define SPARE_HANDLES 64

struct cfo_http_t {
    CURLM *multi;
    const cfo_setup_t *setup;
    const char *token;
    const char *api; /* without a slash at its end */
    int is_plain;
    const char *proxy;      /* without a user; "" for none */
    const char *proxy_user; /* "user:password", or NULL */
    struct curl_slist *headers;
    struct curl_slist *headers_json;
    CURL *spare[SPARE_HANDLES];
    int spares;
    int connected; /* calls in flight that have a connection */
};

static int starts_with(const char *text, const char *start)
{
    return !strncasecmp(text, start, strlen(start));
}

/* A URL that libcurl can read, of a scheme that is ours, with a host. */
static const char *judge_url(apr_pool_t *p, const char *api)
{
    CURLU *url = curl_url();
    char *host = NULL;
    const char *fault = NULL;

    if (!starts_with(api, "https://") && !starts_with(api, "http://")) {
        fault = "begins with neither https:// nor http://";
    }
    else if (curl_url_set(url, CURLUPART_URL, api, 0) != CURLUE_OK ||
             curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        fault = "is no URL";
    }
    else if (strpbrk(api, "?#")) {
        fault = "has a query or a fragment";
    }
    curl_free(host);
    curl_url_cleanup(url);
    return fault ? apr_psprintf(p, "the API's URL \"%s\" %s", api, fault)
                 : NULL;
}

/* libcurl quotes a proxy's URL that it can't read, password included; so it
 * is told the user apart. The last @ ends the password, whatever is in it. */
static void set_proxy(cfo_http_t *http, apr_pool_t *p, const char *proxy)
{
    const char *start = strstr(proxy, "://");
    const char *user = start ? start + 3 : proxy;
    const char *at = strrchr(user, '@');

    http->proxy = proxy;
    if (at) {
        http->proxy_user = apr_pstrmemdup(p, user, (apr_size_t)(at - user));
        http->proxy = apr_pstrcat(
            p, apr_pstrmemdup(p, proxy, (apr_size_t)(user - proxy)), at + 1,
            NULL);
    }
}

cfo_http_t *cfo_http_make(apr_pool_t *p, const cfo_setup_t *setup,
                          const char *token, const char **fault)
{
    cfo_http_t *http = apr_pcalloc(p, sizeof(*http));
    apr_size_t len = strlen(setup->api);
    char *auth;

    *fault = judge_url(p, setup->api);
    if (*fault) {
        return NULL;
    }
    while (len > 0 && setup->api[len - 1] == '/') {
        len--;
    }
    http->setup = setup;
    http->api = apr_pstrmemdup(p, setup->api, len);
    http->is_plain = starts_with(http->api, "http://");
    http->token = token;
    set_proxy(http, p, setup->proxy ? setup->proxy : "");
    auth = apr_pstrcat(p, "Authorization: Bearer ", token, NULL);
    /* An empty Expect: the body goes at once, not after a second's wait. */
    http->headers = curl_slist_append(NULL, auth);
    http->headers_json = curl_slist_append(NULL, auth);
    http->headers_json = curl_slist_append(http->headers_json, "Expect:");
    http->headers_json = curl_slist_append(http->headers_json,
                                           "Content-Type: application/json");
    http->multi = curl_multi_init();
    if (!http->multi || !http->headers || !http->headers_json) {
        *fault = "libcurl has no memory";
        return NULL;
    }
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING,
                      (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      (long)setup->max_concurrent + 4);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)setup->max_concurrent);
    return http;
}

/* An easy handle, fresh or as good as fresh. */
static CURL *take_handle(cfo_http_t *http)
{
    return http->spares ? http->spare[--http->spares] : curl_easy_init();
}

/* One whose call failed is not used again: libcurl 8.14 has every further
 * call by it fail, once a body could not be rewound. */
static void give_back(cfo_http_t *http, CURL *easy, CURLcode code)
{
    if (code == CURLE_OK && http->spares < SPARE_HANDLES) {
        curl_easy_reset(easy);
        http->spare[http->spares++] = easy;
        return;
    }
    curl_easy_cleanup(easy);
}

/* ---- what libcurl calls ---- */

/* Before anything is sent, and again when libcurl takes another connection
 * because the kept-alive one was dead. */
static int note_connection(void *baton, char *to, char *from, int to_port,
                           int from_port)
{
    cfo_call_t *call = baton;

    (void)to, (void)from, (void)to_port, (void)from_port;
    call->http->connected += !call->connected;
    call->connected = 1;
    return CURL_PREREQFUNC_OK;
}

static size_t give_body(char *into, size_t size, size_t n, void *baton)
{
    cfo_call_t *call = baton;
    apr_size_t left = strlen(call->body) - call->body_at;
    apr_size_t give = left < size * n ? left : size * n;

    memcpy(into, call->body + call->body_at, give);
    call->body_at += give;
    call->sent = call->sent || give > 0;
    return give;
}

static size_t take_body(char *data, size_t size, size_t n, void *baton)
{
    cfo_call_t *call = baton;
    apr_size_t len = size * n, need = call->reply_len + len + 1;

    if (need - 1 > call->max) {
        call->too_large = 1;
        return 0;
    }
    if (need > call->reply_size) {
        apr_size_t grown = need < 4096 ? 4096 : need * 2;

        call->reply = cfo_memory_retake(call->reply, grown);
        call->reply_size = grown;
    }
    memcpy(call->reply + call->reply_len, data, len);
    call->reply_len += len;
    call->reply[call->reply_len] = '\0';
    return len;
}

/* Hidden first, cut afterwards: half a token is no longer found. */
static const char *kept(const cfo_call_t *call, const char *value,
                        apr_size_t len)
{
    char *copy = apr_pstrmemdup(call->p, value, len);

    cfo_hide(call->secret, copy, len);
    return cfo_text_clean(call->p, copy, len, 200);
}

/* Policies may stand on several lines; of all else the last one counts. */
static const char *joined(const cfo_call_t *call, const char *const *header,
                          const char *text)
{
    int is_list = header == &call->ratelimit && *header;

    return is_list && strlen(*header) < RATELIMIT_MAX
               ? apr_pstrcat(call->p, *header, ", ", text, NULL)
               : text;
}

static void keep_header(cfo_call_t *call, const char *line, apr_size_t len)
{
    const struct {
        const char *name;
        const char **value;
    } wanted[] = {{"cf-ray:", &call->ray},
                  {"date:", &call->date},
                  {"retry-after:", &call->retry_after},
                  {"ratelimit:", &call->ratelimit},
                  {"content-type:", &call->content_type}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        apr_size_t name = strlen(wanted[i].name);

        if (len > name && !strncasecmp(line, wanted[i].name, name)) {
            while (name < len && (line[name] == ' ' || line[name] == '\t')) {
                name++;
            }
            *wanted[i].value = joined(call, wanted[i].value,
                                      kept(call, line + name, len - name));
        }
    }
}

static size_t take_header(char *line, size_t size, size_t n, void *baton)
{
    cfo_call_t *call = baton;
    apr_size_t len = size * n, bare = len;

    call->header_bytes += len;
    if (call->header_bytes > HEADERS_MAX) {
        call->too_large = 1;
        return 0;
    }
    if (len > 5 && starts_with(line, "HTTP/")) {
        /* A new head: what an informational answer said is not this one's. */
        call->ray = call->date = call->retry_after = NULL;
        call->ratelimit = call->content_type = NULL;
    }
    while (bare > 0 && strchr("\r\n \t", line[bare - 1])) {
        bare--;
    }
    keep_header(call, line, bare);
    return len;
}

/* ---- a call's beginning and end ---- */

/* Where memory is refused the program ends: by this libcurl means a line that
 * is longer than any it takes. */
static int is_header_too_large(const cfo_call_t *call, CURLcode code)
{
    return code == CURLE_OUT_OF_MEMORY && call->connected;
}

static const char *fault_of(cfo_call_t *call, CURLcode code)
{
    const char *text;

    if (is_header_too_large(call, code)) {
        return "a header of the answer is larger than is taken";
    }
    if (call->too_large) {
        return apr_psprintf(call->p,
                            "the answer is larger than the %" APR_SIZE_T_FMT
                            " bytes that are taken",
                            call->header_bytes > HEADERS_MAX ? HEADERS_MAX
                                                             : call->max);
    }
    if (code == CURLE_SEND_FAIL_REWIND) {
        return "the connection was closed before the answer";
    }
    cfo_hide(call->secret, call->error, strlen(call->error));
    text = call->error[0] ? call->error : curl_easy_strerror(code);
    return cfo_text_clean(call->p, text, strlen(text), CURL_ERROR_SIZE);
}

/* The answer's, or the one proxy's that we have something to say about. */
static int status_of(CURL *easy)
{
    long status = 0, proxy = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
    return (int)(status ? status : proxy == 407 ? proxy : 0);
}

static void ended(cfo_transfer_t *transfer, CURL *easy, CURLcode code)
{
    cfo_call_t *call = (cfo_call_t *)transfer;
    cfo_http_t *http = call->http;
    char *reply;

    http->connected -= call->connected;
    call->status = status_of(easy);
    if (code != CURLE_OK) {
        call->fault = fault_of(call, code);
        call->too_large |= is_header_too_large(call, code);
        call->local = code == CURLE_SSL_CACERT_BADFILE ||
                      code == CURLE_URL_MALFORMAT ||
                      (code == CURLE_OUT_OF_MEMORY && !call->too_large) ||
                      code == CURLE_FAILED_INIT;
    }
    give_back(http, easy, code);
    reply = call->reply;
    if (reply) {
        cfo_hide(call->secret, reply, call->reply_len);
    }
    call->done(call); /* the call may be gone with its pool after this */
    free(reply);
}

static void set_tls_and_proxy(const cfo_http_t *http, CURL *easy)
{
    const cfo_setup_t *setup = http->setup;

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     http->is_plain ? "http" : "https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
    curl_easy_setopt(easy, CURLOPT_PROXYUSERPWD, http->proxy_user);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (setup->api_ca_file && setup->api_ca_file[0]) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, setup->api_ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* that file alone */
    }
}

static void set_call(cfo_call_t *call, CURL *easy)
{
    const cfo_http_t *http = call->http;

    curl_easy_setopt(easy, CURLOPT_URL,
                     apr_pstrcat(call->p, http->api, call->path, NULL));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                     call->body ? http->headers_json : http->headers);
    if (call->body) {
        /* No seek function: see the header about repeated POSTs. */
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)strlen(call->body));
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, call);
    }
    else if (strcmp(call->method, "GET")) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, note_connection);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, http->setup->user_agent);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700 /* 7.87.0 */
    /* A look-up that was given up is not waited for: who ends stdin would
     * have to wait as long. Its thread ends by itself. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     call->limit_ms > 0 && call->limit_ms < CALL_MS
                         ? call->limit_ms
                         : CALL_MS);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
}

int cfo_http_is_connected(const cfo_http_t *http)
{
    return http->connected > 0;
}

int cfo_http_add(cfo_http_t *http, CURL *easy, cfo_transfer_t *transfer)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    return curl_multi_add_handle(http->multi, easy) == CURLM_OK;
}

void cfo_http_start(cfo_http_t *http, cfo_call_t *call)
{
    CURL *easy = take_handle(http);

    call->http = http;
    call->secret = http->token;
    call->transfer.ended = ended;
    if (easy) {
        set_tls_and_proxy(http, easy);
        set_call(call, easy);
    }
    if (!easy || !cfo_http_add(http, easy, &call->transfer)) {
        curl_easy_cleanup(easy); /* NULL is none */
        call->fault = "libcurl has no memory";
        call->local = 1;
        call->done(call);
    }
}

void cfo_http_work(cfo_http_t *http)
{
    CURLMsg *message;
    int running, left;

    curl_multi_perform(http->multi, &running);
    while ((message = curl_multi_info_read(http->multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result; /* gone after the removal */
        char *transfer = NULL;

        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        curl_multi_remove_handle(http->multi, easy);
        ((cfo_transfer_t *)(void *)transfer)
            ->ended((cfo_transfer_t *)(void *)transfer, easy, code);
    }
}

void cfo_http_wait(cfo_http_t *http, struct curl_waitfd *fds, unsigned n,
                   int timeout_ms)
{
    curl_multi_poll(http->multi, fds, n, timeout_ms, NULL);
}
