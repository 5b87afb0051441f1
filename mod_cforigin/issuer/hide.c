/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The token's pieces in an answer, overwritten. Pure: touches nothing but the
 * text that it is given.
 */
#include "cforigin_hide.h"

#include <apr_strings.h>
#include <jansson.h>
#include <string.h>

/* May stand between two characters of a secret without parting them. */
static int is_between(char c)
{
    return c <= ' ' || c > '~'; /* also what is no ASCII */
}

/* Bytes of the text, from its first on, that are the secret from here on; 0
 * when they are too few to matter. */
static apr_size_t same(const char *secret, const char *text, const char *end)
{
    apr_size_t letters = 0, covered = 0;

    for (const char *at = text; at < end && *secret; at++) {
        if (is_between(*at)) {
            continue;
        }
        if (*at != *secret++) {
            break;
        }
        letters++;
        covered = (apr_size_t)(at - text) + 1;
    }
    return letters >= CFO_HIDE_PIECE ? covered : 0;
}

static apr_size_t longest(const char *secret, const char *text,
                          const char *end)
{
    apr_size_t most = 0;

    for (const char *from = strchr(secret, *text); from;
         from = strchr(from + 1, *text)) {
        apr_size_t covered = same(from, text, end);

        most = covered > most ? covered : most;
    }
    return most;
}

int cfo_hide(const char *secret, char *text, apr_size_t len)
{
    char *end = text + len;
    int found = 0;

    if (!secret) {
        return 0;
    }
    while (text < end) {
        apr_size_t covered =
            is_between(*text) ? 0 : longest(secret, text, end);
        char *behind = text + (covered ? covered : 1);

        for (; text < behind; text++) {
            if (covered && !is_between(*text)) {
                *text = '*';
            }
        }
        found |= covered > 0;
    }
    return found;
}

static void hide_string(apr_pool_t *p, const char *secret, json_t *string)
{
    size_t len = json_string_length(string);
    char *copy = apr_pmemdup(p, json_string_value(string), len + 1);

    if (cfo_hide(secret, copy, len)) {
        json_string_setn_nocheck(string, copy, len);
    }
}

/* As deep as jansson reads: 2048. */
void cfo_hide_json(apr_pool_t *p, const char *secret, json_t *value)
{
    if (!secret || !value) {
        return;
    }
    if (json_is_string(value)) {
        hide_string(p, secret, value);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        cfo_hide_json(p, secret, json_array_get(value, i));
    }
    for (void *at = json_object_iter(value); at;
         at = json_object_iter_next(value, at)) {
        cfo_hide_json(p, secret, json_object_iter_value(at));
    }
}
