/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hostnames: how the Origin CA spells them, why it can't take one, and what
 * covers what. Pure: libidn2 is asked for punycode, nothing else is touched.
 *
 * What comes out is safe as a file name: letters, digits, '-', '_' and single
 * dots that neither begin nor end it, with at most one leading "*".
 */
#include "cforigin_names.h"
#include "cforigin_utf8.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <arpa/inet.h>
#include <idn2.h>

#define LABEL_MAX 63
#define NAME_MAX_BYTES 253

/* More than this is no name, however much a conversion might shorten it. */
#define INPUT_MAX_BYTES 2048

static int is_ipv4(const char *name)
{
    /* "10.0.0" and "999.1.1.1" are no addresses, and meant as some */
    return apr_isdigit(*name) && strchr(name, '.') &&
           strspn(name, "0123456789.") == strlen(name);
}

static int is_ipv6(apr_pool_t *p, const char *name)
{
    struct in6_addr address;
    const char *end;

    if (*name == '[') {
        end = strchr(name, ']');
        if (!end)
            return 0;
        name = apr_pstrmemdup(p, name + 1, (apr_size_t)(end - name - 1));
    }
    return inet_pton(AF_INET6, name, &address) == 1;
}

static const char *lower(apr_pool_t *p, const char *text)
{
    char *copy = apr_pstrdup(p, text);

    for (char *c = copy; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return copy;
}

static cfo_name_fault_t idn_fault(int rc)
{
    if (rc == IDN2_TOO_BIG_DOMAIN || rc == IDN2_TOO_BIG_LABEL ||
        rc == IDN2_PUNYCODE_BIG_OUTPUT)
        return CFO_NAME_LENGTH;
    return CFO_NAME_IDN;
}

/* UTF-8 to punycode. Plain ASCII stays away from libidn2, which has opinions
 * on hyphens that real host names don't share. */
static cfo_name_fault_t to_ascii(apr_pool_t *p, const char *name,
                                 const char **ascii)
{
    char *converted = NULL;
    int rc;

    if (cfo_utf8_is_ascii(name)) {
        *ascii = lower(p, name);
        return CFO_NAME_OK;
    }
    rc = idn2_to_ascii_8z(name, &converted,
                          IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        return idn_fault(rc);
    *ascii = lower(p, converted);
    idn2_free(converted);
    return CFO_NAME_OK;
}

/* Punycode that somebody wrote must at least be some. It is kept as it is:
 * there are registered names that today's rules would refuse. */
static int decodes(const char *name)
{
    char *unicode = NULL;
    int rc;

    rc = idn2_to_unicode_8z8z(name, &unicode, IDN2_NONTRANSITIONAL);
    if (rc == IDN2_OK)
        idn2_free(unicode);
    return rc == IDN2_OK;
}

static cfo_name_fault_t check_label(const char *label, apr_size_t len)
{
    if (len == 0)
        return CFO_NAME_CHARACTER;
    if (len > LABEL_MAX)
        return CFO_NAME_LENGTH;
    for (apr_size_t i = 0; i < len; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", label[i]))
            return CFO_NAME_CHARACTER;
    }
    /* "_" alone is the folder of a wildcard */
    if (label[0] == '-' || label[len - 1] == '-' ||
        (len == 1 && label[0] == '_'))
        return CFO_NAME_CHARACTER;
    return CFO_NAME_OK;
}

static cfo_name_fault_t check_labels(const char *name, int *labels)
{
    cfo_name_fault_t fault = CFO_NAME_OK;

    for (*labels = 0; fault == CFO_NAME_OK; (*labels)++) {
        apr_size_t len = strcspn(name, ".");

        fault = check_label(name, len);
        if (name[len] == '\0') {
            (*labels)++;
            break;
        }
        name += len + 1;
    }
    return fault;
}

/* A name without its "*." */
static cfo_name_fault_t spell_plain(apr_pool_t *p, const char *name,
                                    const char **spelled, int *labels)
{
    cfo_name_fault_t fault;
    apr_size_t len;
    const char *ascii;

    if (is_ipv4(name) || is_ipv6(p, name))
        return CFO_NAME_ADDRESS;
    fault = to_ascii(p, name, &ascii);
    if (fault != CFO_NAME_OK)
        return fault;
    len = strlen(ascii);
    if (len && ascii[len - 1] == '.')
        ascii = apr_pstrmemdup(p, ascii, len - 1);
    if (*ascii == '\0')
        return CFO_NAME_EMPTY;
    fault = check_labels(ascii, labels);
    if (fault == CFO_NAME_OK && is_ipv4(ascii))
        fault = CFO_NAME_ADDRESS;
    if (fault == CFO_NAME_OK && strstr(ascii, "xn--") && !decodes(ascii))
        fault = CFO_NAME_IDN;
    *spelled = ascii;
    return fault;
}

cfo_name_fault_t cfo_name_spell(apr_pool_t *p, const char *name,
                                const char **spelled)
{
    cfo_name_fault_t fault;
    int wildcard, labels = 0;
    const char *plain;
    apr_size_t len = name ? strlen(name) : 0;

    if (len == 0)
        return CFO_NAME_EMPTY;
    if (len > INPUT_MAX_BYTES)
        return CFO_NAME_LENGTH;
    if (strchr(name, '?'))
        return CFO_NAME_PATTERN;
    wildcard = strncmp(name, "*.", 2) == 0;
    plain = wildcard ? name + 2 : name;
    if (strchr(plain, '*') || (wildcard && *plain == '\0'))
        return CFO_NAME_WILDCARD;
    fault = spell_plain(p, plain, &plain, &labels);
    if (fault != CFO_NAME_OK)
        return fault;
    if (labels < 2)
        return wildcard ? CFO_NAME_WILDCARD : CFO_NAME_SINGLE_LABEL;
    if (wildcard)
        plain = apr_pstrcat(p, "*.", plain, NULL);
    if (strlen(plain) > NAME_MAX_BYTES)
        return CFO_NAME_LENGTH;
    *spelled = plain;
    return CFO_NAME_OK;
}

const char *cfo_name_fault_text(cfo_name_fault_t fault)
{
    switch (fault) {
    case CFO_NAME_OK:
        return "is a name the Origin CA can sign";
    case CFO_NAME_EMPTY:
        return "is empty; write a full host name such as www.example.com";
    case CFO_NAME_ADDRESS:
        return "is an IP address; the Origin CA signs host names only, such "
               "as www.example.com";
    case CFO_NAME_SINGLE_LABEL:
        return "is a single label; the Origin CA signs full names within a "
               "zone of yours only, such as www.example.com";
    case CFO_NAME_WILDCARD:
        return "is no wildcard the Origin CA signs; allowed is one leading "
               "\"*.\" before a domain of at least two labels, such as "
               "*.example.com";
    case CFO_NAME_PATTERN:
        return "is a pattern that only httpd understands; write the names "
               "themselves, or one leading \"*.\" such as *.example.com";
    case CFO_NAME_LENGTH:
        return "is too long; allowed are 63 bytes for each label and 253 for "
               "the whole name, as punycode";
    case CFO_NAME_CHARACTER:
        return "is no host name; allowed are labels of letters, digits, "
               "inner hyphens and underscores, with single dots between "
               "them, such as www.example.com";
    case CFO_NAME_IDN:
        return "is no valid internationalized name; allowed is UTF-8 that "
               "IDNA 2008 accepts, or its correct punycode (xn--...)";
    }
    return "can't be taken by the Origin CA; write a full host name such as "
           "www.example.com";
}

/* Where the wildcard that covers name goes on after its "*": ".b.c" of
 * "a.b.c", and of "*.b.c" too. NULL for a name that none covers. */
static const char *suffix_of(const char *name)
{
    const char *dot = strchr(name, '.');

    return dot == name ? NULL : dot;
}

int cfo_name_covers(const char *pattern, const char *name)
{
    const char *suffix = suffix_of(name);

    if (strcmp(pattern, name) == 0)
        return 1;
    return suffix && strncmp(pattern, "*.", 2) == 0 &&
           strcmp(pattern + 1, suffix) == 0;
}

/* A handful of names is compared sooner than hashed. */
#define FEW 4

static int is_covered(const char *name, const apr_array_header_t *offered)
{
    for (int i = 0; i < offered->nelts; i++) {
        if (cfo_name_covers(APR_ARRAY_IDX(offered, i, const char *), name))
            return 1;
    }
    return 0;
}

static const char *uncovered_of_few(const apr_array_header_t *wanted,
                                    const apr_array_header_t *offered)
{
    for (int i = 0; i < wanted->nelts; i++) {
        const char *name = APR_ARRAY_IDX(wanted, i, const char *);

        if (!is_covered(name, offered))
            return name;
    }
    return NULL;
}

const char *cfo_names_uncovered(const apr_array_header_t *wanted,
                                const apr_array_header_t *offered,
                                apr_pool_t *ptemp)
{
    apr_hash_t *names, *suffixes;

    if (wanted && offered && wanted->nelts <= FEW && offered->nelts <= FEW)
        return uncovered_of_few(wanted, offered);
    names = apr_hash_make(ptemp);
    suffixes = apr_hash_make(ptemp);

    for (int i = 0; offered && i < offered->nelts; i++) {
        const char *name = APR_ARRAY_IDX(offered, i, const char *);

        apr_hash_set(names, name, APR_HASH_KEY_STRING, name);
        if (strncmp(name, "*.", 2) == 0)
            apr_hash_set(suffixes, name + 1, APR_HASH_KEY_STRING, name);
    }
    for (int i = 0; wanted && i < wanted->nelts; i++) {
        const char *name = APR_ARRAY_IDX(wanted, i, const char *);
        const char *suffix = suffix_of(name);

        if (apr_hash_get(names, name, APR_HASH_KEY_STRING))
            continue;
        if (!suffix || !apr_hash_get(suffixes, suffix, APR_HASH_KEY_STRING))
            return name;
    }
    return NULL;
}

const char *cfo_name_folder(apr_pool_t *p, const char *name)
{
    if (name[0] == '*')
        return apr_pstrcat(p, "_", name + 1, NULL);
    return name;
}
