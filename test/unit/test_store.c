/* SPDX-License-Identifier: Apache-2.0 */
/** The store as it is read: what is live, and what every kind of damage does
 * to it. */
#include "make_store.h"

#include <apr_hash.h>
#include <apr_time.h>

#include "cforigin_round_wire.h"

static apr_pool_t *pool;
static const char *store, *dir;
static ms_pair_t one, two, three, alien;

#define META                                                                  \
    "{\"requested_validity\":90,\"installed\":\"2026-11-18T00:00:00Z\"}"

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    ms_pair(pool, &one, 0, "1");
    ms_pair(pool, &two, 0, "2");
    ms_pair(pool, &three, 1, "3");
    ms_pair(pool, &alien, 0, "4");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(one.pkey);
    EVP_PKEY_free(two.pkey);
    EVP_PKEY_free(three.pkey);
    EVP_PKEY_free(alien.pkey);
    apr_pool_destroy(pool);
    return 0;
}

static int open_store(void **state)
{
    (void)state;
    store = ms_open(pool);
    dir = cfo_store_dir(pool, store, MS_FOLDER, CFO_ORIGIN_ECC);
    ms_generation(pool, dir, 1, &one, META);
    ms_generation(pool, dir, 2, &two, META);
    ms_generation(pool, dir, 3, &three, META);
    ms_run("ln -s 3 %s/current", dir);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    ms_run("rm -rf %s", store);
    return 0;
}

static cfo_entry_t *look(apr_hash_t *known)
{
    return cfo_store_look(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, known);
}

/* ---- the good case ---- */

static void live_pair(void **state)
{
    cfo_entry_t *entry = look(NULL);

    (void)state;
    assert_int_equal(entry->stored.state, CFO_STORED_PAIR);
    assert_int_equal(entry->generation, 3);
    assert_int_equal(entry->fell_back, 0);
    assert_null(entry->fault);
    assert_string_equal(entry->cert_path,
                        apr_pstrcat(pool, dir, "/3/cert.pem", NULL));
    assert_string_equal(entry->key_path,
                        apr_pstrcat(pool, dir, "/3/key.pem", NULL));
    assert_string_equal(entry->stored.facts->serial, "3");
    assert_int_equal(entry->stored.adopted, 0);
    assert_int_equal(entry->stored.forced, 0);
    assert_int_equal(entry->stored.other_type, 0);
    assert_int_equal(entry->stored.adoptable, 0);
    assert_int_equal(entry->meta->validity, 90);
    assert_int_equal(cfo_store_current(pool, dir), 3);
}

static void one_generation_by_number(void **state)
{
    cfo_entry_t *entry;

    (void)state;
    entry = cfo_store_generation(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, 2);
    assert_string_equal(entry->stored.facts->serial, "2");
    assert_int_equal(entry->generation, 2);
    assert_null(
        cfo_store_generation(pool, store, MS_FOLDER, CFO_ORIGIN_ECC, 4));
    assert_null(
        cfo_store_generation(pool, store, MS_FOLDER, CFO_ORIGIN_RSA, 2));
}

static void marker_and_adopted(void **state)
{
    (void)state;
    ms_run("touch %s/renew", dir);
    assert_int_equal(look(NULL)->stored.forced, 1);
    assert_int_equal(cfo_store_is_forced(pool, dir), 1);
    ms_run("touch -d 2020-01-01 %s/renew", dir);
    assert_int_equal(cfo_store_is_forced(pool, dir), 1);
    ms_put(apr_pstrcat(pool, dir, "/3/meta.json", NULL), "{\"adopted\":true}",
           0644);
    assert_int_equal(look(NULL)->stored.adopted, 1);
}

/* An install could not take the marker away: it has had its effect. */
static void spent_marker(void **state)
{
    (void)state;
    ms_run("touch %s/renew; sleep 0.02; ln -sfn 3 %s/current", dir, dir);
    assert_int_equal(cfo_store_is_forced(pool, dir), 0);
    assert_int_equal(look(NULL)->stored.forced, 0);
    ms_run("sleep 0.02; touch %s/renew", dir);
    assert_int_equal(cfo_store_is_forced(pool, dir), 1);
}

/* ---- nothing there ---- */

static void nothing_is_no_damage(void **state)
{
    static const char *rows[] = {
        "rm -rf certs/*", "rm -rf certs", "rm -rf certs/*/*/*",
        "cd certs/*/* && rm -rf * && touch attempt.json renew x 3"};
    size_t i;

    (void)state;
    close_store(NULL);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_entry_t *entry;

        open_store(NULL);
        ms_run("cd %s && { %s; }", store, rows[i]);
        entry = look(NULL);
        assert_int_equal(entry->stored.state, CFO_STORED_NONE);
        assert_null(entry->fault);
        assert_null(entry->cert_path);
        close_store(NULL);
    }
    store = "/nowhere/at/all";
    assert_int_equal(look(NULL)->stored.state, CFO_STORED_NONE);
    open_store(NULL);
}

/* ---- damage: one step of the shell, run in the certificate's folder ---- */

#define PAIR CFO_STORED_PAIR
#define DAMAGED CFO_STORED_DAMAGED
#define MISMATCH CFO_STORED_KEY_MISMATCH

static const struct damage_t {
    const char *command;
    cfo_stored_state_t state;
    int generation, fell_back;
} damages[] = {
    /* the live generation's files */
    {": > 3/cert.pem", PAIR, 2, 1},
    {": > 3/key.pem", PAIR, 2, 1},
    {"head -c 200 3/cert.pem > x; mv x 3/cert.pem", PAIR, 2, 1},
    {"head -c 100 3/key.pem > x; mv x 3/key.pem", PAIR, 2, 1},
    {"rm 3/cert.pem", PAIR, 2, 1},
    {"rm 3/key.pem", PAIR, 2, 1},
    {"cp 1/key.pem 3/key.pem", PAIR, 2, 1},
    {"echo hello > 3/cert.pem", PAIR, 2, 1},
    {"cp 3/key.pem 3/cert.pem", PAIR, 2, 1},
    {"rm 3/cert.pem && mkdir 3/cert.pem", PAIR, 2, 1},
    {"rm 3/key.pem && mkfifo 3/key.pem", PAIR, 2, 1},
    {"rm 3/key.pem && ln -s nowhere 3/key.pem", PAIR, 2, 1},
    {"rm 3/key.pem && ln -s key.pem 3/key.pem", PAIR, 2, 1},
    {"printf '\\0\\0\\0\\0' >> 3/cert.pem", PAIR, 2, 1},
    {"truncate -s 300000 3/cert.pem", PAIR, 2, 1},
    {"head -c 200 3/cert.pem >> 3/cert.pem", PAIR, 2, 1},
    {"openssl pkey -in 3/key.pem -aes128 -passout pass:xxxx -out x && "
     "mv x 3/key.pem",
     PAIR, 2, 1},
    /* the generation */
    {"rm -r 3", PAIR, 2, 1},
    {"rm -r 3 && echo file > 3", PAIR, 2, 1},
    {"rm -r 3 && : > 2/key.pem", PAIR, 1, 1},
    {"rm -r 3 && mv 2 10", PAIR, 10, 1},
    /* the link */
    {"rm current", PAIR, 3, 1},
    {"ln -sfn 9 current", PAIR, 3, 1},
    {"ln -sfn ../origin-ecc/3 current", PAIR, 3, 1},
    {"ln -sfn \"$PWD/3\" current", PAIR, 3, 1},
    {"ln -sfn .. current", PAIR, 3, 1},
    {"ln -sfn 03 current", PAIR, 3, 1},
    {"ln -sfn 3x current", PAIR, 3, 1},
    {"ln -sfn -- -3 current", PAIR, 3, 1},
    {"ln -sfn 0 current", PAIR, 3, 1},
    {"ln -sfn 99999999999999999999 current", PAIR, 3, 1},
    {"rm current && mkdir current", PAIR, 3, 1},
    {"rm current && echo 3 > current", PAIR, 3, 1},
    {"ln -sfn current current", PAIR, 3, 1},
    {"ln -sfn 1 current", PAIR, 1, 0},
    /* what is not ours */
    {"touch 4 7 x .current.next; mkdir 0 05 9x; touch pending", PAIR, 3, 0},
    {"rm current; touch 4 7 x; mkdir 0 05 9x 8", PAIR, 3, 1},
    {"rm 3/meta.json", PAIR, 3, 0},
    {"echo '[' > 3/meta.json", PAIR, 3, 0},
    {": > 3/meta.json", PAIR, 3, 0},
    {"echo '{\"hostnames\":3,\"targets\":[1,{}],\"requested_validity\":\"x\"}'"
     " > 3/meta.json",
     PAIR, 3, 0},
    /* nothing left */
    {"for g in 1 2 3; do : > $g/cert.pem; done", DAMAGED, 0, 0},
    {"rm -r 1 2; cp ../../k 3/key.pem", MISMATCH, 0, 0},
    {"rm -r 1 2 3", DAMAGED, 0, 0},
    {"rm -r 1 2 3; mkdir 3", DAMAGED, 0, 0},
    {"rm -r ../origin-ecc; touch ../origin-ecc", DAMAGED, 0, 0},
    {"cd ..; rm -r ../a.example.com; touch ../a.example.com", DAMAGED, 0, 0},
    {"rm -r ../origin-ecc; ln -s nowhere ../origin-ecc", CFO_STORED_NONE, 0,
     0},
    {"rm -r ../origin-ecc; ln -s origin-ecc ../origin-ecc", DAMAGED, 0, 0},
};

static void damage_falls_back(void **state)
{
    size_t i;

    (void)state;
    close_store(NULL);
    for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        const struct damage_t *row = &damages[i];
        cfo_entry_t *entry;

        open_store(NULL);
        ms_put(apr_pstrcat(pool, store, "/certs/k", NULL), alien.key.data,
               0600);
        ms_run("cd %s && { %s; }", dir, row->command);
        entry = look(NULL);
        if (entry->stored.state != row->state ||
            entry->generation != row->generation ||
            entry->fell_back != row->fell_back) {
            fail_msg("%s: state %d, generation %d, fell back %d", row->command,
                     entry->stored.state, entry->generation, entry->fell_back);
        }
        assert_int_equal(entry->cert_path != NULL, row->state == PAIR);
        assert_int_equal(entry->stored.facts != NULL, row->state == PAIR);
        if (row->fell_back || (row->state != PAIR && row->state)) {
            assert_non_null(entry->fault);
        }
        close_store(NULL);
    }
    open_store(NULL);
}

/* ---- a sick disk ---- */

static void become_nobody(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        _exit(90);
    }
}

/* Expects `unreadable` and the generation told by baton. */
static void look_as_nobody(void *baton)
{
    cfo_entry_t *entry;

    become_nobody();
    entry = look(NULL);
    if (entry->stored.state != CFO_STORED_UNREADABLE) {
        _exit(91);
    }
    if (entry->generation != *(int *)baton || !entry->fault) {
        _exit(92);
    }
}

static void no_permission_is_no_damage(void **state)
{
    static const struct {
        const char *command;
        int generation; /* what can be served all the same */
    } rows[] = {
        {"chmod 0 3/key.pem", 2},
        {"chmod 0 3/cert.pem", 2},
        {"chmod 0 3", 2},
        {"chmod 0 1 2 3", 0},
        {"chmod 0 .", 0},
        {"chmod 0 2; : > 3/cert.pem", 1},
        {"rm current; chmod 0 3", 2},
    };
    size_t i;

    (void)state;
    close_store(NULL);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int generation = rows[i].generation;

        open_store(NULL);
        ms_run("chmod -R a+rX %s && cd %s && { %s; }", store, dir,
               rows[i].command);
        assert_int_equal(ms_child(look_as_nobody, &generation), 0);
        ms_run("chmod -R u+rwX %s", store);
        close_store(NULL);
    }
    open_store(NULL);
}

static void look_without_descriptors(void *baton)
{
    const struct rlimit none = {0, 0};

    (void)baton;
    setrlimit(RLIMIT_NOFILE, &none);
    if (look(NULL)->stored.state != CFO_STORED_UNREADABLE) {
        _exit(91);
    }
}

static void no_descriptors_is_no_damage(void **state)
{
    (void)state;
    assert_int_equal(ms_child(look_without_descriptors, NULL), 0);
    ms_run("rm %s/current", dir);
    assert_int_equal(ms_child(look_without_descriptors, NULL), 0);
}

/* An unreadable meta.json must not make an adopted pair ours, to be asked
 * for again with another validity. */
static void look_at_meta(void *baton)
{
    cfo_entry_t *entry;

    (void)baton;
    become_nobody();
    entry = look(NULL);
    if (entry->stored.state != CFO_STORED_PAIR || !entry->stored.adopted ||
        entry->meta) {
        _exit(91);
    }
}

static void unreadable_meta_is_taken_as_found(void **state)
{
    (void)state;
    ms_run("chmod -R a+rX %s; chmod a+r %s/3/*; chmod 0 %s/3/meta.json", store,
           dir, dir);
    assert_int_equal(ms_child(look_at_meta, NULL), 0);
}

/* ---- known pairs ---- */

static void known_pair_is_not_opened(void **state)
{
    apr_hash_t *known = apr_hash_make(pool);
    cfo_entry_t *entry = look(known);
    cfo_cert_facts_t facts = *entry->stored.facts;
    cfo_entry_t remembered = *entry;

    (void)state;
    remembered.stored.facts = &facts;
    remembered.stored.installed = 7;
    apr_hash_set(known, entry->cert_path, APR_HASH_KEY_STRING, &remembered);
    entry = look(known);
    assert_ptr_equal(entry->stored.facts, &facts);
    assert_ptr_equal(entry->cert_path, remembered.cert_path);
    assert_ptr_equal(entry->key_path, remembered.key_path);
    assert_true(entry->stored.installed == 7);
    assert_int_equal(entry->stored.state, CFO_STORED_PAIR);
    assert_int_equal(entry->generation, 3);
    assert_memory_equal(&entry->stamp, &remembered.stamp, sizeof(cfo_stamp_t));

    ms_run("touch %s/3/key.pem", dir); /* ctime */
    entry = look(known);
    assert_ptr_not_equal(entry->stored.facts, &facts);
    assert_true(entry->stored.installed != 7);
    assert_int_equal(entry->stored.state, CFO_STORED_PAIR);
    ms_run(": > %s/3/cert.pem", dir);
    assert_int_equal(look(known)->generation, 2);
    ms_run("rm %s/3/cert.pem", dir);
    assert_int_equal(look(known)->generation, 2);
}

static void adopted_is_remembered(void **state)
{
    apr_hash_t *known = apr_hash_make(pool);
    cfo_entry_t *entry;

    (void)state;
    ms_put(apr_pstrcat(pool, dir, "/3/meta.json", NULL), "{\"adopted\":true}",
           0644);
    entry = look(known);
    apr_hash_set(known, entry->cert_path, APR_HASH_KEY_STRING, entry);
    assert_int_equal(look(known)->stored.adopted, 1);
}

/* ---- files ---- */

static void small_files_only(void **state)
{
    static const struct {
        const char *command;
        apr_status_t rv;
        int len;
    } rows[] = {
        {"printf abc > f", APR_SUCCESS, 3},
        {": > f", APR_SUCCESS, 0},
        {"printf abc > g; ln -s g f", APR_SUCCESS, 3},
        {"true", APR_ENOENT, 0},
        {"mkdir f", APR_EGENERAL, 0},
        {"mkfifo f", APR_EGENERAL, 0},
        {"truncate -s 262144 f", APR_SUCCESS, 262144},
        {"truncate -s 262145 f", APR_EGENERAL, 0},
        {"ln -s f f", ELOOP, 0},
        {"ln -s x/y f; touch x", ENOTDIR, 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_pem_t text;

        ms_run("cd %s && rm -rf f g x && { %s; }", store, rows[i].command);
        assert_int_equal(
            cfo_store_read_file(pool, apr_pstrcat(pool, store, "/f", NULL),
                                &text),
            rows[i].rv);
        assert_int_equal(text.len, rows[i].len);
        if (rows[i].rv == APR_SUCCESS) {
            assert_int_equal(text.data[text.len], '\0');
        }
        else {
            assert_null(text.data);
        }
    }
}

static void generations_and_folders(void **state)
{
    apr_array_header_t *list;

    (void)state;
    ms_run("cd %s && mkdir 10 0 07 x 1000000000 && touch 11 && ln -s 2 12",
           dir);
    list = cfo_store_generations(pool, dir);
    assert_int_equal(list->nelts, 5);
    assert_int_equal(APR_ARRAY_IDX(list, 0, int), 1);
    assert_int_equal(APR_ARRAY_IDX(list, 2, int), 3);
    assert_int_equal(APR_ARRAY_IDX(list, 3, int), 10);
    assert_int_equal(APR_ARRAY_IDX(list, 4, int), 12);
    ms_run("cd %s/certs && mkdir _.b.example.com .x && touch file", store);
    list = cfo_store_folders(pool, store);
    assert_int_equal(list->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(list, 0, const char *),
                        "_.b.example.com");
    assert_string_equal(APR_ARRAY_IDX(list, 1, const char *), MS_FOLDER);
    assert_int_equal(cfo_store_generations(pool, "/nowhere")->nelts, 0);
    assert_int_equal(cfo_store_folders(pool, "/nowhere")->nelts, 0);
}

static void found_by_target(void **state)
{
    apr_hash_t *index;

    (void)state;
    ms_put(apr_pstrcat(pool, dir, "/3/meta.json", NULL),
           "{\"targets\":[{\"certificate\":\"/etc/a.pem\",\"key\":\"/etc/"
           "a.key\"},{\"certificate\":\"/etc/b.pem\",\"key\":\"/etc/b.key\"},"
           "{\"key\":\"/etc/c.key\"},7]}",
           0644);
    ms_put(apr_pstrcat(pool, dir, "/2/meta.json", NULL),
           "{\"targets\":[{\"certificate\":\"/etc/old.pem\",\"key\":\"k\"}]}",
           0644);
    ms_run("mkdir -p %s/certs/rubbish/origin-ecc/1; touch %s/certs/f", store,
           store);
    index = cfo_store_targets(pool, store);
    assert_int_equal(apr_hash_count(index), 2);
    assert_string_equal(apr_hash_get(index, "/etc/a.pem", APR_HASH_KEY_STRING),
                        MS_FOLDER);
    assert_string_equal(apr_hash_get(index, "/etc/b.pem", APR_HASH_KEY_STRING),
                        MS_FOLDER);
}

/* ---- JSON beside the generations ---- */

static void attempts(void **state)
{
    static const struct {
        const char *text;
        int failures;
        const char *message;
    } rows[] = {
        {"{\"failures\":3,\"last_try\":\"2026-11-18T00:00:00Z\",\"next_try\":"
         "\"2026-11-18T00:02:00Z\",\"last_error\":{\"kind\":\"permanent\","
         "\"code\":1010,\"http\":400,\"message\":\"no\"}}",
         3, "no"},
        {"", 0, NULL},
        {"{", 0, NULL},
        {"[]", 0, NULL},
        {"null", 0, NULL},
        {"{\"failures\":\"3\"}", 0, NULL},
        {"{\"failures\":-2}", 0, NULL},
        {"{\"failures\":0,\"last_try\":\"2026-11-18T00:00:00Z\"}", 0, NULL},
        {"{\"failures\":1e99}", 0, NULL},
        {"\xff\xfe", 0, NULL},
    };
    const char *fault;
    size_t i;

    (void)state;
    assert_int_equal(cfo_store_attempt(pool, dir).failures, 0);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_attempt_t attempt;

        ms_put(apr_pstrcat(pool, dir, "/attempt.json", NULL), rows[i].text,
               0600);
        attempt = cfo_store_attempt_look(pool, dir, &fault);
        assert_int_equal(attempt.failures, rows[i].failures);
        if (strstr(rows[i].text, "s\":3,") || strstr(rows[i].text, "s\":0,"))
            assert_null(fault);
        else
            assert_non_null(strstr(fault, rows[i].text[0]
                                              ? "/attempt.json: it "
                                                "is damaged"
                                              : "it is empty"));
        if (rows[i].message) {
            assert_string_equal(attempt.last_error.message, rows[i].message);
            assert_int_equal(attempt.last_error.code, 1010);
            assert_true(attempt.next_try - attempt.last_try ==
                        apr_time_from_sec(120));
        }
        else {
            assert_true(attempt.last_try == 0 && attempt.next_try == 0);
            assert_int_equal(attempt.last_error.kind, CFO_OK);
        }
    }
}

/* What stands in the place of a file, and what is said of it. */
static void damage_beside_the_generations(void **state)
{
    static const struct {
        const char *command, *word;
    } rows[] = {
        {"true", NULL},
        {"mkdir $P", "no regular file"},
        {"ln -s nowhere $P", "a link to nothing"},
        {"ln -s ${P##*/} $P", "symbolic links"},
        {"echo { > $P", "it is damaged"},
        {"touch $P", "it is empty"},
    };
    const char *paths[2], *fault;

    (void)state;
    ms_run("mkdir -p %s/accounts", store);
    paths[0] = apr_pstrcat(pool, dir, "/attempt.json", NULL);
    paths[1] = apr_pstrcat(pool, store, "/accounts/00ff.json", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int k = 0; k < 2; k++) {
            ms_run("rm -rf %s", paths[k]);
            ms_run("P=%s; %s", paths[k], rows[i].command);
            if (k == 0)
                cfo_store_attempt_look(pool, dir, &fault);
            else
                cfo_store_account_look(pool, store, "00ff", &fault);
            if (!rows[i].word)
                assert_null(fault);
            else if (!fault || !strstr(fault, rows[i].word) ||
                     !strstr(fault, paths[k]))
                fail_msg("%s: %s", rows[i].command, fault ? fault : "none");
        }
    }
    ms_run("rm -r %s/accounts; touch %s/accounts", store, store);
    cfo_store_account_look(pool, store, "00ff", &fault);
    assert_non_null(fault);
}

static void accounts(void **state)
{
    cfo_account_state_t account;

    (void)state;
    account = cfo_store_account(pool, store, "00ff");
    assert_true(!account.paused_until && !account.last_success);
    ms_run("mkdir %s/accounts", store);
    ms_put(apr_pstrcat(pool, store, "/accounts/00ff.json", NULL),
           "{\"paused_until\":\"1970-01-01T00:00:09Z\",\"last_success\":5}",
           0600);
    account = cfo_store_account(pool, store, "00ff");
    assert_true(account.paused_until == apr_time_from_sec(9));
    assert_true(account.last_success == 0);
}

static const char *intent_text(const char *spki)
{
    return apr_psprintf(
        pool,
        "{\"folder\":\"" MS_FOLDER "\",\"request_type\":\"origin-ecc\","
        "\"hostnames\":[\"a.example.com\"],\"requested_validity\":90,"
        "\"account\":\"00ff\",\"spki_sha256\":\"%s\",\"asked\":false}",
        spki);
}

/* pending/ with some of its files; the files are written, then a command. */
static void pending_is_whole_or_none(void **state)
{
    static const struct {
        const char *command;
        int found, asked, has_cert;
    } rows[] = {
        {"true", 1, 0, 0},
        {"rm key.pem", 0, 0, 0},
        {"rm csr.pem", 1, 0, 0},
        {"rm intent.json", 0, 0, 0},
        {": > key.pem", 0, 0, 0},
        {": > csr.pem", 1, 0, 0},
        {"sed -i 's/false/true/' intent.json; sed -i '2s/^M/N/' csr.pem", 1, 1,
         0},
        {"cp ../1/key.pem csr.pem", 1, 0, 0},
        {": > intent.json", 0, 0, 0},
        {"cp ../1/key.pem key.pem", 0, 0, 0},
        {"sed -i s/origin-ecc/origin-xxx/ intent.json", 0, 0, 0},
        {"sed -i 's/\\[.*\\]/[]/' intent.json", 0, 0, 0},
        {"sed -i 's/false/true/' intent.json", 1, 1, 0},
        {"sed -i 's/false/3/' intent.json", 1, 1, 0},
        {"cp ../3/cert.pem cert.pem", 1, 0, 1},
        {"cp ../3/cert.pem cert.pem; rm csr.pem", 1, 0, 1},
        /* an install cut short: meta.json stands in for the intent */
        {"cp ../3/cert.pem ../3/meta.json .; rm csr.pem intent.json", 1, 1, 1},
        {"cp ../3/cert.pem ../3/meta.json .; rm intent.json", 1, 1, 1},
        {"cp ../3/meta.json .; rm intent.json", 0, 0, 0},
        {"cp ../3/cert.pem .; rm intent.json", 0, 0, 0},
        {"cd ..; rm -r pending; touch pending", 0, 0, 0},
        {"cd ..; rm -r pending", 0, 0, 0},
    };
    const char *path = apr_pstrcat(pool, dir, "/pending", NULL), *spki;
    cfo_pem_t csr;
    size_t i;

    (void)state;
    assert_int_equal(cfo_pki_key_spki(pool, &two.key, &spki), 0);
    assert_int_equal(
        cfo_pki_csr_make(pool, &two.key, mc_list(pool, "a.example.com"), &csr),
        0);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_pending_t *pending;

        ms_run("rm -rf %s && mkdir %s", path, path);
        ms_put(apr_pstrcat(pool, path, "/key.pem", NULL), two.key.data, 0600);
        ms_put(apr_pstrcat(pool, path, "/csr.pem", NULL), csr.data, 0600);
        ms_put(apr_pstrcat(pool, path, "/intent.json", NULL),
               intent_text(spki), 0600);
        ms_run("cd %s && { %s; }", path, rows[i].command);
        pending = cfo_store_pending(pool, dir);
        if ((pending != NULL) != rows[i].found) {
            fail_msg("%s: found %d", rows[i].command, pending != NULL);
        }
        if (!pending) {
            continue;
        }
        assert_int_equal(pending->intent.asked, rows[i].asked);
        assert_int_equal(pending->cert.data != NULL, rows[i].has_cert);
        assert_string_equal(pending->intent.spki_sha256, spki);
        assert_int_equal(pending->intent.request_type, CFO_ORIGIN_ECC);
        assert_int_equal(pending->intent.validity, 90);
        assert_string_equal(pending->key.data, two.key.data);
        if (!pending->cert.data) {
            assert_string_equal(cfo_pki_csr_spki(pool, &pending->csr), spki);
        }
    }
}

/* Each generation knows those before it, but no more than so many. */
static void former_ones_are_kept_up_to_a_limit(void **state)
{
    static const struct {
        int known, is_pair, expected;
        const char *first, *last;
    } rows[] = {
        {-1, 0, 0, NULL, NULL}, /* no meta.json */
        {-1, 1, 1, "live", "live"},
        {0, 0, 0, NULL, NULL},
        {0, 1, 1, "live", "live"},
        {1, 0, 1, "0", "0"},
        {2, 1, 3, "0", "live"},
        {CFO_FORMER_MAX, 0, CFO_FORMER_MAX, "0", NULL},
        {CFO_FORMER_MAX - 1, 1, CFO_FORMER_MAX, "0", "live"},
        {CFO_FORMER_MAX, 1, CFO_FORMER_MAX, "1", "live"},
        {CFO_FORMER_MAX + 5, 1, CFO_FORMER_MAX, "6", "live"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apr_array_header_t *known =
            apr_array_make(pool, 1, sizeof(const char *));
        cfo_cert_facts_t facts = {.sha256 = "live"};
        cfo_meta_t meta = {.former = known};
        cfo_entry_t live = {.meta = rows[i].known < 0 ? NULL : &meta};
        const apr_array_header_t *former;

        for (int n = 0; n < rows[i].known; n++) {
            APR_ARRAY_PUSH(known, const char *) = apr_itoa(pool, n);
        }
        if (rows[i].is_pair) {
            live.stored.state = CFO_STORED_PAIR;
            live.stored.facts = &facts;
        }
        former = cfo_store_former(pool, &live);
        assert_int_equal(former->nelts, rows[i].expected);
        if (rows[i].first) {
            assert_string_equal(APR_ARRAY_IDX(former, 0, const char *),
                                rows[i].first);
        }
        if (rows[i].last) {
            assert_string_equal(
                APR_ARRAY_IDX(former, former->nelts - 1, const char *),
                rows[i].last);
        }
    }
}

int main(void)
{
#define STORE_TEST(f)                                                         \
    cmocka_unit_test_setup_teardown(f, open_store, close_store)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(former_ones_are_kept_up_to_a_limit),
        STORE_TEST(live_pair),
        STORE_TEST(one_generation_by_number),
        STORE_TEST(marker_and_adopted),
        STORE_TEST(spent_marker),
        STORE_TEST(nothing_is_no_damage),
        STORE_TEST(damage_falls_back),
        STORE_TEST(no_permission_is_no_damage),
        STORE_TEST(no_descriptors_is_no_damage),
        STORE_TEST(unreadable_meta_is_taken_as_found),
        STORE_TEST(known_pair_is_not_opened),
        STORE_TEST(adopted_is_remembered),
        STORE_TEST(small_files_only),
        STORE_TEST(generations_and_folders),
        STORE_TEST(found_by_target),
        STORE_TEST(attempts),
        STORE_TEST(accounts),
        STORE_TEST(damage_beside_the_generations),
        STORE_TEST(pending_is_whole_or_none),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests(tests, setup, teardown);
    apr_terminate();
    return rc;
}
