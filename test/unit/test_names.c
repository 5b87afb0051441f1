/* SPDX-License-Identifier: Apache-2.0 */
/** Names: spelling, faults, coverage, folders. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin_names.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define L10 "abcdefghij"
#define L63 L10 L10 L10 L10 L10 L10 "abc"
#define L61 L10 L10 L10 L10 L10 L10 "a"

static apr_pool_t *pool;

static void spelling(void **state)
{
    static const struct {
        const char *name;
        const char *spelled;
    } rows[] = {
        {"a.example.com", "a.example.com"},
        {"A.Example.COM", "a.example.com"},
        {"example.com.", "example.com"},
        {"*.example.com", "*.example.com"},
        {"*.EXAMPLE.com.", "*.example.com"},
        {"*.a.example.com", "*.a.example.com"},
        {"_dmarc.example.com", "_dmarc.example.com"},
        {"a_b.example.com", "a_b.example.com"},
        {"__.example.com", "__.example.com"},
        {"r3---sn-x.example.com", "r3---sn-x.example.com"},
        {"1.2.example.com", "1.2.example.com"},
        {"bücher.example.com", "xn--bcher-kva.example.com"},
        {"BÜCHER.example.com", "xn--bcher-kva.example.com"},
        {"bu\xcc\x88"
         "cher.example.com",
         "xn--bcher-kva.example.com"},
        {"*.bücher.example.com", "*.xn--bcher-kva.example.com"},
        {"straße.example.com", "xn--strae-oqa.example.com"},
        {"a_b.bücher.example", "a_b.xn--bcher-kva.example"},
        {"例え。テスト", "xn--r8jz45g.xn--zckzah"},
        {"例え.テスト。", "xn--r8jz45g.xn--zckzah"},
        {"xn--bcher-kva.example.com", "xn--bcher-kva.example.com"},
        {"XN--BCHER-KVA.example.com", "xn--bcher-kva.example.com"},
        {"xn--ls8h.example.com", "xn--ls8h.example.com"}, /* an emoji */
        {L63 ".example.com", L63 ".example.com"},
        {L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *spelled = "unset";
        cfo_name_fault_t fault = cfo_name_spell(pool, rows[i].name, &spelled);

        if (fault != CFO_NAME_OK)
            fail_msg("\"%s\" %s", rows[i].name, cfo_name_fault_text(fault));
        assert_string_equal(spelled, rows[i].spelled);
    }
}

/* An "a", and so many soft hyphens after it, of which nothing is left. */
static const char *padded(int hyphens)
{
    const char *pad = "";

    for (; hyphens > 0; hyphens--)
        pad = apr_pstrcat(pool, pad, "\xc2\xad", NULL);
    return apr_pstrcat(pool, "a", pad, ".x.org", NULL);
}

static void faults(void **state)
{
    static const struct {
        const char *name;
        cfo_name_fault_t fault;
    } rows[] = {
        {NULL, CFO_NAME_EMPTY},
        {"", CFO_NAME_EMPTY},
        {".", CFO_NAME_EMPTY},
        {"192.0.2.1", CFO_NAME_ADDRESS},
        {"192.0.2.1.", CFO_NAME_ADDRESS},
        {"10.1", CFO_NAME_ADDRESS},
        {"１９２.0.2.1", CFO_NAME_ADDRESS},
        {"*.192.0.2.1", CFO_NAME_ADDRESS},
        {"::1", CFO_NAME_ADDRESS},
        {"2001:db8::1", CFO_NAME_ADDRESS},
        {"[2001:db8::1]", CFO_NAME_ADDRESS},
        {"[::1]:443", CFO_NAME_ADDRESS},
        {"localhost", CFO_NAME_SINGLE_LABEL},
        {"com", CFO_NAME_SINGLE_LABEL},
        {"1234", CFO_NAME_SINGLE_LABEL},
        {"*", CFO_NAME_WILDCARD},
        {"*.", CFO_NAME_WILDCARD},
        {"*.com", CFO_NAME_WILDCARD},
        {"*.com.", CFO_NAME_WILDCARD},
        {"*.*.example.com", CFO_NAME_WILDCARD},
        {"foo.*.example.com", CFO_NAME_WILDCARD},
        {"w*.example.com", CFO_NAME_WILDCARD},
        {"*w.example.com", CFO_NAME_WILDCARD},
        {"**.example.com", CFO_NAME_WILDCARD},
        {"example.*", CFO_NAME_WILDCARD},
        {"www?.example.com", CFO_NAME_PATTERN},
        {"*.ex?mple.com", CFO_NAME_PATTERN},
        {L63 "d.example.com", CFO_NAME_LENGTH},
        {L63 "." L63 "." L63 "." L61 "a", CFO_NAME_LENGTH},
        {"*." L63 "." L63 "." L63 "." L61, CFO_NAME_LENGTH},
        {"\xc3\xbc" L63 ".example.com", CFO_NAME_LENGTH},
        {"\xc3\xbc." L63 "a.example.com", CFO_NAME_LENGTH},
        {"\xc3\xbc." L63 "." L63 "." L63 "." L61, CFO_NAME_LENGTH},
        {"a..example.com", CFO_NAME_CHARACTER},
        {".example.com", CFO_NAME_CHARACTER},
        {"example.com..", CFO_NAME_CHARACTER},
        {"..", CFO_NAME_CHARACTER},
        {"../example.com", CFO_NAME_CHARACTER},
        {"a/b.example.com", CFO_NAME_CHARACTER},
        {"a b.example.com", CFO_NAME_CHARACTER},
        {"a.example.com ", CFO_NAME_CHARACTER},
        {"a\n.example.com", CFO_NAME_CHARACTER},
        {"a.example.com:443", CFO_NAME_CHARACTER},
        {"https://a.example.com", CFO_NAME_CHARACTER},
        {"/a.example.com", CFO_NAME_CHARACTER},
        {"a./.example.com", CFO_NAME_CHARACTER},
        {"-a.example.com", CFO_NAME_CHARACTER},
        {"a-.example.com", CFO_NAME_CHARACTER},
        {"_.example.com", CFO_NAME_CHARACTER},
        {"a._.example.com", CFO_NAME_CHARACTER},
        {"a@example.com", CFO_NAME_CHARACTER},
        {"[::1", CFO_NAME_CHARACTER},
        {"b\xfc"
         "cher.example.com",
         CFO_NAME_IDN}, /* Latin-1 */
        {"xn--.example.com", CFO_NAME_CHARACTER},
        {"xn--99999999.example.com", CFO_NAME_IDN},
        {"xn--\xc3\xbc.example.com", CFO_NAME_IDN},
        {"\xf0\x9f\x92\xa9.example.com", CFO_NAME_IDN}, /* an emoji */
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *spelled = "unset";
        cfo_name_fault_t fault = cfo_name_spell(pool, rows[i].name, &spelled);

        if (fault != rows[i].fault)
            fail_msg("\"%s\" gave %d: %s", rows[i].name, (int)fault,
                     cfo_name_fault_text(fault));
        assert_string_equal(spelled, "unset");
    }
    assert_int_equal(cfo_name_spell(pool, padded(1), &(const char *){NULL}),
                     CFO_NAME_OK);
    assert_int_equal(cfo_name_spell(pool, padded(1024), &(const char *){NULL}),
                     CFO_NAME_LENGTH);
    assert_int_equal(
        cfo_name_spell(pool, memset(apr_pcalloc(pool, 1000001), 'a', 1000000),
                       &(const char *){NULL}),
        CFO_NAME_LENGTH);
}

/* Every sentence is another, and ends with what is allowed. */
static void sentences(void **state)
{
    (void)state;
    for (int f = CFO_NAME_EMPTY; f <= CFO_NAME_IDN; f++) {
        const char *text = cfo_name_fault_text((cfo_name_fault_t)f);

        assert_true(strncmp(text, "is ", 3) == 0);
        assert_true(strstr(text, "allowed") || strstr(text, "example.com"));
        assert_string_not_equal(
            text, cfo_name_fault_text((cfo_name_fault_t)(f + 1)));
    }
}

static void coverage(void **state)
{
    static const struct {
        const char *pattern, *name;
        int covers;
    } rows[] = {
        {"a.example.com", "a.example.com", 1},
        {"a.example.com", "b.example.com", 0},
        {"*.example.com", "a.example.com", 1},
        {"*.example.com", "example.com", 0},
        {"*.example.com", "a.b.example.com", 0},
        {"*.example.com", "*.example.com", 1},
        {"*.example.com", "*.a.example.com", 0},
        {"*.a.example.com", "*.example.com", 0},
        {"a.example.com", "*.example.com", 0},
        {"*.example.com", "a.example.com.evil.org", 0},
        {"*.example.com", "aexample.com", 0},
        {"*.example.com", ".example.com", 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (cfo_name_covers(rows[i].pattern, rows[i].name) != rows[i].covers)
            fail_msg("%s, %s", rows[i].pattern, rows[i].name);
    }
}

/* "a b" -> array; NULL stays NULL */
static apr_array_header_t *strings(const char *text)
{
    apr_array_header_t *a;
    char *rest, *word;

    if (!text)
        return NULL;
    a = apr_array_make(pool, 4, sizeof(const char *));
    word = apr_strtok(apr_pstrdup(pool, text), " ", &rest);
    for (; word; word = apr_strtok(NULL, " ", &rest))
        APR_ARRAY_PUSH(a, const char *) = word;
    return a;
}

static const apr_array_header_t *with_more(const apr_array_header_t *some)
{
    static const char *const more = "1.y.org 2.y.org 3.y.org 4.y.org *.z.org";

    return some ? apr_array_append(pool, some, strings(more)) : strings(more);
}

static void assert_first(const apr_array_header_t *wanted,
                         const apr_array_header_t *offered, const char *first)
{
    const char *found = cfo_names_uncovered(wanted, offered, pool);

    if (!first)
        assert_null(found);
    else
        assert_string_equal(found, first);
}

static void uncovered(void **state)
{
    static const struct {
        const char *wanted, *offered, *first;
    } rows[] = {
        {"a.x.org b.x.org", "*.x.org", NULL},
        {"x.org a.x.org", "*.x.org", "x.org"},
        {"x.org a.x.org", "*.x.org x.org", NULL},
        {"a.x.org c.b.x.org d.e.x.org", "a.x.org *.b.x.org", "d.e.x.org"},
        {"*.x.org", "a.x.org", "*.x.org"},
        {"*.x.org", "*.x.org", NULL},
        {"*.b.x.org", "*.x.org", "*.b.x.org"},
        {"org", "*.x.org", "org"},
        {"a.x.org", "", "a.x.org"},
        {"a.x.org", NULL, "a.x.org"},
        {"", "a.x.org", NULL},
        {NULL, NULL, NULL},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const apr_array_header_t *wanted = strings(rows[i].wanted);
        const apr_array_header_t *offered = strings(rows[i].offered);

        assert_first(wanted, offered, rows[i].first);
        /* many are told apart in another way than few */
        assert_first(wanted, with_more(offered), rows[i].first);
        assert_first(with_more(wanted), with_more(offered), rows[i].first);
    }
}

static void folders(void **state)
{
    (void)state;
    assert_string_equal(cfo_name_folder(pool, "a.example.com"),
                        "a.example.com");
    assert_string_equal(cfo_name_folder(pool, "*.example.com"),
                        "_.example.com");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling),  cmocka_unit_test(faults),
        cmocka_unit_test(sentences), cmocka_unit_test(coverage),
        cmocka_unit_test(uncovered), cmocka_unit_test(folders),
    };
    int rc;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return rc;
}
