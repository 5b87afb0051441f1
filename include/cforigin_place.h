/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where an administrator's path leads, judged link by link. A folder on the
 * way may be a tenant's, and whoever can make links there could have root read
 * or write any file: such a link is followed to what is that tenant's own, and
 * to nothing else. A place is an opened folder and a name in it, so nothing
 * that is moved or linked later leads anywhere else.
 */
#ifndef CFORIGIN_PLACE_H
#define CFORIGIN_PLACE_H

#include "cforigin_pki.h"

typedef struct cfo_place_t {
    int dir;          /* O_PATH; close it with cfo_place_close */
    const char *name; /* no link; there may be no such file */
} cfo_place_t;

/**
 * @param path  absolute
 * @param place set on APR_SUCCESS, else nothing is left open
 * @param link  with APR_EACCES by a link that may not be followed: the link
 *              (as it was met), else NULL
 * @return APR_SUCCESS, APR_EACCES, APR_ENOENT for a folder that is not there,
 *         or the system's error
 */
apr_status_t cfo_place_find(apr_pool_t *p, const char *path,
                            cfo_place_t *place, const char **link);

/** What is wrong with such a link on the way to path, and what to do. */
const char *cfo_place_fault(apr_pool_t *p, const char *path, const char *link);

void cfo_place_close(cfo_place_t *place);

/** As cfo_store_read_file, of what cfo_place_find finds. Neither a device nor
 * a FIFO is opened. */
apr_status_t cfo_place_read(apr_pool_t *p, const char *path, cfo_pem_t *text);

#endif
