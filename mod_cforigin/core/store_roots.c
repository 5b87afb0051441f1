/* SPDX-License-Identifier: Apache-2.0 */
/**
 * CFOriginCARootFile, as keeper and parent read it, and what is wrong with
 * it. Reads only.
 */
#include <string.h>

#include <apr_strings.h>

#include "cforigin_store.h"

#define REINSTALL "; reinstall it, or name another one with CFOriginCARootFile"

static const char *read_fault(apr_pool_t *p, apr_status_t rv)
{
    const char *remedy = cfo_result_remedy(rv);
    char word[120];

    if (rv == APR_EGENERAL) {
        return apr_psprintf(
            p, "is no regular file, or larger than %d KiB" REINSTALL,
            CFO_FILE_MAX / 1024);
    }
    return apr_pstrcat(p,
                       "can't be read: ", apr_strerror(rv, word, sizeof(word)),
                       *remedy ? remedy : REINSTALL, NULL);
}

const cfo_roots_t *cfo_store_read_roots(apr_pool_t *p, const char *path,
                                        const char **fault)
{
    const cfo_roots_t *roots;
    cfo_pem_t text;
    apr_status_t rv = cfo_store_read_file(p, path, &text);

    *fault = NULL;
    if (rv != APR_SUCCESS) {
        *fault = read_fault(p, rv);
        return NULL;
    }
    roots = cfo_pki_roots(p, text.data, text.len);
    if (!roots) {
        *fault = strstr(text.data, "-----BEGIN CERTIFICATE-----")
                     ? "holds a certificate that can't be read" REINSTALL
                     : "holds no certificate in PEM form" REINSTALL;
    }
    return roots;
}
