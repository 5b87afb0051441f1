/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the directives_*.c: the setters that the table in directives.c
 * names, and the steps they share. A setter returns NULL, or the sentence
 * that `httpd -t` shows. */
#ifndef DIRECTIVES_PARTS_H
#define DIRECTIVES_PARTS_H

#include "cforigin_directives.h"
#include "cforigin_module.h"

/** The API a server speaks to when nothing is said. */
#define CFO_API_DEFAULT "https://api.cloudflare.com/client/v4"

/** The configuration of the directive's server. */
cfo_server_conf_t *cfo_set_conf(cmd_parms *cmd);
/** "Directive: "value" is not allowed; …". */
const char *cfo_set_bad(cmd_parms *cmd, const char *value,
                        const char *allowed);
/** A switch: on or off. */
const char *cfo_set_switch(cmd_parms *cmd, const char *arg, int *flag);
/** The server's own settings; an error inside any container. */
const char *cfo_set_server_only(cmd_parms *cmd, cfo_global_t **global);
/** A path, made absolute by ServerRoot. */
const char *cfo_set_absolute(cmd_parms *cmd, const char *value,
                             const char **path);
/** All words of a directive's arguments (const char *). */
apr_array_header_t *cfo_set_words(apr_pool_t *p, const char *args);

const char *cfo_set_enabled(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_token_file(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_zone_id(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_hostnames(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_set_request_type(cmd_parms *cmd, void *dir, int argc,
                                 char *const argv[]);
const char *cfo_set_validity(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_renew_mode(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_renew_window(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_warn_window(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_certificate(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_set_startup_wait(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_reload_interval(cmd_parms *cmd, void *dir,
                                    const char *arg);
const char *cfo_set_reload(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_pack(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_revoke(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_notify(cmd_parms *cmd, void *dir, int argc,
                           char *const argv[]);
const char *cfo_set_path(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_api(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_proxy(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_max_concurrent(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_set_user(cmd_parms *cmd, void *dir, const char *user,
                         const char *group);
const char *cfo_note_ssl_engine(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_note_server_name(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_note_cert(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_note_key(cmd_parms *cmd, void *dir, const char *args);
const char *cfo_take_cert(cmd_parms *cmd, void *dir, const char *arg);
const char *cfo_take_key(cmd_parms *cmd, void *dir, const char *arg);

#endif
