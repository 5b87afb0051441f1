/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The files that an administrator's SSLCertificateFile lines name, so that a
 * server goes on serving without the module. Both are written beside their
 * places first, then renamed, the key first: neither is ever half there.
 * Keeper only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cforigin_place.h"
#include "store_files.h"
#include "store_write_file.h"

#define MODE_CERT 0644
#define MODE_KEY 0600

/* ---- PEM blocks ---- */

#define BEGIN "-----BEGIN "
#define DASHES "-----"

static int ends_with(const char *label, apr_size_t len, const char *end)
{
    apr_size_t n = strlen(end);

    return len >= n && !memcmp(label + len - n, end, n);
}

/* The end of the block whose label begins here, NULL when it has none. */
static const char *block_end(apr_pool_t *p, const char *label, apr_size_t len)
{
    const char *last = apr_pstrcat(
        p, "-----END ", apr_pstrmemdup(p, label, len), DASHES, NULL);
    const char *end = strstr(label, last);

    return end ? end + strlen(last) : NULL;
}

cfo_pem_t cfo_disk_blocks(apr_pool_t *p, const cfo_pem_t *text, int keys)
{
    const char *at = text->data ? text->data : "";
    apr_size_t room = text->len + text->len / 16 + 2;
    cfo_pem_t out = {apr_pcalloc(p, room), 0};

    while ((at = strstr(at, BEGIN))) {
        const char *label = at + strlen(BEGIN);
        const char *dashes = strstr(label, DASHES);
        apr_size_t len = dashes ? (apr_size_t)(dashes - label) : 0;
        const char *end = dashes ? block_end(p, label, len) : NULL;

        if (!end) { /* a torn block: nothing of it can be relied on */
            cfo_pki_wipe(&out);
            return out;
        }
        if (ends_with(label, len, keys ? "PRIVATE KEY" : "CERTIFICATE")) {
            memcpy(out.data + out.len, at, (apr_size_t)(end - at));
            out.len += (apr_size_t)(end - at);
            out.data[out.len++] = '\n';
        }
        at = end;
    }
    return out;
}

static int same_blocks(apr_pool_t *p, const cfo_pem_t *a, const cfo_pem_t *b,
                       int keys)
{
    cfo_pem_t x = cfo_disk_blocks(p, a, keys);
    cfo_pem_t y = cfo_disk_blocks(p, b, keys);
    int same = x.len && x.len == y.len && !memcmp(x.data, y.data, x.len);

    if (keys) {
        cfo_pki_wipe(&x);
        cfo_pki_wipe(&y);
    }
    return same;
}

/* ---- one file of a target ---- */

typedef struct staged_t {
    const char *path;    /* as the administrator wrote it */
    cfo_place_t place;   /* where it leads */
    const char *scratch; /* the new text beside it, NULL until it is written */
    cfo_disk_owner_t owner;
    const cfo_pem_t *text;
} staged_t;

#define STAGED(target_path, target_text)                                      \
    {                                                                         \
        .path = (target_path), .place = {-1, NULL}, .text = (target_text)     \
    }

/* Mode, owner and group of the file that is there, or of a new one. A file
 * that is to hold a key and held none may have been open to all. */
static cfo_result_t find_owner(apr_pool_t *p, staged_t *staged,
                               mode_t otherwise, int new_key)
{
    struct stat st;

    staged->owner.mode = otherwise;
    if (fstatat(staged->place.dir, staged->place.name, &st,
                AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT
                   ? cfo_result_ok()
                   : cfo_disk_fault(p, "look at", staged->path, errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return cfo_result_make(p, CFO_LOCAL,
                               "can't write %s: it is no regular file",
                               staged->path);
    }
    staged->owner.mode = st.st_mode & (new_key ? 0770 : 0777);
    staged->owner.keep = 1;
    staged->owner.uid = st.st_uid;
    staged->owner.gid = st.st_gid;
    return cfo_result_ok();
}

static cfo_result_t find_place(apr_pool_t *p, staged_t *staged)
{
    const char *link;
    apr_status_t rv = cfo_place_find(p, staged->path, &staged->place, &link);

    if (link) {
        return cfo_result_make(p, CFO_LOCAL, "can't write %s",
                               cfo_place_fault(p, staged->path, link));
    }
    return rv == APR_SUCCESS
               ? cfo_result_ok()
               : cfo_disk_fault(p, "find the way to", staged->path, rv);
}

/* Beside the file. One name for each: what a crash left there goes with the
 * next try, and never stays with a key in it. */
static cfo_result_t write_scratch(apr_pool_t *p, staged_t *staged)
{
    const char *name =
        apr_pstrcat(p, ".", staged->place.name, ".cforigin", NULL);
    cfo_disk_file_t file = {
        apr_pstrcat(p, cfo_disk_folder(p, staged->path), "/", name, NULL),
        staged->owner, staged->text};
    cfo_result_t result;

    if (unlinkat(staged->place.dir, name, 0) != 0 && errno != ENOENT) {
        return cfo_disk_fault(p, "remove", file.path, errno);
    }
    result = cfo_disk_create(p, staged->place.dir, &file, 1);
    if (result.kind == CFO_OK) {
        staged->scratch = name;
    }
    return result;
}

static cfo_result_t stage(apr_pool_t *p, staged_t *staged, mode_t otherwise,
                          int new_key)
{
    cfo_result_t result = find_place(p, staged);

    if (result.kind == CFO_OK) {
        result = find_owner(p, staged, otherwise, new_key);
    }
    return result.kind == CFO_OK ? write_scratch(p, staged) : result;
}

static cfo_result_t commit(apr_pool_t *p, staged_t *staged)
{
    if (renameat(staged->place.dir, staged->scratch, staged->place.dir,
                 staged->place.name) != 0) {
        return cfo_disk_fault(p, "replace", staged->path, errno);
    }
    staged->scratch = NULL;
    return cfo_result_ok();
}

static cfo_result_t sync_folder(apr_pool_t *p, const staged_t *staged)
{
    return cfo_disk_sync_at(p, staged->place.dir,
                            cfo_disk_folder(p, staged->path));
}

static void end(staged_t *staged)
{
    if (staged->scratch) {
        unlinkat(staged->place.dir, staged->scratch, 0);
        staged->scratch = NULL;
    }
    cfo_place_close(&staged->place);
}

/* ---- the pair ---- */

static int stat_of(apr_pool_t *p, const char *path, struct stat *st)
{
    const char *link;
    cfo_place_t place;
    int found;

    if (cfo_place_find(p, path, &place, &link) != APR_SUCCESS) {
        return 0;
    }
    found = fstatat(place.dir, place.name, st, AT_SYMLINK_NOFOLLOW) == 0;
    cfo_place_close(&place);
    return found;
}

static int is_single(apr_pool_t *p, const cfo_target_t *target)
{
    struct stat a, b;

    if (!strcmp(target->certificate, target->key)) {
        return 1;
    }
    return stat_of(p, target->certificate, &a) &&
           stat_of(p, target->key, &b) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int holds_key(apr_pool_t *p, const char *path)
{
    cfo_pem_t text;
    int yes;

    if (cfo_place_read(p, path, &text) != APR_SUCCESS) {
        return 0;
    }
    yes = strstr(text.data, "PRIVATE KEY-----") != NULL;
    cfo_pki_wipe(&text);
    return yes;
}

static cfo_result_t put_single(apr_pool_t *p, const cfo_target_t *target,
                               const cfo_pem_t *cert, const cfo_pem_t *key)
{
    cfo_pem_t both = {apr_palloc(p, key->len + cert->len + 2), 0};
    staged_t staged = STAGED(target->key, &both);
    cfo_result_t result;

    memcpy(both.data, key->data, key->len);
    both.len = key->len;
    if (both.len && both.data[both.len - 1] != '\n') {
        both.data[both.len++] = '\n';
    }
    memcpy(both.data + both.len, cert->data, cert->len);
    both.len += cert->len;
    both.data[both.len] = '\0';
    result = stage(p, &staged, MODE_KEY, !holds_key(p, target->key));
    if (result.kind == CFO_OK) {
        result = commit(p, &staged);
    }
    if (result.kind == CFO_OK) {
        result = sync_folder(p, &staged);
    }
    end(&staged);
    cfo_pki_wipe(&both);
    return result;
}

static cfo_result_t put_pair(apr_pool_t *p, const cfo_target_t *target,
                             const cfo_pem_t *cert, const cfo_pem_t *key)
{
    staged_t new_key = STAGED(target->key, key);
    staged_t new_cert = STAGED(target->certificate, cert);
    cfo_result_t result =
        stage(p, &new_key, MODE_KEY, !holds_key(p, target->key));

    if (result.kind == CFO_OK) {
        result = stage(p, &new_cert, MODE_CERT, 0);
    }
    if (result.kind == CFO_OK) {
        result = commit(p, &new_key);
    }
    if (result.kind == CFO_OK) {
        result = commit(p, &new_cert);
    }
    if (result.kind == CFO_OK) {
        result = sync_folder(p, &new_key);
    }
    if (result.kind == CFO_OK) {
        result = sync_folder(p, &new_cert);
    }
    end(&new_key);
    end(&new_cert);
    return result;
}

int cfo_store_target_is(apr_pool_t *p, const cfo_target_t *target,
                        const cfo_pem_t *cert, const cfo_pem_t *key)
{
    cfo_pem_t cert_there, key_there;
    int same = 0;

    if (cfo_place_read(p, target->certificate, &cert_there) != APR_SUCCESS) {
        return 0;
    }
    if (cfo_place_read(p, target->key, &key_there) == APR_SUCCESS) {
        same = strlen(cert_there.data) == cert_there.len &&
               strlen(key_there.data) == key_there.len &&
               same_blocks(p, &cert_there, cert, 0) &&
               same_blocks(p, &key_there, key, 1);
        cfo_pki_wipe(&key_there);
    }
    cfo_pki_wipe(&cert_there); /* one file may hold both */
    return same;
}

int cfo_store_has_key(apr_pool_t *p, const char *dir, const cfo_pem_t *key)
{
    apr_array_header_t *all = cfo_store_generations(p, dir);
    int i, found = 0;

    for (i = all->nelts - 1; !found && i >= 0; i--) {
        const char *named =
            cfo_store_numbered(p, dir, APR_ARRAY_IDX(all, i, int));
        cfo_pem_t text;

        if (cfo_store_read_file(p, cfo_store_path(p, named, CFO_FILE_KEY),
                                &text) == APR_SUCCESS) {
            found = same_blocks(p, &text, key, 1);
            cfo_pki_wipe(&text);
        }
    }
    return found;
}

/* A text that came from one file for both would carry the key into a file
 * that everybody may read. */
static cfo_pem_t only(apr_pool_t *p, const cfo_pem_t *text, int keys)
{
    const char *other = keys ? "CERTIFICATE-----" : "PRIVATE KEY-----";

    return strstr(text->data, other) ? cfo_disk_blocks(p, text, keys) : *text;
}

cfo_result_t cfo_store_put_target(apr_pool_t *p, const cfo_target_t *target,
                                  const cfo_pem_t *cert, const cfo_pem_t *key,
                                  int *changed)
{
    cfo_pem_t only_cert = only(p, cert, 0), only_key = only(p, key, 1);
    cfo_result_t result;

    *changed = 0;
    if (cfo_store_target_is(p, target, cert, key)) {
        result = cfo_result_ok();
    }
    else {
        result = is_single(p, target)
                     ? put_single(p, target, &only_cert, &only_key)
                     : put_pair(p, target, &only_cert, &only_key);
        *changed = result.kind == CFO_OK;
    }
    if (only_key.data != key->data) {
        cfo_pki_wipe(&only_key);
    }
    return result;
}
