/* SPDX-License-Identifier: Apache-2.0 */
/* Is what the configuration names there? Looks, reads no secret, writes
 * nothing. */
#include "cforigin_surroundings.h"
#include "cforigin_ours.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unixd.h>
#include <grp.h>

typedef struct checker_t {
    apr_pool_t *pool;
    apr_array_header_t *faults;
} checker_t;

static void fault(checker_t *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void fault(checker_t *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    APR_ARRAY_PUSH(c->faults, const char *) = apr_pvsprintf(c->pool, fmt, ap);
    va_end(ap);
}

/* The keeper is as strict; told here so that nobody waits for it. */
static void check_token(checker_t *c, const cfo_global_t *global,
                        const char *path)
{
    int issuer = global->has_user ? (int)global->uid : -1;
    const char *owner;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        fault(c,
              "CFOriginTokenFile: %s can't be read: %s; it must hold a "
              "Cloudflare API token and belong to the user that starts "
              "httpd",
              path, strerror(errno));
        return;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        fault(c, "CFOriginTokenFile: %s is no regular file", path);
    else if (st.st_mode & 077)
        fault(c,
              "CFOriginTokenFile: %s has mode %04o, so group or others can "
              "read it; chmod 600 it",
              path, (unsigned)st.st_mode & 07777);
    else if (st.st_size == 0)
        fault(c,
              "CFOriginTokenFile: %s is empty; it must hold a Cloudflare "
              "API token",
              path);
    else if ((owner = cfo_ours_token_fault(c->pool, path, &st,
                                           (int)ap_unixd_config.user_id,
                                           issuer)) != NULL)
        fault(c, "CFOriginTokenFile: %s %s", path, owner);
    close(fd);
}

static void check_program(checker_t *c, const char *libexec, const char *name)
{
    const char *path = apr_pstrcat(c->pool, libexec, "/", name, NULL);
    struct stat st;

    if (stat(path, &st) != 0)
        fault(c,
              "CFOriginLibexecDir: the program %s is missing: %s; install "
              "it, or name the folder it is in",
              path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        fault(c,
              "CFOriginLibexecDir: %s can't be executed; its mode should "
              "be 0755",
              path);
}

static void check_roots(checker_t *c, const char *path)
{
    const char *why;

    cfo_store_read_roots(c->pool, path, &why);
    if (why)
        fault(c, "CFOriginCARootFile: %s %s", path, why);
}

/* The issuer reads it as its own user: try as that one, in a child. */
static int readable_by(const char *path, uid_t uid, gid_t gid)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int ok = setgroups(1, &gid) == 0 && setgid(gid) == 0 &&
                 setuid(uid) == 0 && open(path, O_RDONLY) >= 0;
        _exit(ok ? 0 : 1);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A bundle of many roots is larger than any file of ours. */
#define TRUST_MAX (64 * 1024 * 1024)

const char *cfo_surroundings_trust_fault(apr_pool_t *p, const char *path,
                                         int or_crl)
{
    char *text;
    struct stat st;
    ssize_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return apr_psprintf(p, "can't be read: %s", strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size > TRUST_MAX) {
        close(fd);
        return "is no regular file, or larger than 64 MiB";
    }
    text = apr_palloc(p, (apr_size_t)st.st_size + 1);
    len = pread(fd, text, (size_t)st.st_size, 0);
    close(fd);
    return len > 0 && cfo_pki_is_trust_file(text, (apr_size_t)len, or_crl)
               ? NULL
               : "holds no certificate in PEM form, or one that can't be read";
}

static void check_api_ca(checker_t *c, const cfo_global_t *global)
{
    const char *path = global->api_ca_file;
    uid_t uid = global->has_user ? global->uid : ap_unixd_config.user_id;
    gid_t gid = global->has_user ? global->gid : ap_unixd_config.group_id;
    const char *why;

    if (path == NULL)
        return;
    /* what curl would find no root in fails each request */
    why = cfo_surroundings_trust_fault(c->pool, path, 0);
    if (why)
        fault(c,
              "CFOriginAPICAFile: %s %s; it must hold the roots that the "
              "API's own certificate is signed by",
              path, why);
    else if (geteuid() == 0 && !readable_by(path, uid, gid))
        fault(c,
              "CFOriginAPICAFile: %s can't be read by user %u, whom "
              "cforigin-issuer becomes; make it and its folders readable",
              path, (unsigned)uid);
}

/* The keeper makes all that is missing on the way: the first folder that is
 * there has to let it. */
static const char *first_above(apr_pool_t *p, const char *path)
{
    char *above = apr_pstrdup(p, path);
    struct stat st;

    while (stat(above, &st) != 0 && errno == ENOENT) {
        char *slash = strrchr(above, '/');

        if (slash == NULL || slash == above)
            return "/";
        *slash = '\0';
    }
    return above;
}

static void check_store(checker_t *c, const char *path)
{
    const char *others = cfo_store_open_to_others(c->pool, path);
    const char *above;
    struct stat st;

    if (others)
        fault(c, "CFOriginStoreDir: %s", others);
    if (stat(path, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            fault(c, "CFOriginStoreDir: %s is no directory", path);
        else if (access(path, W_OK | X_OK) != 0)
            fault(c, "CFOriginStoreDir: %s can't be written: %s", path,
                  strerror(errno));
        return;
    }
    if (errno != ENOENT) {
        fault(c, "CFOriginStoreDir: %s can't be looked at: %s", path,
              strerror(errno));
        return;
    }
    above = first_above(c->pool, path);
    if (access(above, W_OK | X_OK) != 0)
        fault(c,
              "CFOriginStoreDir: %s does not exist and can't be made in "
              "%s: %s",
              path, above, strerror(errno));
}

apr_array_header_t *cfo_surroundings_check(const cfo_generation_t *gen,
                                           apr_pool_t *p)
{
    checker_t c = {p, apr_array_make(p, 4, sizeof(const char *))};
    int i;

    if (gen->plan->wanted->nelts == 0)
        return c.faults; /* nothing is managed: nothing is needed */
    for (i = 0; i < gen->plan->accounts->nelts; i++)
        check_token(
            &c, gen->global,
            APR_ARRAY_IDX(gen->plan->accounts, i, cfo_account_t).token_file);
    check_program(&c, gen->global->libexec, "cforigin-keeper");
    check_program(&c, gen->global->libexec, "cforigin-issuer");
    check_roots(&c, gen->global->ca_root_file);
    check_api_ca(&c, gen->global);
    check_store(&c, gen->global->store);
    return c.faults;
}

/* Nobody runs it before the first event, which may be years away. */
static void check_notify(checker_t *c, const apr_array_header_t *words)
{
    const char *program = words ? APR_ARRAY_IDX(words, 0, const char *) : NULL;

    if (program && access(program, X_OK) != 0)
        fault(c,
              "CFOriginNotifyCommand: %s can't be run: %s; nobody will be "
              "told of anything",
              program, strerror(errno));
}

apr_array_header_t *cfo_surroundings_warnings(const cfo_generation_t *gen,
                                              apr_pool_t *p)
{
    checker_t c = {p, apr_array_make(p, 2, sizeof(const char *))};
    const char *movable;

    if (gen->plan->wanted->nelts == 0)
        return c.faults;
    movable = cfo_store_movable_by_others(p, gen->global->store);
    if (movable)
        fault(&c, "CFOriginStoreDir: %s", movable);
    check_notify(&c, gen->global->notify);
    return c.faults;
}
