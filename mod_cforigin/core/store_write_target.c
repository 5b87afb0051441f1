/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The files that an administrator's SSLCertificateFile lines name, so that a
 * server goes on serving without the module. Both are written beside their
 * places first, then renamed, the key first: neither is ever half there.
 * Keeper only.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_files.h"
#include "store_write_file.h"

#define MODE_CERT 0644
#define MODE_KEY 0600
#define LINKS_MAX 40

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

/* ---- where a path leads ---- */

/* Who else but root (or us) can make links could lead us to any file. Theirs
 * are followed to what is theirs: the file, or the folder of one to come. */
static int may_follow(apr_pool_t *p, const char *link, const char *to)
{
    struct stat from, there;

    if (lstat(link, &from) != 0) {
        return 0;
    }
    if (from.st_uid == 0 || from.st_uid == geteuid()) {
        return 1;
    }
    return (lstat(to, &there) == 0 ||
            (errno == ENOENT && stat(cfo_disk_folder(p, to), &there) == 0)) &&
           there.st_uid == from.st_uid;
}

/* Links are followed by hand, since the last one may dangle: then the file it
 * names is made. What is above it must be there. */
static const char *resolve(apr_pool_t *p, const char *path, int *err)
{
    char link[PATH_MAX];
    int i;

    for (i = 0; i < LINKS_MAX; i++) {
        const char *slash = strrchr(path, '/'), *to;
        ssize_t len = readlink(path, link, sizeof(link) - 1);

        if (len < 0) {
            *err = errno == EINVAL || errno == ENOENT ? 0 : errno;
            return path;
        }
        link[len] = '\0';
        to = link[0] == '/' || !slash
                 ? apr_pstrdup(p, link)
                 : apr_pstrcat(
                       p,
                       apr_pstrmemdup(p, path, (apr_size_t)(slash - path + 1)),
                       link, NULL);
        if (!may_follow(p, path, to)) {
            *err = EPERM;
            return path;
        }
        path = to;
    }
    *err = ELOOP;
    return path;
}

/* Beside the file. One name for each: what a crash left there goes with the
 * next try, and never stays with a key in it. */
static const char *scratch_of(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');

    return apr_pstrcat(p, cfo_disk_folder(p, path), "/.",
                       slash ? slash + 1 : path, ".cforigin", NULL);
}

/* ---- one file of a target ---- */

typedef struct place_t {
    const char *path;    /* behind all links */
    const char *scratch; /* the new text, NULL until it is written */
    cfo_disk_owner_t owner;
    const cfo_pem_t *text;
} place_t;

/* Mode, owner and group of the file that is there, or of a new one. A file
 * that is to hold a key and held none may have been open to all. */
static cfo_result_t find_owner(apr_pool_t *p, place_t *place, mode_t otherwise,
                               int new_key)
{
    struct stat st;

    place->owner.mode = otherwise;
    if (lstat(place->path, &st) != 0) {
        return errno == ENOENT
                   ? cfo_result_ok()
                   : cfo_disk_fault(p, "look at", place->path, errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return cfo_result_make(p, CFO_LOCAL,
                               "can't write %s: it is no regular file",
                               place->path);
    }
    place->owner.mode = st.st_mode & (new_key ? 0770 : 0777);
    place->owner.keep = 1;
    place->owner.uid = st.st_uid;
    place->owner.gid = st.st_gid;
    return cfo_result_ok();
}

static cfo_result_t stage(apr_pool_t *p, place_t *place, const char *path,
                          mode_t otherwise, int new_key)
{
    cfo_disk_file_t file;
    cfo_result_t result;
    const char *scratch;
    int err;

    place->path = resolve(p, path, &err);
    if (err == EPERM) {
        return cfo_result_make(
            p, CFO_LOCAL,
            "can't write %s: the link %s is not root's, and "
            "what it names is another user's; make it a "
            "link of root",
            path, place->path);
    }
    if (err) {
        return cfo_disk_fault(p, "follow the link", path, err);
    }
    result = find_owner(p, place, otherwise, new_key);
    if (result.kind != CFO_OK) {
        return result;
    }
    scratch = scratch_of(p, place->path);
    if (unlink(scratch) != 0 && errno != ENOENT) {
        return cfo_disk_fault(p, "remove", scratch, errno);
    }
    file.path = scratch;
    file.owner = place->owner;
    file.text = place->text;
    result = cfo_disk_create(p, &file, 1);
    if (result.kind == CFO_OK) {
        place->scratch = scratch;
    }
    return result;
}

static cfo_result_t commit(apr_pool_t *p, place_t *place)
{
    cfo_result_t result = cfo_disk_rename(p, place->scratch, place->path);

    if (result.kind == CFO_OK) {
        place->scratch = NULL;
        result = cfo_disk_sync(p, cfo_disk_folder(p, place->path));
    }
    return result;
}

static void discard(place_t *place)
{
    if (place->scratch) {
        unlink(place->scratch);
        place->scratch = NULL;
    }
}

/* ---- the pair ---- */

static int is_single(const cfo_target_t *target)
{
    struct stat a, b;

    if (!strcmp(target->certificate, target->key)) {
        return 1;
    }
    return stat(target->certificate, &a) == 0 && stat(target->key, &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int holds_key(apr_pool_t *p, const char *path)
{
    cfo_pem_t text;
    int yes;

    if (cfo_store_read_file(p, path, &text) != APR_SUCCESS) {
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
    place_t place = {.text = &both};
    cfo_result_t result;

    memcpy(both.data, key->data, key->len);
    both.len = key->len;
    if (both.len && both.data[both.len - 1] != '\n') {
        both.data[both.len++] = '\n';
    }
    memcpy(both.data + both.len, cert->data, cert->len);
    both.len += cert->len;
    both.data[both.len] = '\0';
    result =
        stage(p, &place, target->key, MODE_KEY, !holds_key(p, target->key));
    if (result.kind == CFO_OK) {
        result = commit(p, &place);
    }
    discard(&place);
    cfo_pki_wipe(&both);
    return result;
}

static cfo_result_t put_pair(apr_pool_t *p, const cfo_target_t *target,
                             const cfo_pem_t *cert, const cfo_pem_t *key)
{
    place_t key_place = {.text = key}, cert_place = {.text = cert};
    cfo_result_t result = stage(p, &key_place, target->key, MODE_KEY,
                                !holds_key(p, target->key));

    if (result.kind == CFO_OK) {
        result = stage(p, &cert_place, target->certificate, MODE_CERT, 0);
    }
    if (result.kind == CFO_OK) {
        result = commit(p, &key_place);
    }
    if (result.kind == CFO_OK) {
        result = commit(p, &cert_place);
    }
    discard(&key_place);
    discard(&cert_place);
    return result;
}

int cfo_store_target_is(apr_pool_t *p, const cfo_target_t *target,
                        const cfo_pem_t *cert, const cfo_pem_t *key)
{
    cfo_pem_t cert_there, key_there;
    int same = 0;

    if (cfo_store_read_file(p, target->certificate, &cert_there) !=
        APR_SUCCESS) {
        return 0;
    }
    if (cfo_store_read_file(p, target->key, &key_there) == APR_SUCCESS) {
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
        result = is_single(target)
                     ? put_single(p, target, &only_cert, &only_key)
                     : put_pair(p, target, &only_cert, &only_key);
        *changed = result.kind == CFO_OK;
    }
    if (only_key.data != key->data) {
        cfo_pki_wipe(&only_key);
    }
    return result;
}
