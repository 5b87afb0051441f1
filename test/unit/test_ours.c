/* SPDX-License-Identifier: Apache-2.0 */
/** Whose is what root trusts: owners and modes of it, and of what is above. */
#include "make_store.h"

#include "cforigin_ours.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static apr_pool_t *pool;

static void whose_it_is(void **state)
{
    struct stat st = {.st_uid = 0};

    (void)state;
    assert_true(cfo_ours_is(&st));
    st.st_uid = geteuid();
    assert_true(cfo_ours_is(&st));
    st.st_uid = geteuid() + 1;
    assert_false(cfo_ours_is(&st));
}

/* In an empty folder of root's; "others" can do what a fault is about. */
static void folders_above(void **state)
{
    static const struct {
        const char *prepare, *path;
        int sticky;
        const char *fault; /* a part of it, after the folder; NULL: none */
    } rows[] = {
        {"mkdir d", "d/f", 0, NULL},
        {"mkdir -m 0777 d", "d/f", 0, "others can write the directory %s/d;"},
        {"mkdir -m 0777 d", "d/f", 1, "others can write the directory %s/d;"},
        {"mkdir -m 0777 d && mkdir d/e", "d/e/f", 0, "others can write"},
        {"mkdir -m 0777 d", "d", 0, NULL},
        {"mkdir -m 1777 d", "d/f", 0, "others can write"},
        {"mkdir -m 1777 d", "d/f", 1, NULL},
        {"mkdir -m 1777 d && mkdir d/e && touch d/e/f", "d/e/f", 0, NULL},
        {"mkdir -m 0775 d", "d/f", 0, NULL}, /* of root's own group */
        {"mkdir -m 0775 d && chgrp 65534 d", "d/f", 0, "others can write"},
        {"mkdir -m 0757 d && chgrp 65534 d", "d/f", 0, "others can write"},
        {"mkdir -m 0755 d && chgrp 65534 d", "d/f", 0, NULL},
        {"mkdir d && chown 65534 d", "d/f", 1,
         "%s/d belongs to another user, 65534; chown it to root"},
        {"mkdir d && touch d/f && chown 65534 d/f", "d/f", 0, NULL},
        {"mkdir -p d/e && chown 65534 d", "d/e/f", 1, "another user"},
        /* a path with nothing at its end, and with a file on its way */
        {"mkdir d && chown 65534 d", "d/none/deeper/f", 1, "another user"},
        {"mkdir d && chown 65534 d && touch d/f", "d/f/g/h", 1,
         "another user"},
        {":", "none/f", 1, NULL},
        /* where a link leads */
        {"mkdir -p d/e && chmod 0777 d && ln -s d/e l", "l/f", 0,
         "others can write the directory %s/d;"},
        {"mkdir -p d/e && chmod 0777 d && ln -s d/e l && touch l/f", "l/f", 0,
         "others can write the directory %s/d;"},
        {"mkdir d d/e l && chown 65534 d && ln -s ../d/e l/l", "l/l/none/f", 1,
         "%s/d belongs to another user"},
        {"mkdir d && ln -s d l", "l/f", 0, NULL},
        {"mkdir d l && chmod 0777 l && ln -s ../d l/l", "l/l/f", 0,
         "others can write the directory %s/l;"},
    };

    (void)state;
    for (size_t i = 0; geteuid() == 0 && i < COUNT(rows); i++) {
        const char *dir = ms_open(pool), *fault, *expected;

        ms_run("umask 022 && cd %s && { %s; }", dir, rows[i].prepare);
        fault = cfo_ours_fault_above(
            pool, apr_pstrcat(pool, dir, "/", rows[i].path, NULL),
            rows[i].sticky);
        expected = rows[i].fault;
        if (expected && strchr(expected, '%'))
            expected = apr_pstrcat(
                pool, apr_pstrndup(pool, expected, strcspn(expected, "%")),
                dir, strchr(expected, '%') + 2, NULL);
        if (expected ? !fault || !strstr(fault, expected) : fault != NULL)
            fail_msg("%s: %s", rows[i].prepare, fault ? fault : "no fault");
        ms_run("rm -rf %s", dir);
    }
}

static void a_folder_that_cant_be_looked_at(void **state)
{
    const char *name = memset(apr_pcalloc(pool, 301), 'a', 300);

    (void)state;
    assert_null(cfo_ours_fault_above(pool, "f", 0));
    assert_null(cfo_ours_fault_above(pool, "/f", 0));
    assert_non_null(
        strstr(cfo_ours_fault_above(
                   pool, apr_pstrcat(pool, "/", name, "/f", NULL), 0),
               "File name too long"));
}

static void token_files(void **state)
{
    static const struct {
        uid_t owner;
        int user, issuer;
        const char *fault;
    } rows[] = {
        {0, 33, 34, NULL},
        {0, 0, 0, NULL},
        {33, 33, 34, "user 33, as whom httpd serves requests,"},
        {33, 33, 33, "user 33, as whom httpd serves requests,"},
        {34, 33, 34, "user 34, whom cforigin-issuer becomes,"},
        {35, 33, 34, NULL}, /* a container's */
        {35, -1, -1, NULL},
        {34, -1, 34, "user 34, whom cforigin-issuer becomes,"},
    };

    (void)state;
    for (size_t i = 0; geteuid() == 0 && i < COUNT(rows); i++) {
        const struct stat st = {.st_uid = rows[i].owner};
        const char *fault = cfo_ours_token_fault(pool, "/token", &st,
                                                 rows[i].user, rows[i].issuer);

        if (!rows[i].fault) {
            assert_null(fault);
            continue;
        }
        assert_non_null(strstr(fault, rows[i].fault));
        assert_non_null(strstr(fault, "; chown root /token"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(folders_above),
        cmocka_unit_test(a_folder_that_cant_be_looked_at),
        cmocka_unit_test(token_files),
    };
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
