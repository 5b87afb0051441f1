/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How a pair becomes a generation and the live one, and how old ones go.
 *
 *   1. certificate and meta.json go into pending/ (or a staged directory) and
 *      are synced, CSR and intent out of it;
 *   2. `.current.next` is made to point at the number it will have;
 *   3. one rename gives the directory its number: it is never touched again;
 *   4. attempt.json and the renew marker go; one that asks for more than this
 *      generation is made younger than the link instead;
 *   5. one rename makes `.current.next` the `current`.
 *
 * Cut short before 3, pending/ still holds all that is needed; after 3,
 * `.current.next` says that 4 and 5 are still to be done. Keeper only.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_files.h"
#include "store_json.h"
#include "store_write_file.h"

#define LINK_NEXT ".current.next"
#define DIR_STAGED ".pair.new"
#define MODE_PRIVATE 0700
#define MODE_CERT 0644
#define MODE_SECRET 0600
#define NUMBER_MAX 999999998

#define DAY apr_time_from_sec(24 * 60 * 60)

/* ---- pairs on the disk ---- */

/* What its meta.json says was found in these very bytes, or a look at them. */
static int is_pair(apr_pool_t *p, const char *dir, const cfo_pem_t *cert,
                   const cfo_pem_t *key)
{
    const cfo_cert_facts_t *facts;

    (void)cfo_store_read_checked(p, p, dir, cert, key, &facts);
    return facts || cfo_pki_pair_matches(cert->data, cert->len, key->data,
                                         key->len) == 1;
}

/* 1 when the directory holds a pair; with cert, only this certificate's. */
static int holds_pair(apr_pool_t *p, const char *dir, const cfo_pem_t *cert)
{
    cfo_pem_t there, key;
    int yes = 0;

    if (cfo_store_read_file(p, cfo_store_path(p, dir, CFO_FILE_CERT),
                            &there) == APR_SUCCESS &&
        cfo_store_read_file(p, cfo_store_path(p, dir, CFO_FILE_KEY), &key) ==
            APR_SUCCESS) {
        yes = is_pair(p, dir, &there, &key);
        cfo_pki_wipe(&key);
    }
    return yes && (!cert || (cert->len == there.len &&
                             !memcmp(cert->data, there.data, there.len)));
}

/* ---- steps 4 and 5 ---- */

static cfo_result_t switch_current(apr_pool_t *p, const char *dir)
{
    const char *next = cfo_store_path(p, dir, LINK_NEXT);
    const char *current = cfo_store_path(p, dir, CFO_LINK_CURRENT);
    cfo_result_t result = cfo_result_ok();
    struct stat st;

    if (lstat(current, &st) == 0 && S_ISDIR(st.st_mode)) {
        result = cfo_disk_aside(p, current);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_rename(p, next, current);
    }
    return result.kind == CFO_OK ? cfo_disk_sync(p, dir) : result;
}

/* A marker that is older than `current` counts no more: one that was not
 * heeded yet has to be younger than the link that is about to become it. */
static cfo_result_t keep_marker(apr_pool_t *p, const char *dir)
{
    const char *marker = cfo_store_path(p, dir, CFO_FILE_RENEW);

    if (cfo_store_is_forced(p, dir) &&
        utimensat(AT_FDCWD, marker, NULL, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno != ENOENT) {
        return cfo_disk_fault(p, "touch", marker, errno);
    }
    return cfo_result_ok();
}

/* What can't be removed does not keep a good pair from being the live one. An
 * attempt.json that stays is older than `current` and counts no more; but a
 * marker that stays would order another at once, so that is told. */
static cfo_result_t finish(apr_pool_t *p, const char *dir, int drop_marker)
{
    cfo_result_t marker, result;

    cfo_disk_remove(p, cfo_store_path(p, dir, CFO_FILE_ATTEMPT));
    marker = drop_marker
                 ? cfo_disk_remove(p, cfo_store_path(p, dir, CFO_FILE_RENEW))
                 : keep_marker(p, dir);
    result = switch_current(p, dir);
    return result.kind == CFO_OK ? marker : result;
}

static cfo_result_t point_next(apr_pool_t *p, const char *dir, int generation)
{
    const char *next = cfo_store_path(p, dir, LINK_NEXT);
    cfo_result_t result = cfo_disk_remove(p, next);

    if (result.kind == CFO_OK && symlink(apr_itoa(p, generation), next) != 0) {
        result = cfo_disk_fault(p, "make the link", next, errno);
    }
    return result;
}

/* The number `.current.next` waits for, 0 when there is none. */
static int waiting(apr_pool_t *p, const char *dir)
{
    char target[32];
    ssize_t len = readlink(cfo_store_path(p, dir, LINK_NEXT), target,
                           sizeof(target) - 1);

    if (len < 0) {
        return 0;
    }
    target[len] = '\0';
    return cfo_store_number(target);
}

static const cfo_meta_t *meta_in(apr_pool_t *p, const char *named)
{
    cfo_pem_t text;

    cfo_store_read_file(p, cfo_store_path(p, named, CFO_FILE_META), &text);
    return cfo_store_meta_parse(p, &text);
}

/* 1 when the marker was there before this generation, which was issued: then
 * it asked for it. Nothing is written into a generation once it is whole. */
static int is_answer(apr_pool_t *p, const char *dir, const char *named)
{
    const cfo_meta_t *meta = meta_in(p, named);
    struct stat marker, made;

    return (!meta || !meta->adopted) &&
           lstat(cfo_store_path(p, dir, CFO_FILE_RENEW), &marker) == 0 &&
           stat(named, &made) == 0 &&
           !cfo_store_is_older(&made.st_mtim, &marker.st_ctim);
}

cfo_result_t cfo_store_settle(apr_pool_t *p, const char *dir, int *changed)
{
    int generation = waiting(p, dir);
    const char *named = cfo_store_numbered(p, dir, generation);

    *changed = 0;
    if (!generation) {
        return cfo_result_ok();
    }
    if (!holds_pair(p, named, NULL)) {
        /* cut short before the rename: pending/ has it all */
        return cfo_disk_remove(p, cfo_store_path(p, dir, LINK_NEXT));
    }
    *changed = 1;
    return finish(p, dir, is_answer(p, dir, named));
}

/* ---- steps 2 and 3 ---- */

/* Above every name that looks like a number, whatever it is. */
static int next_number(apr_pool_t *p, const char *dir, apr_status_t *rv)
{
    apr_array_header_t *names = cfo_store_names(p, dir, rv);
    int i, highest = 0;

    for (i = 0; i < names->nelts; i++) {
        int number = cfo_store_number(APR_ARRAY_IDX(names, i, const char *));

        if (number > highest && number <= NUMBER_MAX) {
            highest = number;
        }
    }
    return highest + 1;
}

static cfo_result_t publish(apr_pool_t *p, const char *dir, const char *from,
                            int drop_marker, int *generation)
{
    apr_status_t rv;
    int number = next_number(p, dir, &rv);
    cfo_result_t result;

    if (rv != APR_SUCCESS) {
        return cfo_disk_fault(p, "list", dir, rv);
    }
    result = point_next(p, dir, number);
    if (result.kind == CFO_OK) {
        result = cfo_disk_rename(p, from, cfo_store_numbered(p, dir, number));
    }
    if (result.kind == CFO_OK) {
        *generation = number;
        result = finish(p, dir, drop_marker);
    }
    return result;
}

/* ---- step 1 ---- */

static int belongs(const char *name)
{
    return !strcmp(name, CFO_FILE_CERT) || !strcmp(name, CFO_FILE_KEY) ||
           !strcmp(name, CFO_FILE_META);
}

/* A generation is its three files and nothing else. Not synced: should a crash
 * bring a CSR or an intent back into one, nobody looks for it there. */
static cfo_result_t strip(apr_pool_t *p, const char *pending)
{
    cfo_result_t result = cfo_result_ok();
    apr_status_t rv;
    apr_array_header_t *names = cfo_store_names(p, pending, &rv);
    int i;

    apr_array_cat(names, cfo_disk_leftovers(p, pending));
    for (i = 0; result.kind == CFO_OK && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (!belongs(name)) {
            result = cfo_disk_remove(p, cfo_store_path(p, pending, name));
        }
    }
    return result;
}

static cfo_result_t complete_pending(apr_pool_t *p, const char *pending,
                                     const cfo_pem_t *cert,
                                     const cfo_meta_t *meta)
{
    cfo_pem_t key, text;
    const cfo_disk_file_t files[] = {
        {CFO_FILE_META, {.mode = MODE_CERT}, &text},
        {CFO_FILE_CERT, {.mode = MODE_CERT}, cert}};
    cfo_result_t result;

    cfo_store_read_file(p, cfo_store_path(p, pending, CFO_FILE_KEY), &key);
    text = cfo_store_meta_print_checked(p, meta, cert, &key);
    cfo_pki_wipe(&key);
    result = cfo_disk_replace(p, pending, files, 2);
    if (result.kind == CFO_OK) {
        result = cfo_disk_sync(p, pending);
    }
    if (result.kind == CFO_OK && !holds_pair(p, pending, cert)) {
        result = cfo_result_make(
            p, CFO_LOCAL, "%s does not hold the certificate's key", pending);
    }
    return result.kind == CFO_OK ? strip(p, pending) : result;
}

cfo_result_t cfo_store_install(apr_pool_t *p, const char *dir,
                               const cfo_pem_t *cert, const cfo_meta_t *meta,
                               int *generation)
{
    const char *pending = cfo_store_path(p, dir, CFO_DIR_PENDING);
    cfo_result_t result;
    struct stat st;
    int changed;

    *generation = 0;
    if (stat(pending, &st) != 0 && errno == ENOENT) {
        /* perhaps named already, by a call that was cut short */
        result = cfo_store_settle(p, dir, &changed);
        *generation = cfo_store_current(p, dir);
        if (result.kind == CFO_OK &&
            !holds_pair(p, cfo_store_numbered(p, dir, *generation), cert)) {
            result = cfo_disk_fault(p, "install from", pending, ENOENT);
        }
        return result;
    }
    result = complete_pending(p, pending, cert, meta);
    if (result.kind == CFO_OK) {
        result = publish(p, dir, pending, 1, generation);
    }
    return result;
}

/* ---- a pair taken over ---- */

static cfo_result_t stage_pair(apr_pool_t *p, const char *dir,
                               const char *staged, const cfo_pem_t *cert,
                               const cfo_pem_t *key, const cfo_meta_t *meta)
{
    cfo_pem_t text = cfo_store_meta_print_checked(p, meta, cert, key);
    const cfo_disk_file_t files[] = {
        {cfo_store_path(p, staged, CFO_FILE_KEY), {.mode = MODE_SECRET}, key},
        {cfo_store_path(p, staged, CFO_FILE_CERT), {.mode = MODE_CERT}, cert},
        {cfo_store_path(p, staged, CFO_FILE_META),
         {.mode = MODE_CERT},
         &text}};
    cfo_result_t result = cfo_disk_mkdir(p, staged, MODE_PRIVATE, 1, NULL);

    if (result.kind == CFO_OK) {
        result = cfo_disk_create(p, AT_FDCWD, files, 3);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_sync(p, staged);
    }
    return result.kind == CFO_OK ? cfo_store_sync_dir(p, dir) : result;
}

cfo_result_t cfo_store_install_pair(apr_pool_t *p, const char *dir,
                                    const cfo_pem_t *cert,
                                    const cfo_pem_t *key,
                                    const cfo_meta_t *meta, int *generation)
{
    const char *staged = cfo_store_path(p, dir, DIR_STAGED);
    cfo_pem_t only_cert = cfo_disk_blocks(p, cert, 0);
    cfo_pem_t only_key = cfo_disk_blocks(p, key, 1);
    cfo_result_t result = cfo_store_make_dir(p, dir);

    *generation = 0;
    if (result.kind == CFO_OK) {
        result = cfo_disk_remove(p, staged);
    }
    if (result.kind == CFO_OK) {
        result = stage_pair(p, dir, staged, &only_cert, &only_key, meta);
    }
    if (result.kind == CFO_OK && !holds_pair(p, staged, NULL)) {
        result =
            cfo_result_make(p, CFO_LOCAL, "no pair to take over into %s", dir);
    }
    if (result.kind == CFO_OK) {
        result = publish(p, dir, staged, 0, generation);
    }
    if (!*generation) {
        cfo_disk_remove(p, staged);
    }
    cfo_pki_wipe(&only_key);
    return result;
}

cfo_result_t cfo_store_set_current(apr_pool_t *p, const char *dir,
                                   int generation)
{
    const char *named = cfo_store_numbered(p, dir, generation);
    cfo_result_t result;
    struct stat st;

    if (stat(named, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return cfo_disk_fault(p, "make current", named, ENOENT);
    }
    result = point_next(p, dir, generation);
    if (result.kind == CFO_OK) {
        result = keep_marker(p, dir);
    }
    return result.kind == CFO_OK ? switch_current(p, dir) : result;
}

/* ---- pruning ---- */

static apr_time_t changed_at(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? apr_time_from_sec(st.st_mtim.tv_sec) : 0;
}

/* When a generation came; 0 when nobody knows. */
static apr_time_t came_at(apr_pool_t *p, const char *named)
{
    const cfo_meta_t *meta = meta_in(p, named);

    return meta && meta->installed ? meta->installed : changed_at(named);
}

/* Out of sight first: nobody may see half a generation. */
cfo_result_t cfo_store_remove_generation(apr_pool_t *p, const char *dir,
                                         int generation)
{
    const char *named = cfo_store_numbered(p, dir, generation);
    const char *gone = cfo_disk_scratch(p, dir);
    cfo_result_t result;

    if (generation == cfo_store_current(p, dir)) {
        return cfo_result_make(p, CFO_LOCAL, "%s is the live generation",
                               named);
    }
    result = cfo_disk_rename(p, named, gone);
    return result.kind == CFO_OK ? cfo_disk_remove(p, gone) : result;
}

/* Known to be issued, and still good for whoever has its key. */
static int is_to_be_revoked(apr_pool_t *p, const char *named, apr_time_t now)
{
    const cfo_cert_facts_t *facts = NULL;
    const cfo_meta_t *meta = meta_in(p, named);
    cfo_pem_t text;

    if (!meta || meta->adopted) {
        return 0;
    }
    if (cfo_store_read_file(p, cfo_store_path(p, named, CFO_FILE_CERT),
                            &text) == APR_SUCCESS) {
        facts = cfo_pki_facts(p, text.data, text.len, 0);
    }
    return facts && facts->not_after > now;
}

static void remove_old(apr_pool_t *p, const char *path, apr_time_t now)
{
    apr_time_t at = changed_at(path);

    if (at && at < now - DAY) {
        cfo_disk_remove(p, path);
    }
}

static void remove_leftovers(apr_pool_t *p, const char *dir, apr_time_t now)
{
    apr_array_header_t *names = cfo_disk_leftovers(p, dir);
    int i;

    for (i = 0; i < names->nelts; i++) {
        remove_old(
            p, cfo_store_path(p, dir, APR_ARRAY_IDX(names, i, const char *)),
            now);
    }
    if (!cfo_store_attempt(p, dir).failures) {
        remove_old(p, cfo_store_path(p, dir, CFO_FILE_ATTEMPT), now);
    }
}

/* One generation ceased to be the live one when the next came; those above
 * the live one never were, or were found bad. */
int cfo_store_prune(apr_pool_t *p, const char *dir, apr_time_t now,
                    int keep_issued)
{
    apr_array_header_t *all = cfo_store_generations(p, dir);
    int live = cfo_store_current(p, dir), removed = 0, kept_one = 0, i;
    apr_time_t next_came = 0;

    if (!live || !holds_pair(p, cfo_store_numbered(p, dir, live), NULL)) {
        return 0; /* with no good pair in use, every other one may be needed */
    }
    for (i = all->nelts - 1; i >= 0; i--) {
        int number = APR_ARRAY_IDX(all, i, int);
        const char *named = cfo_store_numbered(p, dir, number);
        apr_time_t came = came_at(p, named);
        apr_time_t retired = number < live ? next_came : changed_at(named);

        next_came = came;
        if (number == live) {
            continue;
        }
        if (number < live && !kept_one) {
            kept_one = holds_pair(p, named, NULL);
            continue;
        }
        if (retired && retired < now - DAY &&
            !(keep_issued && is_to_be_revoked(p, named, now))) {
            removed +=
                cfo_store_remove_generation(p, dir, number).kind == CFO_OK;
        }
    }
    remove_leftovers(p, dir, now);
    return removed;
}
