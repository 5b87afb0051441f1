/* SPDX-License-Identifier: Apache-2.0 */
/** What the status is made of: escapes, times in words, states, sentences. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <apr_strings.h>

#include "cforigin_picture.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define NOW ((apr_time_t)1795420800 * APR_USEC_PER_SEC)

static apr_pool_t *pool;
static char written[40000];
static size_t written_len;

static void to_memory(void *baton, const char *data, apr_size_t len)
{
    (void)baton;
    assert_true(written_len + len < sizeof(written));
    memcpy(written + written_len, data, len);
    written_len += len;
    written[written_len] = '\0';
}

static const char *through(void (*write)(cfo_out_t *, const char *),
                           const char *text)
{
    static cfo_out_t out;

    written_len = 0;
    written[0] = '\0';
    cfo_out_begin(&out, to_memory, NULL);
    write(&out, text);
    cfo_out_end(&out);
    return written;
}

static void test_relative(void **state)
{
    static const struct {
        apr_int64_t seconds;
        const char *words;
    } rows[] = {
        {0, "now"},
        {1, "in 1 second"},
        {-1, "1 second ago"},
        {119, "in 119 seconds"},
        {120, "in 2 minutes"},
        {-7199, "119 minutes ago"},
        {7200, "in 2 hours"},
        {172799, "in 47 hours"},
        {172800, "in 2 days"},
        {-86400 * 40, "40 days ago"},
        {86400 * 61, "in 2 months"},
        {86400 * 365, "in 11 months"},
        {86400 * 730, "in 23 months"},
        {86400 * 731, "in 2 years"},
        {(apr_int64_t)86400 * 5475, "in 14 years"},
        {(apr_int64_t)86400 * 5479, "in 15 years"},
        {(apr_int64_t)-86400 * 5475, "14 years ago"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char words[CFO_RELATIVE_MAX];

        assert_string_equal(
            cfo_show_relative(words, NOW + apr_time_from_sec(rows[i].seconds),
                              NOW),
            rows[i].words);
    }
}

/* The same words as the rest of the module writes, day by day. */
static void test_times(void **state)
{
    static cfo_out_t out;

    (void)state;
    for (apr_int64_t s = 1; s < 253402300799; s += 86400 * 17 + 4711) {
        written_len = 0;
        cfo_out_begin(&out, to_memory, NULL);
        cfo_out_time(&out, apr_time_from_sec(s));
        cfo_out_end(&out);
        assert_string_equal(written,
                            cfo_time_word(pool, apr_time_from_sec(s)));
        if (s % 50 == 0)
            apr_pool_clear(pool);
    }
}

static void number(cfo_out_t *out, const char *text)
{
    cfo_out_number(out, apr_atoi64(text));
}

static void test_escapes(void **state)
{
#define BAD "\xef\xbf\xbd"
    static const struct {
        void (*write)(cfo_out_t *, const char *);
        const char *in, *out;
    } rows[] = {
        {cfo_out_html, "a<b>&\"'c", "a&#60;b&#62;&#38;&#34;&#39;c"},
        {cfo_out_html, "\xc3\xa4 \xf0\x9f\x94\x92", "&#228; &#128274;"},
        {cfo_out_html, "x\x01\x1b\x7f\xc2\x9by",
         "x&#65533;&#65533;&#65533;&#65533;y"},
        {cfo_out_html, "\xff\xfe\xc3", "&#65533;&#65533;&#65533;"},
        {cfo_out_html, "a\r\n\tb", "a   b"},
        {cfo_out_html, NULL, ""},
        {cfo_out_html, "a\xe2\x80\xae\xe2\x80\x8f\xd8\x9c.z",
         "a&#65533;&#65533;&#65533;.z"}, /* turn what follows */
        {cfo_out_json, "a\xe2\x80\xa8z", "\"a" BAD "z\""}, /* a line's end */
        {cfo_out_line,
         "\xef\xbb\xbf"
         "a",
         BAD "a"},
        {cfo_out_json, NULL, "null"},
        {cfo_out_json, "", "\"\""},
        {cfo_out_json, "a\"b\\c\n\x01", "\"a\\\"b\\\\c\\u000a" BAD "\""},
        {cfo_out_json, "\xc3\xa4", "\"\xc3\xa4\""},
        {cfo_out_json, "\xed\xa0\x80", "\"" BAD BAD BAD "\""},
        {cfo_out_json, "\xc0\xaf", "\"" BAD BAD "\""},
        {cfo_out_json, "\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""},
        {cfo_out_json, "cut \xe2\x80", "\"cut " BAD BAD "\""},
        {cfo_out_label, NULL, "\"\""},
        {cfo_out_label, "a\"b\\c\nd", "\"a\\\"b\\\\c d\""},
        {cfo_out_line, "a\r\nKey: b\x1b", "a  Key: b" BAD},
        {cfo_out_segment, "*.a-b_c/ \xc3", "*.a-b_c%2F%20%C3"},
        {number, "0", "0"},
        {number, "-17", "-17"},
        {number, "-9223372036854775808", "-9223372036854775808"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(through(rows[i].write, rows[i].in), rows[i].out);
}

/* Whatever the size of the pieces, they arrive whole and in order. */
static void test_buffer(void **state)
{
    static cfo_out_t out;
    char *large = apr_palloc(pool, 20001);

    (void)state;
    memset(large, 'x', 20000);
    large[20000] = '\0';
    written_len = 0;
    cfo_out_begin(&out, to_memory, NULL);
    for (int i = 0; i < 5000; i++)
        CFO_SAY(&out, "abc");
    cfo_out_text(&out, large);
    CFO_SAY(&out, "end");
    cfo_out_end(&out);
    assert_int_equal(written_len, 15000 + 20000 + 3);
    assert_memory_equal(written + 14997, "abcx", 4);
    assert_string_equal(written + 35000, "end");
}

static void test_paths(void **state)
{
#define DOTS "\xe2\x80\xa6"
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"CFOriginTokenFile /etc/cf/token is empty; chmod 600 /etc/cf/token",
         "CFOriginTokenFile " DOTS "/token is empty; chmod 600 " DOTS
         "/token"},
        {"file '/etc/ssl/private/x.key' does not exist",
         "file '" DOTS "/x.key' does not exist"},
        {"at https://127.0.0.1:8443/client/v4: refused",
         "at https://127.0.0.1:8443/client/v4: refused"},
        {"mine in /srv/my keys/a.key, says /x",
         "mine in " DOTS "/a.key, says " DOTS "/x"},
        {"/my token and /my token: no",
         DOTS "/my token and " DOTS "/my token: no"},
        {"/token, '/token', / and //host/x",
         DOTS "/token, '" DOTS "/token', / and //host/x"},
        {"a/b and/or c", "a/b and/or c"},
        {"/etc/cf/token: no", DOTS "/token: no"},
        {"it says `/etc/cf/token`", "it says `" DOTS "/token`"},
        {"", ""},
    };
    static const char no_path[] = "1010: no such zone, and no copy of it";
    apr_array_header_t *secrets = apr_array_make(pool, 1, sizeof(char *));

    (void)state;
    APR_ARRAY_PUSH(secrets, const char *) = "/srv/my keys/a.key";
    APR_ARRAY_PUSH(secrets, const char *) = "/my token";
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(cfo_show_without_paths(pool, rows[i].in, secrets),
                            rows[i].out);
    assert_null(cfo_show_without_paths(pool, NULL, secrets));
    assert_true(cfo_show_is_hard_path("/srv/my keys/a.key"));
    assert_true(cfo_show_is_hard_path("/srv/keys/a,b"));
    assert_true(cfo_show_is_hard_path("//srv/keys/a.key"));
    assert_false(cfo_show_is_hard_path("/srv/keys/a=b.key"));
    assert_ptr_equal(cfo_show_without_paths(pool, no_path, secrets), no_path);
}

static void test_states(void **state)
{
#define DAY apr_time_from_sec(86400)
    static const struct {
        cfo_state_facts_t facts;
        cfo_state_t state;
    } rows[] = {
        /* foreign, served, failures, issuing, adopted, end, warning */
        {{0, 1, 0, 0, 0, NOW + 90 * DAY, NOW + 80 * DAY}, CFO_STATE_OK},
        {{0, 1, 0, 0, 1, NOW + 90 * DAY, NOW + 80 * DAY}, CFO_STATE_ADOPTED},
        {{0, 1, 0, 1, 1, NOW + 90 * DAY, NOW + 80 * DAY}, CFO_STATE_RENEWING},
        {{0, 1, 0, 1, 0, NOW + 9 * DAY, NOW}, CFO_STATE_EXPIRING},
        {{0, 1, 1, 1, 0, NOW + 9 * DAY, NOW}, CFO_STATE_DEGRADED},
        {{0, 0, 0, 1, 0, 0, 0}, CFO_STATE_PENDING},
        {{0, 0, 2, 1, 0, 0, 0}, CFO_STATE_ERROR},
        {{0, 0, 0, 0, 0, NOW + 90 * DAY, NOW + 80 * DAY}, CFO_STATE_PENDING},
        {{0, 1, 0, 0, 0, NOW, NOW - DAY}, CFO_STATE_EXPIRED},
        {{0, 1, 5, 1, 1, NOW - 1, NOW - DAY}, CFO_STATE_EXPIRED},
        {{1, 1, 0, 0, 0, NOW + DAY, NOW - DAY}, CFO_STATE_FOREIGN},
        {{1, 1, 0, 0, 0, NOW - DAY, NOW - DAY}, CFO_STATE_EXPIRED},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (cfo_state_of(&rows[i].facts, NOW) != rows[i].state)
            fail_msg("row %zu: %s", i,
                     cfo_state_word(cfo_state_of(&rows[i].facts, NOW)));
    }
}

static cfo_status_t *picture(const cfo_state_t *states, int n)
{
    cfo_status_t *status = apr_pcalloc(pool, sizeof(*status));

    status->now = NOW;
    status->state = -1;
    status->certificates = apr_array_make(pool, 8, sizeof(cfo_status_cert_t));
    status->accounts = apr_array_make(pool, 1, sizeof(cfo_status_account_t));
    for (int i = 0; i < n; i++) {
        cfo_status_cert_t *c = apr_array_push(status->certificates);

        memset(c, 0, sizeof(*c));
        c->name = apr_psprintf(pool, "n%d.example.com", i);
        c->hostnames = c->vhosts = apr_array_make(pool, 1, sizeof(char *));
        c->state = states[i];
        c->not_after = NOW + (i + 1) * 5475 * DAY;
        c->renew_at = c->not_after - 30 * DAY;
    }
    cfo_status_add_up(status);
    return status;
}

static void test_sentences(void **state)
{
    static const struct {
        int n;
        cfo_state_t states[4];
        const char *sentence, *line;
        int alarm;
    } rows[] = {
        {0,
         {0},
         "No certificate is managed: write CFOrigin on into a virtual "
         "host that has SSLEngine on.",
         "OK - 0 certificates",
         0},
        {1,
         {CFO_STATE_OK},
         "1 certificate, fine; the next renewal is in 14 "
         "years.",
         "OK - 1 certificate",
         0},
        {3,
         {CFO_STATE_OK, CFO_STATE_ADOPTED, CFO_STATE_FOREIGN},
         "3 certificates, all fine; the next renewal is in 14 years.",
         "OK - 3 certificates",
         0},
        {2,
         {CFO_STATE_OK, CFO_STATE_PENDING},
         "2 certificates, nothing to do; under way: 1 pending; the next "
         "renewal is in 14 years.",
         "OK - 2 certificates",
         0},
        {1,
         {CFO_STATE_ERROR},
         "1 of 1 certificate needs attention: 1 error; the next renewal is in "
         "14 years.",
         "CRITICAL - 1 of 1 certificate: n0.example.com is error",
         1},
        {4,
         {CFO_STATE_OK, CFO_STATE_EXPIRING, CFO_STATE_EXPIRED,
          CFO_STATE_EXPIRED},
         "3 of 4 certificates need attention: 2 expired, 1 expiring; the next "
         "renewal is in 14 years.",
         "CRITICAL - 3 of 4 certificates: n1.example.com is expiring",
         1},
        {2,
         {CFO_STATE_OK, CFO_STATE_DEGRADED},
         "1 of 2 certificates needs attention: 1 degraded; the next renewal "
         "is in 14 years.",
         "OK - 2 certificates",
         0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_status_t *status = picture(rows[i].states, rows[i].n);
        const char *line;

        assert_string_equal(cfo_status_sentence(pool, status),
                            rows[i].sentence);
        assert_int_equal(cfo_status_alarm(pool, status, &line), rows[i].alarm);
        assert_string_equal(line, rows[i].line);
    }
}

static void test_degraded_near_its_end_alarms(void **state)
{
    static const cfo_state_t states[] = {CFO_STATE_DEGRADED};
    cfo_status_t *status = picture(states, 1);
    const char *line;

    (void)state;
    APR_ARRAY_IDX(status->certificates, 0, cfo_status_cert_t)
        .inside_warn_window = 1;
    assert_true(cfo_status_alarm(pool, status, &line));
}

static void test_narrow_and_filter(void **state)
{
    static const cfo_state_t states[] = {CFO_STATE_OK, CFO_STATE_ERROR,
                                         CFO_STATE_OK};
    cfo_status_t *status = picture(states, 3);
    const cfo_status_cert_t *second =
        &APR_ARRAY_IDX(status->certificates, 1, cfo_status_cert_t);

    (void)state;
    status->q = "N1.EXAMPLE";
    assert_true(cfo_status_shows(status, second));
    assert_false(cfo_status_shows(status, second + 1));
    status->state = CFO_STATE_OK;
    assert_false(cfo_status_shows(status, second));
    assert_true(cfo_status_narrow(status, "n1.Example.com"));
    assert_int_equal(status->certificates->nelts, 1);
    assert_int_equal(status->totals[CFO_STATE_ERROR], 1);
    assert_int_equal(status->totals[CFO_STATE_OK], 0);
    assert_false(cfo_status_narrow(status, "n2.example.com"));
}

static void test_watching(void **state)
{
    static const struct {
        int one_process, running;
        apr_int64_t looked, overdue; /* seconds ago, 0: never */
        const char *word;            /* of the sentence, NULL: none */
    } rows[] = {
        {0, 0, 10, 0, NULL},
        {0, 0, 59, 0, NULL},
        {0, 0, 61, 0, "may be old"},
        {0, 0, 5, 300, "should have run"},
        {0, 1, 5, 300, NULL},
        {1, 0, 5, 0, "one process"},
        {0, 0, 600, 300, "10 minutes ago"},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        cfo_status_t *status = picture(NULL, 0);
        const char *fault;

        status->one_process = rows[i].one_process;
        status->keeper_running = rows[i].running;
        status->looked_at = NOW - apr_time_from_sec(rows[i].looked);
        if (rows[i].overdue)
            status->keeper_overdue = NOW - apr_time_from_sec(rows[i].overdue);
        fault = cfo_status_watch_fault(pool, status);
        assert_int_equal(fault != NULL, rows[i].word != NULL);
        if (fault)
            assert_non_null(strstr(fault, rows[i].word));
    }
}

/* Every reason and every state has a word of its own and something to say. */
static void test_words(void **state)
{
    (void)state;
    for (int i = 0; i < CFO_REASONS; i++)
        assert_non_null(cfo_reason_sentence((cfo_reason_t)i));
    for (int i = 0; i < CFO_STATES; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(cfo_state_word((cfo_state_t)i),
                                    cfo_state_word((cfo_state_t)k));
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
        cmocka_unit_test(test_relative),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_degraded_near_its_end_alarms),
        cmocka_unit_test(test_narrow_and_filter),
        cmocka_unit_test(test_watching),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
