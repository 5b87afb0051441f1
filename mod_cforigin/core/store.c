/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which pair of a wanted certificate is the live one: `current`, the checks
 * on what it names, older generations when it is damaged; and what waits in
 * pending/. Reads only.
 */
#include <string.h>
#include <sys/stat.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "store_files.h"
#include "store_json.h"

#define DAY apr_time_from_sec(24 * 60 * 60)

typedef enum {
    FOUND_GOOD = 0,
    FOUND_DAMAGED,
    FOUND_MISMATCH,
    FOUND_SICK /* could not be read: says nothing of the pair */
} found_t;

/** One look: where, with what memory, and what came of it. */
typedef struct look_t {
    apr_pool_t *p;     /* the caller's: the entry lives here */
    apr_pool_t *ptemp; /* of texts */
    const char *dir;   /* cfo_store_dir */
    apr_hash_t *known;
    cfo_entry_t *entry;
} look_t;

static found_t found_by(apr_status_t rv)
{
    return cfo_store_is_sick(rv) ? FOUND_SICK : FOUND_DAMAGED;
}

/* The first fault is the one to tell: what follows is how it was mended. */
static void note(look_t *look, const char *path, const char *why)
{
    if (!look->entry->fault) {
        look->entry->fault = apr_pstrcat(look->p, path, ": ", why, NULL);
    }
}

static void note_status(look_t *look, const char *path, apr_status_t rv)
{
    char buf[120];

    note(look, path,
         rv == APR_EGENERAL
             ? "is not what belongs there"
             : apr_pstrcat(look->ptemp, apr_strerror(rv, buf, sizeof(buf)),
                           cfo_result_remedy(rv), NULL));
}

static void stamp_one(cfo_stamp_t *stamp, int i, const struct stat *st)
{
    stamp->dev[i] = (apr_uint64_t)st->st_dev;
    stamp->ino[i] = (apr_uint64_t)st->st_ino;
    stamp->size[i] = (apr_uint64_t)st->st_size;
    stamp->ctime_sec[i] = (apr_int64_t)st->st_ctim.tv_sec;
    stamp->ctime_nsec[i] = (apr_int64_t)st->st_ctim.tv_nsec;
}

/* 1 when the pair was checked before and is untouched since. */
static int is_known(look_t *look, const char *dir)
{
    cfo_entry_t *entry = look->entry;
    const cfo_entry_t *known;
    struct stat st[2];

    known = look->known
                ? apr_hash_get(look->known,
                               cfo_store_path(look->ptemp, dir, CFO_FILE_CERT),
                               APR_HASH_KEY_STRING)
                : NULL;
    if (!known || stat(known->cert_path, &st[0]) != 0 ||
        stat(known->key_path, &st[1]) != 0) {
        return 0;
    }
    stamp_one(&entry->stamp, 0, &st[0]);
    stamp_one(&entry->stamp, 1, &st[1]);
    if (memcmp(&entry->stamp, &known->stamp, sizeof(cfo_stamp_t)) != 0) {
        return 0;
    }
    entry->stored.facts = known->stored.facts;
    entry->stored.adopted = known->stored.adopted;
    entry->stored.installed = known->stored.installed;
    entry->server = known->server;
    entry->cert_path = known->cert_path;
    entry->key_path = known->key_path;
    return 1;
}

static found_t read_one(look_t *look, const char *path, int i, cfo_pem_t *text)
{
    struct stat st;
    apr_status_t rv = cfo_store_read_stat(look->ptemp, path, text, &st);

    if (rv != APR_SUCCESS) {
        note_status(look, path, rv);
        return found_by(rv);
    }
    stamp_one(&look->entry->stamp, i, &st);
    return FOUND_GOOD;
}

const cfo_meta_t *cfo_store_read_checked(apr_pool_t *p, apr_pool_t *ptemp,
                                         const char *dir,
                                         const cfo_pem_t *cert,
                                         const cfo_pem_t *key,
                                         const cfo_cert_facts_t **facts)
{
    const cfo_meta_t *meta;
    cfo_pem_t text;

    *facts = NULL;
    if (cfo_store_read_file(ptemp, cfo_store_path(ptemp, dir, CFO_FILE_META),
                            &text) != APR_SUCCESS) {
        return NULL;
    }
    meta = cfo_store_meta_parse_checked(p, &text, cert, key, facts);
    return *facts ? meta : NULL;
}

static found_t check_pair(look_t *look, const char *dir, const char *cert_path,
                          const char *key_path)
{
    const cfo_cert_facts_t *facts;
    cfo_pem_t cert, key;
    found_t found;
    int matches;

    found = read_one(look, cert_path, 0, &cert);
    if (found == FOUND_GOOD) {
        found = read_one(look, key_path, 1, &key);
    }
    if (found != FOUND_GOOD) {
        return found;
    }
    look->entry->meta =
        cfo_store_read_checked(look->p, look->ptemp, dir, &cert, &key, &facts);
    matches = facts != NULL;
    if (!facts) {
        facts = cfo_pki_pair(look->p, cert.data, cert.len, key.data, key.len,
                             &matches);
    }
    look->entry->stored.facts = facts;
    cfo_pki_wipe(&key);
    if (!facts) {
        note(look, cert_path, "holds no certificate");
        return FOUND_DAMAGED;
    }
    if (matches < 0) {
        note(look, key_path, "holds no key that can be read");
        return FOUND_DAMAGED;
    }
    if (!matches) {
        note(look, key_path, "is not the key of the certificate beside it");
        return FOUND_MISMATCH;
    }
    return FOUND_GOOD;
}

/* Without meta.json a pair is as good as with it, but nobody knows whether it
 * was taken over; on a sick disk it is taken as found, so that nothing is
 * asked for because of what could not be read. */
static void read_meta(look_t *look, const char *generation_dir)
{
    const char *path =
        cfo_store_path(look->ptemp, generation_dir, CFO_FILE_META);
    cfo_entry_t *entry = look->entry;
    cfo_pem_t text;
    apr_status_t rv = cfo_store_read_file(look->ptemp, path, &text);

    entry->meta =
        rv == APR_SUCCESS ? cfo_store_meta_parse(look->p, &text) : NULL;
    if (!entry->meta) {
        entry->stored.adopted = cfo_store_is_sick(rv);
        note_status(look, path, rv == APR_SUCCESS ? APR_EGENERAL : rv);
    }
}

static found_t try_new(look_t *look, const char *dir)
{
    cfo_entry_t *entry = look->entry;
    const char *cert_path = cfo_store_path(look->p, dir, CFO_FILE_CERT);
    const char *key_path = cfo_store_path(look->p, dir, CFO_FILE_KEY);
    found_t found = check_pair(look, dir, cert_path, key_path);

    if (found != FOUND_GOOD) {
        entry->stored.facts = NULL;
        return found;
    }
    if (!entry->meta) {
        read_meta(look, dir);
    }
    if (entry->meta) {
        entry->stored.adopted = entry->meta->adopted;
        entry->stored.installed = entry->meta->installed;
        entry->server =
            entry->meta->server ? cfo_hash_text(entry->meta->server) : 0;
    }
    entry->cert_path = cert_path;
    entry->key_path = key_path;
    return FOUND_GOOD;
}

static found_t try_generation(look_t *look, int generation)
{
    const char *dir = cfo_store_numbered(look->ptemp, look->dir, generation);
    found_t found = is_known(look, dir) ? FOUND_GOOD : try_new(look, dir);

    if (found == FOUND_GOOD) {
        look->entry->generation = generation;
    }
    return found;
}

/* Every generation but the one that failed, the newest first. */
static found_t try_others(look_t *look, int failed, found_t found)
{
    apr_status_t rv;
    apr_array_header_t *all = cfo_store_list(look->ptemp, look->dir, &rv);
    int i;

    if (cfo_store_is_sick(rv)) {
        note_status(look, look->dir, rv);
        found = FOUND_SICK;
    }
    for (i = all->nelts - 1; i >= 0; i--) {
        int generation = APR_ARRAY_IDX(all, i, int);
        found_t other;

        if (generation == failed) {
            continue;
        }
        other = try_generation(look, generation);
        if (other == FOUND_GOOD) {
            look->entry->fell_back = 1;
            break;
        }
        if (other == FOUND_SICK) {
            found = FOUND_SICK;
        }
    }
    return found;
}

/* Nothing that `current` names is usable. A sick disk stays `unreadable`
 * though an older pair can be served: nothing may be asked for. */
static cfo_stored_state_t settle_state(const look_t *look, found_t found,
                                       int nothing)
{
    if (found == FOUND_SICK) {
        return CFO_STORED_UNREADABLE;
    }
    if (look->entry->cert_path) {
        return CFO_STORED_PAIR;
    }
    if (nothing) {
        return CFO_STORED_NONE;
    }
    return found == FOUND_MISMATCH ? CFO_STORED_KEY_MISMATCH
                                   : CFO_STORED_DAMAGED;
}

/* No `current`, and nothing to point it at: a certificate not asked for yet.
 * A file where the directory should be is damage. */
static int is_nothing(look_t *look)
{
    apr_status_t rv;
    apr_array_header_t *all = cfo_store_list(look->ptemp, look->dir, &rv);

    return all->nelts == 0 && (rv == APR_SUCCESS || rv == APR_ENOENT);
}

static void look_around(look_t *look)
{
    cfo_entry_t *entry = look->entry;
    int current, nothing = 0;
    apr_status_t rv = cfo_store_resolve(look->dir, &current);
    found_t found;

    if (rv == APR_SUCCESS) {
        found = try_generation(look, current);
        if (found == FOUND_GOOD) {
            entry->stored.state = CFO_STORED_PAIR;
            return;
        }
    }
    else {
        found = found_by(rv);
        nothing = rv == APR_ENOENT && is_nothing(look);
        if (!nothing) {
            note_status(
                look, cfo_store_path(look->ptemp, look->dir, CFO_LINK_CURRENT),
                rv);
        }
    }
    if (!nothing) {
        found = try_others(look, current, found);
    }
    entry->stored.state = settle_state(look, found, nothing);
}

static void look_open(look_t *look, apr_pool_t *p, const char *store,
                      const char *folder, cfo_request_type_t type,
                      apr_hash_t *known)
{
    look->p = p;
    apr_pool_create(&look->ptemp, p);
    look->dir = cfo_store_dir(look->ptemp, store, folder, type);
    look->known = known;
    look->entry = apr_pcalloc(p, sizeof(cfo_entry_t));
}

cfo_entry_t *cfo_store_look(apr_pool_t *p, const char *store,
                            const char *folder, cfo_request_type_t type,
                            apr_hash_t *known)
{
    look_t look;

    look_open(&look, p, store, folder, type, known);
    look_around(&look);
    look.entry->stored.forced = cfo_store_is_forced(look.ptemp, look.dir);
    apr_pool_destroy(look.ptemp);
    return look.entry;
}

int cfo_store_is_anothers(const cfo_entry_t *entry, const char *server)
{
    return server && entry->server && entry->server != cfo_hash_text(server);
}

int cfo_store_is_anothers_of_today(const cfo_entry_t *entry,
                                   const char *server, apr_time_t now)
{
    return cfo_store_is_anothers(entry, server) &&
           entry->stored.installed <= now &&
           now - entry->stored.installed < DAY;
}

cfo_entry_t *cfo_store_generation(apr_pool_t *p, const char *store,
                                  const char *folder, cfo_request_type_t type,
                                  int generation)
{
    found_t found;
    look_t look;

    look_open(&look, p, store, folder, type, NULL);
    found = try_generation(&look, generation);
    look.entry->stored.state = CFO_STORED_PAIR;
    apr_pool_destroy(look.ptemp);
    return found == FOUND_GOOD ? look.entry : NULL;
}

/* ---- pending/ ---- */

/* An install that was cut short has taken the intent away already; meta.json
 * says the same. It was asked for and answered. */
static int intent_of_meta(apr_pool_t *p, const char *dir, const char *pending,
                          cfo_intent_t *intent)
{
    const char *type = strrchr(dir, '/');
    const cfo_meta_t *meta;
    cfo_pem_t text;

    memset(intent, 0, sizeof(*intent));
    cfo_store_read_file(p, cfo_store_path(p, pending, CFO_FILE_META), &text);
    meta = cfo_store_meta_parse(p, &text);
    if (!meta || !type ||
        !cfo_request_type_parse(type + 1, &intent->request_type)) {
        return 0;
    }
    intent->hostnames = meta->hostnames;
    intent->validity = meta->validity;
    intent->account = meta->account;
    intent->created = meta->installed;
    intent->asked = 1;
    return 1;
}

/* A file of pending/; what a sick disk keeps to itself is told. */
static apr_status_t read_pending(apr_pool_t *p, const char *pending,
                                 const char *name, cfo_pem_t *text,
                                 apr_status_t *sick)
{
    apr_status_t rv =
        cfo_store_read_file(p, cfo_store_path(p, pending, name), text);

    if (cfo_store_is_sick(rv)) {
        *sick = rv;
    }
    return rv;
}

/* A CSR that is damaged would be refused day after day. Whatever is wrong
 * with it, the key is what counts: an answer that was lost is found by it. */
static int mend_csr(apr_pool_t *p, cfo_pending_t *found)
{
    const char *spki = cfo_pki_csr_spki(p, &found->csr);

    return (spki && !strcmp(spki, found->intent.spki_sha256)) ||
           cfo_pki_csr_make(p, &found->key, found->intent.hostnames,
                            &found->csr) == APR_SUCCESS;
}

static int read_intent(apr_pool_t *p, const char *dir, const char *pending,
                       cfo_pending_t *found, apr_status_t *sick)
{
    cfo_pem_t text;
    const char *spki;

    if (cfo_pki_key_spki(p, &found->key, &spki) != APR_SUCCESS) {
        return 0;
    }
    if (read_pending(p, pending, CFO_FILE_INTENT, &text, sick) ==
        APR_SUCCESS) {
        return cfo_store_intent_parse(p, &text, &found->intent) &&
               !strcmp(spki, found->intent.spki_sha256) &&
               (found->cert.len || mend_csr(p, found));
    }
    if (!found->cert.len || !intent_of_meta(p, dir, pending, &found->intent)) {
        return 0;
    }
    found->intent.spki_sha256 = spki;
    return 1;
}

cfo_pending_t *cfo_store_pending_look(apr_pool_t *p, const char *dir,
                                      apr_status_t *sick)
{
    const char *pending = cfo_store_path(p, dir, CFO_DIR_PENDING);
    cfo_pending_t *found = apr_pcalloc(p, sizeof(*found));

    *sick = APR_SUCCESS;
    if (read_pending(p, pending, CFO_FILE_KEY, &found->key, sick) !=
        APR_SUCCESS) {
        return NULL;
    }
    read_pending(p, pending, CFO_FILE_CSR, &found->csr, sick);
    read_pending(p, pending, CFO_FILE_CERT, &found->cert, sick);
    if (*sick || !read_intent(p, dir, pending, found, sick)) {
        cfo_pki_wipe(&found->key);
        return NULL;
    }
    return found;
}

cfo_pending_t *cfo_store_pending(apr_pool_t *p, const char *dir)
{
    apr_status_t sick;

    return cfo_store_pending_look(p, dir, &sick);
}
