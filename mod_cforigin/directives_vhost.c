/* SPDX-License-Identifier: Apache-2.0 */
/* Directives that a virtual host may have, and the few steps that all setters
 * share. Only the text is judged. */
#include "directives_parts.h"

#include <apr_lib.h>
#include <http_core.h>

cfo_server_conf_t *cfo_set_conf(cmd_parms *cmd)
{
    cfo_server_conf_t *conf = cfo_directives_of(cmd->server);

    if (conf->where == NULL)
        conf->where = cfo_where(cmd->pool, cmd->directive);
    return conf;
}

const char *cfo_set_bad(cmd_parms *cmd, const char *value, const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s: \"%s\" is not allowed; %s",
                        cmd->cmd->name, value, allowed);
}

/* The server's own settings: refused inside any container. */
const char *cfo_set_server_only(cmd_parms *cmd, cfo_global_t **global)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    *global = err ? NULL : cfo_set_conf(cmd)->global;
    return err;
}

const char *cfo_set_absolute(cmd_parms *cmd, const char *value,
                             const char **path)
{
    if (*value == '\0' ||
        (*path = ap_server_root_relative(cmd->pool, value)) == NULL)
        return cfo_set_bad(cmd, value, "a path is needed");
    return NULL;
}

/* All words of a line. httpd's own splitting stops after 64, silently, and a
 * certificate has room for 200 names. */
apr_array_header_t *cfo_set_words(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));

    while (*args)
        APR_ARRAY_PUSH(words, const char *) = ap_getword_conf(p, &args);
    return words;
}

/* httpd's own flags are refused without their value, and more words after a
 * good one are not even seen. */
const char *cfo_set_switch(cmd_parms *cmd, const char *arg, int *flag)
{
    if (ap_cstr_casecmp(arg, "on") && ap_cstr_casecmp(arg, "off"))
        return cfo_set_bad(cmd, arg, "it must be on or off");
    *flag = !ap_cstr_casecmp(arg, "on");
    return NULL;
}

const char *cfo_set_enabled(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_server_conf_t *conf = cfo_set_conf(cmd);
    const char *err = cfo_set_switch(cmd, arg, &conf->enabled);

    (void)dir;
    conf->enabled_here = conf->enabled;
    return err;
}

const char *cfo_set_token_file(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return cfo_set_absolute(cmd, arg, &cfo_set_conf(cmd)->token_file);
}

const char *cfo_set_zone_id(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *c;

    (void)dir;
    for (c = arg; apr_isxdigit(*c); c++)
        ;
    if (*c != '\0' || c - arg != 32)
        return cfo_set_bad(
            cmd, arg,
            "it must be a zone's id, the 32 hexadecimal digits that "
            "the dashboard shows on the zone's overview");
    cfo_set_conf(cmd)->zone_id = arg;
    return NULL;
}

const char *cfo_set_hostnames(cmd_parms *cmd, void *dir, const char *args)
{
    cfo_server_conf_t *conf = cfo_set_conf(cmd);
    apr_array_header_t *hostnames = cfo_set_words(cmd->pool, args);

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

const char *cfo_set_request_type(cmd_parms *cmd, void *dir, int argc,
                                 char *const argv[])
{
    cfo_server_conf_t *conf = cfo_set_conf(cmd);
    unsigned types = 0;
    int i;

    (void)dir;
    for (i = 0; i < argc; i++) {
        cfo_request_type_t type;

        if (!cfo_request_type_parse(argv[i], &type) || (types & (1u << type)))
            return cfo_set_bad(
                cmd, argv[i],
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

const char *cfo_set_validity(cmd_parms *cmd, void *dir, const char *arg)
{
    char *end;
    apr_int64_t days = apr_strtoi64(arg, &end, 10);

    (void)dir;
    if (!apr_isdigit(*arg) || *end != '\0' || days > 100000 ||
        !cfo_validity_is_allowed((long)days))
        return cfo_set_bad(cmd, arg,
                           "it must be " CFO_VALIDITIES
                           " (days); the API knows no "
                           "other");
    cfo_set_conf(cmd)->validity = (int)days;
    return NULL;
}

const char *cfo_set_renew_mode(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    if (ap_cstr_casecmp(arg, "auto") && ap_cstr_casecmp(arg, "manual"))
        return cfo_set_bad(cmd, arg, "it must be auto or manual");
    cfo_set_conf(cmd)->renew_manual = !ap_cstr_casecmp(arg, "manual");
    return NULL;
}

static const char *window_of(cmd_parms *cmd, const char *arg,
                             const cfo_window_t **window)
{
    cfo_window_t value;

    if (!cfo_window_parse(arg, &value))
        return cfo_set_bad(
            cmd, arg,
            "it must be a length of time such as 30d, 12h or 90s, a "
            "bare 0, or a share of the lifetime such as 33%");
    *window = apr_pmemdup(cmd->pool, &value, sizeof(value));
    return NULL;
}

const char *cfo_set_renew_window(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return window_of(cmd, arg, &cfo_set_conf(cmd)->renew_window);
}

const char *cfo_set_warn_window(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return window_of(cmd, arg, &cfo_set_conf(cmd)->warn_window);
}
