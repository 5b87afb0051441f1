/* SPDX-License-Identifier: Apache-2.0 */
/** The store and the targets as they are written: modes, crashes at every
 * step, failures at every step, what is kept and what goes. */
#include "make_store.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <apr_time.h>

#include "cforigin_store_write.h"

/* ---- the calls that change a disk, with a trap in them ---- */

#define CRASHED 99
#define FAILED 7

static int countdown = -1; /* calls until the trap; -1: none is set */
static int trap_errno;     /* 0: the process ends there */
static int trap_stays;     /* every call after it fails too */

static int trapped(void)
{
    if (countdown < 0 || countdown-- > 0) {
        return 0;
    }
    if (!trap_errno) {
        _exit(CRASHED);
    }
    countdown = trap_stays ? 0 : -1;
    errno = trap_errno;
    return 1;
}

int rename(const char *from, const char *to)
{
    return trapped()
               ? -1
               : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int a, const char *from, int b, const char *to)
{
    return trapped() ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int symlink(const char *target, const char *path)
{
    return trapped() ? -1
                     : (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

int unlinkat(int fd, const char *path, int flags)
{
    return trapped() ? -1 : (int)syscall(SYS_unlinkat, fd, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    return trapped() ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* What such a file system says when a folder is to be synced; 0: nothing. */
static int folder_errno;

int fsync(int fd)
{
    struct stat st;

    if (folder_errno && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = folder_errno;
        return -1;
    }
    return trapped() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fchmod(int fd, mode_t mode)
{
    return trapped() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

/* The clock on the wall goes forward by so many seconds at each look. */
static long clock_jump, clock_offset;

__attribute__((visibility("default"))) int gettimeofday(struct timeval *tv,
                                                        void *zone)
{
    long rv = syscall(SYS_gettimeofday, tv, zone);

    clock_offset += clock_jump;
    tv->tv_sec += clock_offset;
    return (int)rv;
}

/* ---- fixtures ---- */

static apr_pool_t *pool;
static const char *store, *dir;
static ms_pair_t one, two, three;
static int *posts; /* shared with children: how often the API was asked */

static cfo_meta_t meta_of(const char *serial)
{
    cfo_meta_t meta;

    memset(&meta, 0, sizeof(meta));
    meta.validity = 90;
    meta.account = "00ff";
    meta.serial = serial;
    meta.installed = apr_time_from_sec((apr_int64_t)MS_NOW);
    meta.hostnames = mc_list(pool, MS_FOLDER);
    return meta;
}

static cfo_intent_t intent_of(const cfo_pem_t *key)
{
    cfo_intent_t intent;

    memset(&intent, 0, sizeof(intent));
    intent.folder = MS_FOLDER;
    intent.hostnames = mc_list(pool, MS_FOLDER);
    intent.validity = 90;
    intent.account = "00ff";
    intent.created = apr_time_from_sec((apr_int64_t)MS_NOW);
    intent.asked = 1;
    cfo_pki_key_spki(pool, key, &intent.spki_sha256);
    return intent;
}

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    ms_pair(pool, &one, 0, "1");
    ms_pair(pool, &two, 0, "2");
    ms_pair(pool, &three, 1, "3");
    posts = mmap(NULL, sizeof(*posts), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return posts == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(one.pkey);
    EVP_PKEY_free(two.pkey);
    EVP_PKEY_free(three.pkey);
    munmap(posts, sizeof(*posts));
    apr_pool_destroy(pool);
    return 0;
}

static int open_store(void **state)
{
    (void)state;
    store = ms_open(pool);
    dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    ms_run("mkdir %s/certs", store);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    return 0;
}

static const char *at(const char *name)
{
    return apr_pstrcat(pool, dir, "/", name, NULL);
}

static const char *in_store(const char *name)
{
    return apr_pstrcat(pool, store, "/", name, NULL);
}

static cfo_entry_t *look(void)
{
    return cfo_store_look(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, NULL);
}

static void ok(cfo_result_t result)
{
    if (result.kind != CFO_OK) {
        fail_msg("%s", result.message);
    }
}

static void put_pending(const ms_pair_t *pair)
{
    cfo_intent_t intent = intent_of(&pair->key);
    cfo_pem_t csr = {apr_pstrdup(pool, "csr"), 3};

    ok(cfo_store_put_pending(pool, dir, &intent, &pair->key, &csr));
}

static int install(const ms_pair_t *pair, const char *serial)
{
    cfo_meta_t meta = meta_of(serial);
    int generation;

    put_pending(pair);
    ok(cfo_store_install(pool, dir, &pair->cert, &meta, &generation));
    return generation;
}

/* ---- modes ---- */

static void modes_whatever_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0177, 0777};
    static const struct {
        const char *path;
        int mode;
    } rows[] = {
        {"", 0755},
        {"certs", 0755},
        {"accounts", 0755},
        {"accounts/00ff.json", 0600},
        {"journal.jsonl", 0600},
        {"lock", 0600},
        {"certs/a.example.com", 0700},
        {"certs/a.example.com/origin-ecc", 0700},
        {"certs/a.example.com/origin-ecc/1", 0700},
        {"certs/a.example.com/origin-ecc/1/key.pem", 0600},
        {"certs/a.example.com/origin-ecc/1/cert.pem", 0644},
        {"certs/a.example.com/origin-ecc/pending", 0700},
        {"certs/a.example.com/origin-ecc/pending/key.pem", 0600},
        {"certs/a.example.com/origin-ecc/pending/csr.pem", 0600},
        {"certs/a.example.com/origin-ecc/pending/intent.json", 0600},
        {"certs/a.example.com/origin-ecc/attempt.json", 0600},
    };
    const char *outer = store;
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        cfo_account_state_t account = {1000000, 0};
        cfo_attempt_t attempt = {.failures = 1};
        cfo_store_lock_t *lock;
        mode_t old = umask(masks[i]);

        store = apr_psprintf(pool, "%s/x%d/store", outer, (int)i);
        dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
        ok(cfo_store_prepare(pool, store));
        assert_int_equal(cfo_store_lock(pool, store, 0, NULL, &lock), 0);
        cfo_store_unlock(lock);
        assert_int_equal(install(&one, "1"), 1);
        put_pending(&two);
        ok(cfo_store_put_attempt(pool, dir, &attempt));
        ok(cfo_store_put_account(pool, store, "00ff", &account));
        ok(cfo_store_journal(pool, store, "{}"));
        umask(old);
        for (j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            if (ms_mode(in_store(rows[j].path)) != rows[j].mode) {
                fail_msg("umask %03o: %s is %04o", (unsigned)masks[i],
                         rows[j].path,
                         (unsigned)ms_mode(in_store(rows[j].path)));
            }
        }
    }
    store = outer;
}

static void prepare_follows_a_link_and_spares_strangers(void **state)
{
    const char *link = in_store("link"), *file = in_store("file");
    cfo_result_t result;

    (void)state;
    ms_run("mkdir %s/real && ln -s real %s", store, link);
    ok(cfo_store_prepare(pool, link));
    assert_int_equal(ms_mode(in_store("real/certs")), 0755);
    ms_put(file, "an administrator's", 0644);
    result = cfo_store_prepare(pool, file);
    assert_int_equal(result.kind, CFO_LOCAL);
    assert_non_null(strstr(result.message, file));
    assert_string_equal(ms_get(pool, file), "an administrator's");
    ok(cfo_store_prepare(pool, link));
}

/* ---- a life ---- */

static void a_generation_is_three_files(void **state)
{
    cfo_pending_t *pending;
    cfo_entry_t *entry;

    (void)state;
    put_pending(&one);
    pending = cfo_store_pending(pool, dir);
    assert_string_equal(pending->key.data, one.key.data);
    assert_string_equal(cfo_pki_csr_spki(pool, &pending->csr),
                        pending->intent.spki_sha256);
    assert_null(pending->cert.data);
    assert_int_equal(pending->intent.asked, 1);
    assert_int_equal(pending->intent.validity, 90);
    assert_string_equal(pending->intent.account, "00ff");
    assert_string_equal(pending->intent.folder, MS_FOLDER);
    assert_true(pending->intent.created ==
                apr_time_from_sec((apr_int64_t)MS_NOW));

    ms_run("touch %s %s", at("attempt.json"), at("renew"));
    assert_int_equal(install(&one, "1"), 1);
    assert_string_equal(ms_names(pool, dir), "1 current");
    assert_string_equal(ms_names(pool, at("1")), "cert.pem key.pem meta.json");
    assert_string_equal(ms_get(pool, at("1/cert.pem")), one.cert.data);
    assert_string_equal(ms_get(pool, at("1/key.pem")), one.key.data);
    assert_int_equal(install(&two, "2"), 2);
    assert_string_equal(ms_names(pool, dir), "1 2 current");
    entry = look();
    assert_int_equal(entry->generation, 2);
    assert_int_equal(entry->fell_back, 0);
    assert_string_equal(entry->meta->serial, "2");
    assert_string_equal(entry->meta->account, "00ff");
    assert_int_equal(entry->meta->hostnames->nelts, 1);
    assert_null(entry->meta->zone_id);
}

static void install_again_is_the_same(void **state)
{
    cfo_meta_t meta = meta_of("1");
    int generation = 0;

    (void)state;
    install(&one, "1");
    ok(cfo_store_install(pool, dir, &one.cert, &meta, &generation));
    assert_int_equal(generation, 1);
    assert_string_equal(ms_names(pool, dir), "1 current");
    assert_int_equal(
        cfo_store_install(pool, dir, &two.cert, &meta, &generation).kind,
        CFO_LOCAL);
}

static void another_key_is_not_installed(void **state)
{
    cfo_meta_t meta = meta_of("2");
    int generation;

    (void)state;
    install(&one, "1");
    put_pending(&three);
    assert_int_equal(
        cfo_store_install(pool, dir, &two.cert, &meta, &generation).kind,
        CFO_LOCAL);
    assert_int_equal(look()->generation, 1);
    assert_string_equal(ms_names(pool, dir), "1 current pending");
}

static void intent_and_drop(void **state)
{
    cfo_intent_t intent = intent_of(&one.key);

    (void)state;
    put_pending(&one);
    intent.asked = 0;
    ok(cfo_store_put_intent(pool, dir, &intent));
    assert_int_equal(cfo_store_pending(pool, dir)->intent.asked, 0);
    put_pending(&two); /* replaces it */
    assert_string_equal(cfo_store_pending(pool, dir)->key.data, two.key.data);
    assert_string_equal(ms_names(pool, at("pending")),
                        "csr.pem intent.json key.pem");
    ms_run("mkdir -p %s/a/b && touch %s/a/b/c", at("pending"), at("pending"));
    ok(cfo_store_drop_pending(pool, dir));
    assert_string_equal(ms_names(pool, dir), "");
    ok(cfo_store_drop_pending(pool, dir));
}

static void pair_taken_over(void **state)
{
    cfo_meta_t meta = meta_of("1");
    cfo_pem_t both;
    cfo_target_t target = {"/etc/c.pem", "/etc/k.pem", NULL, 0, 0};
    apr_array_header_t *targets = apr_array_make(pool, 1, sizeof(target));
    int generation;

    (void)state;
    meta.adopted = 1;
    meta.validity = 0;
    APR_ARRAY_PUSH(targets, cfo_target_t) = target;
    meta.targets = targets;
    both.data =
        apr_pstrcat(pool, "a comment\n", one.cert.data, one.key.data, NULL);
    both.len = strlen(both.data);
    ok(cfo_store_install_pair(pool, dir, &both, &both, &meta, &generation));
    assert_int_equal(generation, 1);
    assert_int_equal(look()->stored.adopted, 1);
    assert_string_equal(ms_get(pool, at("1/cert.pem")), one.cert.data);
    assert_string_equal(ms_get(pool, at("1/key.pem")), one.key.data);
    assert_string_equal(
        APR_ARRAY_IDX(look()->meta->targets, 0, cfo_target_t).certificate,
        "/etc/c.pem");
    assert_int_equal(cfo_store_install_pair(pool, dir, &two.cert, &three.key,
                                            &meta, &generation)
                         .kind,
                     CFO_LOCAL);
    assert_int_equal(generation, 0);
    assert_string_equal(ms_names(pool, dir), "1 current");
}

/* ---- crash and failure at every step ---- */

/* What a keeper does, in short; the answer of the API is `two`. */
static void round_of_work(void *baton)
{
    cfo_meta_t meta = meta_of("2");
    cfo_intent_t intent = intent_of(&two.key);
    cfo_pem_t csr = {apr_pstrdup(pool, "csr"), 3};
    cfo_result_t result;
    cfo_pending_t *pending;
    cfo_entry_t *entry;
    int changed, generation;

    if (baton) {
        countdown = *(int *)baton;
    }
    result = cfo_store_settle(pool, dir, &changed);
    entry = look();
    if (entry->stored.facts && !strcmp(entry->stored.facts->serial, "2")) {
        if (entry->fell_back) {
            result = cfo_store_set_current(pool, dir, entry->generation);
        }
        _exit(result.kind == CFO_OK ? 0 : FAILED);
    }
    pending = cfo_store_pending(pool, dir);
    if (!pending) {
        result = cfo_store_put_pending(pool, dir, &intent, &two.key, &csr);
    }
    /* asked for, unless the list of the API has this key already */
    if (result.kind == CFO_OK && !(pending && pending->cert.data) &&
        !(pending && *posts)) {
        ++*posts;
    }
    if (result.kind == CFO_OK) {
        result = cfo_store_install(pool, dir, &two.cert, &meta, &generation);
    }
    if (result.kind != CFO_OK &&
        (result.kind != CFO_LOCAL || !strstr(result.message, store))) {
        _exit(50);
    }
    _exit(result.kind == CFO_OK ? 0 : FAILED);
}

/* After any number of broken rounds: whole again, with one request. */
static void expect_whole(int with_old)
{
    cfo_entry_t *entry;

    assert_int_equal(ms_child(round_of_work, NULL), 0);
    entry = look();
    assert_int_equal(entry->stored.state, CFO_STORED_PAIR);
    assert_string_equal(entry->stored.facts->serial, "2");
    assert_int_equal(entry->fell_back, 0);
    assert_non_null(entry->meta);
    assert_int_equal(entry->stored.forced, 0);
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 0);
    assert_int_equal(*posts, 1);
    cfo_store_prune(pool, dir, apr_time_now() + apr_time_from_sec(3 * 86400),
                    0);
    assert_string_equal(ms_names(pool, dir),
                        with_old ? "1 2 current" : "1 current");
    assert_string_equal(
        ms_names(pool, apr_psprintf(pool, "%s/%d", dir, entry->generation)),
        "cert.pem key.pem meta.json");
}

static void begin(int with_old)
{
    cfo_attempt_t attempt = {.failures = 4};

    open_store(NULL);
    *posts = 0;
    if (with_old) {
        install(&one, "1");
        ok(cfo_store_put_attempt(pool, dir, &attempt));
        ms_put(at("renew"), "", 0644);
        ms_run("touch -d '1 hour ago' %s", at("attempt.json"));
    }
}

static void break_at_every_step(int with_old, int err, int stays)
{
    int n, status = -1;

    trap_errno = err;
    trap_stays = stays;
    for (n = 0; status != 0; n++) {
        begin(with_old);
        status = ms_child(round_of_work, &n);
        assert_true(status == 0 || status == (err ? FAILED : CRASHED));
        if (with_old) { /* never without a pair, whatever happens */
            assert_int_equal(look()->stored.state, CFO_STORED_PAIR);
        }
        if (err && !stays) {
            assert_null(strstr(ms_names(pool, dir), ".tmp"));
        }
        expect_whole(with_old);
        close_store(NULL);
    }
    assert_true(n > 15); /* the trap did go off */
    open_store(NULL);
}

static void crash_at_every_step(void **state)
{
    (void)state;
    close_store(NULL);
    break_at_every_step(0, 0, 0);
    close_store(NULL);
    break_at_every_step(1, 0, 0);
}

static void failure_at_every_step(void **state)
{
    (void)state;
    close_store(NULL);
    break_at_every_step(0, ENOSPC, 0);
    close_store(NULL);
    break_at_every_step(1, EIO, 0);
    close_store(NULL);
    break_at_every_step(1, EROFS, 1);
}

/* A second crash while the first is being mended. */
static void crash_twice(void **state)
{
    int n, m, first = -1, second;

    (void)state;
    close_store(NULL);
    trap_errno = 0;
    for (n = 0; first != 0; n += 2) {
        for (m = 0, second = -1; second != 0; m += 3) {
            begin(1);
            first = ms_child(round_of_work, &n);
            second = ms_child(round_of_work, &m);
            assert_int_equal(look()->stored.state, CFO_STORED_PAIR);
            expect_whole(1);
            close_store(NULL);
        }
    }
    open_store(NULL);
}

/* A file can't grow past a few bytes: a full disk as write() sees it. */
static void round_on_a_full_disk(void *baton)
{
    const struct rlimit limit = {100, 100};

    (void)baton;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    round_of_work(NULL);
}

static void full_disk(void **state)
{
    (void)state;
    close_store(NULL);
    begin(1);
    assert_int_equal(ms_child(round_on_a_full_disk, NULL), FAILED);
    assert_string_equal(ms_names(pool, dir), "1 attempt.json current renew");
    expect_whole(1);
}

/* An administrator's way back to an older generation is not a crash. */
static void rolled_back_by_hand_stays(void **state)
{
    int changed = 7;

    (void)state;
    install(&one, "1");
    install(&two, "2");
    ms_run("ln -sfn 1 %s", at("current"));
    ok(cfo_store_settle(pool, dir, &changed));
    assert_int_equal(changed, 0);
    assert_int_equal(look()->generation, 1);
}

/* ---- what stands in the way ---- */

static void damage_is_moved_aside(void **state)
{
    static const char *rows[] = {
        "touch certs/a.example.com",
        "mkdir -p certs/a.example.com; touch certs/a.example.com/origin-ecc",
        "mkdir -p certs/a.example.com; "
        "ln -s nowhere certs/a.example.com/origin-ecc",
        "mkdir -p certs/a.example.com/origin-ecc/current/x",
        "mkdir -p certs/a.example.com/origin-ecc/current.damaged/x "
        "certs/a.example.com/origin-ecc/current/y",
        "mkdir -p certs/a.example.com/origin-ecc; "
        "touch certs/a.example.com/origin-ecc/pending",
        "mkdir -p certs/a.example.com/origin-ecc; "
        "ln -s current certs/a.example.com/origin-ecc/current",
        "mkdir -p certs/a.example.com/origin-ecc/attempt.json/x",
        "mkdir -p certs/a.example.com/origin-ecc/renew/x",
        "mkdir -p certs/a.example.com/origin-ecc/.current.next/x",
        "mkdir -p certs/a.example.com/origin-ecc/.pending.new/x",
        "rmdir certs; touch certs",
    };
    size_t i;

    (void)state;
    close_store(NULL);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        open_store(NULL);
        ms_run("cd %s && { %s; }", store, rows[i]);
        ok(cfo_store_prepare(pool, store));
        assert_int_equal(install(&one, "1"), 1);
        assert_int_equal(look()->generation, 1);
        assert_int_equal(look()->fell_back, 0);
        assert_null(look()->fault);
        assert_int_equal(look()->stored.forced, 0);
        close_store(NULL);
    }
    open_store(NULL);
}

static void numbers_in_use_are_left_alone(void **state)
{
    (void)state;
    ms_run("mkdir -p %s/7 && touch %s/9 %s/012", dir, dir, dir);
    assert_int_equal(install(&one, "1"), 10);
    assert_string_equal(ms_names(pool, dir), "012 10 7 9 current");
}

static void attempt_over_a_directory(void **state)
{
    cfo_attempt_t attempt = {.failures = 2};

    (void)state;
    ms_run("mkdir -p %s/attempt.json/x", dir);
    ok(cfo_store_put_attempt(pool, dir, &attempt));
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 2);
}

/* A failure that came before the last success is history. */
static void attempt_before_a_success(void **state)
{
    cfo_attempt_t attempt = {.failures = 2};

    (void)state;
    install(&one, "1");
    ok(cfo_store_put_attempt(pool, dir, &attempt));
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 2);
    ms_run("touch -d '1 hour ago' %s", at("attempt.json"));
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 0);
    ms_run("touch %s", at("attempt.json"));
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 2);
}

static void set_current_after_damage(void **state)
{
    (void)state;
    install(&one, "1");
    install(&two, "2");
    ms_put(at("2/cert.pem"), "", 0644);
    assert_int_equal(look()->fell_back, 1);
    ok(cfo_store_set_current(pool, dir, 1));
    assert_int_equal(look()->fell_back, 0);
    assert_int_equal(look()->generation, 1);
    assert_int_equal(cfo_store_set_current(pool, dir, 5).kind, CFO_LOCAL);
    assert_int_equal(cfo_store_current(pool, dir), 1);
    assert_int_equal(install(&three, "3"), 3);
}

/* ---- pruning ---- */

static void prune_keeps_what_may_be_needed(void **state)
{
    static const struct {
        const char *command; /* on generations 1 to 5, current -> 4 */
        int days, removed;
        const char *left;
    } rows[] = {
        {"true", 0, 0, "1 2 3 4 5 current"},
        {"true", 2, 3, "3 4 current"},
        {"ln -sfn 5 current", 2, 3, "4 5 current"},
        {"ln -sfn 1 current", 2, 4, "1 current"},
        {": > 3/cert.pem", 2, 2, "2 3 4 current"},
        {": > 4/cert.pem", 2, 0, "1 2 3 4 5 current"},
        {"rm current", 2, 0, "1 2 3 4 5"},
        {"ln -sfn x current", 2, 0, "1 2 3 4 5 current"},
        {"mkdir .x; touch .y a.damaged keep 9", 0, 0,
         ".x .y 1 2 3 4 5 9 a.damaged current keep"},
        {"mkdir .x; touch .y a.damaged keep 9", 2, 3, "3 4 9 current keep"},
    };
    const char *left;
    int g, removed;
    size_t i;

    (void)state;
    close_store(NULL);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *now =
            apr_pstrcat(pool, "{\"installed\":\"",
                        cfo_time_word(pool, apr_time_now()), "\"}", NULL);

        open_store(NULL);
        for (g = 1; g <= 5; g++) {
            ms_generation(pool, dir, g, &one, now);
        }
        ms_run("cd %s && ln -s 4 current && { %s; }", dir, rows[i].command);
        removed = cfo_store_prune(
            pool, dir,
            apr_time_now() + apr_time_from_sec(rows[i].days * 86400), 0);
        left = ms_names(pool, dir);
        if (removed != rows[i].removed || strcmp(left, rows[i].left)) {
            fail_msg("%s: removed %d, left %s", rows[i].command, removed,
                     left);
        }
        close_store(NULL);
    }
    open_store(NULL);
}

/* ---- lock ---- */

static void hold_lock(void *baton)
{
    const int *pipes = baton;
    cfo_store_lock_t *lock;
    char byte;

    if (cfo_store_lock(pool, store, 0, NULL, &lock) != APR_SUCCESS) {
        _exit(90);
    }
    close(pipes[1]);
    if (write(pipes[3], "x", 1) != 1 || read(pipes[0], &byte, 1) != 0) {
        _exit(91);
    }
    apr_sleep(apr_time_from_msec(300));
}

static void one_keeper_at_a_time(void **state)
{
    int pipes[4], status;
    cfo_store_lock_t *lock;
    volatile sig_atomic_t stop = 1;
    apr_time_t began;
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid = fork();
    if (pid == 0) {
        hold_lock(pipes);
        _exit(0);
    }
    close(pipes[3]);
    assert_int_equal(read(pipes[2], &byte, 1), 1);
    assert_int_equal(cfo_store_lock(pool, store, 0, NULL, &lock), APR_TIMEUP);
    assert_null(lock);
    began = apr_time_now();
    assert_int_equal(
        cfo_store_lock(pool, store, apr_time_from_msec(250), NULL, &lock),
        APR_TIMEUP);
    assert_true(apr_time_now() - began >= apr_time_from_msec(250));
    began = apr_time_now();
    assert_int_equal(
        cfo_store_lock(pool, store, apr_time_from_sec(60), &stop, &lock),
        APR_TIMEUP);
    assert_true(apr_time_now() - began < apr_time_from_sec(30));

    close(pipes[1]);   /* the child ends; the lock is waited for */
    clock_jump = 3600; /* and no clock that is set meanwhile hastens it */
    assert_int_equal(
        cfo_store_lock(pool, store, apr_time_from_sec(30), NULL, &lock),
        APR_SUCCESS);
    clock_jump = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    cfo_store_unlock(lock);
    cfo_store_unlock(lock);
    cfo_store_unlock(NULL);
    assert_int_equal(cfo_store_lock(pool, "/nowhere/at/all", 0, NULL, &lock),
                     ENOENT);
}

/* ---- journal ---- */

static void journal_lines_stay_apart(void **state)
{
    (void)state;
    ok(cfo_store_journal(pool, store, "{\"a\":1}"));
    ok(cfo_store_journal(pool, store, "{\"b\":2}"));
    assert_string_equal(ms_get(pool, in_store("journal.jsonl")),
                        "{\"a\":1}\n{\"b\":2}\n");
    ms_put(in_store("journal.jsonl"), "{\"torn", 0600);
    ok(cfo_store_journal(pool, store, "{\"c\":3}"));
    assert_string_equal(ms_get(pool, in_store("journal.jsonl")),
                        "{\"torn\n{\"c\":3}\n");
    assert_int_equal(cfo_store_journal(pool, "/nowhere", "{}").kind,
                     CFO_LOCAL);
}

/* Whoever can make links in the store could lead root anywhere. */
static void a_store_is_nobody_elses(void **state)
{
    static const struct {
        const char *command, *says; /* NULL: it is used */
    } rows[] = {
        {"chmod 755 .", NULL},
        {"chmod 700 .; chmod 711 certs", NULL},
        {"chgrp 0 . && chmod 775 .", NULL},
        {"chmod 777 .", "has mode 0777"},
        {"chmod 1777 certs", "has mode 1777"},
        {"mkdir accounts; chmod 757 accounts", "has mode 0757"},
        {"chown 65534 .", "belongs to user 65534"},
        {"chown 65534 certs", "belongs to user 65534"},
        {"chgrp 65534 . && chmod 775 .", "has mode 0775"},
    };
    size_t i;

    (void)state;
    for (i = 0; geteuid() == 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = apr_psprintf(pool, "%s/s%d", store, (int)i);
        cfo_result_t result;

        ms_run("mkdir -p %s/certs && cd %s && { %s; }", at, at,
               rows[i].command);
        result = cfo_store_prepare(pool, at);
        assert_int_equal(result.kind, rows[i].says ? CFO_LOCAL : CFO_OK);
        if (rows[i].says && !strstr(result.message, rows[i].says))
            fail_msg("%s: %s", rows[i].command, result.message);
    }
}

static void a_long_journal_begins_anew(void **state)
{
    const char *path = in_store("journal.jsonl");

    (void)state;
    ok(cfo_store_turn_journal(pool, store, 8)); /* there is none */
    ok(cfo_store_journal(pool, store, "{\"a\":1}"));
    ok(cfo_store_turn_journal(pool, store, 8));
    assert_string_equal(ms_get(pool, path), "{\"a\":1}\n");
    ok(cfo_store_journal(pool, store, "{}"));
    ok(cfo_store_turn_journal(pool, store, 8));
    assert_null(ms_get(pool, path));
    ok(cfo_store_journal(pool, store, "{\"b\":2}"));
    assert_string_equal(ms_get(pool, path), "{\"b\":2}\n");
    assert_string_equal(ms_get(pool, in_store("journal.jsonl.1")),
                        "{\"a\":1}\n{}\n");
    ok(cfo_store_turn_journal(pool, store, 1));
    assert_string_equal(ms_get(pool, in_store("journal.jsonl.1")),
                        "{\"b\":2}\n");
    assert_int_equal(ms_mode(in_store("journal.jsonl.1")), 0600);
}

/* ---- targets ---- */

static const struct target_row_t {
    const char *command; /* run where the targets are to be */
    const char *cert, *key;
    const char *cert_file, *key_file; /* where the texts have to be */
    int cert_mode, key_mode;
    cfo_kind_t kind;
} target_rows[] = {
    {"true", "c.pem", "k.pem", "c.pem", "k.pem", 0644, 0600, CFO_OK},
    {"echo old > c.pem; echo old > k.pem; chmod 640 c.pem k.pem", "c.pem",
     "k.pem", "c.pem", "k.pem", 0640, 0640, CFO_OK},
    {"touch k.pem; chmod 400 k.pem", "c.pem", "k.pem", "c.pem", "k.pem", 0644,
     0400, CFO_OK},
    {"mkdir d; ln -s d/c c.pem; ln -s \"$PWD/d/k\" k.pem", "c.pem", "k.pem",
     "d/c", "d/k", 0644, 0600, CFO_OK},
    {"mkdir d; echo old > d/k; chmod 640 d/k; ln -s d/k l; ln -s l k.pem",
     "c.pem", "k.pem", "c.pem", "d/k", 0644, 0640, CFO_OK},
    {"true", "x/c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"true", "c.pem", "x/k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"mkdir k.pem", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"mkdir c.pem", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"mkfifo c.pem", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"ln -s x/y c.pem", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    {"ln -s k.pem k.pem", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
    /* a placeholder that never held a key; one that a crash left behind */
    {"touch k.pem; chmod 644 k.pem", "c.pem", "k.pem", "c.pem", "k.pem", 0644,
     0640, CFO_OK},
    {"echo half > .k.pem.cforigin; echo half > .c.pem.cforigin", "c.pem",
     "k.pem", "c.pem", "k.pem", 0644, 0600, CFO_OK},
    {"mkdir .k.pem.cforigin", "c.pem", "k.pem", "-", "-", -1, -1, CFO_LOCAL},
};

static const char *target_path(const char *name)
{
    return apr_pstrcat(pool, store, "/t/", name, NULL);
}

static void targets(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(target_rows) / sizeof(target_rows[0]); i++) {
        const struct target_row_t *row = &target_rows[i];
        cfo_target_t target = {target_path(row->cert), target_path(row->key),
                               NULL, 0, 0};
        int changed = 7;

        ms_run("rm -rf %s/t && mkdir %s/t && cd %s/t && { %s; }", store, store,
               store, row->command);
        assert_int_equal(
            cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed)
                .kind,
            row->kind);
        assert_int_equal(changed, row->kind == CFO_OK);
        assert_null(strstr(ms_names(pool, target_path("")), ".c.pem"));
        assert_int_equal(strstr(ms_names(pool, target_path("")), ".k.pem") !=
                             NULL,
                         strstr(row->command, "mkdir .k.pem") != NULL);
        if (row->kind != CFO_OK) {
            assert_int_equal(
                cfo_store_target_is(pool, &target, &one.cert, &one.key), 0);
            continue;
        }
        assert_string_equal(ms_get(pool, target_path(row->cert_file)),
                            one.cert.data);
        assert_string_equal(ms_get(pool, target_path(row->key_file)),
                            one.key.data);
        assert_int_equal(ms_mode(target_path(row->cert_file)), row->cert_mode);
        assert_int_equal(ms_mode(target_path(row->key_file)), row->key_mode);
        assert_int_equal(
            cfo_store_target_is(pool, &target, &one.cert, &one.key), 1);
        assert_int_equal(
            cfo_store_target_is(pool, &target, &two.cert, &two.key), 0);
    }
}

/* Links that others than root made lead to what is theirs, and nowhere else.
 * Without root there are no others. */
static void links_of_others(void **state)
{
    static const struct {
        const char *command;
        cfo_kind_t kind;
    } rows[] = {
        {"touch d/k && chown 65534 d/k && ln -s d/k k.pem", CFO_OK},
        {"touch d/k && chown 65534 d/k && ln -s d/k k.pem && "
         "chown -h 65534 k.pem",
         CFO_OK},
        {"ln -s d/k k.pem && chown -h 65534 k.pem", CFO_OK},
        {"touch k && ln -s k k.pem && chown -h 65534 k.pem", CFO_LOCAL},
        {"ln -s k k.pem && chown -h 65534 k.pem", CFO_LOCAL},
        {"touch k && ln -s k l && ln -s l k.pem && chown -h 65534 l",
         CFO_LOCAL},
        {"touch d/k && chown 65534 d/k && ln -s d/k k.pem && "
         "chown -h 65533 k.pem",
         CFO_LOCAL},
        {"ln -s d l && ln -s l/k k.pem", CFO_OK},
        {"ln -s d l && chown -h 65534 l && ln -s l/k k.pem", CFO_OK},
        {"mkdir e && ln -s e l && chown -h 65534 l && ln -s l/k k.pem",
         CFO_LOCAL},
        {"mkdir e && touch e/k && ln -s e l && chown -h 65534 l && "
         "ln -s l/k k.pem",
         CFO_LOCAL},
        {"mkdir e && touch e/k && chown 65534 e/k && ln -s e l && "
         "chown -h 65534 l && ln -s l/k k.pem",
         CFO_OK},
        {"ln -s .. d/l && chown -h 65534 d/l && ln -s d/l/k k.pem", CFO_LOCAL},
        {"ln -s ../d d/l && chown -h 65534 d/l && ln -s d/l/./k k.pem",
         CFO_OK},
    };
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};
    size_t i;
    int changed;

    (void)state;
    for (i = 0; geteuid() == 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_result_t result;

        ms_run("rm -rf %s/t && mkdir %s/t && cd %s/t && mkdir d && "
               "chown 65534 d && { %s; }",
               store, store, store, rows[i].command);
        result =
            cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed);
        if (result.kind != rows[i].kind)
            fail_msg("%s: %s", rows[i].command,
                     result.message ? result.message : "written");
        if (result.kind != CFO_OK)
            assert_non_null(strstr(result.message, "not root's"));
    }
}

/* A folder that can't be synced, or not now: both files are the new ones all
 * the same, never the key alone. */
static void both_are_there_before_a_folder_is_synced(void **state)
{
    static const struct {
        int err;
        cfo_kind_t kind;
    } rows[] = {{EINVAL, CFO_OK}, {ENOTSUP, CFO_OK}, {EIO, CFO_LOCAL}};
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_result_t result;
        int changed;

        ms_run("rm -rf %s/t && mkdir %s/t", store, store);
        ok(cfo_store_put_target(pool, &target, &two.cert, &two.key, &changed));
        folder_errno = rows[i].err;
        result =
            cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed);
        folder_errno = 0;
        assert_int_equal(result.kind, rows[i].kind);
        assert_int_equal(
            cfo_store_target_is(pool, &target, &one.cert, &one.key), 1);
    }
}

/* When one of the two can't be written, neither is. */
static void targets_change_together(void **state)
{
    cfo_target_t target = {target_path("x/c.pem"), target_path("k.pem"), NULL,
                           0, 0};
    cfo_result_t result;
    int changed;

    (void)state;
    ms_run("mkdir %s/t", store);
    ms_put(target.key, "old", 0600);
    result =
        cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed);
    assert_int_equal(result.kind, CFO_LOCAL);
    assert_non_null(strstr(result.message, target_path("x")));
    assert_string_equal(ms_get(pool, target.key), "old");
}

static ino_t inode(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void what_is_right_is_left_alone(void **state)
{
    static const struct {
        const char *command;
        int changed;
    } rows[] = {
        {"true", 0},
        {"sed -i '1i a comment' c.pem", 0},
        {"echo >> k.pem", 0},
        {"echo '-----BEGIN CERTIFICATE-----' >> c.pem", 1},
        {"cat c.pem >> c.pem2; cat c.pem2 >> c.pem; rm c.pem2", 1},
        {": > k.pem", 1},
        {"rm c.pem", 1},
        {"head -c 300 c.pem > x; cat x > c.pem; rm x", 1},
        {"printf '\\0' >> c.pem", 1},
        {"sed -i 's/A/B/' k.pem", 1},
    };
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};
    size_t i;

    (void)state;
    ms_run("mkdir %s/t", store);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ino_t before;
        int changed;

        ok(cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed));
        ms_run("cd %s/t && { %s; }", store, rows[i].command);
        before = i == 6 ? 0 : inode(target.certificate);
        ok(cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed));
        if (changed != rows[i].changed) {
            fail_msg("%s: changed %d", rows[i].command, changed);
        }
        assert_int_equal(inode(target.certificate) != before, changed);
        assert_int_equal(
            cfo_store_target_is(pool, &target, &one.cert, &one.key), 1);
    }
}

static void one_file_for_both(void **state)
{
    static const struct {
        const char *command;
        int mode;
    } rows[] = {
        {"true", 0600},
        {"echo old > b.pem; chmod 644 b.pem", 0640},
        {"echo '-----BEGIN PRIVATE KEY-----' > b.pem; chmod 644 b.pem", 0644},
        {"touch b.pem; chmod 640 b.pem", 0640},
    };
    cfo_target_t target = {target_path("b.pem"), target_path("b.pem"), NULL, 0,
                           0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int changed;

        ms_run("rm -rf %s/t && mkdir %s/t && cd %s/t && { %s; }", store, store,
               store, rows[i].command);
        ok(cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed));
        assert_int_equal(changed, 1);
        assert_string_equal(
            ms_get(pool, target.key),
            apr_pstrcat(pool, one.key.data, one.cert.data, NULL));
        assert_int_equal(ms_mode(target.key), rows[i].mode);
        ok(cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed));
        assert_int_equal(changed, 0);
    }
    /* two names of one file */
    ms_run("cd %s/t && ln -s b.pem c.pem && echo x > b.pem", store);
    target.certificate = target_path("c.pem");
    ok(cfo_store_put_target(pool, &target, &two.cert, &two.key, &(int){0}));
    assert_string_equal(ms_get(pool, target.key),
                        apr_pstrcat(pool, two.key.data, two.cert.data, NULL));
}

/* Texts that came from one file must not carry the key into the certificate's
 * file, which everybody may read. */
static void a_key_stays_out_of_the_certificate(void **state)
{
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};
    cfo_pem_t both;
    int changed;

    (void)state;
    ms_run("mkdir %s/t", store);
    both.data = apr_pstrcat(pool, one.cert.data, one.key.data, NULL);
    both.len = strlen(both.data);
    ok(cfo_store_put_target(pool, &target, &both, &both, &changed));
    assert_string_equal(ms_get(pool, target.certificate), one.cert.data);
    assert_string_equal(ms_get(pool, target.key), one.key.data);
}

/* As root the owner stays too; as anybody else it is one's own anyway. */
static void owner_is_kept(void **state)
{
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};
    uid_t uid = geteuid() == 0 ? 1234 : geteuid();
    gid_t gid = geteuid() == 0 ? 4321 : getegid();
    struct stat st;
    int changed;

    (void)state;
    ms_run("mkdir %s/t", store);
    ms_put(target.key, "old", 0640);
    assert_int_equal(chown(target.key, uid, gid), 0);
    ok(cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed));
    assert_int_equal(stat(target.key, &st), 0);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, gid);
    assert_int_equal(st.st_mode & 07777, 0640);
}

static void target_failure_at_every_step(void **state)
{
    cfo_target_t target = {target_path("c.pem"), target_path("k.pem"), NULL, 0,
                           0};
    int n, failed = 1;

    (void)state;
    ms_run("mkdir %s/t", store);
    for (n = 0; failed; n++) {
        const char *key;
        int changed;

        ms_put(target.key, two.key.data, 0600);
        ms_put(target.certificate, two.cert.data, 0644);
        countdown = n;
        trap_errno = ENOSPC;
        trap_stays = 0;
        failed =
            cfo_store_put_target(pool, &target, &one.cert, &one.key, &changed)
                .kind != CFO_OK;
        countdown = -1;
        assert_string_equal(ms_names(pool, target_path("")), "c.pem k.pem");
        key = ms_get(pool, target.key);
        assert_true(!strcmp(key, one.key.data) || !strcmp(key, two.key.data));
    }
    assert_true(n > 6);
}

int main(void)
{
#define IN_STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
    const struct CMUnitTest tests[] = {
        IN_STORE(modes_whatever_the_umask),
        IN_STORE(prepare_follows_a_link_and_spares_strangers),
        IN_STORE(a_generation_is_three_files),
        IN_STORE(install_again_is_the_same),
        IN_STORE(another_key_is_not_installed),
        IN_STORE(intent_and_drop),
        IN_STORE(pair_taken_over),
        IN_STORE(crash_at_every_step),
        IN_STORE(failure_at_every_step),
        IN_STORE(crash_twice),
        IN_STORE(full_disk),
        IN_STORE(rolled_back_by_hand_stays),
        IN_STORE(damage_is_moved_aside),
        IN_STORE(numbers_in_use_are_left_alone),
        IN_STORE(attempt_over_a_directory),
        IN_STORE(attempt_before_a_success),
        IN_STORE(set_current_after_damage),
        IN_STORE(prune_keeps_what_may_be_needed),
        IN_STORE(one_keeper_at_a_time),
        IN_STORE(journal_lines_stay_apart),
        IN_STORE(a_store_is_nobody_elses),
        IN_STORE(a_long_journal_begins_anew),
        IN_STORE(targets),
        IN_STORE(links_of_others),
        IN_STORE(both_are_there_before_a_folder_is_synced),
        IN_STORE(targets_change_together),
        IN_STORE(what_is_right_is_left_alone),
        IN_STORE(one_file_for_both),
        IN_STORE(a_key_stays_out_of_the_certificate),
        IN_STORE(owner_is_kept),
        IN_STORE(target_failure_at_every_step),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
