/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What came of a thing that was tried: kinds, and the one table that says
 * what each of Cloudflare's codes means and what to do about it.
 *
 * Pure: touches nothing but the pool it is given.
 */
#include "cforigin_result.h"
#include "cforigin_utf8.h"

#include <apr_strings.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

/* The longest message that is kept: long enough for the longest sentence of
 * the API with a hostname in it, short enough for a log line. */
#define MESSAGE_MAX 1000

static const char *const kind_words[] = {
    "ok", "transient", "permanent", "rate-limited", "auth", "check", "local"};

#define KINDS ((int)(sizeof(kind_words) / sizeof(kind_words[0])))

#define TOKEN_ADVICE                                                          \
    "Create an API token with the permission Zone / SSL and Certificates / "  \
    "Edit for the zones of these hostnames, and put it into the token file."
#define LATER_ADVICE                                                          \
    "Nothing to do: this is a fault on Cloudflare's side that passes, and "   \
    "it is tried again by itself."
#define REPORT_ADVICE                                                         \
    "Report this to the makers of mod_cforigin: the module sent a request "   \
    "that it should not have sent."
#define KEYLESS_ADVICE                                                        \
    "Check CFOriginAPI: this answer belongs to Cloudflare's Keyless SSL, "    \
    "which mod_cforigin does not ask for."
#define RATE_ADVICE                                                           \
    "Nothing to do: the account waits as long as Cloudflare said; if it "     \
    "happens often, look for other programs that use the same account."

typedef struct meaning_t {
    int number; /* a code of the API's, or an HTTP status */
    cfo_kind_t kind;
    const char *sentence;
    const char *advice;
} meaning_t;

static const meaning_t codes[] = {
    {1000, CFO_TRANSIENT, "the API met errors", LATER_ADVICE},
    {1001, CFO_AUTH, "the request had no Authorization header",
     "Check the token file, and that no proxy on the way removes the "
     "Authorization header."},
    {1002, CFO_PERMANENT, "request_type is not supported",
     "Set CFOriginRequestType to origin-ecc or origin-rsa."},
    {1003, CFO_PERMANENT, "the request's contents could not be read",
     "Check what stands between this server and the API (CFOriginProxy, a "
     "firewall): the request arrived incomplete."},
    {1004, CFO_PERMANENT, "the request's JSON could not be parsed",
     "Check what stands between this server and the API (CFOriginProxy, a "
     "firewall): the request arrived changed."},
    {1005, CFO_PERMANENT, "too many hostnames for one certificate",
     "Name fewer hosts in this vhost, or share them over several "
     "certificates with CFOriginCertificate and wildcards."},
    {1006, CFO_PERMANENT, "hostnames were given twice",
     "Remove the hostnames that are written twice in this vhost."},
    {1007, CFO_PERMANENT, "the CSR was parsed as empty", REPORT_ADVICE},
    {1008, CFO_TRANSIENT, "the API could not ask its CA", LATER_ADVICE},
    {1009, CFO_PERMANENT, "requested_validity is not permitted",
     "Set CFOriginValidity to " CFO_VALIDITIES "."},
    {1010, CFO_PERMANENT, "a hostname was refused",
     "Check that the hostname's zone is active in the account of this token "
     "and that the token covers it; a new zone may need half an hour, and a "
     "token owned by a user needs API Access for that member."},
    {1011, CFO_PERMANENT, "the CSR could not be parsed", REPORT_ADVICE},
    {1012, CFO_PERMANENT, "a zone id is missing",
     "Set CFOriginZoneID, or give the token the permission Zone / Zone / "
     "Read so that the zone can be looked up."},
    {1013, CFO_PERMANENT, "a certificate's serial number is missing",
     REPORT_ADVICE},
    {1014, CFO_PERMANENT, "the certificate is revoked already",
     "Nothing to do: the certificate had been revoked before."},
    {1016, CFO_AUTH, "the user is not authorized to do this", TOKEN_ADVICE},
    {1100, CFO_TRANSIENT, "the certificate could not be stored at Cloudflare",
     LATER_ADVICE},
    {1101, CFO_TRANSIENT, "the certificate could not be read at Cloudflare",
     LATER_ADVICE},
    {1200, CFO_TRANSIENT, "the CA's request could not be made", LATER_ADVICE},
    {1201, CFO_TRANSIENT, "the CA could not sign", LATER_ADVICE},
    {1300, CFO_PERMANENT, "a fault of Keyless SSL", KEYLESS_ADVICE},
    {1301, CFO_PERMANENT, "a fault of Keyless SSL", KEYLESS_ADVICE},
    {1302, CFO_PERMANENT, "a fault of Keyless SSL", KEYLESS_ADVICE},
    {1303, CFO_PERMANENT, "a fault of Keyless SSL", KEYLESS_ADVICE},
    {6003, CFO_AUTH, "the request's headers are invalid",
     "Check that the token file holds the API token and nothing else: the "
     "API can't read it as a token."},
    {6102, CFO_AUTH, "the X-Auth-Email header is malformed", TOKEN_ADVICE},
    {6103, CFO_AUTH, "the X-Auth-Key header is malformed", TOKEN_ADVICE},
    {6111, CFO_AUTH, "the Authorization header is malformed",
     "Check that the token file holds the API token and nothing else: the "
     "API can't read it as a token."},
    {7003, CFO_PERMANENT, "the API has no such address",
     "Check CFOriginAPI: it should end in /client/v4."},
    {9109, CFO_AUTH, "the token may not be used for this, or not from here",
     "Check the token's client IP address filter, its expiry and its zones "
     "in Cloudflare's dashboard."},
    {10000, CFO_AUTH, "authentication error",
     "Check that the token is active and has the permission Zone / SSL and "
     "Certificates / Edit for the zones of these hostnames."}};

/* What an HTTP status says when no code that we know came with it. */
static const meaning_t statuses[] = {
    {400, CFO_TRANSIENT, "the API refused the request and did not say why",
     "Check that CFOriginAPI is Cloudflare's API; it is tried again by "
     "itself."},
    {401, CFO_AUTH, "the API does not accept the token", TOKEN_ADVICE},
    {403, CFO_AUTH, "the API does not allow this",
     "Check the token's permissions; if the text is not the API's own, "
     "something on the way (a firewall, a proxy, Cloudflare's edge) blocks "
     "this server."},
    {404, CFO_TRANSIENT, "the API has no such address",
     "Check CFOriginAPI: it should end in /client/v4."},
    {405, CFO_TRANSIENT, "the API does not know this method here",
     "Check CFOriginAPI and CFOriginProxy: something else than Cloudflare's "
     "API answers there."},
    {407, CFO_TRANSIENT, "the proxy wants a user name and password",
     "Write the proxy's user name and password into CFOriginProxy."},
    {413, CFO_TRANSIENT, "the request is too large",
     "Check what stands between this server and the API: something refuses "
     "a request of this size."},
    {415, CFO_TRANSIENT, "the API does not take this Content-Type",
     "Check what stands between this server and the API: something changes "
     "the request's Content-Type."},
    {429, CFO_RATE_LIMITED, "too many requests for this account",
     RATE_ADVICE}};

static const meaning_t *find(const meaning_t *table, size_t rows, int number)
{
    for (size_t i = 0; i < rows; i++) {
        if (table[i].number == number) {
            return &table[i];
        }
    }
    return NULL;
}

#define FIND(table, number)                                                   \
    find(table, sizeof(table) / sizeof((table)[0]), number)

const char *cfo_kind_word(cfo_kind_t kind)
{
    if ((int)kind < 0 || (int)kind >= KINDS) {
        return "local";
    }
    return kind_words[kind];
}

int cfo_kind_parse(const char *word, cfo_kind_t *kind)
{
    for (int i = 0; word && i < KINDS; i++) {
        if (!strcmp(word, kind_words[i])) {
            *kind = (cfo_kind_t)i;
            return 1;
        }
    }
    return 0;
}

/* 1010 wraps whatever went wrong while Cloudflare validated the name, its own
 * network errors included. None of these texts can be part of a hostname. */
static int tells_of_a_network(const char *message)
{
    static const char *const signs[] = {"://",
                                        "read tcp",
                                        "dial tcp",
                                        "write tcp",
                                        "connection re",
                                        "i/o timeout",
                                        "broken pipe",
                                        "unexpected eof",
                                        ": eof",
                                        "no such host",
                                        "deadline exceeded",
                                        "tls handshake",
                                        "context canceled",
                                        "internal server error",
                                        "service unavailable"};

    for (size_t i = 0; message && i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (strcasestr(message, signs[i])) {
            return 1;
        }
    }
    return 0;
}

cfo_kind_t cfo_result_classify(int http, int code, const char *message)
{
    const meaning_t *known = FIND(codes, code);
    const meaning_t *status = FIND(statuses, http);

    if (http == 429) {
        return CFO_RATE_LIMITED;
    }
    if (code == 1000 && (http == 401 || http == 403)) {
        return CFO_AUTH; /* the same code says "Invalid API Token" there */
    }
    if (code == 1010 && tells_of_a_network(message)) {
        return CFO_TRANSIENT;
    }
    if (code == 1101 && http == 404) {
        return CFO_PERMANENT; /* no such certificate, rather than a fault */
    }
    if (known) {
        return known->kind;
    }
    if (code != 0 && http >= 400 && http < 500 && http != 401 && http != 403 &&
        http != 408 && http != 409) {
        return CFO_PERMANENT;
    }
    return status ? status->kind : CFO_TRANSIENT;
}

static const char *advice_by_status(int http, cfo_kind_t kind)
{
    const meaning_t *status = FIND(statuses, http);

    if (status && http != 400) {
        return status->advice;
    }
    if (kind == CFO_PERMANENT) {
        return "Read the API's message: the same request would be refused "
               "again, so the configuration or the zone has to change.";
    }
    if (kind == CFO_AUTH && http == 0) { /* nobody was asked yet */
        return "Put an API token with the permission Zone / SSL and "
               "Certificates / Edit for the zones of these hostnames into the "
               "token file, and nothing else.";
    }
    if (kind == CFO_AUTH) {
        return TOKEN_ADVICE;
    }
    if (http == 0) {
        return "Check that this server reaches the API: name resolution, "
               "firewall, CFOriginProxy, CFOriginAPICAFile; it is tried "
               "again by itself.";
    }
    if (http >= 300 && http < 400) {
        return "Check CFOriginAPI: the address redirects, and redirects are "
               "not followed.";
    }
    return status ? status->advice : LATER_ADVICE;
}

const char *cfo_result_advice(const cfo_result_t *result)
{
    const meaning_t *known = FIND(codes, result->code);

    switch (result->kind) {
    case CFO_OK:
        return NULL;
    case CFO_RATE_LIMITED:
        return RATE_ADVICE;
    case CFO_CHECK:
        return "Do not use this certificate: the API answered with one that "
               "Full (strict) would refuse; check CFOriginAPI and "
               "CFOriginCARootFile.";
    case CFO_LOCAL:
        return "Mend what the message names on this machine; it is tried "
               "again by itself.";
    default:
        break;
    }
    if (known && known->kind == result->kind) {
        return known->advice;
    }
    if (result->code == 1010) {
        return LATER_ADVICE; /* the transient one */
    }
    if (result->code == 1101) {
        return "Nothing to do: Cloudflare does not know this certificate.";
    }
    return advice_by_status(result->http, result->kind);
}

const char *cfo_result_remedy(int err)
{
    static const struct {
        int err;
        const char *remedy;
    } rows[] = {
        {ENOSPC, "; make room on its file system"},
        {EDQUOT, "; make room, or raise the quota"},
        {EROFS, "; mount its file system read-write"},
        {EACCES, "; check owner and mode of it and of the folders above it, "
                 "and what AppArmor or SELinux allows"},
        {EPERM, "; check its owner and attributes (lsattr), and what AppArmor "
                "or SELinux allows"},
        {EIO, "; check the disk, the kernel's log says more"},
        {EMFILE, "; raise the limit of open files (ulimit -n, LimitNOFILE)"},
        {ENFILE, "; raise the system's limit of open files (fs.file-max)"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].err == err) {
            return rows[i].remedy;
        }
    }
    return "";
}

cfo_result_t cfo_result_ok(void)
{
    cfo_result_t result = {CFO_OK, 0, 0, NULL, NULL, -1, 0};

    return result;
}

cfo_result_t cfo_result_make(apr_pool_t *p, cfo_kind_t kind, const char *fmt,
                             ...)
{
    cfo_result_t result = cfo_result_ok();
    const char *text;
    va_list args;

    va_start(args, fmt);
    text = apr_pvsprintf(p, fmt, args);
    va_end(args);
    result.kind = kind;
    result.message = cfo_text_clean(p, text, strlen(text), MESSAGE_MAX);
    return result;
}

const char *cfo_text_clean(apr_pool_t *p, const char *text, apr_size_t len,
                           apr_size_t max)
{
    static const char dots[] = "\xe2\x80\xa6";
    const apr_size_t room = max < 3 ? 0 : max - 3;
    apr_size_t in = 0, out = 0, cut = 0;
    char *clean;

    if (!text) {
        return NULL;
    }
    clean = apr_palloc(p, (len < max ? len : max) + 1);
    while (in < len) {
        apr_uint32_t point;
        apr_size_t n = cfo_utf8_read(text + in, len - in, &point);
        int keep = n > 0 && !cfo_utf8_is_control(point);
        apr_size_t add = keep ? n : 1;

        if (out + add > max) {
            out = cut;
            memcpy(clean + out, dots, max < 3 ? 0 : 3);
            out += max < 3 ? 0 : 3;
            break;
        }
        if (keep) {
            memcpy(clean + out, text + in, n);
        }
        else {
            clean[out] = '?';
        }
        in += n > 0 ? n : 1;
        out += add;
        cut = out <= room ? out : cut;
    }
    clean[out] = '\0';
    return clean;
}

static const char *meaning(const cfo_result_t *result)
{
    const meaning_t *known = FIND(codes, result->code);
    const meaning_t *status = FIND(statuses, result->http);

    return known    ? known->sentence
           : status ? status->sentence
                    : cfo_kind_word(result->kind);
}

const char *cfo_result_sentence(apr_pool_t *p, const cfo_result_t *result)
{
    const char *what = result->message ? result->message : meaning(result);
    const char *head = "";

    if (result->code && result->http) {
        head = apr_psprintf(p, "%d (HTTP %d): ", result->code, result->http);
    }
    else if (result->code) {
        head = apr_psprintf(p, "%d: ", result->code);
    }
    else if (result->http) {
        head = apr_psprintf(p, "HTTP %d: ", result->http);
    }
    return apr_pstrcat(p, head, what, result->ray ? " [ray " : "",
                       result->ray ? result->ray : "", result->ray ? "]" : "",
                       NULL);
}
