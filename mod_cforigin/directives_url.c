/* SPDX-License-Identifier: Apache-2.0 */
/* The directives that hold a URL. Only the text is judged: what curl could
 * not use is told here, not by the first request. */
#include "directives_parts.h"

#include <apr_lib.h>
#include <apr_uri.h>
#include <arpa/inet.h>
#include <stdlib.h>

/* As a message may show it: without the password that stands before the @. */
static const char *without_user(apr_pool_t *p, const char *url)
{
    const char *at = strrchr(url, '@');
    apr_size_t scheme = strcspn(url, ":@");

    scheme = strncmp(url + scheme, "://", 3) ? 0 : scheme + 3;
    return at ? apr_pstrcat(p, apr_pstrmemdup(p, url, scheme), "***", at, NULL)
              : url;
}

/* Names in other scripts are left to curl. */
static int is_host(const char *host)
{
    const char *c;

    for (c = host; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("-._", *c) && !((unsigned)*c & 0x80))
            return 0;
        if (*c == '.' && (c == host || c[-1] == '.'))
            return 0;
    }
    return c > host;
}

static int is_ipv6(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET6, host, address) == 1;
}

static int is_port(const char *text)
{
    apr_size_t digits = strspn(text, "0123456789");

    long port = strtol(text, NULL, 10);

    return digits > 0 && digits <= 5 && text[digits] == '\0' && port >= 1 &&
           port <= 65535;
}

/* What is wrong with its host and port, or NULL. */
static const char *url_fault(apr_pool_t *p, const char *url, apr_uri_t *uri)
{
    const char *c, *host;
    apr_status_t rv = apr_uri_parse(p, url, uri);

    for (c = url; *c && *c != ' ' && !apr_iscntrl(*c); c++)
        ;
    if (*c)
        return "there must be no blank in it";
    host = uri->hostinfo ? uri->hostinfo : "";
    if (strrchr(host, '@'))
        host = strrchr(host, '@') + 1;
    if (uri->port_str ? !is_port(uri->port_str)
                      : rv != APR_SUCCESS && *host != '[')
        return "its port must be a number from 1 to 65535";
    if (rv != APR_SUCCESS || uri->hostname == NULL ||
        (*host == '[' ? !is_ipv6(uri->hostname) : !is_host(uri->hostname)))
        return "it names no host; that is a name, or an address, an IPv6 one "
               "as in https://[2001:db8::1]:8443/";
    return NULL;
}

/* The token goes there: only TLS, but for a test on this very machine. */
static int is_loopback(const char *host)
{
    return host && (!strcmp(host, "localhost") || !strcmp(host, "127.0.0.1") ||
                    !strcmp(host, "::1"));
}

const char *cfo_set_api(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);
    const char *shown = without_user(cmd->pool, arg);
    apr_size_t len = strlen(arg);
    apr_uri_t uri;

    (void)dir;
    if (err)
        return err;
    err = url_fault(cmd->pool, arg, &uri);
    if (strncmp(arg, "https://", 8) &&
        (strncmp(arg, "http://", 7) || !is_loopback(uri.hostname)))
        return cfo_set_bad(
            cmd, shown,
            "it must be an https:// URL, such as " CFO_API_DEFAULT
            "; the token is sent there");
    if (strpbrk(arg, "@?#"))
        return cfo_set_bad(cmd, shown,
                           "it must be a plain URL without user or query");
    if (err)
        return cfo_set_bad(cmd, shown, err);
    while (len > 0 && arg[len - 1] == '/')
        len--;
    global->api = apr_pstrmemdup(cmd->pool, arg, len);
    return NULL;
}

const char *cfo_set_proxy(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);
    const char *shown = without_user(cmd->pool, arg);
    apr_uri_t uri;

    (void)dir;
    if (err)
        return err;
    if (strncmp(arg, "http://", 7) && strncmp(arg, "https://", 8))
        return cfo_set_bad(cmd, shown,
                           "it must be the URL of an HTTP proxy, such as "
                           "http://proxy.example.net:3128");
    err = url_fault(cmd->pool, arg, &uri);
    if (err)
        return cfo_set_bad(cmd, shown, err);
    global->proxy = arg;
    return NULL;
}
