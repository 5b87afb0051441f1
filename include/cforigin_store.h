/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The store as it is on disk, read only: generations, `current`, attempts,
 * accounts, the renew marker. Used by the parent (which never writes it) and
 * by the keeper. Nothing here creates, changes or locks anything.
 *
 *   <store>/certs/<folder>/<request_type>/current -> 3
 *                                         3/{cert.pem,key.pem,meta.json}
 *                                         attempt.json, renew, pending/
 *   <store>/accounts/<id>.json  <store>/journal.jsonl[.1]  <store>/lock
 *
 * Damage of any kind is a state of what it concerns, never an error of the
 * call. Files are read with a cap; whatever is there may be hostile only as
 * far as root lets it be, but may be any rubbish.
 */
#ifndef CFORIGIN_STORE_H
#define CFORIGIN_STORE_H

#include "cforigin_decide.h"
#include "cforigin_notices.h"
#include "cforigin_pki.h"
#include "cforigin_schedule.h"

#define CFO_FILE_CERT "cert.pem"
#define CFO_FILE_KEY "key.pem"
#define CFO_FILE_META "meta.json"
#define CFO_FILE_CSR "csr.pem"
#define CFO_FILE_INTENT "intent.json"
#define CFO_FILE_ATTEMPT "attempt.json"
#define CFO_FILE_NOTIFY "notify.json"
#define CFO_FILE_RENEW "renew"
#define CFO_DIR_PENDING "pending"
#define CFO_LINK_CURRENT "current"

/** The largest file that is read whole: a certificate, a key, a JSON file. */
#define CFO_FILE_MAX (256 * 1024)

/** Read a small file whole. APR_SUCCESS with NUL-terminated data, APR_ENOENT,
 * APR_EGENERAL for one that is no regular file or over CFO_FILE_MAX, or the
 * system's error. O_NOFOLLOW is not used: a store may hold links. */
apr_status_t cfo_store_read_file(apr_pool_t *p, const char *path,
                                 cfo_pem_t *text);

/** CFOriginCARootFile's roots; or NULL and *fault, what is wrong with the file
 * and what to do, to be said after its path. */
const cfo_roots_t *cfo_store_read_roots(apr_pool_t *p, const char *path,
                                        const char **fault);

/** 1 for an error that says nothing of the file itself: no permission, no
 * descriptor, no memory, an I/O error, and whatever is not known to mean that
 * the file is missing or the wrong kind of thing. */
int cfo_store_is_sick(apr_status_t rv);

/** <store>/certs/<folder>/<request_type> */
const char *cfo_store_dir(apr_pool_t *p, const char *store,
                          const char *folder, cfo_request_type_t type);

/** meta.json of a generation: what the certificate itself doesn't tell. */
typedef struct cfo_meta_t {
    int adopted;            /* taken over from targets, not issued by us */
    int validity;           /* requested_validity, 0 when adopted */
    const char *account;    /* account id */
    const char *zone_id;    /* when it is known, else NULL */
    const char *ray;        /* of the answer that brought it, or NULL */
    const char *serial;
    apr_time_t installed;
    const char *server; /* who installed it, several servers may share a
                         * store; NULL: unknown */
    const apr_array_header_t *hostnames; /* as asked for */
    const apr_array_header_t *former; /* sha256 of the certificates that were
                                       * live before it, the oldest first */
    const apr_array_header_t *targets;   /* cfo_target_t: certificate, key */
} cfo_meta_t;

/** What is remembered of a file pair that was opened and checked; two of
 * them are equal when the files were not touched in between. */
typedef struct cfo_stamp_t {
    apr_uint64_t dev[2], ino[2], size[2];
    apr_int64_t ctime_sec[2], ctime_nsec[2];
} cfo_stamp_t;

/** The live generation of one wanted certificate. With CFO_STORED_UNREADABLE
 * an older pair that can still be read is told all the same, with its facts:
 * it is served, and nothing is asked for. */
typedef struct cfo_entry_t {
    cfo_stored_t stored;
    int generation;        /* 0 when there is none usable */
    int fell_back;         /* `current` was unusable, an older one is live */
    const char *cert_path; /* …/3/cert.pem; NULL without a usable pair */
    const char *key_path;
    apr_uint64_t server;   /* cfo_hash_text of meta.json's, 0: unknown */
    cfo_stamp_t stamp;
    const cfo_meta_t *meta; /* NULL when it is missing or unreadable, and of
                             * a pair that was known */
    const char *fault;     /* what is damaged or unreadable, for a log line */
} cfo_entry_t;

/**
 * Look at one wanted certificate: resolve `current` once, open the pair of
 * that generation, check that it loads and matches; on damage try the older
 * generations, newest first.
 * @param known pairs that were checked before: cert_path -> const cfo_entry_t
 *        *, or NULL. One whose stamp is unchanged is not opened again (stat
 *        only), and the entry points into what is remembered
 * @return never NULL
 */
cfo_entry_t *cfo_store_look(apr_pool_t *p, const char *store,
                            const char *folder, cfo_request_type_t type,
                            struct apr_hash_t *known);

/** What another server on this store installed. */
int cfo_store_is_anothers(const cfo_entry_t *entry, const char *server);

/** The same, less than a day ago: two servers that want it otherwise must not
 * replace each other's certificate by turns. */
int cfo_store_is_anothers_of_today(const cfo_entry_t *entry,
                                   const char *server, apr_time_t now);

/** One generation by number, NULL when it is no usable pair. */
cfo_entry_t *cfo_store_generation(apr_pool_t *p, const char *store,
                                  const char *folder, cfo_request_type_t type,
                                  int generation);

/** How many of those that were live before it a generation knows. */
#define CFO_FORMER_MAX 64

/** What the next generation after this one is to know of. */
const apr_array_header_t *cfo_store_former(apr_pool_t *p,
                                           const cfo_entry_t *live);

/** sha256 of each certificate that the store has, or had. Walks the store. */
struct apr_hash_t *cfo_store_certificates(apr_pool_t *p, const char *store);

/**
 * 1 when a pair that was found elsewhere is one of the store's own: of the
 * other request type, or of this one when it has a good pair. (When it has
 * none, a copy of what it had is as good as anybody's.) Reads the store only
 * when it is not the live one.
 */
int cfo_store_has_certificate(apr_pool_t *p, const char *store,
                              const char *folder, cfo_request_type_t type,
                              const cfo_stored_t *stored,
                              const cfo_cert_facts_t *found);

/** Numbers of all generation directories, ascending (int). */
apr_array_header_t *cfo_store_generations(apr_pool_t *p, const char *dir);

/**
 * Generations to be revoked (const cfo_entry_t *), the newest first: issued by
 * this account, still valid, and replaced a day ago or more; but for those
 * whose revocation was refused less than a day ago.
 * @param live the live generation, a good pair
 * @param account its id; NULL: none
 */
apr_array_header_t *
cfo_store_superseded(apr_pool_t *p, const char *store, const char *folder,
                     cfo_request_type_t type, const cfo_entry_t *live,
                     const char *account, apr_time_t now);

/**
 * Index of the whole store by target: certificate path -> folder, of the live
 * generations' meta.json. Walks the store: only for the rare case that a
 * wanted certificate with targets has no folder of its own.
 */
struct apr_hash_t *cfo_store_targets(apr_pool_t *p, const char *store);

/**
 * Whether a folder of the store is root's (or ours) alone to write to: whoever
 * else can make links there could lead the keeper, who is root, to any file.
 * @return a sentence with the remedy, or NULL: it is, or it isn't there
 */
const char *cfo_store_open_to_others(apr_pool_t *p, const char *dir);

/**
 * Whether somebody else than root could put another store in this one's place
 * by renaming what lies in a folder above it. It is told and no more: httpd's
 * own container image has such folders.
 * @return a sentence with the remedy; NULL: nobody could, or we aren't root
 */
const char *cfo_store_movable_by_others(apr_pool_t *p, const char *store);

/** Folders below certs/ (const char *), for what is there but not wanted. */
apr_array_header_t *cfo_store_folders(apr_pool_t *p, const char *store);

/** attempt.json; failures 0 when it is missing, empty, rubbish, or older than
 * the switch of `current`: a success came after it. */
cfo_attempt_t cfo_store_attempt(apr_pool_t *p, const char *dir);

/** As cfo_store_attempt; *fault is set to a sentence with the path where the
 * file is damaged, to NULL where it is good or not there. */
cfo_attempt_t cfo_store_attempt_look(apr_pool_t *p, const char *dir,
                                     const char **fault);

/** notify.json; zeroed when it is missing, empty or rubbish. */
cfo_notices_t cfo_store_notices(apr_pool_t *p, const char *dir);

/** accounts/<id>.json */
typedef struct cfo_account_state_t {
    apr_time_t paused_until; /* 0: not paused */
    apr_time_t last_success; /* 0: none known */
} cfo_account_state_t;
cfo_account_state_t cfo_store_account(apr_pool_t *p, const char *store,
                                      const char *id);
/** As cfo_store_account; fault as for cfo_store_attempt_look. */
cfo_account_state_t cfo_store_account_look(apr_pool_t *p, const char *store,
                                           const char *id, const char **fault);

/** pending/: a key that was made and perhaps asked for. */
typedef struct cfo_intent_t {
    const char *folder;     /* for messages */
    cfo_request_type_t request_type;
    const apr_array_header_t *hostnames;
    int validity;
    const char *account;
    const char *spki_sha256; /* of pending/key.pem */
    apr_time_t created;
    int asked;               /* a create may be under way or lost */
} cfo_intent_t;

typedef struct cfo_pending_t {
    cfo_intent_t intent;
    cfo_pem_t key;          /* wipe it */
    cfo_pem_t csr;          /* made anew where the file is damaged; not looked
                             * at when there is a certificate */
    cfo_pem_t cert;         /* data NULL, unless it came but was not named */
} cfo_pending_t;

/** NULL when there is none, or it is not whole, or key and intent differ. */
cfo_pending_t *cfo_store_pending(apr_pool_t *p, const char *dir);

/** As cfo_store_pending; *sick tells the disk's error when NULL means that it
 * can't be known whether there is one, else APR_SUCCESS. */
cfo_pending_t *cfo_store_pending_look(apr_pool_t *p, const char *dir,
                                      apr_status_t *sick);

/** The number that `current` names (readlink, nothing is opened), 0 when it is
 * not there or names none. */
int cfo_store_current(apr_pool_t *p, const char *dir);

/** 1 when the `renew` marker is there, and was put there after the live
 * generation came. */
int cfo_store_is_forced(apr_pool_t *p, const char *dir);

#endif
