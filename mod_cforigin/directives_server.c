/* SPDX-License-Identifier: Apache-2.0 */
/* Directives of the server's own scope: each refuses to stand in a container,
 * judges the text, and fills in one field. */
#include "directives_parts.h"

#include <apr_lib.h>
#include <grp.h>
#include <http_core.h>
#include <pwd.h>

#define WAIT_MAX apr_time_from_sec(60)
#define CONCURRENT_MAX 256

const char *cfo_set_certificate(cmd_parms *cmd, void *dir, const char *args)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);
    apr_array_header_t *words = cfo_set_words(cmd->pool, args);
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

static const char *duration_of(cmd_parms *cmd, const char *arg,
                               apr_interval_time_t max,
                               apr_interval_time_t *length)
{
    if (!cfo_duration_parse(arg, length))
        return cfo_set_bad(
            cmd, arg,
            "it must be a length of time such as 90s, 5m, 12h or 30d, "
            "or a bare 0");
    if (*length > max)
        return cfo_set_bad(
            cmd, arg,
            apr_psprintf(cmd->pool, "at most %" APR_TIME_T_FMT "s is possible",
                         apr_time_sec(max)));
    return NULL;
}

const char *cfo_set_startup_wait(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    return err ? err : duration_of(cmd, arg, WAIT_MAX, &global->startup_wait);
}

const char *cfo_set_reload_interval(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    return err ? err
               : duration_of(cmd, arg, apr_time_from_sec(365 * 86400),
                             &global->reload_interval);
}

const char *cfo_set_reload(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    if (ap_cstr_casecmp(arg, "auto") && ap_cstr_casecmp(arg, "off"))
        return cfo_set_bad(cmd, arg, "it must be auto or off");
    global->reload_off = !ap_cstr_casecmp(arg, "off");
    return NULL;
}

const char *cfo_set_revoke(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    if (ap_cstr_casecmp(arg, "off") && ap_cstr_casecmp(arg, "superseded"))
        return cfo_set_bad(cmd, arg, "it must be off or superseded");
    global->revoke_superseded = !ap_cstr_casecmp(arg, "superseded");
    return NULL;
}

const char *cfo_set_pack(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    return err ? err : cfo_set_switch(cmd, arg, &global->pack);
}

const char *cfo_set_notify(cmd_parms *cmd, void *dir, int argc,
                           char *const argv[])
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);
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
        return cfo_set_bad(
            cmd, argc ? argv[0] : "",
            "the command begins with an absolute path; it is run "
            "without a shell");
    global->notify = words;
    return NULL;
}

/* A path of scope S; which field is the offset in cmd->info. */
const char *cfo_set_path(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    if (err)
        return err;
    return cfo_set_absolute(
        cmd, arg,
        (const char **)(void *)((char *)global + (apr_size_t)cmd->info));
}

const char *cfo_set_max_concurrent(cmd_parms *cmd, void *dir, const char *arg)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);
    char *end;
    apr_int64_t n = apr_strtoi64(arg, &end, 10);

    (void)dir;
    if (err)
        return err;
    if (!apr_isdigit(*arg) || *end != '\0' || n < 1 || n > CONCURRENT_MAX)
        return cfo_set_bad(cmd, arg, "it must be a number from 1 to 256");
    global->max_concurrent = (int)n;
    return NULL;
}

/* A name, or # and a number, as in httpd's own User and Group.
 * @return 0 when it is a name */
static int is_number(const char *word, apr_int64_t *number)
{
    char *end;

    if (word[0] != '#' || !apr_isdigit(word[1]))
        return 0;
    *number = apr_strtoi64(word + 1, &end, 10);
    return *end == '\0' && *number < APR_INT32_MAX;
}

static const char *find_user(cmd_parms *cmd, const char *user,
                             cfo_global_t *global)
{
    const struct passwd *pw;
    apr_int64_t number;

    if (is_number(user, &number)) {
        pw = getpwuid((uid_t)number);
        global->uid = (uid_t)number;
        global->gid = pw ? pw->pw_gid : (gid_t)number;
    }
    else {
        pw = getpwnam(user);
        if (pw == NULL)
            return cfo_set_bad(cmd, user, "this machine has no such user");
        global->uid = pw->pw_uid;
        global->gid = pw->pw_gid;
    }
    if (global->uid == 0)
        return cfo_set_bad(cmd, user,
                           "the issuer speaks to the network and must "
                           "not be root");
    return NULL;
}

static const char *find_group(cmd_parms *cmd, const char *group,
                              cfo_global_t *global)
{
    const struct group *gr;
    apr_int64_t number;

    if (is_number(group, &number)) {
        global->gid = (gid_t)number;
        return NULL;
    }
    gr = getgrnam(group);
    if (gr == NULL)
        return cfo_set_bad(cmd, group, "this machine has no such group");
    global->gid = gr->gr_gid;
    return NULL;
}

const char *cfo_set_user(cmd_parms *cmd, void *dir, const char *user,
                         const char *group)
{
    cfo_global_t *global;
    const char *err = cfo_set_server_only(cmd, &global);

    (void)dir;
    if (err == NULL)
        err = find_user(cmd, user, global);
    if (err == NULL && group)
        err = find_group(cmd, group, global);
    if (err == NULL)
        global->has_user = 1;
    return err;
}
