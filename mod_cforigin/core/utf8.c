/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, one character after the other. Pure: text in, numbers out. */
#include "cforigin_utf8.h"

apr_size_t cfo_utf8_read(const char *text, apr_size_t len, apr_uint32_t *point)
{
    static const apr_uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    apr_size_t n = s[0] < 0x80              ? 1
                   : (s[0] & 0xe0U) == 0xc0 ? 2
                   : (s[0] & 0xf0U) == 0xe0 ? 3
                   : (s[0] & 0xf8U) == 0xf0 ? 4
                                            : 0;

    *point = 0;
    if (n == 0 || n > len)
        return 0;
    *point = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    for (apr_size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0U) != 0x80) /* a NUL is none, either */
            return 0;
        *point = *point << 6 | (s[i] & 0x3fU);
    }
    if (*point < least[n] || *point > 0x10ffff ||
        (*point >= 0xd800 && *point <= 0xdfff))
        return 0;
    return n;
}

int cfo_utf8_is_control(apr_uint32_t point)
{
    static const struct {
        apr_uint32_t first, last;
    } rows[] = {
        {0, 0x1f},        {0x7f, 0x9f},
        {0x061c, 0x061c}, /* Arabic letter mark */
        {0x200e, 0x200f}, /* left-to-right and right-to-left marks */
        {0x2028, 0x202e}, /* ends of line and paragraph; embeddings */
        {0x2066, 0x2069}, /* isolates */
        {0xfeff, 0xfeff}, /* byte order mark */
    };

    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (point >= rows[i].first && point <= rows[i].last)
            return 1;
    return 0;
}

int cfo_utf8_is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return 0;
    }
    return 1;
}
