/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How the writing rooms touch a disk: a file has its mode before its first
 * byte and is on the disk before it gets its name; what fails leaves nothing
 * behind and says what, where and the system's word. Keeper only.
 */
#ifndef CFORIGIN_STORE_WRITE_FILE_H
#define CFORIGIN_STORE_WRITE_FILE_H

#include <sys/types.h>

#include "cforigin_store_write.h"

/** "can't <verb> <path>: <errno's word>", and what to do about it. */
cfo_result_t cfo_disk_fault(apr_pool_t *p, const char *verb, const char *path,
                            int err);

/** The directory that a path's last name is in. */
const char *cfo_disk_folder(apr_pool_t *p, const char *path);

/** A name in dir that nobody else uses at this moment. */
const char *cfo_disk_scratch(apr_pool_t *p, const char *dir);

/** What stands in the place of something of the store's: renamed to
 * <path>.damaged, over what was called that before. */
cfo_result_t cfo_disk_aside(apr_pool_t *p, const char *path);

/** A new directory; mode whatever the umask. One that is there is fine.
 * @param aside 1: what else stands in its place is moved aside
 * @param made set to 1 when it is new (may be NULL) */
cfo_result_t cfo_disk_mkdir(apr_pool_t *p, const char *path, mode_t mode,
                            int aside, int *made);

/** <store>/certs/<folder>/<request_type>, private, made if need be. What is
 * put into it is safe after cfo_store_sync_dir. */
cfo_result_t cfo_store_make_dir(apr_pool_t *p, const char *dir);

/** fsync such a directory, and its own name and its folder's. */
cfo_result_t cfo_store_sync_dir(apr_pool_t *p, const char *dir);

/** Names that no reader of the store looks at: scratch files, what was moved
 * aside. */
apr_array_header_t *cfo_disk_leftovers(apr_pool_t *p, const char *dir);

/** Of a PEM text only the certificates, or only the private keys; empty when
 * there are none or a block is torn. Wipe the keys. */
cfo_pem_t cfo_disk_blocks(apr_pool_t *p, const cfo_pem_t *text, int keys);

/** fsync a directory. */
cfo_result_t cfo_disk_sync(apr_pool_t *p, const char *dir);

/** The same of one that is opened, with any flags. @param dir for messages */
cfo_result_t cfo_disk_sync_at(apr_pool_t *p, int fd, const char *dir);

/** Open a file that stays, made if need be; 0600 whatever the umask.
 * @return the descriptor, or -1 with errno */
int cfo_disk_open(const char *path, int flags);

/** Whom a new file belongs to. */
typedef struct cfo_disk_owner_t {
    mode_t mode;
    int keep; /* 1: uid and gid are to be set */
    uid_t uid;
    gid_t gid;
} cfo_disk_owner_t;

/** A file to be written. */
typedef struct cfo_disk_file_t {
    const char *path; /* or a name, where a folder's path is given */
    cfo_disk_owner_t owner;
    const cfo_pem_t *text;
} cfo_disk_file_t;

#define CFO_DISK_FILES_MAX 4

/** Files that were not there before, whole and fsynced, or none of them. All
 * are written before the first fsync, with which most file systems commit the
 * others, too.
 * @param dir AT_FDCWD; or an opened folder: then a path's last name counts,
 *            the rest of it is for messages
 * @param n   at most CFO_DISK_FILES_MAX */
cfo_result_t cfo_disk_create(apr_pool_t *p, int dir,
                             const cfo_disk_file_t *files, int n);

/** Each file's name in dir written beside and renamed into place, in this
 * order; dir is not fsynced. */
cfo_result_t cfo_disk_replace(apr_pool_t *p, const char *dir,
                              const cfo_disk_file_t *files, int n);

cfo_result_t cfo_disk_rename(apr_pool_t *p, const char *from, const char *to);

/** Remove a file, link or directory with all that is in it, as far as a store
 * is deep. Not being there is fine. */
cfo_result_t cfo_disk_remove(apr_pool_t *p, const char *path);

#endif
