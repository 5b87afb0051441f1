/* SPDX-License-Identifier: Apache-2.0 */
/* httpd.conf -> configuration. One struct with an explicit "unset", one
 * merge, setters of a few lines. Besides its own directives the module also
 * listens to three of others (SSLEngine, ServerName, mod_ssl's certificate
 * lines): httpd calls every module that names a directive, so this only
 * takes notes and the owner still acts. */
#include "directives_parts.h"

/* What is in force when nothing is said. */
#define ROOTS CFO_DATADIR "/origin_ca_roots.pem"
#define RENEW_DAYS 30
#define WARN_DAYS 14
#define WAIT_SECONDS 10
#define INTERVAL_SECONDS 60
#define CONCURRENT 16

cfo_server_conf_t *cfo_directives_of(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &cforigin_module);
}

static cfo_global_t *global_defaults(apr_pool_t *p)
{
    cfo_global_t *g = apr_pcalloc(p, sizeof(*g));

    g->store = CFO_STOREDIR;
    g->libexec = CFO_LIBEXECDIR;
    g->api = CFO_API_DEFAULT;
    g->ca_root_file = ROOTS;
    g->startup_wait = apr_time_from_sec(WAIT_SECONDS);
    g->reload_interval = apr_time_from_sec(INTERVAL_SECONDS);
    g->max_concurrent = CONCURRENT;
    g->shared = apr_array_make(p, 2, sizeof(cfo_shared_t));
    return g;
}

void *cfo_directives_create(apr_pool_t *p, server_rec *s)
{
    static int order; /* httpd makes them in the order of httpd.conf, but
                       * chains them backwards */
    cfo_server_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    conf->server = s;
    conf->order = order++;
    conf->index = -1;
    conf->enabled = -1;
    conf->ssl_engine = -1;
    conf->renew_manual = -1;
    if (!s->is_virtual)
        conf->global = global_defaults(p);
    return conf;
}

/* A virtual host's own is merged once and asked for by nobody before, so it
 * is filled up in place: there may be thousands. */
void *cfo_directives_merge(apr_pool_t *p, void *basev, void *addv)
{
    const cfo_server_conf_t *base = basev;
    cfo_server_conf_t *conf = addv;

    (void)p;
#define INHERIT(field, unset)                                                 \
    do {                                                                      \
        if (conf->field == (unset))                                           \
            conf->field = base->field;                                        \
    } while (0)
    INHERIT(enabled, -1);
    INHERIT(ssl_engine, -1);
    INHERIT(token_file, NULL);
    INHERIT(zone_id, NULL);
    INHERIT(validity, 0);
    INHERIT(renew_manual, -1);
    INHERIT(renew_window, NULL);
    INHERIT(warn_window, NULL);
    INHERIT(global, NULL);
#undef INHERIT
    if (conf->request_types == 0) {
        conf->request_types = base->request_types;
        conf->first_type = base->first_type;
    }
    return conf;
}

static const cfo_ssl_line_t *line_at(const apr_array_header_t *lines, int i)
{
    return lines && i < lines->nelts ? &APR_ARRAY_IDX(lines, i, cfo_ssl_line_t)
                                     : NULL;
}

const char *cfo_directives_key_path(const cfo_server_conf_t *conf,
                                    const cfo_server_conf_t *base, int i)
{
    const cfo_ssl_line_t *line = line_at(conf->keys, i);

    if (line == NULL)
        line = line_at(base->keys, i);
    return line ? line->path
                : APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t).path;
}

cfo_settings_t cfo_directives_settings(const cfo_server_conf_t *conf)
{
    static const cfo_window_t renew = {apr_time_from_sec(RENEW_DAYS * 86400),
                                       0, 1};
    static const cfo_window_t warn = {apr_time_from_sec(WARN_DAYS * 86400), 0,
                                      1};
    cfo_settings_t settings;

    memset(&settings, 0, sizeof(settings));
    settings.request_types =
        conf->request_types ? conf->request_types : 1u << CFO_ORIGIN_ECC;
    settings.first_type =
        conf->request_types ? conf->first_type : CFO_ORIGIN_ECC;
    settings.validity = conf->validity ? conf->validity : CFO_VALIDITY_DEFAULT;
    settings.renew_manual = conf->renew_manual == 1;
    settings.renew_window = conf->renew_window ? *conf->renew_window : renew;
    settings.warn_window = conf->warn_window ? *conf->warn_window : warn;
    settings.token_file = conf->token_file;
    settings.zone_id = conf->zone_id;
    return settings;
}

#define AT(field) ((void *)APR_OFFSETOF(cfo_global_t, field))

/* Syntax and default as the manual page has them. httpd shows this with an
 * error, mod_info always. */
#define TELLS(syntax, otherwise, what) syntax " (default " otherwise "): " what

const command_rec cfo_directives[] = {
    AP_INIT_TAKE1(
        "CFOrigin", cfo_set_enabled, NULL, RSRC_CONF,
        TELLS("on|off", "off", "manage the certificate of this virtual host")),
    AP_INIT_TAKE1(
        "CFOriginTokenFile", cfo_set_token_file, NULL, RSRC_CONF,
        TELLS("path", "none; needed where a certificate is managed",
              "file with a Cloudflare API token, readable by its owner alone; "
              "each distinct file is an account of its own")),
    AP_INIT_RAW_ARGS("CFOriginCertificate", cfo_set_certificate, NULL,
                     RSRC_CONF,
                     TELLS("name host...", "none",
                           "one certificate shared by every managed virtual "
                           "host whose names it covers")),
    AP_INIT_RAW_ARGS("CFOriginHostnames", cfo_set_hostnames, NULL, RSRC_CONF,
                     TELLS("host...", "ServerName and ServerAlias",
                           "the names on this virtual host's certificate")),
    AP_INIT_TAKE_ARGV("CFOriginRequestType", cfo_set_request_type, NULL,
                      RSRC_CONF,
                      TELLS("origin-ecc|origin-rsa...", "origin-ecc",
                            "a P-256 key, an RSA key of 2048 bits, or both")),
    AP_INIT_TAKE1(
        "CFOriginValidity", cfo_set_validity, NULL, RSRC_CONF,
        TELLS("days", APR_STRINGIFY(CFO_VALIDITY_DEFAULT), CFO_VALIDITIES)),
    AP_INIT_TAKE1("CFOriginRenewMode", cfo_set_renew_mode, NULL, RSRC_CONF,
                  TELLS("auto|manual", "auto",
                        "manual is to watch and show, never to issue again")),
    AP_INIT_TAKE1("CFOriginRenewWindow", cfo_set_renew_window, NULL, RSRC_CONF,
                  TELLS("window", APR_STRINGIFY(RENEW_DAYS) "d",
                        "how long before its end a certificate is renewed, "
                        "such as 30d or 33%")),
    AP_INIT_TAKE1("CFOriginWarnWindow", cfo_set_warn_window, NULL, RSRC_CONF,
                  TELLS("window", APR_STRINGIFY(WARN_DAYS) "d",
                        "how long before its end a certificate is told to be "
                        "expiring, such as 14d or 10%")),
    AP_INIT_TAKE1("CFOriginStartupWait", cfo_set_startup_wait, NULL, RSRC_CONF,
                  TELLS("time", APR_STRINGIFY(WAIT_SECONDS) "s",
                        "how long a start waits for certificates, 0 to 60s")),
    AP_INIT_TAKE1("CFOriginReload", cfo_set_reload, NULL, RSRC_CONF,
                  TELLS("auto|off", "auto",
                        "off is only to tell that a reload is wanted")),
    AP_INIT_TAKE1("CFOriginReloadInterval", cfo_set_reload_interval, NULL,
                  RSRC_CONF,
                  TELLS("time", APR_STRINGIFY(INTERVAL_SECONDS) "s",
                        "least time between two reloads of its own")),
    AP_INIT_TAKE1(
        "CFOriginStoreDir", cfo_set_path, AT(store), RSRC_CONF,
        TELLS("path", CFO_STOREDIR, "folder of the keys and certificates")),
    AP_INIT_TAKE_ARGV(
        "CFOriginNotifyCommand", cfo_set_notify, NULL, RSRC_CONF,
        TELLS("command", "none",
              "run for issued, renewed, expiring, errored, recovered")),
    AP_INIT_TAKE1("CFOriginRevoke", cfo_set_revoke, NULL, RSRC_CONF,
                  TELLS("off|superseded", "off",
                        "superseded is to revoke what was replaced")),
    AP_INIT_TAKE1("CFOriginPack", cfo_set_pack, NULL, RSRC_CONF,
                  TELLS("on|off", "off",
                        "virtual hosts of one account and zone share "
                        "certificates of up to 200 names")),
    AP_INIT_TAKE1("CFOriginZoneID", cfo_set_zone_id, NULL, RSRC_CONF,
                  TELLS("id", "looked up by name", "the zone's id")),
    AP_INIT_TAKE1("CFOriginAPI", cfo_set_api, NULL, RSRC_CONF,
                  TELLS("url", CFO_API_DEFAULT, "base URL of the API")),
    AP_INIT_TAKE1("CFOriginAPICAFile", cfo_set_path, AT(api_ca_file),
                  RSRC_CONF,
                  TELLS("path", "the system's",
                        "certificates trusted for the API's own TLS")),
    AP_INIT_TAKE1("CFOriginProxy", cfo_set_proxy, NULL, RSRC_CONF,
                  TELLS("url", "none", "an outgoing HTTP proxy")),
    AP_INIT_TAKE1("CFOriginMaxConcurrent", cfo_set_max_concurrent, NULL,
                  RSRC_CONF,
                  TELLS("n", APR_STRINGIFY(CONCURRENT),
                        "most API requests in flight, 1 to 256")),
    AP_INIT_TAKE1(
        "CFOriginCARootFile", cfo_set_path, AT(ca_root_file), RSRC_CONF,
        TELLS("path", ROOTS, "the roots that a certificate must chain to")),
    AP_INIT_TAKE1("CFOriginLibexecDir", cfo_set_path, AT(libexec), RSRC_CONF,
                  TELLS("path", CFO_LIBEXECDIR,
                        "folder of cforigin-keeper and cforigin-issuer")),
    AP_INIT_TAKE12("CFOriginUser", cfo_set_user, NULL, RSRC_CONF,
                   TELLS("user [group]", "httpd's User and Group",
                         "whom the issuer becomes")),

    AP_INIT_RAW_ARGS("SSLEngine", cfo_note_ssl_engine, NULL, RSRC_CONF,
                     "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_RAW_ARGS("ServerName", cfo_note_server_name, NULL, RSRC_CONF,
                     "the core's; noted by mod_cforigin"),
    AP_INIT_RAW_ARGS("SSLCertificateFile", cfo_note_cert, NULL, RSRC_CONF,
                     "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_RAW_ARGS("SSLCertificateKeyFile", cfo_note_key, NULL, RSRC_CONF,
                     "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_TAKE1(CFO_TARGET_CERT_LINE, cfo_take_cert, NULL, RSRC_CONF,
                  "not to be written: SSLCertificateFile of a managed host"),
    AP_INIT_TAKE1(CFO_TARGET_KEY_LINE, cfo_take_key, NULL, RSRC_CONF,
                  "not to be written: SSLCertificateKeyFile of such a host"),
    {NULL}};
