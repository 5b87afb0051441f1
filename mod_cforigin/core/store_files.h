/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How the store reads a directory, shared by its reader and its writer: what
 * a generation's name is, where `current` points, and which of the system's
 * errors say that the disk is sick rather than that a file is bad.
 */
#ifndef CFORIGIN_STORE_FILES_H
#define CFORIGIN_STORE_FILES_H

#include <sys/stat.h>

#include "cforigin_store.h"

/** As cfo_store_read_file, and the opened file's stat. */
apr_status_t cfo_store_read_stat(apr_pool_t *p, const char *path,
                                 cfo_pem_t *text, struct stat *st);

/** The same of what was just opened; closed in the end.
 * @param fd -1: errno says why */
apr_status_t cfo_store_read_fd(apr_pool_t *p, int fd, cfo_pem_t *text,
                               struct stat *st);

/** meta.json of a generation, when it says that a check of these very bytes was
 * passed.
 * @param ptemp for its text
 * @param facts what was found then; NULL: nothing is said of these bytes */
const cfo_meta_t *cfo_store_read_checked(apr_pool_t *p, apr_pool_t *ptemp,
                                         const char *dir,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key,
                                         const cfo_cert_facts_t **facts);

/** The number a generation's name says, 0 when it is no such name. */
int cfo_store_number(const char *name);

/**
 * Where `current` points: a plain number and nothing else.
 * @param generation set on APR_SUCCESS
 * @return APR_SUCCESS, APR_ENOENT, APR_EGENERAL for one that points anywhere
 *         else or is no link, or the system's error
 */
apr_status_t cfo_store_resolve(const char *dir, int *generation);

/** As cfo_store_generations, and why the directory could not be read. */
apr_array_header_t *cfo_store_list(apr_pool_t *p, const char *dir,
                                   apr_status_t *rv);

/** Names in a directory but for those with a leading dot, sorted. */
apr_array_header_t *cfo_store_names(apr_pool_t *p, const char *dir,
                                    apr_status_t *rv);

/** The name of what says, by its time, that a revocation was refused; it
 * lies beside the generation, and goes as leftovers do. */
const char *cfo_store_refusal(apr_pool_t *p, int generation);

/** 1 when a is before b. */
int cfo_store_is_older(const struct timespec *a, const struct timespec *b);

/** <dir>/<name> */
const char *cfo_store_path(apr_pool_t *p, const char *dir, const char *name);

/** <dir>/<generation> */
const char *cfo_store_numbered(apr_pool_t *p, const char *dir, int generation);

#endif
