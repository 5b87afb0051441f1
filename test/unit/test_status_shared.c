/* SPDX-License-Identifier: Apache-2.0 */
/** The status' records in shared memory: the parent writes, workers read, and
 * whatever comes of it nobody is led astray. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../mod_cforigin/status_shared.h"

static apr_pool_t *pool;

#define ROUNDS 6000

static void write_records(void)
{
    static cfo_live_t live;

    for (int round = 1; round <= ROUNDS; round++) {
        memset(&live, 'a' + round % 26, sizeof(live));
        cfo_shared_begin();
        cfo_shared_put(0, &live);
        cfo_shared_put(1, &live);
        cfo_shared_end();
        usleep(20); /* far less than the parent takes from look to look */
    }
}

/* What a reader gets of a record that is all one byte: its texts end. */
static void expect_all(cfo_live_t *live, char byte)
{
    memset(live, byte, sizeof(*live));
    live->reason = live->kind = 0; /* there are not so many */
    live->serial[sizeof(live->serial) - 1] = '\0';
    live->sha256[sizeof(live->sha256) - 1] = '\0';
    live->key[sizeof(live->key) - 1] = '\0';
    live->issuer[sizeof(live->issuer) - 1] = '\0';
    live->ray[sizeof(live->ray) - 1] = '\0';
    live->message[sizeof(live->message) - 1] = '\0';
}

/* A reader beside a writer: no record is ever torn, and two records are of
 * one picture when its number says so. */
static void reading_while_the_parent_writes(void **state)
{
    static cfo_live_t one, two, expected;
    apr_pool_t *p;
    int status;
    pid_t writer;

    (void)state;
    apr_pool_create(&p, pool);
    assert_true(cfo_shared_create(p, 2, 1));
    writer = fork();
    if (writer == 0) {
        write_records();
        _exit(0);
    }
    while (waitpid(writer, &status, WNOHANG) == 0) {
        apr_uint32_t before = cfo_shared_picture();

        cfo_shared_get(0, &one);
        cfo_shared_get(1, &two);
        expect_all(&expected, one.message[0]);
        assert_memory_equal(&one, &expected, sizeof(one));
        expect_all(&expected, two.message[0]);
        assert_memory_equal(&two, &expected, sizeof(two));
        if ((before & 1) || cfo_shared_picture() != before)
            continue;
        assert_memory_equal(&one, &two, sizeof(one));
    }
    assert_int_equal(status, 0);
    cfo_shared_get(1, &two);
    assert_int_equal(two.message[0], 'a' + ROUNDS % 26);
    apr_pool_destroy(p);
}

/* Whatever is in the records, a reader finds ends and bounds. */
static void records_that_are_rubbish(void **state)
{
    static cfo_live_t live, expected;
    static cfo_live_head_t head;
    apr_pool_t *p;

    (void)state;
    apr_pool_create(&p, pool);
    assert_true(cfo_shared_create(p, 1, 1));
    memset(&live, 0xff, sizeof(live));
    memset(&head, 0xff, sizeof(head));
    cfo_shared_put(0, &live);
    cfo_shared_put_head(&head);
    memset(&live, 0, sizeof(live));
    memset(&head, 0, sizeof(head));
    cfo_shared_get(0, &live);
    cfo_shared_get_head(&head);
    expect_all(&expected, (char)0xff);
    assert_memory_equal(&live, &expected, sizeof(live));
    assert_int_equal(strlen(live.message), sizeof(live.message) - 1);
    assert_int_equal(strlen(head.reload_reason),
                     sizeof(head.reload_reason) - 1);
    apr_pool_destroy(p);
    /* without memory the parent publishes into nothing */
    assert_false(cfo_shared_is_there());
    cfo_shared_begin();
    cfo_shared_put(0, &live);
    cfo_shared_put_head(&head);
    cfo_shared_end();
    cfo_shared_only_read();
}

/* Where the records are mapped in this process, and how. */
static void *mapping(char rights[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[600];
    void *at = NULL;

    rights[0] = '\0';
    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, "memfd:cforigin-status"))
            assert_int_equal(sscanf(line, "%p-%*p %4s", &at, rights), 2);
    if (maps)
        fclose(maps);
    return at;
}

/* As a worker: what it reads it can't write, nor get the right to. */
static int be_a_worker(void)
{
    static cfo_live_t live;
    char rights[5];
    void *at;

    cfo_shared_only_read();
    at = mapping(rights);
    cfo_shared_get(0, &live);
    return strcmp(rights, "r--s") == 0 && live.failures == 17 &&
           mprotect(at, 1, PROT_READ | PROT_WRITE) != 0 && errno == EACCES;
}

static void a_worker_can_not_write(void **state)
{
    static cfo_live_t live;
    char rights[5];
    apr_pool_t *p;
    int status;
    pid_t worker;

    (void)state;
    apr_pool_create(&p, pool);
    assert_true(cfo_shared_create(p, 1, 1));
    live.failures = 17;
    cfo_shared_put(0, &live);
    worker = fork();
    if (worker == 0)
        _exit(be_a_worker() ? 0 : 1);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_int_equal(status, 0);
    mapping(rights);
    assert_string_equal(rights, "rw-s");
    live.failures = 18;
    cfo_shared_put(0, &live);
    cfo_shared_get(0, &live);
    assert_int_equal(live.failures, 18);
    apr_pool_destroy(p);
    mapping(rights);
    assert_string_equal(rights, "");
}

static int set_up(void **state)
{
    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_while_the_parent_writes),
        cmocka_unit_test(records_that_are_rubbish),
        cmocka_unit_test(a_worker_can_not_write),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
