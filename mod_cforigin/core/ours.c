/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Owners and modes of what root trusts. Looks with stat, touches nothing.
 */
#include "cforigin_ours.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

int cfo_ours_is(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static const char *folder_fault(apr_pool_t *p, const char *path, int sticky)
{
    mode_t others = S_IWOTH;
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? NULL
                   : apr_psprintf(p, "%s: %s", path, strerror(errno));
    if (!cfo_ours_is(&st))
        return apr_psprintf(p,
                            "the directory %s belongs to another user, %lu; "
                            "chown it to root",
                            path, (unsigned long)st.st_uid);
    if (st.st_gid != 0)
        others |= S_IWGRP;
    if ((st.st_mode & others) && !(sticky && (st.st_mode & S_ISVTX)))
        return apr_psprintf(p,
                            "others can write the directory %s; chmod it to "
                            "0755",
                            path);
    return NULL;
}

static const char *faults_above(apr_pool_t *p, const char *path, int sticky)
{
    char *at = apr_pstrdup(p, path);
    const char *fault = NULL;
    char *slash;

    while (!fault && at[1] && (slash = strrchr(at, '/')) != NULL) {
        slash[slash == at] = '\0';
        fault = folder_fault(p, at, sticky);
        sticky = 1;
    }
    return fault;
}

/* Where the part of a path that is there leads. */
static int resolve(apr_pool_t *p, const char *path, char real[PATH_MAX])
{
    char *at = apr_pstrdup(p, path);
    char *slash;

    while (realpath(at, real) == NULL) {
        slash = strrchr(at, '/');
        if (errno != ENOENT || slash == NULL || slash == at)
            return 0;
        *slash = '\0';
    }
    return 1;
}

const char *cfo_ours_fault_above(apr_pool_t *p, const char *path, int sticky)
{
    const char *fault = faults_above(p, path, sticky);
    char real[PATH_MAX];

    if (!fault && resolve(p, path, real))
        fault = faults_above(p, real, sticky);
    return fault;
}

const char *cfo_ours_token_fault(apr_pool_t *p, const char *path,
                                 const struct stat *st, int user, int issuer)
{
    int owner = (int)st->st_uid;

    if (geteuid() != 0 || owner == 0 || (owner != user && owner != issuer))
        return NULL;
    return apr_psprintf(p,
                        "belongs to user %lu, %s, so the token is no secret "
                        "from it; chown root %s",
                        (unsigned long)st->st_uid,
                        owner == user ? "as whom httpd serves requests"
                                      : "whom cforigin-issuer becomes",
                        path);
}
