/* SPDX-License-Identifier: Apache-2.0 */
/* Linked into the issuer when it is built with a sanitizer. It has an empty
 * environment and refuses to be traced, so that nobody could tell
 * LeakSanitizer to stay away from it, and it could not work. */

__attribute__((visibility("default"))) const char *__asan_default_options(
    void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
