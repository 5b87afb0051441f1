/* SPDX-License-Identifier: Apache-2.0 */
/* httpd.conf -> configuration. One struct with an explicit "unset", one
 * merge, setters of a few lines. Besides its own directives the module also
 * listens to three of others (SSLEngine, ServerName, mod_ssl's certificate
 * lines): httpd calls every module that names a directive, so this only
 * takes notes and the owner still acts. */
#include "cforigin_directives.h"
#include "cforigin_module.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <grp.h>
#include <http_core.h>
#include <pwd.h>

#define API_DEFAULT "https://api.cloudflare.com/client/v4"
#define WAIT_MAX apr_time_from_sec(60)
#define CONCURRENT_MAX 256

cfo_server_conf_t *cfo_directives_of(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &cforigin_module);
}

static cfo_global_t *global_defaults(apr_pool_t *p)
{
    cfo_global_t *g = apr_pcalloc(p, sizeof(*g));

    g->store = CFO_STOREDIR;
    g->libexec = CFO_LIBEXECDIR;
    g->api = API_DEFAULT;
    g->ca_root_file = CFO_DATADIR "/origin_ca_roots.pem";
    g->startup_wait = apr_time_from_sec(10);
    g->reload_interval = apr_time_from_sec(60);
    g->max_concurrent = 16;
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
    conf->certs = apr_array_make(p, 1, sizeof(cfo_ssl_line_t));
    conf->keys = apr_array_make(p, 1, sizeof(cfo_ssl_line_t));
    if (!s->is_virtual)
        conf->global = global_defaults(p);
    return conf;
}

void *cfo_directives_merge(apr_pool_t *p, void *basev, void *addv)
{
    const cfo_server_conf_t *base = basev;
    cfo_server_conf_t *conf = apr_pmemdup(p, addv, sizeof(*conf));

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

cfo_settings_t cfo_directives_settings(const cfo_server_conf_t *conf)
{
    static const cfo_window_t renew = {apr_time_from_sec(30 * 86400), 0, 1};
    static const cfo_window_t warn = {apr_time_from_sec(14 * 86400), 0, 1};
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

/* --- setters ------------------------------------------------------------ */

static cfo_server_conf_t *conf_of(cmd_parms *cmd)
{
    cfo_server_conf_t *conf = cfo_directives_of(cmd->server);

    if (conf->where == NULL)
        conf->where = cfo_where(cmd->pool, cmd->directive);
    return conf;
}

static const char *bad(cmd_parms *cmd, const char *value, const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s: \"%s\" is not allowed; %s",
                        cmd->cmd->name, value, allowed);
}

/* The server's own settings: refused inside any container. */
static const char *server_only(cmd_parms *cmd, cfo_global_t **global)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    *global = err ? NULL : conf_of(cmd)->global;
    return err;
}

static const char *absolute(cmd_parms *cmd, const char *value,
                            const char **path)
{
    if (*value == '\0' ||
        (*path = ap_server_root_relative(cmd->pool, value)) == NULL)
        return bad(cmd, value, "a path is needed");
    return NULL;
}

static const char *set_enabled(cmd_parms *cmd, void *dir, int flag)
{
    cfo_server_conf_t *conf = conf_of(cmd);

    (void)dir;
    conf->enabled = flag;
    conf->enabled_here = flag;
    return NULL;
}

static const char *set_token_file(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return absolute(cmd, arg, &conf_of(cmd)->token_file);
}

static const char *set_zone_id(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *c;

    (void)dir;
    for (c = arg; apr_isalnum(*c) || *c == '-' || *c == '_'; c++)
        ;
    if (*c != '\0' || c == arg || c - arg > 64)
        return bad(cmd, arg,
                   "it must be a zone's id, the 32 hexadecimal digits that "
                   "the dashboard shows on the zone's overview");
    conf_of(cmd)->zone_id = arg;
    return NULL;
}

/* All words of a line. httpd's own splitting stops after 64, silently, and a
 * certificate has room for 200 names. */
static apr_array_header_t *words_of(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));

    while (*args)
        APR_ARRAY_PUSH(words, const char *) = ap_getword_conf(p, &args);
    return words;
}

static const char *set_certificate(cmd_parms *cmd, void *dir, const char *args)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);
    apr_array_header_t *words = words_of(cmd->pool, args);
    apr_array_header_t *hostnames;
    cfo_shared_t *shared;
    int i;

    (void)dir;
    if (err)
        return err;
    if (words->nelts < 2)
        return "CFOriginCertificate: a name and at least one hostname are "
               "needed, as in \"CFOriginCertificate apps *.apps.example.org\"";
    hostnames = apr_array_make(cmd->pool, words->nelts, sizeof(const char *));
    for (i = 1; i < words->nelts; i++)
        APR_ARRAY_PUSH(hostnames, const char *) =
            APR_ARRAY_IDX(words, i, const char *);
    shared = apr_array_push(global->shared);
    shared->name = APR_ARRAY_IDX(words, 0, const char *);
    shared->hostnames = hostnames;
    shared->where = cfo_where(cmd->pool, cmd->directive);
    return NULL;
}

static const char *set_hostnames(cmd_parms *cmd, void *dir, const char *args)
{
    cfo_server_conf_t *conf = conf_of(cmd);
    apr_array_header_t *hostnames = words_of(cmd->pool, args);

    (void)dir;
    if (!cmd->server->is_virtual)
        return "CFOriginHostnames: belongs in a <VirtualHost>; it names the "
               "hostnames on that one's certificate";
    if (hostnames->nelts < 1)
        return "CFOriginHostnames: at least one hostname is needed";
    conf->hostnames =
        conf->hostnames
            ? apr_array_append(cmd->pool, conf->hostnames, hostnames)
            : hostnames;
    conf->hostnames_where = cfo_where(cmd->pool, cmd->directive);
    return NULL;
}

static const char *set_request_type(cmd_parms *cmd, void *dir, int argc,
                                    char *const argv[])
{
    cfo_server_conf_t *conf = conf_of(cmd);
    unsigned types = 0;
    int i;

    (void)dir;
    for (i = 0; i < argc; i++) {
        cfo_request_type_t type;

        if (!cfo_request_type_parse(argv[i], &type) || (types & (1u << type)))
            return bad(cmd, argv[i],
                       "it must be origin-ecc, origin-rsa, or both words");
        if (types == 0)
            conf->first_type = type;
        types |= 1u << type;
    }
    if (types == 0)
        return "CFOriginRequestType: needs origin-ecc, origin-rsa, or both";
    conf->request_types = types;
    return NULL;
}

static const char *set_validity(cmd_parms *cmd, void *dir, const char *arg)
{
    char *end;
    apr_int64_t days = apr_strtoi64(arg, &end, 10);

    (void)dir;
    if (!apr_isdigit(*arg) || *end != '\0' || days > 100000 ||
        !cfo_validity_is_allowed((long)days))
        return bad(cmd, arg,
                   "it must be " CFO_VALIDITIES " (days); the API knows no "
                   "other");
    conf_of(cmd)->validity = (int)days;
    return NULL;
}

static const char *set_renew_mode(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    if (ap_cstr_casecmp(arg, "auto") && ap_cstr_casecmp(arg, "manual"))
        return bad(cmd, arg, "it must be auto or manual");
    conf_of(cmd)->renew_manual = !ap_cstr_casecmp(arg, "manual");
    return NULL;
}

static const char *window_of(cmd_parms *cmd, const char *arg,
                             const cfo_window_t **window)
{
    cfo_window_t value;

    if (!cfo_window_parse(arg, &value))
        return bad(cmd, arg,
                   "it must be a length of time such as 30d, 12h or 90s, a "
                   "bare 0, or a share of the lifetime such as 33%");
    *window = apr_pmemdup(cmd->pool, &value, sizeof(value));
    return NULL;
}

static const char *set_renew_window(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return window_of(cmd, arg, &conf_of(cmd)->renew_window);
}

static const char *set_warn_window(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return window_of(cmd, arg, &conf_of(cmd)->warn_window);
}

static const char *duration_of(cmd_parms *cmd, const char *arg,
                               apr_interval_time_t max,
                               apr_interval_time_t *length)
{
    if (!cfo_duration_parse(arg, length))
        return bad(cmd, arg,
                   "it must be a length of time such as 90s, 5m, 12h or 30d, "
                   "or a bare 0");
    if (*length > max)
        return bad(cmd, arg,
                   apr_psprintf(cmd->pool,
                                "at most %" APR_TIME_T_FMT "s is possible",
                                apr_time_sec(max)));
    return NULL;
}

static const char *set_startup_wait(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    return err ? err : duration_of(cmd, arg, WAIT_MAX, &global->startup_wait);
}

static const char *set_reload_interval(cmd_parms *cmd, void *dir,
                                       const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    return err ? err
               : duration_of(cmd, arg, apr_time_from_sec(365 * 86400),
                             &global->reload_interval);
}

static const char *set_reload(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    if (ap_cstr_casecmp(arg, "auto") && ap_cstr_casecmp(arg, "off"))
        return bad(cmd, arg, "it must be auto or off");
    global->reload_off = !ap_cstr_casecmp(arg, "off");
    return NULL;
}

static const char *set_revoke(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    if (ap_cstr_casecmp(arg, "off") && ap_cstr_casecmp(arg, "superseded"))
        return bad(cmd, arg, "it must be off or superseded");
    global->revoke_superseded = !ap_cstr_casecmp(arg, "superseded");
    return NULL;
}

static const char *set_notify(cmd_parms *cmd, void *dir, int argc,
                              char *const argv[])
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);
    apr_array_header_t *words;
    char **split;
    int i;

    (void)dir;
    if (err)
        return err;
    words = apr_array_make(cmd->pool, argc, sizeof(const char *));
    if (argc == 1 && !apr_tokenize_to_argv(argv[0], &split, cmd->pool)) {
        for (; *split; split++)
            APR_ARRAY_PUSH(words, const char *) = *split;
    }
    for (i = 0; argc > 1 && i < argc; i++)
        APR_ARRAY_PUSH(words, const char *) = argv[i];
    if (words->nelts == 0 || APR_ARRAY_IDX(words, 0, const char *)[0] != '/')
        return bad(cmd, argc ? argv[0] : "",
                   "the command begins with an absolute path; it is run "
                   "without a shell");
    global->notify = words;
    return NULL;
}

/* A path of scope S; which field is the offset in cmd->info. */
static const char *set_path(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    return absolute(
        cmd, arg,
        (const char **)(void *)((char *)global + (apr_size_t)cmd->info));
}

/* The token goes there: only TLS, but for a test on this very machine. */
static int is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    apr_size_t i, len = strcspn(host, ":/");

    if (*host == '[')
        len = strcspn(host, "]") + 1;
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i]) == len && !strncmp(host, names[i], len))
            return 1;
    }
    return 0;
}

static const char *set_api(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);
    apr_size_t len = strlen(arg);

    (void)dir;
    if (err)
        return err;
    if (!(!strncmp(arg, "https://", 8) && arg[8] != '\0') &&
        !(!strncmp(arg, "http://", 7) && is_loopback(arg + 7)))
        return bad(cmd, arg,
                   "it must be an https:// URL, such as " API_DEFAULT
                   "; the token is sent there");
    if (strpbrk(arg, "@ ?#"))
        return bad(cmd, arg, "it must be a plain URL without user or query");
    while (len > 0 && arg[len - 1] == '/')
        len--;
    global->api = apr_pstrmemdup(cmd->pool, arg, len);
    return NULL;
}

static const char *set_proxy(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    if (!(!strncmp(arg, "http://", 7) && arg[7] != '\0') &&
        !(!strncmp(arg, "https://", 8) && arg[8] != '\0'))
        return bad(cmd, arg,
                   "it must be the URL of an HTTP proxy, such as "
                   "http://proxy.example.net:3128");
    global->proxy = arg;
    return NULL;
}

static const char *set_max_concurrent(cmd_parms *cmd, void *dir,
                                      const char *arg)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    (void)dir;
    if (err)
        return err;
    if (!apr_isdigit(*arg) || *end != '\0' || n < 1 || n > CONCURRENT_MAX)
        return bad(cmd, arg, "it must be a number from 1 to 256");
    global->max_concurrent = (int)n;
    return NULL;
}

static const char *set_user(cmd_parms *cmd, void *dir, const char *user,
                            const char *group)
{
    cfo_global_t *global;
    const char *err = server_only(cmd, &global);
    const struct passwd *pw;
    const struct group *gr;

    (void)dir;
    if (err)
        return err;
    pw = getpwnam(user);
    if (pw == NULL)
        return bad(cmd, user, "this machine has no such user");
    if (pw->pw_uid == 0)
        return bad(cmd, user,
                   "the issuer speaks to the network and must "
                   "not be root");
    global->uid = pw->pw_uid;
    global->gid = pw->pw_gid;
    global->has_user = 1;
    if (group) {
        gr = getgrnam(group);
        if (gr == NULL)
            return bad(cmd, group, "this machine has no such group");
        global->gid = gr->gr_gid;
    }
    return NULL;
}

/* --- directives of others, noted here ------------------------------------ */

/* Without mod_ssl nobody owns its directives, and our handler must not make
 * httpd believe somebody does. */
static const char *needs_mod_ssl(cmd_parms *cmd, const char *name)
{
    if (ap_find_linked_module("mod_ssl.c"))
        return NULL;
    return apr_psprintf(cmd->pool,
                        "Invalid command '%s', perhaps misspelled or defined "
                        "by a module not included in the server "
                        "configuration (mod_ssl is not loaded)",
                        name);
}

static const char *note_ssl_engine(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);

    (void)dir;
    if (err == NULL)
        cfo_directives_of(cmd->server)->ssl_engine =
            !ap_cstr_casecmp(arg, "on");
    return err;
}

static const char *note_server_name(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    (void)arg;
    cfo_directives_of(cmd->server)->own_name = 1;
    return NULL;
}

static void note_line(cmd_parms *cmd, apr_array_header_t *lines,
                      const char *arg, int renamed)
{
    cfo_ssl_line_t *line = apr_array_push(lines);
    const char *path = ap_server_root_relative(cmd->pool, arg);

    line->path = path ? path : arg;
    line->where = cfo_where(cmd->pool, cmd->directive);
    line->renamed = renamed;
}

static const char *note_cert(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);

    (void)dir;
    if (err == NULL)
        note_line(cmd, cfo_directives_of(cmd->server)->certs, arg, 0);
    return err;
}

static const char *note_key(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);

    (void)dir;
    if (err == NULL)
        note_line(cmd, cfo_directives_of(cmd->server)->keys, arg, 0);
    return err;
}

/* Lines that conftree.c renamed: here under the right server, macros and all.
 * The node gets its name back, so mod_info shows what was written. */
static const char *take_cert(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    note_line(cmd, cfo_directives_of(cmd->server)->certs, arg, 1);
    ((ap_directive_t *)cmd->directive)->directive = "SSLCertificateFile";
    return NULL;
}

static const char *take_key(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    note_line(cmd, cfo_directives_of(cmd->server)->keys, arg, 1);
    ((ap_directive_t *)cmd->directive)->directive = "SSLCertificateKeyFile";
    return NULL;
}

#define AT(field) ((void *)APR_OFFSETOF(cfo_global_t, field))

const command_rec cfo_directives[] = {
    AP_INIT_FLAG("CFOrigin", set_enabled, NULL, RSRC_CONF,
                 "on: manage the certificate of this virtual host"),
    AP_INIT_TAKE1("CFOriginTokenFile", set_token_file, NULL, RSRC_CONF,
                  "file with a Cloudflare API token, readable by its owner "
                  "alone; each distinct file is an account of its own"),
    AP_INIT_RAW_ARGS("CFOriginCertificate", set_certificate, NULL, RSRC_CONF,
                     "a name and hostnames: one certificate shared by every "
                     "managed virtual host whose names it covers"),
    AP_INIT_RAW_ARGS("CFOriginHostnames", set_hostnames, NULL, RSRC_CONF,
                     "the names on this virtual host's certificate, instead "
                     "of ServerName and ServerAlias"),
    AP_INIT_TAKE_ARGV("CFOriginRequestType", set_request_type, NULL, RSRC_CONF,
                      "origin-ecc, origin-rsa, or both"),
    AP_INIT_TAKE1("CFOriginValidity", set_validity, NULL, RSRC_CONF,
                  "days: " CFO_VALIDITIES),
    AP_INIT_TAKE1("CFOriginRenewMode", set_renew_mode, NULL, RSRC_CONF,
                  "auto, or manual: watch and show, never issue again"),
    AP_INIT_TAKE1("CFOriginRenewWindow", set_renew_window, NULL, RSRC_CONF,
                  "how long before its end a certificate is renewed: 30d or "
                  "33%"),
    AP_INIT_TAKE1("CFOriginWarnWindow", set_warn_window, NULL, RSRC_CONF,
                  "how long before its end a certificate is told to be "
                  "expiring: 14d or 10%"),
    AP_INIT_TAKE1("CFOriginStartupWait", set_startup_wait, NULL, RSRC_CONF,
                  "how long a start waits for certificates: 0 to 60s"),
    AP_INIT_TAKE1("CFOriginReload", set_reload, NULL, RSRC_CONF,
                  "auto, or off: only tell that a reload is wanted"),
    AP_INIT_TAKE1("CFOriginReloadInterval", set_reload_interval, NULL,
                  RSRC_CONF, "least time between two reloads of its own"),
    AP_INIT_TAKE1("CFOriginStoreDir", set_path, AT(store), RSRC_CONF,
                  "folder of the keys and certificates"),
    AP_INIT_TAKE_ARGV("CFOriginNotifyCommand", set_notify, NULL, RSRC_CONF,
                      "command run for issued, renewed, expiring, errored, "
                      "recovered"),
    AP_INIT_TAKE1("CFOriginRevoke", set_revoke, NULL, RSRC_CONF,
                  "off, or superseded: revoke what was replaced"),
    AP_INIT_TAKE1("CFOriginZoneID", set_zone_id, NULL, RSRC_CONF,
                  "the zone's id, if it shall not be looked up by name"),
    AP_INIT_TAKE1("CFOriginAPI", set_api, NULL, RSRC_CONF,
                  "base URL of the API"),
    AP_INIT_TAKE1("CFOriginAPICAFile", set_path, AT(api_ca_file), RSRC_CONF,
                  "certificates trusted for the API's own TLS"),
    AP_INIT_TAKE1("CFOriginProxy", set_proxy, NULL, RSRC_CONF,
                  "URL of an outgoing HTTP proxy"),
    AP_INIT_TAKE1("CFOriginMaxConcurrent", set_max_concurrent, NULL, RSRC_CONF,
                  "most API requests in flight, 1 to 256"),
    AP_INIT_TAKE1("CFOriginCARootFile", set_path, AT(ca_root_file), RSRC_CONF,
                  "the roots that a certificate must chain to"),
    AP_INIT_TAKE1("CFOriginLibexecDir", set_path, AT(libexec), RSRC_CONF,
                  "folder of cforigin-keeper and cforigin-issuer"),
    AP_INIT_TAKE12("CFOriginUser", set_user, NULL, RSRC_CONF,
                   "user and group that the issuer becomes"),

    AP_INIT_TAKE1("SSLEngine", note_ssl_engine, NULL, RSRC_CONF,
                  "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_TAKE1("ServerName", note_server_name, NULL, RSRC_CONF,
                  "the core's; noted by mod_cforigin"),
    AP_INIT_TAKE1("SSLCertificateFile", note_cert, NULL, RSRC_CONF,
                  "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_TAKE1("SSLCertificateKeyFile", note_key, NULL, RSRC_CONF,
                  "mod_ssl's; noted by mod_cforigin"),
    AP_INIT_TAKE1(CFO_TARGET_CERT_LINE, take_cert, NULL, RSRC_CONF,
                  "not to be written: SSLCertificateFile of a managed host"),
    AP_INIT_TAKE1(CFO_TARGET_KEY_LINE, take_key, NULL, RSRC_CONF,
                  "not to be written: SSLCertificateKeyFile of such a host"),
    {NULL}};
