/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The words that all rooms share: request types, validities, durations,
 * windows, times. Pure: text in, value out; no file, no clock, no httpd.
 */
#include "cforigin.h"
#include "cforigin_calendar.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

static const char *const request_type_words[CFO_REQUEST_TYPES] = {
    [CFO_ORIGIN_ECC] = "origin-ecc",
    [CFO_ORIGIN_RSA] = "origin-rsa",
};

const char *cfo_request_type_word(cfo_request_type_t type)
{
    if ((unsigned)type >= CFO_REQUEST_TYPES)
        return "unknown";
    return request_type_words[type];
}

cfo_request_type_t cfo_request_type_other(cfo_request_type_t type)
{
    return type == CFO_ORIGIN_ECC ? CFO_ORIGIN_RSA : CFO_ORIGIN_ECC;
}

int cfo_request_type_parse(const char *word, cfo_request_type_t *type)
{
    for (int i = 0; word && i < CFO_REQUEST_TYPES; i++) {
        if (strcmp(word, request_type_words[i]) == 0) {
            *type = (cfo_request_type_t)i;
            return 1;
        }
    }
    return 0;
}

int cfo_validity_is_allowed(long days)
{
    static const long allowed[] = {7, 30, 90, 365, 730, 1095, 5475};

    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i] == days)
            return 1;
    }
    return 0;
}

/* Durations and windows. Longest unit first: the writer takes the first that
 * divides the length, which is also the shortest spelling. */

static const struct {
    char letter;
    apr_int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

#define UNITS (sizeof units / sizeof units[0])
#define DURATION_MAX_SECONDS (APR_INT64_C(36525) * 86400)

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits up to max. @return what follows them, or NULL: none, or too large */
static const char *read_digits(const char *text, apr_int64_t max,
                               apr_int64_t *value)
{
    apr_int64_t n = 0;

    if (!is_digit(*text))
        return NULL;
    for (; is_digit(*text); text++) {
        n = n * 10 + (*text - '0');
        if (n > max)
            return NULL;
    }
    *value = n;
    return text;
}

int cfo_duration_parse(const char *text, apr_interval_time_t *length)
{
    apr_int64_t n;
    const char *rest;

    if (!text)
        return 0;
    if (strcmp(text, "0") == 0) {
        *length = 0;
        return 1;
    }
    rest = read_digits(text, DURATION_MAX_SECONDS, &n);
    if (!rest || !rest[0] || rest[1])
        return 0;
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].letter == rest[0]) {
            if (n > DURATION_MAX_SECONDS / units[i].seconds)
                return 0;
            *length = apr_time_from_sec(n * units[i].seconds);
            return 1;
        }
    }
    return 0;
}

int cfo_window_parse(const char *text, cfo_window_t *window)
{
    cfo_window_t w = {0, 0, 0};
    apr_int64_t n;
    const char *rest;

    if (!text)
        return 0;
    rest = read_digits(text, 100, &n);
    if (rest && strcmp(rest, "%") == 0) {
        if (n < 1)
            return 0;
        w.percent = (int)n;
    }
    else if (!cfo_duration_parse(text, &w.length)) {
        return 0;
    }
    *window = w;
    return 1;
}

const char *cfo_duration_word(apr_pool_t *p, apr_interval_time_t length)
{
    apr_int64_t seconds = apr_time_sec(length);

    if (seconds == 0)
        return "0";
    for (size_t i = 0; i < UNITS; i++) {
        if (seconds % units[i].seconds == 0)
            return apr_psprintf(p, "%" APR_INT64_T_FMT "%c",
                                seconds / units[i].seconds, units[i].letter);
    }
    return "0";
}

const char *cfo_window_word(apr_pool_t *p, const cfo_window_t *window)
{
    if (window->percent > 0)
        return apr_psprintf(p, "%d%%", window->percent);
    return cfo_duration_word(p, window->length);
}

/* Times. */

const char *cfo_time_word(apr_pool_t *p, apr_time_t t)
{
    char word[CFO_DATE_WORD];

    return t ? apr_pstrdup(p, cfo_date_word(word, t)) : NULL;
}

/* Exactly `width` digits between min and max, then the character `next`
 * unless that is 0. Moves *text on. */
static int take(const char **text, int width, int min, int max, char next,
                int *value)
{
    const char *c = *text;
    int n = 0;

    for (int i = 0; i < width; i++, c++) {
        if (!is_digit(*c))
            return 0;
        n = n * 10 + (*c - '0');
    }
    if (n < min || n > max)
        return 0;
    if (next && *c++ != next)
        return 0;
    *text = c;
    *value = n;
    return 1;
}

/* ".12345": microseconds of it; further digits are dropped. */
static int take_fraction(const char **text, apr_int64_t *micros)
{
    apr_int64_t unit = APR_USEC_PER_SEC / 10;

    *micros = 0;
    if (**text != '.')
        return 1;
    (*text)++;
    if (!is_digit(**text))
        return 0;
    for (; is_digit(**text); (*text)++, unit /= 10)
        *micros += unit * (**text - '0');
    return 1;
}

/* "Z", "+01:00" and "+0100"; seconds east of Greenwich. */
static int take_offset(const char **text, int *seconds)
{
    int hours, minutes, sign;

    *seconds = 0;
    if (**text == 'Z' || **text == 'z') {
        (*text)++;
        return 1;
    }
    if (**text != '+' && **text != '-')
        return 0;
    sign = *(*text)++ == '-' ? -1 : 1;
    if (!take(text, 2, 0, 23, 0, &hours))
        return 0;
    if (**text == ':')
        (*text)++;
    if (!take(text, 2, 0, 59, 0, &minutes))
        return 0;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return 1;
}

/* What Go adds after the offset: " UTC", or the offset once more. */
static int take_zone_name(const char **text)
{
    if (**text == '\0')
        return 1;
    if (*(*text)++ != ' ' || **text == '\0')
        return 0;
    *text += strspn(*text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ+-0123456789");
    return **text == '\0';
}

apr_time_t cfo_time_parse(const char *text)
{
    int year, offset, go;
    apr_int64_t micros;
    cfo_date_t date;
    apr_time_t t;

    if (!text || !take(&text, 4, 1970, 9999, '-', &year) ||
        !take(&text, 2, 1, 12, '-', &date.month) ||
        !take(&text, 2, 1, cfo_date_month_days(year, date.month), 0,
              &date.day))
        return 0;
    date.year = year;
    go = *text == ' ';
    if (!go && *text != 'T' && *text != 't')
        return 0;
    text++;
    /* 60 is a leap second, which a time in UTC may name */
    if (!take(&text, 2, 0, 23, ':', &date.hour) ||
        !take(&text, 2, 0, 59, ':', &date.minute) ||
        !take(&text, 2, 0, 60, 0, &date.second) ||
        !take_fraction(&text, &micros))
        return 0;
    if (go && *text++ != ' ')
        return 0;
    if (!take_offset(&text, &offset))
        return 0;
    if (go ? !take_zone_name(&text) : *text != '\0')
        return 0;
    t = cfo_date_time(&date) - apr_time_from_sec(offset);
    return t < 0 || cfo_date_of(t).year > 9999 ? 0 : t + micros;
}

/* Sets and hashes. */

static apr_hash_t *set_of(const apr_array_header_t *a, apr_pool_t *p)
{
    apr_hash_t *set = apr_hash_make(p);

    for (int i = 0; a && i < a->nelts; i++)
        apr_hash_set(set, APR_ARRAY_IDX(a, i, const char *),
                     APR_HASH_KEY_STRING, "");
    return set;
}

int cfo_strings_equal_as_sets(const apr_array_header_t *a,
                              const apr_array_header_t *b, apr_pool_t *ptemp)
{
    apr_hash_t *left = set_of(a, ptemp);
    apr_hash_t *right = set_of(b, ptemp);

    if (apr_hash_count(left) != apr_hash_count(right))
        return 0;
    for (int i = 0; b && i < b->nelts; i++) {
        if (!apr_hash_get(left, APR_ARRAY_IDX(b, i, const char *),
                          APR_HASH_KEY_STRING))
            return 0;
    }
    return 1;
}

apr_array_header_t *cfo_strings_union(apr_pool_t *p,
                                      const apr_array_header_t *a,
                                      const apr_array_header_t *b)
{
    apr_array_header_t *both = apr_array_copy(p, a);
    apr_hash_t *have = set_of(a, p);

    for (int i = 0; b && i < b->nelts; i++) {
        const char *text = APR_ARRAY_IDX(b, i, const char *);

        if (apr_hash_get(have, text, APR_HASH_KEY_STRING))
            continue;
        apr_hash_set(have, text, APR_HASH_KEY_STRING, "");
        APR_ARRAY_PUSH(both, const char *) = text;
    }
    return both;
}

apr_uint64_t cfo_hash_text(const char *text)
{
    apr_uint64_t hash = APR_UINT64_C(14695981039346656037);

    for (; *text; text++) {
        hash ^= (unsigned char)*text;
        hash *= APR_UINT64_C(1099511628211);
    }
    return hash;
}
