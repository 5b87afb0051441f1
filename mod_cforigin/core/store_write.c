/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the keeper writes beside the generations: the store's own directories,
 * pending/, attempts, accounts and the journal. Keeper only.
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

#define MODE_STORE 0755
#define MODE_PRIVATE 0700
#define MODE_SECRET 0600

/** Where a new pending/ is put together. */
#define DIR_STAGED ".pending.new"

/* ---- directories ---- */

/* A directory and those above it that are missing. What stands in the way is
 * moved aside only inside the store: above it, it is somebody else's.
 * sync: 1: a new one's name is synced, or a crash could take away all that is
 * put into it; 0: the caller does, after it has put something there. */
static cfo_result_t make_path(apr_pool_t *p, const char *path, mode_t mode,
                              int aside, int above, int sync)
{
    const char *parent = cfo_disk_folder(p, path);
    cfo_result_t result = cfo_result_ok();
    struct stat st;
    int made = 0;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return result;
    }
    if (above > 0 && strcmp(parent, path) != 0) {
        result = make_path(p, parent, mode, aside, above - 1, sync);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_mkdir(p, path, mode, aside, &made);
    }
    if (result.kind == CFO_OK && made && sync) {
        result = cfo_disk_sync(p, parent);
    }
    return result;
}

/* Made if it is missing, and nobody else's. */
static cfo_result_t own_path(apr_pool_t *p, const char *path, int aside,
                             int above)
{
    const char *fault = cfo_store_open_to_others(p, path);
    cfo_result_t result = cfo_result_ok();

    if (!fault) {
        result = make_path(p, path, MODE_STORE, aside, above, 1);
        fault = cfo_store_open_to_others(p, path); /* of whoever made it */
    }
    if (result.kind == CFO_OK && fault) {
        result = cfo_result_make(p, CFO_LOCAL, "%s", fault);
    }
    return result;
}

cfo_result_t cfo_store_prepare(apr_pool_t *p, const char *store)
{
    cfo_result_t result = own_path(p, store, 0, 64);

    if (result.kind == CFO_OK) {
        result = own_path(p, cfo_store_path(p, store, "certs"), 1, 0);
    }
    if (result.kind == CFO_OK) {
        result = own_path(p, cfo_store_path(p, store, "accounts"), 1, 0);
    }
    return result;
}

/* <store>/certs/<folder>/<request_type>: the last two are private */
cfo_result_t cfo_store_make_dir(apr_pool_t *p, const char *dir)
{
    return make_path(p, dir, MODE_PRIVATE, 1, 1, 0);
}

cfo_result_t cfo_store_sync_dir(apr_pool_t *p, const char *dir)
{
    const char *folder = cfo_disk_folder(p, dir);
    cfo_result_t result = cfo_disk_sync(p, dir);

    if (result.kind == CFO_OK) {
        result = cfo_disk_sync(p, folder);
    }
    return result.kind == CFO_OK ? cfo_disk_sync(p, cfo_disk_folder(p, folder))
                                 : result;
}

/* One private file of the store's, whole or not at all; dir is not synced. */
static cfo_result_t put_file(apr_pool_t *p, const char *dir, const char *name,
                             const cfo_pem_t *text)
{
    const cfo_disk_file_t file = {name, {.mode = MODE_SECRET}, text};

    return cfo_disk_replace(p, dir, &file, 1);
}

/* ---- pending/ ---- */

static cfo_result_t stage_pending(apr_pool_t *p, const char *staged,
                                  const cfo_intent_t *intent,
                                  const cfo_pem_t *key, const cfo_pem_t *csr)
{
    static const cfo_disk_owner_t secret = {.mode = MODE_SECRET};
    cfo_pem_t text = cfo_store_intent_print(p, intent);
    const cfo_disk_file_t files[] = {
        {cfo_store_path(p, staged, CFO_FILE_KEY), secret, key},
        {cfo_store_path(p, staged, CFO_FILE_CSR), secret, csr},
        {cfo_store_path(p, staged, CFO_FILE_INTENT), secret, &text}};
    cfo_result_t result = cfo_disk_mkdir(p, staged, MODE_PRIVATE, 1, NULL);

    if (result.kind == CFO_OK) {
        result = cfo_disk_create(p, AT_FDCWD, files, 3);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_sync(p, staged);
    }
    return result;
}

cfo_result_t cfo_store_put_pending(apr_pool_t *p, const char *dir,
                                   const cfo_intent_t *intent,
                                   const cfo_pem_t *key, const cfo_pem_t *csr)
{
    const char *staged = cfo_store_path(p, dir, DIR_STAGED);
    const char *pending = cfo_store_path(p, dir, CFO_DIR_PENDING);
    cfo_result_t result = cfo_store_make_dir(p, dir);

    if (result.kind == CFO_OK) {
        result = cfo_disk_remove(p, staged);
    }
    if (result.kind == CFO_OK) {
        result = stage_pending(p, staged, intent, key, csr);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_remove(p, pending);
    }
    if (result.kind == CFO_OK) {
        result = cfo_disk_rename(p, staged, pending);
    }
    if (result.kind == CFO_OK) {
        result = cfo_store_sync_dir(p, dir);
    }
    if (result.kind != CFO_OK) {
        cfo_disk_remove(p, staged); /* the first failure is the one to tell */
    }
    return result;
}

cfo_result_t cfo_store_put_intent(apr_pool_t *p, const char *dir,
                                  const cfo_intent_t *intent)
{
    const char *pending = cfo_store_path(p, dir, CFO_DIR_PENDING);
    cfo_pem_t text = cfo_store_intent_print(p, intent);
    cfo_result_t result = put_file(p, pending, CFO_FILE_INTENT, &text);

    return result.kind == CFO_OK ? cfo_disk_sync(p, pending) : result;
}

cfo_result_t cfo_store_drop_pending(apr_pool_t *p, const char *dir)
{
    const char *pending = cfo_store_path(p, dir, CFO_DIR_PENDING);
    const char *intent = cfo_store_path(p, pending, CFO_FILE_INTENT);
    cfo_result_t result;

    /* half a pending/ must not be taken for a whole one */
    result = cfo_disk_remove(p, intent);
    return result.kind == CFO_OK ? cfo_disk_remove(p, pending) : result;
}

/* ---- attempts, accounts ---- */

cfo_result_t cfo_store_put_attempt(apr_pool_t *p, const char *dir,
                                   const cfo_attempt_t *attempt)
{
    cfo_pem_t text = cfo_store_attempt_print(p, attempt);
    cfo_result_t result = cfo_store_make_dir(p, dir);

    if (result.kind == CFO_OK) {
        result = put_file(p, dir, CFO_FILE_ATTEMPT, &text);
    }
    return result.kind == CFO_OK ? cfo_store_sync_dir(p, dir) : result;
}

cfo_result_t cfo_store_put_notices(apr_pool_t *p, const char *dir,
                                   const cfo_notices_t *notices)
{
    cfo_pem_t text = cfo_store_notices_print(p, notices);
    cfo_result_t result = cfo_store_make_dir(p, dir);

    if (result.kind == CFO_OK) {
        result = put_file(p, dir, CFO_FILE_NOTIFY, &text);
    }
    return result;
}

cfo_result_t cfo_store_put_refusal(apr_pool_t *p, const char *dir,
                                   int generation)
{
    const cfo_pem_t nothing = {"", 0};

    return put_file(p, dir, cfo_store_refusal(p, generation), &nothing);
}

cfo_result_t cfo_store_put_account(apr_pool_t *p, const char *store,
                                   const char *id,
                                   const cfo_account_state_t *state)
{
    const char *dir = cfo_store_path(p, store, "accounts");
    cfo_pem_t text = cfo_store_account_print(p, state);
    cfo_result_t result = make_path(p, dir, MODE_STORE, 1, 0, 1);

    if (result.kind == CFO_OK) {
        result = put_file(p, dir, apr_pstrcat(p, id, ".json", NULL), &text);
    }
    return result.kind == CFO_OK ? cfo_disk_sync(p, dir) : result;
}

/* ---- the journal ---- */

/* A line that a full disk or a crash cut must not swallow the next one. */
static const char *gap_before(int fd)
{
    struct stat st;
    char last = '\n';

    if (fstat(fd, &st) == 0 && st.st_size > 0 &&
        pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n') {
        return "\n";
    }
    return "";
}

cfo_result_t cfo_store_journal(apr_pool_t *p, const char *store,
                               const char *line)
{
    const char *path = cfo_store_path(p, store, "journal.jsonl");
    const char *text;
    ssize_t len, written;
    int fd, err = 0;

    fd = cfo_disk_open(path, O_APPEND);
    if (fd < 0) {
        return cfo_disk_fault(p, "open", path, errno);
    }
    text = apr_pstrcat(p, gap_before(fd), line, "\n", NULL);
    len = (ssize_t)strlen(text);
    do {
        written = write(fd, text, (size_t)len);
    } while (written < 0 && errno == EINTR);
    if (written != len) {
        err = written < 0 ? errno : ENOSPC;
    }
    if (close(fd) != 0 && !err) {
        err = errno;
    }
    return err ? cfo_disk_fault(p, "write", path, err) : cfo_result_ok();
}

cfo_result_t cfo_store_turn_journal(apr_pool_t *p, const char *store,
                                    apr_off_t most)
{
    const char *path = cfo_store_path(p, store, "journal.jsonl");
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= most) {
        return cfo_result_ok();
    }
    return cfo_disk_rename(p, path, apr_pstrcat(p, path, ".1", NULL));
}
