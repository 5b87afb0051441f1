/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration tree before anybody acts on it. Touches the tree's node
 * names and reads the files that certificate lines name, nothing else. */
#include "cforigin_conftree.h"
#include "cforigin_directives.h"
#include "cforigin_retained.h"

#include <apr_escape.h>
#include <apr_hash.h>
#include <apr_sha1.h>
#include <apr_strings.h>
#include <http_main.h>

/* --- the hash -------------------------------------------------------------
 */

static void hash_word(apr_sha1_ctx_t *sha, const char *word)
{
    if (word)
        apr_sha1_update(sha, word, (unsigned)strlen(word));
    apr_sha1_update(sha, "", 1);
}

static void hash_nodes(apr_sha1_ctx_t *sha, const ap_directive_t *node)
{
    for (; node; node = node->next) {
        hash_word(sha, node->directive);
        hash_word(sha, node->args);
        hash_word(sha, "{");
        hash_nodes(sha, node->first_child);
        hash_word(sha, "}");
    }
}

/* What is done with while the file is read is not in the tree: LoadModule, and
 * where relative paths begin. */
static void hash_read(apr_sha1_ctx_t *sha, apr_pool_t *p)
{
    const module *one;

    for (one = ap_top_module; one; one = one->next)
        hash_word(sha, one->name);
    hash_word(sha, ap_server_root);
    hash_word(sha, ap_runtime_dir_relative(p, ""));
}

const char *cfo_conftree_hash(apr_pool_t *p, const ap_directive_t *tree)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha;

    apr_sha1_init(&sha);
    hash_read(&sha, p);
    hash_nodes(&sha, tree);
    apr_sha1_final(digest, &sha);
    return apr_pescape_hex(p, digest, sizeof(digest), 0);
}

/* --- looking things up ------------------------------------------------------
 */

static int is(const ap_directive_t *node, const char *directive)
{
    return !ap_cstr_casecmp(node->directive, directive);
}

static const char *first_word(apr_pool_t *p, const ap_directive_t *node)
{
    const char *args = node->args ? node->args : "";

    return ap_getword_conf(p, &args);
}

const char *cfo_conftree_path(apr_pool_t *p, const ap_directive_t *tree,
                              const char *directive, const char *fallback)
{
    const char *value = NULL;

    for (; tree; tree = tree->next) {
        if (is(tree, directive))
            value = ap_server_root_relative(p, first_word(p, tree));
    }
    return value ? value : fallback;
}

/* --- mod_ssl's lines --- */

/* What one scope (the server, or a <VirtualHost>) says itself. */
typedef struct scope_t {
    int enabled; /* -1 unset */
    int ssl;
} scope_t;

static scope_t read_scope(const ap_directive_t *node, apr_pool_t *ptemp)
{
    scope_t scope = {-1, -1};

    for (; node; node = node->next) {
        if (is(node, "CFOrigin"))
            scope.enabled = !ap_cstr_casecmp(first_word(ptemp, node), "on");
        else if (is(node, "SSLEngine"))
            scope.ssl = !ap_cstr_casecmp(first_word(ptemp, node), "on");
    }
    return scope;
}

/* Is it ours, although it is no certificate? Then the store says so, or this
 * server runs with it. */
static int store_knows(const char *store, const char *path,
                       apr_hash_t **targets, apr_pool_t *ptemp)
{
    const cfo_retained_t *retained = cfo_retained_find(ptemp);

    if (retained && apr_hash_get(retained->targets, path, APR_HASH_KEY_STRING))
        return 1;
    if (*targets == NULL)
        *targets = cfo_store_targets(ptemp, store);
    return apr_hash_get(*targets, path, APR_HASH_KEY_STRING) != NULL;
}

typedef struct taker_t {
    cfo_looker_t *looker;
    const char *store;
    apr_hash_t *targets;      /* filled when first needed */
    apr_array_header_t *keys; /* const char *: the server's own key lines */
    apr_pool_t *ptemp;
} taker_t;

/* Not a file: mod_ssl asks a provider of OpenSSL's. */
static int is_no_file(const char *word)
{
    return !strncmp(word, "pkcs11:", 7);
}

/* A key that we did not write is not ours to overwrite. */
static int key_is_foreign(taker_t *t, const char *path, const char *key)
{
    switch (cfo_target_key_look(t->looker, path, key)) {
    case CFO_TARGET_KEY_NONE:
    case CFO_TARGET_KEY_FITS:
        return 0;
    case CFO_TARGET_KEY_OTHER:
        return !store_knows(t->store, path, &t->targets, t->ptemp);
    case CFO_TARGET_KEY_LOCKED:
        break;
    }
    return 1;
}

/* @param key_word what the key's line says, NULL: the certificate's file */
static int is_foreign(taker_t *t, const char *word, const char *key_word)
{
    const char *path = ap_server_root_relative(t->ptemp, word);
    const char *key =
        key_word ? ap_server_root_relative(t->ptemp, key_word) : path;

    if (path == NULL || key == NULL || is_no_file(word) ||
        (key_word && is_no_file(key_word)))
        return 1;
    switch (cfo_target_look(t->looker, path)->class) {
    case CFO_TARGET_ABSENT:
        return 0;
    case CFO_TARGET_ORIGIN:
        return key_is_foreign(t, path, key);
    case CFO_TARGET_RUBBISH:
        return !store_knows(t->store, path, &t->targets, t->ptemp);
    case CFO_TARGET_OTHER:
    case CFO_TARGET_UNREADABLE:
        break;
    }
    return 1;
}

/* The next line of this name, from this node on. */
static ap_directive_t *next_line(ap_directive_t *node, const char *name)
{
    while (node && !is(node, name))
        node = node->next;
    return node;
}

static apr_array_header_t *key_words(ap_directive_t *first, apr_pool_t *ptemp)
{
    apr_array_header_t *words = apr_array_make(ptemp, 1, sizeof(const char *));
    ap_directive_t *key = next_line(first, "SSLCertificateKeyFile");

    for (; key; key = next_line(key->next, "SSLCertificateKeyFile"))
        APR_ARRAY_PUSH(words, const char *) = first_word(ptemp, key);
    return words;
}

/* The i-th certificate line goes with the i-th key line, or the server's. */
static int scope_is_foreign(taker_t *t, ap_directive_t *first)
{
    ap_directive_t *cert = next_line(first, "SSLCertificateFile");
    apr_array_header_t *keys = cert ? key_words(first, t->ptemp) : NULL;
    int i;

    for (i = 0; cert; i++) {
        const apr_array_header_t *from = i < keys->nelts ? keys : t->keys;

        if (is_foreign(t, first_word(t->ptemp, cert),
                       i < from->nelts ? APR_ARRAY_IDX(from, i, const char *)
                                       : NULL))
            return 1;
        cert = next_line(cert->next, "SSLCertificateFile");
    }
    return 0;
}

/* With no argument or two it is a mistake, which mod_ssl tells. */
static int is_mistaken(taker_t *t, const ap_directive_t *node)
{
    const char *args = node->args ? node->args : "";

    return *ap_getword_conf(t->ptemp, &args) == '\0' || *args;
}

static int has_mistake(taker_t *t, const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if ((is(node, "SSLCertificateFile") ||
             is(node, "SSLCertificateKeyFile")) &&
            is_mistaken(t, node))
            return 1;
    }
    return 0;
}

static void take_scope(taker_t *t, ap_directive_t *first)
{
    ap_directive_t *node;

    if (has_mistake(t, first) || scope_is_foreign(t, first))
        return;
    for (node = first; node; node = node->next) {
        if (is(node, "SSLCertificateFile"))
            node->directive = cfo_target_cert_line;
        else if (is(node, "SSLCertificateKeyFile"))
            node->directive = cfo_target_key_line;
    }
}

void cfo_conftree_take_lines(ap_directive_t *tree, cfo_looker_t *looker,
                             const char *store, apr_pool_t *ptemp)
{
    taker_t t = {looker, store, NULL, key_words(tree, ptemp), ptemp};
    scope_t server = read_scope(tree, ptemp);
    ap_directive_t *node;

    for (node = tree; node; node = node->next) {
        scope_t host;

        if (!is(node, "<VirtualHost"))
            continue;
        host = read_scope(node->first_child, ptemp);
        if ((host.enabled == -1 ? server.enabled : host.enabled) == 1 &&
            (host.ssl == -1 ? server.ssl : host.ssl) == 1)
            take_scope(&t, node->first_child);
    }
    if (server.enabled == 1 && server.ssl == 1)
        take_scope(&t, tree);
}
