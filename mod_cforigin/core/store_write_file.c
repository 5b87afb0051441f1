/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Files and directories, created, replaced, synced and removed. Knows nothing
 * of what is in them. Keeper only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_files.h"
#include "store_write_file.h"

/** A store is five levels deep; whatever is deeper was not made by us. */
#define DEPTH_MAX 8

#define DAMAGED ".damaged"

cfo_result_t cfo_disk_fault(apr_pool_t *p, const char *verb, const char *path,
                            int err)
{
    char buf[120];

    return cfo_result_make(p, CFO_LOCAL, "can't %s %s: %s%s", verb, path,
                           apr_strerror(err, buf, sizeof(buf)),
                           cfo_result_remedy(err));
}

const char *cfo_disk_scratch(apr_pool_t *p, const char *dir)
{
    static unsigned int count;
    unsigned int n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);

    return apr_psprintf(p, "%s/.cforigin-%ld-%u.tmp", dir, (long)getpid(), n);
}

/* ---- directories ---- */

const char *cfo_disk_folder(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        return ".";
    }
    return slash == path ? "/"
                         : apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
}

cfo_result_t cfo_disk_sync_at(apr_pool_t *p, int at, const char *dir)
{
    int fd = openat(at, at == AT_FDCWD ? dir : ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = 0;

    if (fd < 0) {
        return cfo_disk_fault(p, "open", dir, errno);
    }
    /* some file systems can't sync a directory, and say so */
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
        err = errno;
    }
    if (close(fd) != 0 && !err) {
        err = errno;
    }
    return err ? cfo_disk_fault(p, "sync", dir, err) : cfo_result_ok();
}

cfo_result_t cfo_disk_sync(apr_pool_t *p, const char *dir)
{
    return cfo_disk_sync_at(p, AT_FDCWD, dir);
}

cfo_result_t cfo_disk_aside(apr_pool_t *p, const char *path)
{
    const char *to = apr_pstrcat(p, path, DAMAGED, NULL);
    cfo_result_t result = cfo_disk_remove(p, to);

    return result.kind == CFO_OK ? cfo_disk_rename(p, path, to) : result;
}

static int is_leftover(const char *name)
{
    apr_size_t len = strlen(name), end = strlen(DAMAGED);

    if (name[0] == '.') {
        return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    }
    return len > end && !strcmp(name + len - end, DAMAGED);
}

apr_array_header_t *cfo_disk_leftovers(apr_pool_t *p, const char *dir)
{
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        if (is_leftover(entry->d_name)) {
            APR_ARRAY_PUSH(names, const char *) =
                apr_pstrdup(p, entry->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
    return names;
}

cfo_result_t cfo_disk_mkdir(apr_pool_t *p, const char *path, mode_t mode,
                            int aside, int *made)
{
    cfo_result_t result;
    struct stat st;
    int tries;

    for (tries = 0; tries < 2; tries++) {
        if (mkdir(path, mode & 0700) == 0) {
            if (made) {
                *made = 1;
            }
            return chmod(path, mode) == 0
                       ? cfo_result_ok()
                       : cfo_disk_fault(p, "set the mode of", path, errno);
        }
        if (errno != EEXIST) {
            break;
        }
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            return cfo_result_ok();
        }
        if (!aside) {
            break;
        }
        result = cfo_disk_aside(p, path);
        if (result.kind != CFO_OK) {
            return result;
        }
    }
    return cfo_disk_fault(p, "make the directory", path, errno);
}

/* ---- files ---- */

static int write_all(int fd, const char *data, apr_size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        data += n;
        len -= (apr_size_t)n;
    }
    return 0;
}

int cfo_disk_open(const char *path, int flags)
{
    int fd =
        open(path, flags | O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0600) != 0600) {
        fchmod(fd, 0600); /* a mode that stays odd is seen at the next open */
    }
    return fd;
}

/* The owner before the mode: a group must not see a key through the mode of
 * the group that comes after it. */
static int set_owner(int fd, const cfo_disk_owner_t *owner)
{
    struct stat st;

    if (owner->keep) {
        if (fstat(fd, &st) != 0) {
            return errno;
        }
        if ((st.st_uid != owner->uid || st.st_gid != owner->gid) &&
            fchown(fd, owner->uid, owner->gid) != 0) {
            return errno;
        }
    }
    return fchmod(fd, owner->mode) == 0 ? 0 : errno;
}

static const char *name_in(int dir, const char *path)
{
    const char *slash = strrchr(path, '/');

    return dir != AT_FDCWD && slash ? slash + 1 : path;
}

/* Created and written, and left open for the sync; fd is -1 when there is no
 * new file. */
static cfo_result_t begin_file(apr_pool_t *p, int dir,
                               const cfo_disk_file_t *file, int *fd)
{
    const char *verb = "set the owner and mode of";
    int err;

    *fd = openat(dir, name_in(dir, file->path),
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                 file->owner.mode & 0600);
    if (*fd < 0) {
        return cfo_disk_fault(p, "create", file->path, errno);
    }
    err = set_owner(*fd, &file->owner);
    if (!err) {
        verb = "write";
        err = write_all(*fd, file->text->data, file->text->len);
    }
    return err ? cfo_disk_fault(p, verb, file->path, err) : cfo_result_ok();
}

static cfo_result_t end_file(apr_pool_t *p, const char *path, int fd, int sync)
{
    const char *verb = "sync";
    int err = sync && fsync(fd) != 0 ? errno : 0;

    if (close(fd) != 0 && !err) {
        verb = "close";
        err = errno;
    }
    return err ? cfo_disk_fault(p, verb, path, err) : cfo_result_ok();
}

cfo_result_t cfo_disk_create(apr_pool_t *p, int dir,
                             const cfo_disk_file_t *files, int n)
{
    cfo_result_t result = cfo_result_ok(), end;
    int fds[CFO_DISK_FILES_MAX];
    int i, begun = 0;

    while (result.kind == CFO_OK && begun < n) {
        result = begin_file(p, dir, &files[begun], &fds[begun]);
        begun += fds[begun] >= 0;
    }
    for (i = 0; i < begun; i++) {
        end = end_file(p, files[i].path, fds[i], result.kind == CFO_OK);
        if (result.kind == CFO_OK) {
            result = end;
        }
    }
    for (i = 0; result.kind != CFO_OK && i < begun; i++) {
        unlinkat(dir, name_in(dir, files[i].path), 0);
    }
    return result;
}

cfo_result_t cfo_disk_rename(apr_pool_t *p, const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        return cfo_disk_fault(p, apr_pstrcat(p, "rename ", from, " to", NULL),
                              to, errno);
    }
    return cfo_result_ok();
}

static int is_dir(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static cfo_result_t put_in_place(apr_pool_t *p, const char *scratch,
                                 const char *path)
{
    cfo_result_t result = cfo_result_ok();

    if (is_dir(path)) { /* damage: a directory where a file should be */
        result = cfo_disk_aside(p, path);
    }
    return result.kind == CFO_OK ? cfo_disk_rename(p, scratch, path) : result;
}

cfo_result_t cfo_disk_replace(apr_pool_t *p, const char *dir,
                              const cfo_disk_file_t *files, int n)
{
    cfo_disk_file_t *scratch =
        apr_pmemdup(p, files, sizeof(*files) * (apr_size_t)n);
    cfo_result_t result;
    int i, placed = 0;

    for (i = 0; i < n; i++) {
        scratch[i].path = cfo_disk_scratch(p, dir);
    }
    result = cfo_disk_create(p, AT_FDCWD, scratch, n);
    while (result.kind == CFO_OK && placed < n) {
        result = put_in_place(p, scratch[placed].path,
                              cfo_store_path(p, dir, files[placed].path));
        placed += result.kind == CFO_OK;
    }
    for (i = placed; i < n; i++) {
        unlink(scratch[i].path);
    }
    return result;
}

/* ---- removing ---- */

static int remove_at(int parent, const char *name, int depth);

static int remove_entries(int fd, int depth)
{
    DIR *d = fdopendir(fd);
    struct dirent *entry;
    int err = 0;

    if (!d) {
        err = errno;
        close(fd);
        return err;
    }
    for (errno = 0; !err && (entry = readdir(d)); errno = 0) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            err = remove_at(fd, entry->d_name, depth + 1);
        }
    }
    if (!err) {
        err = errno;
    }
    closedir(d);
    return err;
}

static int remove_at(int parent, const char *name, int depth)
{
    int fd, err;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    err = errno;
    if (err != EISDIR && err != EPERM) {
        return err;
    }
    if (depth > DEPTH_MAX) {
        return ELOOP;
    }
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) { /* a file that may not be removed is no directory */
        return errno == ENOTDIR ? err : errno;
    }
    err = remove_entries(fd, depth);
    if (!err && unlinkat(parent, name, AT_REMOVEDIR) != 0) {
        err = errno;
    }
    return err;
}

cfo_result_t cfo_disk_remove(apr_pool_t *p, const char *path)
{
    int err = remove_at(AT_FDCWD, path, 0);

    return err && err != ENOTDIR ? cfo_disk_fault(p, "remove", path, err)
                                 : cfo_result_ok();
}
