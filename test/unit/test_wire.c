/* SPDX-License-Identifier: Apache-2.0 */
/* The wire: line buffers against awkward pipes, and every request and answer
 * there and back, with the lines that are none. */
#include "cforigin_wire.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* which needs all addresses for itself */
#else
#define SANITIZED 0
#endif

static apr_pool_t *pool;

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static void fill(int fd, const char *data, size_t len)
{
    assert_int_equal(write(fd, data, len), (ssize_t)len);
}

/* Each piece is one read; the lines that come out, joined with '|', and '!'
 * for each read that told of a line too long. */
static void test_lines(void **state)
{
    static const struct {
        const char *pieces[4];
        const char *expected;
    } cases[] = {
        {{"one\n"}, "one|"},
        {{"one\ntwo\n"}, "one|two|"},
        {{"o", "n", "e\nt", "wo\n"}, "one|two|"},
        {{"\n\n"}, "||"},
        {{"12345678\n"}, "12345678|"},
        {{"123456789\n"}, "!"},
        {{"a\n123456789\nb\n"}, "!a|b|"},
        {{"12345", "6789", "still\n", "c\n"}, "!c|"},
        {{"12345678", "\n", "d\n"}, "12345678|d|"},
        {{"unfinished"}, "!"},
        {{"unfin"}, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfo_lines_t *lines = cfo_lines_make(pool, 8);
        const char *got = "";
        char *line;
        int fd[2];

        assert_int_equal(pipe(fd), 0);
        for (int k = 0; k < 4 && cases[i].pieces[k]; k++) {
            apr_status_t rv;

            fill(fd[1], cases[i].pieces[k], strlen(cases[i].pieces[k]));
            rv = cfo_lines_read(lines, fd[0]);
            assert_true(rv == APR_SUCCESS || rv == APR_ENOSPC);
            got = apr_pstrcat(pool, got, rv == APR_ENOSPC ? "!" : "", NULL);
            while ((line = cfo_lines_next(lines))) {
                got = apr_pstrcat(pool, got, line, "|", NULL);
            }
        }
        assert_string_equal(got, cases[i].expected);
        close(fd[1]);
        assert_int_equal(cfo_lines_read(lines, fd[0]), APR_EOF);
        assert_null(cfo_lines_next(lines));
        close(fd[0]);
    }
}

static void test_lines_zero_byte_hides_nothing(void **state)
{
    cfo_lines_t *lines = cfo_lines_make(pool, 100);
    const char *fault;
    char *line;
    int fd[2];

    (void)state;
    assert_int_equal(pipe(fd), 0);
    fill(fd[1], "{\"op\":\"list\",\"id\":1,\"zone_id\":\"z\"}\0x\n", 37);
    assert_int_equal(cfo_lines_read(lines, fd[0]), APR_SUCCESS);
    line = cfo_lines_next(lines);
    assert_non_null(line);
    assert_int_equal(strlen(line), 36);
    assert_null(cfo_wire_read_request(pool, line, &fault));
    assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(cfo_lines_read(lines, fd[0]), APR_EAGAIN);
    close(fd[0]);
    close(fd[1]);
    assert_int_equal(cfo_lines_read(lines, -1), EBADF);
}

/* No further address, as where a limit is reached. Gives back what was. */
static struct rlimit take_no_memory(void)
{
    struct rlimit was, none;

    assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
    none = was;
    none.rlim_cur = SANITIZED ? was.rlim_cur : 0;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    return was;
}

/* A piece for which there is no memory is lost; the lines that were whole
 * before it are not, though they have moved by then. */
static void test_lines_without_memory(void **state)
{
    enum { HUGE = 32 * 1024 * 1024 };
    cfo_lines_t *lines = cfo_lines_make(pool, 2 * (apr_size_t)HUGE);
    char *huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const char used_up[] = "used up, and longer than the other two\n";
    struct rlimit was;
    apr_status_t rv;

    (void)state;
    assert_ptr_not_equal(huge, MAP_FAILED);
    memset(huge, 'x', HUGE);
    cfo_lines_put(lines, used_up, strlen(used_up));
    cfo_lines_put(lines, "one\ntwo\n", 8);
    assert_non_null(cfo_lines_next(lines));
    was = take_no_memory();
    rv = cfo_lines_put(lines, huge, HUGE);
    setrlimit(RLIMIT_AS, &was);
    munmap(huge, HUGE);
    assert_int_equal(rv, SANITIZED ? APR_SUCCESS : APR_ENOMEM);
    assert_string_equal(cfo_lines_next(lines), "one");
    assert_string_equal(cfo_lines_next(lines), "two");
    assert_null(cfo_lines_next(lines));
    cfo_lines_put(lines, "\nlast\n", 6);
    assert_int_equal(strlen(cfo_lines_next(lines)), SANITIZED ? HUGE : 0);
    assert_string_equal(cfo_lines_next(lines), "last");
}

/* More than a pipe holds, read in between, arrives whole and in order. */
/* Whoever reads for months needs no more memory than for a line. */
static void test_lines_use_their_memory_again(void **state)
{
    cfo_lines_t *lines = cfo_lines_make(pool, 100);
    int failed = 0, taken = 0;
    struct rlimit was;

    (void)state;
    cfo_lines_put(lines, "1\n", 2);
    was = take_no_memory();
    for (int i = 0; i < 4000000; i++) {
        failed += cfo_lines_put(lines, "12345678\n9", 10) != APR_SUCCESS;
        taken += cfo_lines_next(lines) != NULL;
    }
    setrlimit(RLIMIT_AS, &was);
    assert_int_equal(failed, 0);
    assert_int_equal(taken, 4000000);
}

/* What one reader leaves, another takes in. */
static void test_lines_are_handed_over(void **state)
{
    cfo_lines_t *lines = cfo_lines_make(pool, 100);
    cfo_lines_t *others = cfo_lines_make(pool, 100);
    apr_size_t len;
    const char *rest = cfo_lines_rest(lines, &len);

    (void)state;
    assert_int_equal(len, 0);
    assert_int_equal(cfo_lines_put(others, rest, len), APR_SUCCESS);
    cfo_lines_put(lines, "one\ntwo\nthr", 11);
    assert_string_equal(cfo_lines_next(lines), "one");
    rest = cfo_lines_rest(lines, &len);
    assert_int_equal(len, 7);
    cfo_lines_put(others, rest, len);
    cfo_lines_put(others, "ee\n", 3);
    assert_string_equal(cfo_lines_next(others), "two");
    assert_string_equal(cfo_lines_next(others), "three");
    assert_null(cfo_lines_next(others));
}

static void test_queue_and_lines_together(void **state)
{
    enum { LINES = 3000 };
    cfo_queue_t *queue = cfo_queue_make(pool);
    cfo_lines_t *lines = cfo_lines_make(pool, 1000);
    int fd[2], next = 0;
    char *line;

    (void)state;
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
    assert_true(cfo_queue_is_empty(queue));
    for (int i = 0; i < LINES; i++) {
        cfo_queue_put(queue, apr_psprintf(pool, "%0*d", i % 900 + 5, i));
    }
    assert_int_equal(cfo_queue_write(queue, fd[1]), APR_EAGAIN);
    assert_false(cfo_queue_is_empty(queue));
    while (next < LINES) {
        apr_status_t rv = cfo_queue_write(queue, fd[1]);

        assert_true(rv == APR_SUCCESS || rv == APR_EAGAIN);
        assert_int_equal(cfo_lines_read(lines, fd[0]), APR_SUCCESS);
        while ((line = cfo_lines_next(lines))) {
            assert_int_equal(strlen(line), next % 900 + 5);
            assert_int_equal(strtol(line, NULL, 10), next);
            next++;
        }
    }
    assert_true(cfo_queue_is_empty(queue));
    close(fd[0]);
    cfo_queue_put(queue, "nobody reads this");
    assert_int_equal(cfo_queue_write(queue, fd[1]), EPIPE);
    close(fd[1]);
}

static const apr_array_header_t *texts(const char *a, const char *b)
{
    apr_array_header_t *array = apr_array_make(pool, 2, sizeof(char *));

    APR_ARRAY_PUSH(array, const char *) = a;
    APR_ARRAY_PUSH(array, const char *) = b;
    return array;
}

static const char *there_and_back(const char *line)
{
    const char *fault = NULL;
    cfo_request_t *request = cfo_wire_read_request(pool, line, &fault);

    return request ? cfo_wire_request(pool, request) : fault;
}

static void test_requests_round_trip(void **state)
{
    static const char *const lines[] = {
        "{\"id\":0,\"op\":\"setup\",\"api\":\"https://a/b\","
        "\"api_ca_file\":\"/ca\",\"proxy\":\"http://u:p@h:1\","
        "\"user_agent\":\"m/1\",\"max_concurrent\":16,"
        "\"after_pause\":1}",
        "{\"id\":0,\"op\":\"setup\",\"api\":\"https://a/b\"}",
        "{\"id\":0,\"op\":\"setup\",\"api\":\"https://a/b\","
        "\"api_ca_file\":{\"bytes\":\"2f6361ff\"}}", /* no UTF-8 */
        "{\"id\":1,\"op\":\"create\",\"csr\":\"-----BEGIN\\n\","
        "\"hostnames\":[\"a.b\",\"*.a.b\"],\"request_type\":\"origin-ecc\","
        "\"requested_validity\":5475}",
        "{\"id\":2,\"op\":\"list\",\"zone_id\":\"023e\"}",
        "{\"id\":3,\"op\":\"get\",\"serial\":\"5009\"}",
        "{\"id\":4,\"op\":\"revoke\",\"serial\":\"5009\"}",
        "{\"id\":5,\"op\":\"zone\",\"hostname\":\"a.b\"}",
        "{\"id\":6,\"op\":\"served\",\"address\":\"::1\",\"port\":443,"
        "\"sni\":\"a.b\"}",
        "{\"id\":7,\"op\":\"served\",\"address\":\"::1\",\"port\":443,"
        "\"sni\":\"a.b\",\"request_type\":\"origin-rsa\"}"};
    cfo_request_t create = {.id = 7, .op = CFO_OP_CREATE, .csr = "c"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_string_equal(there_and_back(lines[i]), lines[i]);
    }
    create.hostnames = texts("x.y", "m\xc3\xbcnchen.y");
    create.request_type = "origin-rsa";
    create.requested_validity = 7;
    assert_string_equal(
        cfo_wire_request(pool, &create),
        "{\"id\":7,\"op\":\"create\",\"csr\":\"c\",\"hostnames\":[\"x.y\","
        "\"m\xc3\xbcnchen.y\"],\"request_type\":\"origin-rsa\","
        "\"requested_validity\":7}");
}

static void test_lines_that_are_no_request(void **state)
{
    static const struct {
        const char *line, *fault;
        int id;
    } cases[] = {
        {"", "the line is no JSON object", -1},
        {"null", "the line is no JSON object", -1},
        {"[1]", "the line is no JSON object", -1},
        {"{\"id\":1", "the line is no JSON object", -1},
        {"{\"id\":1,\"op\":\"list\",\"zone_id\":\"z\"} x",
         "the line is no JSON object", -1},
        {"{\"id\":1}", "\"op\" is missing", 1},
        {"{\"id\":0}", "\"op\" is missing", 0},
        {"{\"id\":-7}", "\"op\" is missing", -1},
        {"{\"id\":2147483647}", "\"op\" is missing", 2147483647},
        {"{\"id\":2147483648}", "\"op\" is missing", -1},
        {"{\"id\":1,\"op\":7}", "\"op\" is no text", 1},
        {"{\"id\":1,\"op\":\"steal\"}", "\"op\" is none of ours", 1},
        {"{\"op\":\"list\",\"zone_id\":\"z\"}", "\"id\" is missing", -1},
        {"{\"id\":\"1\",\"op\":\"list\",\"zone_id\":\"z\"}",
         "\"id\" is no number from 0 to 2147483647", -1},
        {"{\"id\":4294967297,\"op\":\"list\",\"zone_id\":\"z\"}",
         "\"id\" is no number from 0 to 2147483647", -1},
        {"{\"id\":1,\"op\":\"list\"}", "\"zone_id\" is missing", 1},
        {"{\"id\":1,\"op\":\"list\",\"zone_id\":null}",
         "\"zone_id\" is no text", 1},
        {"{\"id\":1,\"op\":\"get\",\"serial\":5009}", "\"serial\" is no text",
         1},
        {"{\"id\":1,\"op\":\"create\",\"csr\":\"c\",\"hostnames\":[],"
         "\"request_type\":\"t\",\"requested_validity\":7}",
         "\"hostnames\" is no list of texts", 1},
        {"{\"id\":1,\"op\":\"create\",\"csr\":\"c\",\"hostnames\":\"a.b\","
         "\"request_type\":\"t\",\"requested_validity\":7}",
         "\"hostnames\" is no list of texts", 1},
        {"{\"id\":1,\"op\":\"create\",\"csr\":\"c\",\"hostnames\":[\"a\",1],"
         "\"request_type\":\"t\",\"requested_validity\":7}",
         "\"hostnames\" holds something that is no text", 1},
        {"{\"id\":1,\"op\":\"create\",\"csr\":\"c\",\"hostnames\":[\"a\"],"
         "\"request_type\":\"t\",\"requested_validity\":\"7\"}",
         "\"requested_validity\" is no number from 1 to 2147483647", 1},
        {"{\"id\":1,\"op\":\"served\",\"address\":\"::1\",\"port\":65536,"
         "\"sni\":\"a\"}",
         "\"port\" is no number from 1 to 65535", 1},
        {"{\"op\":\"setup\"}", "\"api\" is missing", -1},
        {"{\"op\":\"setup\",\"api\":\"x\",\"proxy\":[]}",
         "\"proxy\" is no text", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(there_and_back(cases[i].line), cases[i].fault);
        assert_int_equal(cfo_wire_id(cases[i].line), cases[i].id);
    }
}

/* One that shares nothing with the original, which is written over. */
static cfo_answer_t *copy_of(cfo_answer_t *answer)
{
    cfo_answer_t *copy = cfo_wire_copy_answer(pool, answer);
    const char *texts[] = {answer->result.message, answer->result.ray,
                           answer->certificate,    answer->serial,
                           answer->zone_id,        answer->zone,
                           answer->sha256};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i])
            memset((char *)(uintptr_t)texts[i], '?', strlen(texts[i]));
    }
    memset(answer, '?', sizeof(*answer));
    return copy;
}

static void test_answers_round_trip(void **state)
{
    static const char *const lines[] = {
        "{\"id\":1,\"ok\":true,\"http\":200,\"ray\":\"8f-FRA\","
        "\"certificate\":\"-----BEGIN\",\"serial\":\"5009\",\"calls\":2,"
        "\"date\":\"2026-11-23T08:00:00Z\"}",
        "{\"id\":2,\"ok\":false,\"kind\":\"transient\",\"message\":\"m\","
        "\"code\":1100,\"http\":400,\"ray\":\"r\",\"retry_after\":12}",
        "{\"id\":3,\"ok\":false,\"kind\":\"rate-limited\",\"message\":\"m\","
        "\"retry_after\":0}",
        "{\"id\":4,\"ok\":false,\"kind\":\"transient\",\"message\":\"m\","
        "\"lost\":1,\"calls\":1}",
        "{\"id\":5,\"ok\":true,\"zone_id\":\"023e\",\"zone\":\"a.b\"}",
        "{\"id\":6,\"ok\":true,\"sha256\":\"ab12\"}",
        "{\"id\":7,\"page\":12,\"certificate\":\"c\",\"serial\":\"1\","
        "\"revoked\":1}",
        "{\"id\":8,\"page\":12,\"certificate\":\"c\"}",
        "{\"id\":9,\"page\":4000}"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *fault = NULL;
        cfo_answer_t *answer = cfo_wire_read_answer(pool, lines[i], &fault);

        assert_null(fault);
        assert_non_null(answer);
        assert_string_equal(cfo_wire_answer(pool, answer), lines[i]);
        answer = copy_of(answer);
        assert_string_equal(cfo_wire_answer(pool, answer), lines[i]);
        assert_int_equal(answer->result.kind == CFO_OK && !answer->page,
                         strstr(lines[i], "\"ok\":true") != NULL);
    }
}

#define MORE "the line has more in it than an answer"
#define NONE "the line is no JSON object"
#define TEN                                                                   \
    ",\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,"                               \
    "\"f\":1,\"g\":2,\"h\":3,\"i\":4,\"j\":5"

static void test_lines_that_are_no_answer(void **state)
{
    static const struct {
        const char *line, *fault;
    } cases[] = {
        {"{}", "\"id\" is missing"},
        {"{\"id\":1}", "\"ok\" is neither true nor false"},
        {"{\"id\":1,\"ok\":\"true\"}", "\"ok\" is neither true nor false"},
        {"{\"id\":1,\"ok\":false}", "\"kind\" is missing"},
        {"{\"id\":1,\"ok\":false,\"kind\":\"ok\"}",
         "\"kind\" is none of ours"},
        {"{\"id\":1,\"ok\":false,\"kind\":\"odd\"}",
         "\"kind\" is none of ours"},
        {"{\"page\":1}", "\"id\" is missing"},
        {"{\"id\":1,\"page\":0}", "\"page\" is no number from 1 to 4000"},
        {"{\"id\":1,\"page\":4001}", "\"page\" is no number from 1 to 4000"},
        {"{\"id\":1,\"page\":\"1\"}", "\"page\" is no number from 1 to 4000"},
        {"{\"id\":1,\"ok\":true,\"certificate\":7}",
         "\"certificate\" is no text"},
        {"{\"id\":1,\"ok\":true,\"http\":1000}",
         "\"http\" is no number from 0 to 999"},
        {"{\"id\":1,\"page\":1,\"certificate\":7}",
         "\"certificate\" is no text"},
        {"{\"id\":1,\"page\":1,\"certificate\":\"c\",\"revoked\":2}",
         "\"revoked\" is no number from 0 to 1"},
        {"{\"id\":1,\"ok\":true,\"http\":null,\"ray\":null}", NULL},
        {"{\"id\":1,\"ok\":true,\"x\":[]}", MORE},
        {"{\"id\":1,\"ok\":true,\"x\":{}}", MORE},
        {"[{\"id\":1,\"ok\":true}]", MORE},
        {"{\"id\":1,\"ok\":true,\"x\":\"\\\"\",\"y\":[]}", MORE},
        {"{\"id\":1,\"ok\":true,\"x\":\"\\\\\",\"y\":{}}", MORE},
        {"{\"id\":1,\"ok\":true,\"x\":\"[{\\\"[{", NONE},
        {"{\"id\":1,\"ok\":true,\"x\":\"\\", NONE},
        {"{\"id\":1,\"ok\":true" TEN TEN TEN "}", NULL},
        {"{\"id\":1,\"ok\":true" TEN TEN TEN TEN "}", MORE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *fault = NULL;

        assert_int_equal(!cfo_wire_read_answer(pool, cases[i].line, &fault),
                         cases[i].fault != NULL);
        assert_true(fault == cases[i].fault || !strcmp(fault, cases[i].fault));
    }
}

/* A text of so many of one character. */
static const char *many(char c, apr_size_t n)
{
    char *text = apr_palloc(pool, n + 1);

    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* Ids are what they can be and no more; a text that is none is a fault, since
 * an issuer of ours passes it over. */
static void test_ids_of_an_answer(void **state)
{
    static const struct {
        const char *key, *text;
        char c;
        int n, ok;
    } cases[] = {
        {"serial", "5009", '7', 45, 1},     {"serial", "5009", '7', 60, 1},
        {"serial", "5009", '7', 61, 0},     {"serial", "", '7', 3000000, 0},
        {"serial", "", '7', 0, 0},          {"serial", "-1", '7', 0, 0},
        {"serial", "0x12", '7', 0, 0},      {"serial", "1 2", '7', 0, 0},
        {"serial", "1\\n", '7', 0, 0},      {"serial", "*****", '7', 0, 0},
        {"zone_id", "", 'a', 32, 1},        {"zone_id", "a-Z_9", 'a', 0, 1},
        {"zone_id", "", 'a', 64, 1},        {"zone_id", "", 'a', 65, 0},
        {"zone_id", "", 'a', 0, 0},         {"zone_id", "../a", 'a', 0, 0},
        {"zone_id", "a\\\"", 'a', 0, 0},    {"zone_id", "a&b", 'a', 0, 0},
        {"zone", "a-1.example", 'a', 0, 1}, {"zone", "a b", 'a', 0, 0},
        {"zone", "", 'a', 253, 1},          {"zone", "", 'a', 254, 0},
        {"sha256", "", 'f', 64, 1},         {"sha256", "", 'f', 65, 0},
        {"sha256", "g", 'f', 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *fault = NULL;
        const char *line = apr_psprintf(
            pool, "{\"id\":1,\"ok\":true,\"%s\":\"%s%s\"}", cases[i].key,
            cases[i].text, many(cases[i].c, (apr_size_t)cases[i].n));
        const cfo_answer_t *answer = cfo_wire_read_answer(pool, line, &fault);

        assert_int_equal(answer != NULL, cases[i].ok);
        if (!cases[i].ok) {
            assert_string_equal(fault,
                                apr_psprintf(pool,
                                             "\"%s\" holds what no such text "
                                             "does",
                                             cases[i].key));
        }
    }
    assert_true(cfo_wire_is_serial("0123456789"));
    assert_false(cfo_wire_is_serial("12a"));
    assert_true(cfo_wire_is_zone_id("023e105f4ecef8ad9ca31a8372d0c353"));
    assert_false(cfo_wire_is_zone_id("/"));
}

/* Sentences are made printable and cut. */
static void test_words_of_an_answer(void **state)
{
    static const char start[] = "{\"id\":1,\"ok\":false,\"kind\":\"auth\","
                                "\"message\":\"a\\nb\\u001b[31m";
    const char *fault = NULL;
    const cfo_answer_t *answer = cfo_wire_read_answer(
        pool,
        apr_pstrcat(pool, start, many('m', 200000), "\",\"ray\":\"\\u0007",
                    many('r', 3000), "\"}", NULL),
        &fault);

    (void)state;
    assert_non_null(answer);
    assert_memory_equal(answer->result.message, "a?b?[31mmm", 10);
    assert_true(strlen(answer->result.message) <= CFO_WIRE_MESSAGE_MAX);
    assert_memory_equal(answer->result.ray, "?rr", 3);
    assert_true(strlen(answer->result.ray) <= CFO_WIRE_RAY_MAX);
}

/* What the API is let say about one certificate fits into its line, and the
 * rest is words. */
static void test_each_operation_has_its_longest_answer(void **state)
{
    static const cfo_op_t with[] = {CFO_OP_CREATE, CFO_OP_GET, CFO_OP_LIST},
                          without[] = {CFO_OP_REVOKE, CFO_OP_ZONE,
                                       CFO_OP_SERVED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(cfo_wire_answer_max(with[i]) >=
                    CFO_WIRE_CERTIFICATE_MAX + 8000);
        assert_true(cfo_wire_answer_max(with[i]) <= CFO_WIRE_ANSWER_MAX);
        assert_true(cfo_wire_answer_max(without[i]) == CFO_WIRE_WORDS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lines_zero_byte_hides_nothing),
        cmocka_unit_test(test_lines_without_memory),
        cmocka_unit_test(test_lines_use_their_memory_again),
        cmocka_unit_test(test_lines_are_handed_over),
        cmocka_unit_test(test_queue_and_lines_together),
        cmocka_unit_test(test_requests_round_trip),
        cmocka_unit_test(test_lines_that_are_no_request),
        cmocka_unit_test(test_answers_round_trip),
        cmocka_unit_test(test_lines_that_are_no_answer),
        cmocka_unit_test(test_each_operation_has_its_longest_answer),
        cmocka_unit_test(test_ids_of_an_answer),
        cmocka_unit_test(test_words_of_an_answer),
    };

    signal(SIGPIPE, SIG_IGN);
    apr_initialize();
    atexit(apr_terminate);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
