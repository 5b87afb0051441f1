/* SPDX-License-Identifier: Apache-2.0 */
/* Directives of others that this module listens to. httpd calls every module
 * that names a directive: here only notes are taken, the owner still acts. */
#include "directives_parts.h"

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

/* Its one argument; NULL when it has none or more, which is for its owner to
 * tell: httpd asks him after us. */
static const char *only_word(cmd_parms *cmd, const char *args)
{
    const char *word = ap_getword_conf(cmd->pool, &args);

    return *word && !*args ? word : NULL;
}

const char *cfo_note_ssl_engine(cmd_parms *cmd, void *dir, const char *args)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);
    const char *word = only_word(cmd, args);

    (void)dir;
    if (err == NULL && word)
        cfo_directives_of(cmd->server)->ssl_engine =
            !ap_cstr_casecmp(word, "on");
    return err;
}

const char *cfo_note_server_name(cmd_parms *cmd, void *dir, const char *args)
{
    (void)dir;
    if (only_word(cmd, args))
        cfo_directives_of(cmd->server)->own_name = 1;
    return NULL;
}

static void note_line(cmd_parms *cmd, apr_array_header_t **lines,
                      const char *arg, int renamed)
{
    const char *path = ap_server_root_relative(cmd->pool, arg);
    cfo_ssl_line_t *line;

    if (*lines == NULL)
        *lines = apr_array_make(cmd->pool, 1, sizeof(cfo_ssl_line_t));
    line = apr_array_push(*lines);
    line->path = path ? path : arg;
    line->where = cfo_where(cmd->pool, cmd->directive);
    line->renamed = renamed;
}

const char *cfo_note_cert(cmd_parms *cmd, void *dir, const char *args)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);
    const char *word = only_word(cmd, args);

    (void)dir;
    if (err == NULL && word)
        note_line(cmd, &cfo_directives_of(cmd->server)->certs, word, 0);
    return err;
}

const char *cfo_note_key(cmd_parms *cmd, void *dir, const char *args)
{
    const char *err = needs_mod_ssl(cmd, cmd->cmd->name);
    const char *word = only_word(cmd, args);

    (void)dir;
    if (err == NULL && word)
        note_line(cmd, &cfo_directives_of(cmd->server)->keys, word, 0);
    return err;
}

const char cfo_target_cert_line[] = CFO_TARGET_CERT_LINE;
const char cfo_target_key_line[] = CFO_TARGET_KEY_LINE;

/* Lines that conftree.c renamed: here under the right server, macros and all.
 * The node gets its name back, so mod_info shows what was written. One that
 * somebody wrote so himself is none of ours, and no directive. */
static const char *take_line(cmd_parms *cmd, apr_array_header_t **lines,
                             const char *arg, const char *renamed,
                             const char *name)
{
    ap_directive_t *node = (ap_directive_t *)cmd->directive;

    if (node->directive != renamed)
        return apr_psprintf(cmd->pool,
                            "Invalid command '%s', write %s instead",
                            node->directive, name);
    note_line(cmd, lines, arg, 1);
    node->directive = name;
    return NULL;
}

const char *cfo_take_cert(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return take_line(cmd, &cfo_directives_of(cmd->server)->certs, arg,
                     cfo_target_cert_line, "SSLCertificateFile");
}

const char *cfo_take_key(cmd_parms *cmd, void *dir, const char *arg)
{
    (void)dir;
    return take_line(cmd, &cfo_directives_of(cmd->server)->keys, arg,
                     cfo_target_key_line, "SSLCertificateKeyFile");
}
