/* SPDX-License-Identifier: Apache-2.0 */
/** Where paths lead, and what is read there. Whose links are followed has its
 * table beside the writing of targets. */
#include "make_store.h"

#include "cforigin_place.h"

static apr_pool_t *pool;
static const char *dir;

static int setup(void **state)
{
    (void)state;
    apr_pool_create(&pool, NULL);
    dir = ms_open(pool);
    ms_run("cd %s && mkdir -p a/b e && echo one >a/f && echo two >a/b/f && "
           "ln -s a l && ln -s /dev/null null && mkfifo fifo && "
           "ln -s loop loop && ln -s a/f to_f && ln -s l/b/f to_two && "
           "ln -s nowhere dangling && ln -s ../a/b e/up && "
           "ln -s %s/a/b/f absolute && : >empty",
           dir, dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ms_run("rm -rf %s", dir);
    apr_pool_destroy(pool);
    return 0;
}

static void what_is_read(void **state)
{
    static const struct {
        const char *path, *text; /* NULL: it can't be */
        apr_status_t rv;
    } rows[] = {
        {"a/f", "one\n", 0},          {"a//b/./f", "two\n", 0},
        {"a/b/../f", "one\n", 0},     {"l/f", "one\n", 0},
        {"l/b/../f", "one\n", 0},     {"e/up/f", "two\n", 0},
        {"e/up/../f", "one\n", 0}, /* of where the link leads */
        {"to_f", "one\n", 0},         {"to_two", "two\n", 0},
        {"absolute", "two\n", 0},     {"empty", "", 0},
        {"nothing", NULL, ENOENT},    {"nothing/f", NULL, ENOENT},
        {"dangling", NULL, ENOENT},   {"a/f/g", NULL, ENOTDIR},
        {"loop", NULL, ELOOP},        {"loop/f", NULL, ELOOP},
        {"a", NULL, APR_EGENERAL},    {"fifo", NULL, APR_EGENERAL},
        {"null", NULL, APR_EGENERAL}, {"", NULL, APR_EGENERAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfo_pem_t text;
        apr_status_t rv = cfo_place_read(
            pool, apr_pstrcat(pool, dir, "/", rows[i].path, NULL), &text);

        if (rv != rows[i].rv)
            fail_msg("%s: %d", rows[i].path, rv);
        if (rows[i].text)
            assert_string_equal(text.data, rows[i].text);
        else
            assert_null(text.data);
    }
}

/* A file to come has a place, and the place stays what it was. */
static void a_place_stays(void **state)
{
    const char *link;
    cfo_place_t place;
    int fd;

    (void)state;
    assert_int_equal(cfo_place_find(pool,
                                    apr_pstrcat(pool, dir, "/l/new", NULL),
                                    &place, &link),
                     APR_SUCCESS);
    assert_string_equal(place.name, "new");
    assert_null(link);
    ms_run("cd %s && mv a moved && mkdir a", dir);
    fd = openat(place.dir, place.name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    ms_run("cd %s && test -f moved/new && ! test -e a/new", dir);
    cfo_place_close(&place);
    assert_int_equal(place.dir, -1);
    cfo_place_close(&place);
}

/* One link after the other, as the kernel does. */
static void links_are_followed_up_to_a_limit(void **state)
{
    cfo_pem_t text;

    (void)state;
    ms_run("cd %s && echo far >0 && for n in $(seq 41); do "
           "ln -s $((n - 1)) $n; done",
           dir);
    assert_int_equal(
        cfo_place_read(pool, apr_pstrcat(pool, dir, "/40", NULL), &text),
        APR_SUCCESS);
    assert_string_equal(text.data, "far\n");
    assert_int_equal(
        cfo_place_read(pool, apr_pstrcat(pool, dir, "/41", NULL), &text),
        ELOOP);
}

/* Whatever comes of it, no descriptor stays open. */
static void nothing_stays_open(void **state)
{
    static const char *const paths[] = {
        "a/f", "to_two", "absolute", "loop", "nothing/f", "empty/g", "a"};
    const char *before = ms_names(pool, "/proc/self/fd");

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        cfo_pem_t text;

        (void)cfo_place_read(pool, apr_pstrcat(pool, dir, "/", paths[i], NULL),
                             &text);
        assert_string_equal(ms_names(pool, "/proc/self/fd"), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(links_are_followed_up_to_a_limit),
        cmocka_unit_test(nothing_stays_open),
        cmocka_unit_test(a_place_stays),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, setup, teardown);
}
