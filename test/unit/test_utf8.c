/* SPDX-License-Identifier: Apache-2.0 */
/** What is a character, and which of them a line had better not quote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cforigin_utf8.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_characters(void **state)
{
    static const struct {
        const char *text;
        size_t bytes; /* 0: it is none */
        apr_uint32_t point;
    } rows[] = {
        {"a", 1, 'a'},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0}, /* the middle of one */
        {"\x84\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\xfc\x80\x80\x80", 0, 0},
        {"\xf8\x88\x80\x80\x80", 0, 0}, /* five bytes */
        {"\xc3", 0, 0},                 /* cut off */
        {"\xe2\x80", 0, 0},
        {"\xf0\x9f\x98", 0, 0},
        {"\xc3(", 0, 0},
        {"\xc1\xbf", 0, 0}, /* overlong */
        {"\xe0\x9f\xbf", 0, 0},
        {"\xf0\x8f\xbf\xbf", 0, 0},
        {"\xed\xa0\x80", 0, 0}, /* surrogates */
        {"\xed\xbf\xbf", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0}, /* past the last */
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].text);
        char *exact = malloc(len); /* a reader past the end is seen */
        apr_uint32_t point;

        memcpy(exact, rows[i].text, len);
        if (cfo_utf8_read(exact, len, &point) != rows[i].bytes ||
            cfo_utf8_read(rows[i].text, 4, &point) != rows[i].bytes)
            fail_msg("row %d", (int)i);
        if (rows[i].bytes)
            assert_int_equal(point, rows[i].point);
        free(exact);
    }
}

static void test_controls(void **state)
{
    static const struct {
        apr_uint32_t point;
        int is;
    } rows[] = {
        {0, 1},      {'\t', 1},   {'\n', 1},    {0x1f, 1},   {' ', 0},
        {'~', 0},    {0x7f, 1},   {0x80, 1},    {0x85, 1},   {0x9f, 1},
        {0xa0, 0},   {0x61b, 0},  {0x61c, 1},   {0x61d, 0},  {0x200d, 0},
        {0x200e, 1}, {0x200f, 1}, {0x2010, 0},  {0x2027, 0}, {0x2028, 1},
        {0x2029, 1}, {0x202a, 1}, {0x202e, 1},  {0x202f, 0}, {0x2065, 0},
        {0x2066, 1}, {0x2069, 1}, {0x206a, 0},  {0xfefe, 0}, {0xfeff, 1},
        {0xff00, 0}, {0xfffd, 0}, {0x1f512, 0},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++)
        if (cfo_utf8_is_control(rows[i].point) != rows[i].is)
            fail_msg("U+%04X", (unsigned)rows[i].point);
}

static void test_ascii(void **state)
{
    (void)state;
    assert_true(cfo_utf8_is_ascii(""));
    assert_true(cfo_utf8_is_ascii("a\x01\x7f"));
    assert_false(cfo_utf8_is_ascii("a\x80"));
    assert_false(cfo_utf8_is_ascii("m\xc3\xbcn"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_ascii),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
