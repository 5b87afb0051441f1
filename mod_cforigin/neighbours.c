/* SPDX-License-Identifier: Apache-2.0 */
/* What mod_ssl loads by itself, pairs, files of trust, ticket keys: has it
 * changed since, and would it still load? And pairs of ours that the store has
 * lost. Reads files, writes none. */
#include "cforigin_neighbours.h"
#include "cforigin_clock.h"
#include "cforigin_surroundings.h"

#include <apr_hash.h>

#include <sys/stat.h>

/* mod_ssl takes no ticket key that is shorter, and no notice of what follows.
 */
#define TICKET_KEY_SIZE 48

typedef enum {
    NO_LINE,
    PAIR_LINE,
    TRUST_LINE, /* certificates or lists of revocations, one at least */
    TICKET_LINE
} line_t;

/* A certificate line with the key that stands beside it, or another file. */
typedef struct pair_t {
    const char *path[2]; /* certificate, key; the same file: both in it */
    apr_time_t mtime[2];
    apr_off_t size[2];
    line_t line;
} pair_t;

static apr_array_header_t *pairs; /* on the generation's pool */

static int look(const char *path, apr_time_t *mtime, apr_off_t *size)
{
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    *mtime = apr_time_from_sec(st.st_mtim.tv_sec) + st.st_mtim.tv_nsec / 1000;
    *size = st.st_size;
    return 1;
}

/* What was no file then (a key in a token, say) is not ours to judge. */
static void note_pair(const char *cert, const char *key, line_t line)
{
    pair_t pair = {.path = {cert, key}, .line = line};

    if (look(cert, &pair.mtime[0], &pair.size[0]) &&
        look(key, &pair.mtime[1], &pair.size[1]))
        APR_ARRAY_PUSH(pairs, pair_t) = pair;
}

static void note_server(const cfo_server_conf_t *conf,
                        const cfo_server_conf_t *base)
{
    int i;

    for (i = 0; conf->certs && i < conf->certs->nelts; i++) {
        const cfo_ssl_line_t *cert =
            &APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t);

        if (cert->renamed)
            continue;
        note_pair(cert->path, cfo_directives_key_path(conf, base, i),
                  PAIR_LINE);
    }
}

/* With rubbish in one of these mod_ssl ends the start, and httpd's own test
 * does not look into them. */
static line_t line_of(const ap_directive_t *node)
{
    static const struct {
        const char *name;
        line_t line;
    } lines[] = {{"SSLCACertificateFile", TRUST_LINE},
                 {"SSLCADNRequestFile", TRUST_LINE},
                 {"SSLCARevocationFile", TRUST_LINE},
                 {"SSLOCSPResponderCertificateFile", TRUST_LINE},
                 {"SSLProxyCACertificateFile", TRUST_LINE},
                 {"SSLProxyCARevocationFile", TRUST_LINE},
                 {"SSLSessionTicketKeyFile", TICKET_LINE}};
    size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        if (!ap_cstr_casecmp(node->directive, lines[i].name))
            return lines[i].line;
    }
    return NO_LINE;
}

/* Each file once, however many virtual hosts name it. */
static void note_others(const ap_directive_t *node, apr_hash_t *seen,
                        apr_pool_t *p)
{
    for (; node; node = node->next) {
        const char *args = node->args ? node->args : "", *path = NULL;
        line_t line = line_of(node);

        note_others(node->first_child, seen, p);
        if (line != NO_LINE)
            path = ap_server_root_relative(p, ap_getword_conf(p, &args));
        if (path == NULL || apr_hash_get(seen, path, APR_HASH_KEY_STRING))
            continue;
        apr_hash_set(seen, path, APR_HASH_KEY_STRING, path);
        note_pair(path, path, line);
    }
}

void cfo_neighbours_note(const cfo_generation_t *gen)
{
    int i;

    pairs = apr_array_make(gen->pool, 8, sizeof(pair_t));
    for (i = 0; i < gen->servers->nelts; i++)
        note_server(
            cfo_directives_of(APR_ARRAY_IDX(gen->servers, i, server_rec *)),
            cfo_directives_of(gen->base));
    note_others(ap_conftree, apr_hash_make(gen->pool), gen->pool);
}

/* A key that is locked with a pass phrase can't be compared. */
static int is_locked(const cfo_pem_t *key)
{
    return strstr(key->data, "ENCRYPTED") != NULL;
}

static const char *judge_trust(const pair_t *file, apr_pool_t *ptemp)
{
    const char *why = cfo_surroundings_trust_fault(ptemp, file->path[0], 1);

    return why ? apr_psprintf(ptemp, "%s %s", file->path[0], why) : NULL;
}

static const char *judge_pair(const pair_t *pair, apr_pool_t *ptemp)
{
    cfo_pem_t cert, key;
    const char *fault = NULL;

    if (cfo_store_read_file(ptemp, pair->path[0], &cert) != APR_SUCCESS)
        return apr_psprintf(ptemp, "%s can't be read", pair->path[0]);
    if (cfo_store_read_file(ptemp, pair->path[1], &key) != APR_SUCCESS)
        fault = apr_psprintf(ptemp, "%s can't be read", pair->path[1]);
    else if (cfo_pki_pair_matches(cert.data, cert.len, key.data, key.len) !=
                 1 &&
             !is_locked(&key))
        fault = apr_psprintf(ptemp, "%s and its key %s are no pair",
                             pair->path[0], pair->path[1]);
    cfo_pki_wipe(&key);
    cfo_pki_wipe(&cert);
    return fault;
}

static const char *judge_ticket_key(const pair_t *file, apr_pool_t *ptemp)
{
    apr_time_t mtime;
    apr_off_t size;

    if (look(file->path[0], &mtime, &size) && size >= TICKET_KEY_SIZE)
        return NULL;
    return apr_psprintf(ptemp, "%s is no file of %d bytes", file->path[0],
                        TICKET_KEY_SIZE);
}

static const char *judge(const pair_t *pair, apr_pool_t *ptemp)
{
    if (pair->line == TRUST_LINE)
        return judge_trust(pair, ptemp);
    if (pair->line == TICKET_LINE)
        return judge_ticket_key(pair, ptemp);
    return judge_pair(pair, ptemp);
}

/* --- our own --- */

static int is_as_it_was(const cfo_stamp_t *stamp, int i, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 &&
           (apr_uint64_t)st.st_size == stamp->size[i] &&
           (apr_int64_t)st.st_ctim.tv_sec == stamp->ctime_sec[i] &&
           (apr_int64_t)st.st_ctim.tv_nsec == stamp->ctime_nsec[i];
}

/* Served from memory, and nothing would be there to be loaded again. What is
 * found so is due at once. */
static int is_lost(cfo_generation_t *gen, cfo_standing_t *st, apr_time_t now,
                   apr_pool_t *ptemp)
{
    const cfo_entry_t *entry = st->entry;
    const pair_t pair = {.path = {st->served_cert, st->served_key}};

    if (!st->asked || !st->served || st->trying ||
        st->served->not_after <= cfo_clock_trusted(gen, now))
        return 0;
    if (entry->cert_path) {
        if (is_as_it_was(&entry->stamp, 0, entry->cert_path) &&
            is_as_it_was(&entry->stamp, 1, entry->key_path))
            return 0;
        cfo_standing_look(gen, st, CFO_CAUSE_TICK, now);
    }
    return !st->entry->cert_path && !st->adoptable && !st->other &&
           judge_pair(&pair, ptemp) != NULL;
}

const char *cfo_neighbours_lost(cfo_generation_t *gen, apr_time_t now,
                                apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        if (is_lost(gen, &gen->standings[i], now, ptemp))
            return apr_psprintf(
                ptemp,
                "the store does not have the pair any more that %s is served "
                "with, and a restart would leave it without one",
                gen->standings[i].wanted->name);
    }
    return NULL;
}

const char *cfo_neighbours_fault(const cfo_generation_t *gen,
                                 apr_pool_t *ptemp)
{
    const char *fault = NULL;
    int i, k;

    (void)gen;
    for (i = 0; pairs && i < pairs->nelts && fault == NULL; i++) {
        const pair_t *pair = &APR_ARRAY_IDX(pairs, i, pair_t);
        int changed = 0;

        for (k = 0; k < 2; k++) {
            apr_time_t mtime = 0;
            apr_off_t size = -1;

            (void)look(pair->path[k], &mtime, &size);
            changed |= mtime != pair->mtime[k] || size != pair->size[k];
        }
        if (changed)
            fault = judge(pair, ptemp);
    }
    if (fault)
        fault = apr_psprintf(ptemp,
                             "a file of another virtual host has changed and "
                             "would keep the server from loading it: %s",
                             fault);
    return fault;
}
