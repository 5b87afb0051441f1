/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Characters of a text that may be anything: read one by one, and judged by
 * whether a line or a page that quotes them still reads as it is. Pure; in
 * core/utf8.c.
 */
#ifndef CFORIGIN_UTF8_H
#define CFORIGIN_UTF8_H

#include <apr.h>

/**
 * The character that a text begins with.
 * @param len bytes of it, at least one; 4 will do where a NUL ends it
 * @param point set to its number
 * @return its bytes; 0 when it is no well-formed UTF-8: cut off, overlong, a
 *         surrogate, past U+10FFFF
 */
apr_size_t cfo_utf8_read(const char *text, apr_size_t len,
                         apr_uint32_t *point);

/** 1 for a control character, C1 included, and for what breaks a line, turns
 * the direction of writing or marks the order of bytes. */
int cfo_utf8_is_control(apr_uint32_t point);

/** 1 when there is nothing but ASCII in it. */
int cfo_utf8_is_ascii(const char *text);

#endif
