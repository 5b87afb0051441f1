/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Owners and modes of what root trusts. Looks with stat, touches nothing.
 */
#include "cforigin_ours.h"

#include <unistd.h>

#include <apr_strings.h>

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
