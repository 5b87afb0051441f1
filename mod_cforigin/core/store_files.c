/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The store's files and directories, read only: whole small files, names,
 * numbers, `current`, and the files beside the generations. Judges no
 * certificate; that is store.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "cforigin_ours.h"
#include "store_files.h"
#include "store_json.h"

int cfo_store_is_sick(apr_status_t rv)
{
    switch (rv) {
    case APR_SUCCESS:
    case APR_EGENERAL:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL: /* readlink of something that is no link */
    case ENXIO:  /* a socket or a device where a file should be */
    case ENODEV:
        return 0;
    default:
        return 1;
    }
}

const char *cfo_store_path(apr_pool_t *p, const char *dir, const char *name)
{
    return apr_pstrcat(p, dir, "/", name, NULL);
}

const char *cfo_store_numbered(apr_pool_t *p, const char *dir, int generation)
{
    return apr_psprintf(p, "%s/%d", dir, generation);
}

const char *cfo_store_dir(apr_pool_t *p, const char *store, const char *folder,
                          cfo_request_type_t type)
{
    return apr_pstrcat(p, store, "/certs/", folder, "/",
                       cfo_request_type_word(type), NULL);
}

const char *cfo_store_open_to_others(apr_pool_t *p, const char *dir)
{
    struct stat st;

    if (stat(dir, &st) != 0) {
        return NULL;
    }
    if (!cfo_ours_is(&st)) {
        return apr_psprintf(p,
                            "%s belongs to user %lu, who could lead root's "
                            "writes elsewhere; chown it to root",
                            dir, (unsigned long)st.st_uid);
    }
    if ((st.st_mode & S_IWOTH) ||
        ((st.st_mode & S_IWGRP) && st.st_gid != 0 && st.st_gid != getegid())) {
        return apr_psprintf(p,
                            "%s has mode %04o: others could lead root's "
                            "writes elsewhere; chmod it to 0755",
                            dir, (unsigned)(st.st_mode & 07777));
    }
    return NULL;
}

const char *cfo_store_movable_by_others(apr_pool_t *p, const char *store)
{
    const char *fault = NULL;

    if (geteuid() == 0) {
        fault = cfo_ours_fault_above(p, store, 1);
    }
    return fault ? apr_psprintf(p,
                                "another store could be put in the place of "
                                "%s, and root's writes led elsewhere: %s",
                                store, fault)
                 : NULL;
}

/* ---- a file, whole ---- */

static apr_status_t read_all(int fd, char *data, apr_size_t size,
                             apr_size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, data + *got, size - *got);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        if (n == 0) {
            break;
        }
        *got += (apr_size_t)n;
    }
    return APR_SUCCESS;
}

apr_status_t cfo_store_read_fd(apr_pool_t *p, int fd, cfo_pem_t *text,
                               struct stat *st)
{
    apr_status_t rv = APR_SUCCESS;

    text->data = NULL;
    text->len = 0;
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, st) != 0) {
        rv = errno;
    }
    else if (!S_ISREG(st->st_mode) || st->st_size > CFO_FILE_MAX) {
        rv = APR_EGENERAL;
    }
    else {
        text->data = apr_palloc(p, (apr_size_t)st->st_size + 1);
        rv = read_all(fd, text->data, (apr_size_t)st->st_size, &text->len);
        text->data[text->len] = '\0';
    }
    close(fd);
    if (rv != APR_SUCCESS) {
        cfo_pki_wipe(text);
        text->data = NULL;
        text->len = 0;
    }
    return rv;
}

apr_status_t cfo_store_read_stat(apr_pool_t *p, const char *path,
                                 cfo_pem_t *text, struct stat *st)
{
    /* a FIFO in a file's place must not hold up a start */
    return cfo_store_read_fd(
        p, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), text, st);
}

apr_status_t cfo_store_read_file(apr_pool_t *p, const char *path,
                                 cfo_pem_t *text)
{
    struct stat st;

    return cfo_store_read_stat(p, path, text, &st);
}

/* ---- names, numbers, current ---- */

int cfo_store_number(const char *name)
{
    apr_size_t digits = strspn(name, "0123456789");

    if (!digits || digits > 9 || name[digits] || name[0] == '0') {
        return 0;
    }
    return atoi(name);
}

apr_status_t cfo_store_resolve(const char *dir, int *generation)
{
    char target[32], path[4096];
    ssize_t len;

    *generation = 0;
    if (strlen(dir) + sizeof("/" CFO_LINK_CURRENT) > sizeof(path)) {
        return ENAMETOOLONG;
    }
    apr_snprintf(path, sizeof(path), "%s/" CFO_LINK_CURRENT, dir);
    len = readlink(path, target, sizeof(target) - 1);
    if (len < 0) {
        return errno == EINVAL ? APR_EGENERAL : errno;
    }
    target[len] = '\0';
    *generation = cfo_store_number(target);
    return *generation ? APR_SUCCESS : APR_EGENERAL;
}

int cfo_store_current(apr_pool_t *p, const char *dir)
{
    int generation;

    (void)p;
    cfo_store_resolve(dir, &generation);
    return generation;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

apr_array_header_t *cfo_store_names(apr_pool_t *p, const char *dir,
                                    apr_status_t *rv)
{
    apr_array_header_t *names = apr_array_make(p, 8, sizeof(const char *));
    DIR *d = opendir(dir);
    struct dirent *entry;

    *rv = d ? APR_SUCCESS : errno;
    if (!d) {
        return names;
    }
    for (errno = 0; (entry = readdir(d)); errno = 0) {
        if (entry->d_name[0] != '.') {
            APR_ARRAY_PUSH(names, const char *) =
                apr_pstrdup(p, entry->d_name);
        }
    }
    *rv = errno;
    closedir(d);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *),
          compare_names);
    return names;
}

static int is_directory(apr_pool_t *p, const char *dir, const char *name)
{
    struct stat st;

    return stat(cfo_store_path(p, dir, name), &st) == 0 && S_ISDIR(st.st_mode);
}

apr_array_header_t *cfo_store_list(apr_pool_t *p, const char *dir,
                                   apr_status_t *rv)
{
    apr_array_header_t *numbers = apr_array_make(p, 4, sizeof(int));
    apr_array_header_t *names = cfo_store_names(p, dir, rv);
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        int number = cfo_store_number(name);

        if (number && is_directory(p, dir, name)) {
            APR_ARRAY_PUSH(numbers, int) = number;
        }
    }
    qsort(numbers->elts, (size_t)numbers->nelts, sizeof(int), compare_ints);
    return numbers;
}

apr_array_header_t *cfo_store_generations(apr_pool_t *p, const char *dir)
{
    apr_status_t rv;

    return cfo_store_list(p, dir, &rv);
}

apr_array_header_t *cfo_store_folders(apr_pool_t *p, const char *store)
{
    const char *certs = cfo_store_path(p, store, "certs");
    apr_array_header_t *folders = apr_array_make(p, 8, sizeof(const char *));
    apr_array_header_t *names;
    apr_status_t rv;
    int i;

    names = cfo_store_names(p, certs, &rv);
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (is_directory(p, certs, name)) {
            APR_ARRAY_PUSH(folders, const char *) = name;
        }
    }
    return folders;
}

/* ---- what lies beside the generations ---- */

int cfo_store_is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
                                  : a->tv_nsec < b->tv_nsec;
}

/* @param whole what was read, if it could be, says something */
static const char *damage(apr_pool_t *p, const char *path, apr_status_t rv,
                          const cfo_pem_t *text, int whole)
{
    char word[120];
    struct stat st;
    const char *why;

    if (rv == APR_SUCCESS && whole) {
        return NULL;
    }
    if (APR_STATUS_IS_ENOENT(rv) && lstat(path, &st) != 0) {
        return NULL;
    }
    if (rv == APR_SUCCESS) {
        why = text->len ? "it is damaged" : "it is empty";
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        why = "it is a link to nothing";
    }
    else {
        why = rv == APR_EGENERAL ? "it is no regular file, or too large"
                                 : apr_strerror(rv, word, sizeof(word));
    }
    return apr_pstrcat(p, path, ": ", why, NULL);
}

/* 1 when this was over before `current` was made. A link of the future was
 * made by a clock that was ahead, and its time says nothing. */
static int is_before_current(apr_pool_t *p, const char *dir,
                             const struct timespec *at)
{
    struct stat current;

    return lstat(cfo_store_path(p, dir, CFO_LINK_CURRENT), &current) == 0 &&
           current.st_mtim.tv_sec <= apr_time_sec(apr_time_now()) &&
           cfo_store_is_older(at, &current.st_mtim);
}

/* A success drops the file; where that could not be done, or was cut short,
 * `current` is younger than it. */
cfo_attempt_t cfo_store_attempt_look(apr_pool_t *p, const char *dir,
                                     const char **fault)
{
    const char *path = cfo_store_path(p, dir, CFO_FILE_ATTEMPT);
    struct stat st;
    cfo_pem_t text;
    apr_status_t rv = cfo_store_read_stat(p, path, &text, &st);

    *fault = NULL;
    if (rv == APR_SUCCESS && is_before_current(p, dir, &st.st_mtim)) {
        text.len = 0;
    }
    else if (rv != ENOTDIR) { /* that is the folder's own fault */
        *fault = damage(p, path, rv, &text, cfo_store_attempt_is_whole(&text));
    }
    return cfo_store_attempt_parse(p, &text);
}

cfo_attempt_t cfo_store_attempt(apr_pool_t *p, const char *dir)
{
    const char *fault;

    return cfo_store_attempt_look(p, dir, &fault);
}

cfo_notices_t cfo_store_notices(apr_pool_t *p, const char *dir)
{
    cfo_pem_t text;

    cfo_store_read_file(p, cfo_store_path(p, dir, CFO_FILE_NOTIFY), &text);
    return cfo_store_notices_parse(&text);
}

cfo_account_state_t cfo_store_account_look(apr_pool_t *p, const char *store,
                                           const char *id, const char **fault)
{
    const char *path = apr_pstrcat(p, store, "/accounts/", id, ".json", NULL);
    cfo_pem_t text;
    apr_status_t rv = cfo_store_read_file(p, path, &text);

    *fault = damage(p, path, rv, &text, cfo_store_account_is_whole(&text));
    return cfo_store_account_parse(&text);
}

cfo_account_state_t cfo_store_account(apr_pool_t *p, const char *store,
                                      const char *id)
{
    const char *fault;

    return cfo_store_account_look(p, store, id, &fault);
}

/* An install takes the marker away; one that could not be taken away is older
 * than `current` and has had its effect. The marker's ctime: no `touch -d` and
 * no copy makes that look old. */
int cfo_store_is_forced(apr_pool_t *p, const char *dir)
{
    struct stat st;

    return lstat(cfo_store_path(p, dir, CFO_FILE_RENEW), &st) == 0 &&
           !is_before_current(p, dir, &st.st_ctim);
}

static const cfo_meta_t *meta_of(apr_pool_t *p, const char *dir,
                                 int generation)
{
    const char *named = cfo_store_numbered(p, dir, generation);
    cfo_pem_t text;

    cfo_store_read_file(p, cfo_store_path(p, named, CFO_FILE_META), &text);
    return cfo_store_meta_parse(p, &text);
}

/* Where the live generation is damaged, an older one says as much. */
static const cfo_meta_t *newest_meta(apr_pool_t *p, const char *dir)
{
    const cfo_meta_t *meta = NULL;
    apr_array_header_t *all;
    int i, generation;

    if (cfo_store_resolve(dir, &generation) == APR_SUCCESS) {
        meta = meta_of(p, dir, generation);
    }
    if (meta) {
        return meta;
    }
    all = cfo_store_generations(p, dir);
    for (i = all->nelts - 1; !meta && i >= 0; i--) {
        meta = meta_of(p, dir, APR_ARRAY_IDX(all, i, int));
    }
    return meta;
}

static void index_targets(apr_pool_t *p, apr_hash_t *index, const char *store,
                          const char *folder, cfo_request_type_t type)
{
    const cfo_meta_t *meta =
        newest_meta(p, cfo_store_dir(p, store, folder, type));
    int i;

    for (i = 0; meta && i < meta->targets->nelts; i++) {
        const cfo_target_t *target =
            &APR_ARRAY_IDX(meta->targets, i, cfo_target_t);

        apr_hash_set(index, target->certificate, APR_HASH_KEY_STRING, folder);
    }
}

apr_hash_t *cfo_store_targets(apr_pool_t *p, const char *store)
{
    apr_hash_t *index = apr_hash_make(p);
    apr_array_header_t *folders = cfo_store_folders(p, store);
    int i;

    for (i = 0; i < folders->nelts; i++) {
        const char *folder = APR_ARRAY_IDX(folders, i, const char *);

        index_targets(p, index, store, folder, CFO_ORIGIN_ECC);
        index_targets(p, index, store, folder, CFO_ORIGIN_RSA);
    }
    return index;
}
