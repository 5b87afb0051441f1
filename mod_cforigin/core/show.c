/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes, times in words, and the buffer in front of the reader. Pure. */
#include "cforigin_show.h"
#include "cforigin_calendar.h"
#include "cforigin_utf8.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

/* --- the buffer ------------------------------------------------------------
 */

void cfo_out_begin(cfo_out_t *out, cfo_out_fn *write, void *baton)
{
    out->write = write;
    out->baton = baton;
    out->len = 0;
}

void cfo_out_end(cfo_out_t *out)
{
    if (out->len > 0)
        out->write(out->baton, out->buffer, out->len);
    out->len = 0;
}

void cfo_out_bytes(cfo_out_t *out, const char *data, apr_size_t len)
{
    if (len > sizeof(out->buffer) - out->len)
        cfo_out_end(out);
    if (len > sizeof(out->buffer)) {
        out->write(out->baton, data, len);
        return;
    }
    memcpy(out->buffer + out->len, data, len);
    out->len += len;
}

void cfo_out_text(cfo_out_t *out, const char *text)
{
    if (text)
        cfo_out_bytes(out, text, strlen(text));
}

void cfo_out_number(cfo_out_t *out, apr_int64_t number)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    apr_uint64_t rest =
        number < 0 ? 0 - (apr_uint64_t)number : (apr_uint64_t)number;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        *--at = '-';
    cfo_out_bytes(out, at, (apr_size_t)(digits + sizeof(digits) - at));
}

/* --- times --- */

void cfo_out_time(cfo_out_t *out, apr_time_t t)
{
    char word[CFO_DATE_WORD];

    cfo_out_bytes(out, cfo_date_word(word, t), sizeof(word) - 1);
}

const char *cfo_show_relative(char words[CFO_RELATIVE_MAX], apr_time_t t,
                              apr_time_t now)
{
    static const struct {
        apr_int64_t seconds;
        const char *name;
    } units[] = {{31556952, "years"}, {2629746, "months"}, {86400, "days"},
                 {3600, "hours"},     {60, "minutes"},     {1, "seconds"}};
    apr_int64_t length = (t < now ? now - t : t - now) / APR_USEC_PER_SEC;
    int i = 0;

    while (i < 5 && length < 2 * units[i].seconds)
        i++;
    if (length == 0)
        apr_snprintf(words, CFO_RELATIVE_MAX, "now");
    else
        apr_snprintf(words, CFO_RELATIVE_MAX, "%s%" APR_INT64_T_FMT " %s%s",
                     t < now ? "" : "in ", length / units[i].seconds,
                     length == 1 ? "second" : units[i].name,
                     t < now ? " ago" : "");
    return words;
}

/* --- escapes --- */

#define REPLACEMENT 0xfffdu

typedef void put_fn(cfo_out_t *out, apr_uint32_t number, const char *bytes,
                    apr_size_t len);

/* A blank of ASCII's is no harm: each `put` knows what to make of it. */
static int is_harmful(apr_uint32_t number)
{
    return cfo_utf8_is_control(number) &&
           !(number < 0x80 && apr_isspace((char)number));
}

/* Runs of harmless bytes go as they are, the rest through `put`. */
static void escape(cfo_out_t *out, const char *text, const char *special,
                   put_fn *put)
{
    while (*text) {
        const char *run = text;
        apr_uint32_t number;
        apr_size_t len;

        while (*text >= 0x20 && *text < 0x7f && !strchr(special, *text))
            text++;
        if (text > run)
            cfo_out_bytes(out, run, (apr_size_t)(text - run));
        if (*text == '\0')
            return;
        len = cfo_utf8_read(text, 4, &number);
        if (len == 0 || is_harmful(number))
            put(out, REPLACEMENT, "\xef\xbf\xbd", 3);
        else
            put(out, number, text, len);
        text += len ? len : 1;
    }
}

static void put_html(cfo_out_t *out, apr_uint32_t number, const char *bytes,
                     apr_size_t len)
{
    if (number < 0x20) {
        CFO_SAY(out, " ");
        return;
    }
    if (number < 0x80 && number != '<' && number != '>' && number != '&' &&
        number != '"' && number != '\'') {
        cfo_out_bytes(out, bytes, len);
        return;
    }
    CFO_SAY(out, "&#");
    cfo_out_number(out, number);
    CFO_SAY(out, ";");
}

void cfo_out_html(cfo_out_t *out, const char *text)
{
    if (text)
        escape(out, text, "<>&\"'", put_html);
}

static void put_json(cfo_out_t *out, apr_uint32_t number, const char *bytes,
                     apr_size_t len)
{
    static const char hex[] = "0123456789abcdef";
    char code[] = "\\u0000";

    if (number == '"' || number == '\\')
        CFO_SAY(out, "\\");
    if (number >= 0x20) {
        cfo_out_bytes(out, bytes, len);
        return;
    }
    code[4] = hex[number >> 4];
    code[5] = hex[number & 15];
    cfo_out_bytes(out, code, sizeof(code) - 1);
}

void cfo_out_json(cfo_out_t *out, const char *text)
{
    if (text == NULL) {
        CFO_SAY(out, "null");
        return;
    }
    CFO_SAY(out, "\"");
    escape(out, text, "\"\\", put_json);
    CFO_SAY(out, "\"");
}

static void put_label(cfo_out_t *out, apr_uint32_t number, const char *bytes,
                      apr_size_t len)
{
    if (number == '"' || number == '\\')
        CFO_SAY(out, "\\");
    if (number < 0x20)
        CFO_SAY(out, " ");
    else
        cfo_out_bytes(out, bytes, len);
}

void cfo_out_label(cfo_out_t *out, const char *text)
{
    CFO_SAY(out, "\"");
    escape(out, text ? text : "", "\"\\", put_label);
    CFO_SAY(out, "\"");
}

static void put_line(cfo_out_t *out, apr_uint32_t number, const char *bytes,
                     apr_size_t len)
{
    if (number < 0x20)
        CFO_SAY(out, " ");
    else
        cfo_out_bytes(out, bytes, len);
}

void cfo_out_line(cfo_out_t *out, const char *text)
{
    if (text)
        escape(out, text, "", put_line);
}

void cfo_out_segment(cfo_out_t *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;
        char code[3] = {'%', hex[c >> 4], hex[c & 15]};

        if (apr_isalnum(c) || strchr("-._~*", c))
            cfo_out_bytes(out, text, 1);
        else
            cfo_out_bytes(out, code, sizeof(code));
    }
}

/* --- paths --- */

/* U+2026 in UTF-8. */
#define DOTS "\xe2\x80\xa6"

static const char *replace_all(apr_pool_t *p, const char *text,
                               const char *path)
{
    const char *base = strrchr(path, '/');
    const char *done = "", *at;

    if (base == NULL || base[1] == '\0')
        return text;
    while ((at = strstr(text, path)) != NULL) {
        done = apr_pstrcat(p, done,
                           apr_pstrmemdup(p, text, (apr_size_t)(at - text)),
                           DOTS, base, NULL);
        text = at + strlen(path);
    }
    return *done ? apr_pstrcat(p, done, text, NULL) : text;
}

/* Where a path ends that nobody quoted. */
static int ends_path(char c)
{
    return c == '\0' || apr_isspace(c) || strchr("'`\"<>()[]{},;:", c) != NULL;
}

int cfo_show_is_hard_path(const char *path)
{
    if (path[0] == '/' && path[1] == '/')
        return 1;
    while (!ends_path(*path))
        path++;
    return *path != '\0';
}

const char *cfo_show_without_paths(apr_pool_t *p, const char *text,
                                   const apr_array_header_t *secrets)
{
    char *to, *result;
    int i;

    if (text == NULL || strchr(text, '/') == NULL)
        return text;
    for (i = 0; secrets && i < secrets->nelts; i++)
        text = replace_all(p, text, APR_ARRAY_IDX(secrets, i, const char *));
    /* "/a" becomes "…/a": two bytes can become five. */
    to = result = apr_palloc(p, strlen(text) * 3 + 1);
    for (i = 0; text[i];) {
        const char *end = text + i, *base = NULL;

        if (text[i] != '/' ||
            (i > 0 && !ends_path(text[i - 1]) && text[i - 1] != '=')) {
            *to++ = text[i++];
            continue;
        }
        /* Of "https://host/x" the slashes follow a colon: no path. */
        for (; !ends_path(*end); end++)
            if (*end == '/')
                base = end;
        if (text[i + 1] == '/' || end == text + i + 1)
            base = text + i;
        else {
            memcpy(to, DOTS, sizeof(DOTS) - 1);
            to += sizeof(DOTS) - 1;
        }
        memcpy(to, base, (apr_size_t)(end - base));
        to += end - base;
        i = (int)(end - text);
    }
    *to = '\0';
    return result;
}
