/* SPDX-License-Identifier: Apache-2.0 */
/* Hands pairs to mod_ssl; the fallback. Touches no disk: the fallback's
 * files live in memory, so a vhost without a certificate needs no place to
 * write to. */
#include "cforigin_tls.h"
#include "cforigin_stand_in.h"

#include <errno.h>
#include <fcntl.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How soon a client may come again; a first certificate takes seconds. */
#define RETRY_AFTER "30"

/* --- the fallback --- */

/* A file that exists only as a descriptor, and the path it can be opened by.
 * mod_ssl reads it while the hook's caller goes on, so one of each is enough:
 * the next server's certificate replaces this one's. */
typedef struct memory_file_t {
    int fd;
    const char *path;
    int on_disk;
} memory_file_t;

struct cfo_tls_fallback_t {
    cfo_fallback_t *key;
    memory_file_t cert_file;
    memory_file_t key_file;
};

/* Without memfd, or without /proc to open it by: a file of the server's own,
 * which only its user can read, until mod_ssl has read it. */
static apr_status_t disk_file_make(apr_pool_t *p, const char *name,
                                   memory_file_t *file)
{
    char *path =
        apr_pstrcat(p, ap_runtime_dir_relative(p, name), ".XXXXXX", NULL);

    file->fd = mkostemp(path, O_CLOEXEC);
    file->path = path;
    file->on_disk = file->fd >= 0;
    return file->fd >= 0 ? APR_SUCCESS : errno;
}

static apr_status_t memory_file_make(apr_pool_t *p, const char *name,
                                     memory_file_t *file)
{
    file->fd = memfd_create(name, MFD_CLOEXEC);
    file->path = apr_psprintf(p, "/proc/self/fd/%d", file->fd);
    if (file->fd >= 0 && access(file->path, R_OK) == 0)
        return APR_SUCCESS;
    if (file->fd >= 0)
        close(file->fd);
    return disk_file_make(p, name, file);
}

static void memory_file_end(memory_file_t *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->on_disk)
        unlink(file->path);
    file->fd = -1;
    file->on_disk = 0;
}

static apr_status_t memory_file_fill(const memory_file_t *file,
                                     const cfo_pem_t *text)
{
    ssize_t n;

    if (ftruncate(file->fd, 0) != 0)
        return errno;
    n = pwrite(file->fd, text->data, text->len, 0);
    if (n < 0)
        return errno;
    return (apr_size_t)n == text->len ? APR_SUCCESS : APR_ENOSPC;
}

static apr_status_t fallback_begin(cfo_generation_t *gen)
{
    cfo_tls_fallback_t *fb = apr_pcalloc(gen->pool, sizeof(*fb));
    apr_status_t rv;

    fb->cert_file.fd = fb->key_file.fd = -1;
    fb->key = cfo_pki_fallback_make(gen->pool);
    if (fb->key == NULL)
        return APR_EGENERAL;
    rv = memory_file_make(gen->pool, "cforigin-cert", &fb->cert_file);
    if (rv == APR_SUCCESS)
        rv = memory_file_make(gen->pool, "cforigin-key", &fb->key_file);
    if (rv == APR_SUCCESS)
        rv = memory_file_fill(&fb->key_file, cfo_pki_fallback_key(fb->key));
    if (rv == APR_SUCCESS) {
        gen->fallback = fb;
        return APR_SUCCESS;
    }
    memory_file_end(&fb->cert_file);
    memory_file_end(&fb->key_file);
    return rv;
}

static apr_status_t fallback_for(cfo_generation_t *gen, const server_rec *s,
                                 apr_pool_t *p, const char **cert,
                                 const char **key)
{
    apr_status_t rv = APR_SUCCESS;
    cfo_pem_t text;

    if (gen->fallback == NULL)
        rv = fallback_begin(gen);
    if (rv == APR_SUCCESS)
        rv = cfo_pki_fallback_cert(p, gen->fallback->key, s->server_hostname,
                                   apr_time_now(), &text);
    if (rv == APR_SUCCESS)
        rv = memory_file_fill(&gen->fallback->cert_file, &text);
    if (rv != APR_SUCCESS)
        return rv;
    *cert = gen->fallback->cert_file.path;
    *key = gen->fallback->key_file.path;
    return APR_SUCCESS;
}

void cfo_tls_done(cfo_generation_t *gen)
{
    if (gen->fallback == NULL)
        return;
    memory_file_end(&gen->fallback->cert_file);
    memory_file_end(&gen->fallback->key_file);
}

/* --- handing over --- */

/* What a server gets; a handful of pairs at most. */
typedef struct offer_t {
    const char *cert[CFO_REQUEST_TYPES];
    const char *key[CFO_REQUEST_TYPES];
    int n;
} offer_t;

static void offer_wanted(cfo_generation_t *gen, int index, offer_t *offer)
{
    const cfo_assignment_t *as =
        &APR_ARRAY_IDX(gen->plan->assignments, index, cfo_assignment_t);
    int type;

    for (type = 0; type < CFO_REQUEST_TYPES; type++) {
        const char *cert, *key;

        if (as->wanted[type] < 0 ||
            !cfo_standing_serve(gen, &gen->standings[as->wanted[type]], &cert,
                                &key))
            continue;
        offer->cert[offer->n] = cert;
        offer->key[offer->n++] = key;
    }
}

/* The pairs of its own lines, which are ours although nothing is asked for
 * the vhost, or nothing came: mod_ssl would serve them. */
static void offer_targets(cfo_generation_t *gen, int index, offer_t *offer)
{
    const apr_array_header_t *targets =
        APR_ARRAY_IDX(gen->vhosts, index, cfo_vhost_t).targets;
    int i;

    for (i = 0; targets && i < targets->nelts && offer->n < CFO_REQUEST_TYPES;
         i++) {
        const cfo_target_t *target = &APR_ARRAY_IDX(targets, i, cfo_target_t);

        if (!cfo_target_is_pair(gen->looker, target->certificate, target->key))
            continue;
        offer->cert[offer->n] = target->certificate;
        offer->key[offer->n++] = target->key;
    }
}

/* What was served until now is served until the new one is there. */
static void offer_stand_in(cfo_generation_t *gen, int index, offer_t *offer)
{
    const cfo_assignment_t *as =
        &APR_ARRAY_IDX(gen->plan->assignments, index, cfo_assignment_t);
    cfo_request_type_t type;

    for (type = 0; type < CFO_REQUEST_TYPES; type++) {
        const cfo_entry_t *entry =
            cfo_stand_in_find(gen, index, type, apr_time_now());

        if (entry == NULL)
            continue;
        offer->cert[offer->n] = entry->cert_path;
        offer->key[offer->n++] = entry->key_path;
        if (as->wanted[type] >= 0)
            cfo_standing_serve_other(&gen->standings[as->wanted[type]], entry);
    }
    for (type = 0; type < CFO_REQUEST_TYPES; type++) {
        if (as->wanted[type] >= 0)
            gen->standings[as->wanted[type]].lacking |= offer->n == 0;
    }
}

static void offer_fallback(cfo_generation_t *gen, server_rec *s, apr_pool_t *p,
                           offer_t *offer)
{
    apr_status_t rv = fallback_for(gen, s, p, &offer->cert[0], &offer->key[0]);

    gen->on_fallback[cfo_directives_of(s)->index] = 1;
    if (rv == APR_SUCCESS) {
        offer->n = 1;
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                 "%s: the fallback certificate can't be made, and there is "
                 "no other",
                 s->server_hostname);
}

/* mod_ssl forgets inherited certificates' chain, and what it merged from the
 * server's scope, only when the list grew. So what was inherited is dropped
 * and the offer repeated until it is longer. Loading a pair twice is
 * harmless. A fresh array, since merged ones may share their storage. */
static void give(const offer_t *offer, apr_pool_t *p,
                 apr_array_header_t *certs, apr_array_header_t *keys)
{
    int inherited = certs->nelts;
    int most = offer->n > inherited + 1 ? offer->n : inherited + 1;
    int i;

    *certs = *apr_array_make(p, most, sizeof(const char *));
    *keys = *apr_array_make(p, most, sizeof(const char *));
    for (i = 0; i < most; i++) {
        APR_ARRAY_PUSH(certs, const char *) = offer->cert[i % offer->n];
        APR_ARRAY_PUSH(keys, const char *) = offer->key[i % offer->n];
    }
}

/* A server that is not ours inherits what the base server would have had: its
 * lines are ours when the base server is managed. */
static int inherits_ours(const cfo_generation_t *gen,
                         const apr_array_header_t *certs)
{
    const cfo_assignment_t *base =
        &APR_ARRAY_IDX(gen->plan->assignments, 0, cfo_assignment_t);

    return certs->nelts == 0 &&
           (base->state == CFO_VHOST_MANAGED ||
            base->state == CFO_VHOST_LEFT_OUT) &&
           APR_ARRAY_IDX(gen->vhosts, 0, cfo_vhost_t).has_ssl_lines;
}

/* A virtual host for which mod_md still waits: it has no certificate to offer
 * yet, but a stand-in, for which mod_ssl would ask after us. */
static int is_anothers(server_rec *s, apr_pool_t *p)
{
    apr_array_header_t *certs, *keys;
    apr_pool_t *ptemp;
    int found;

    apr_pool_create(&ptemp, p);
    certs = apr_array_make(ptemp, 1, sizeof(const char *));
    keys = apr_array_make(ptemp, 1, sizeof(const char *));
    ap_ssl_add_fallback_cert_files(s, ptemp, certs, keys);
    found = certs->nelts > 0;
    apr_pool_destroy(ptemp);
    return found;
}

int cfo_tls_add_cert_files(cfo_generation_t *gen, server_rec *s, apr_pool_t *p,
                           apr_array_header_t *certs, apr_array_header_t *keys)
{
    int index = cfo_directives_of(s)->index;
    offer_t offer = {{NULL}, {NULL}, 0};

    if (index < 0 || is_anothers(s, p))
        return DECLINED;
    gen->hook_called[index] = 1;
    switch (
        APR_ARRAY_IDX(gen->plan->assignments, index, cfo_assignment_t).state) {
    case CFO_VHOST_OFF:
    case CFO_VHOST_NO_TLS:
        if (!inherits_ours(gen, certs))
            return DECLINED;
        offer_wanted(gen, 0, &offer);
        if (offer.n == 0)
            offer_targets(gen, 0, &offer);
        break;
    case CFO_VHOST_FOREIGN:
        return DECLINED;
    case CFO_VHOST_MANAGED:
        offer_wanted(gen, index, &offer);
        if (offer.n == 0)
            offer_stand_in(gen, index, &offer);
        if (offer.n == 0)
            offer_targets(gen, index, &offer);
        break;
    case CFO_VHOST_TAKEN: /* not any more */
        gen->replan = 1;
        offer_targets(gen, index, &offer);
        break;
    case CFO_VHOST_LEFT_OUT:
        offer_targets(gen, index, &offer);
        break;
    }
    if (offer.n == 0)
        offer_fallback(gen, s, p, &offer);
    if (offer.n == 0)
        return DECLINED; /* what is inherited is better than nothing */
    give(&offer, p, certs, keys);
    return OK;
}

/* --- requests --- */

int cfo_tls_check_request(const cfo_generation_t *gen, request_rec *r)
{
    int index = cfo_directives_of(r->server)->index;

    if (r->main || r->prev || index < 0 || !gen->on_fallback[index] ||
        !ap_ssl_conn_is_ssl(r->connection))
        return DECLINED;
    apr_table_setn(r->err_headers_out, "Retry-After", RETRY_AFTER);
    return HTTP_SERVICE_UNAVAILABLE;
}
