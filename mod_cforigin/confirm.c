/* SPDX-License-Identifier: Apache-2.0 */
/* Where to look whether a certificate is served, and what is made of what was
 * seen. Reads httpd's listeners and server_recs, and the store for what was
 * superseded; changes memory only. */
#include "cforigin_confirm.h"
#include "cforigin_clock.h"

#include <ap_listen.h>
#include <http_core.h>

/* Right after a restart an old process may still answer; and a listener that
 * can't be spoken to now may be a moment later. */
#define LOOKS_MAX 3

#define HOUR apr_time_from_sec(60 * 60)
#define DAY apr_time_from_sec(24 * 60 * 60)

/* --- where ----------------------------------------------------------------
 */

static int is_any(const apr_sockaddr_t *at)
{
    static const unsigned char zero[16];

    return at->ipaddr_len <= (int)sizeof(zero) &&
           !memcmp(at->ipaddr_ptr, zero, (apr_size_t)at->ipaddr_len);
}

static int is_ip(const apr_sockaddr_t *at)
{
#if APR_HAVE_IPV6
    if (at->family == APR_INET6)
        return 1;
#endif
    return at->family == APR_INET;
}

static const char *ip_of(apr_sockaddr_t *at, apr_pool_t *p)
{
    char *ip = NULL;

    if (is_any(at))
        return at->family == APR_INET ? "127.0.0.1" : "::1";
    if (apr_sockaddr_ip_get(&ip, at) != APR_SUCCESS)
        return NULL;
    /* a link-local address carries its interface behind a % */
    return strchr(ip, '%') ? NULL : apr_pstrdup(p, ip);
}

/* A listener that brings to this address of a virtual host. */
static int reaches(const ap_listen_rec *listener,
                   const server_addr_rec *address)
{
    apr_sockaddr_t *at = address->host_addr;

    if (listener->bind_addr == NULL || !is_ip(listener->bind_addr))
        return 0;
    if (address->host_port == 0 &&
        (!listener->protocol || strcmp(listener->protocol, "https")))
        return 0;
    if (address->host_port && listener->bind_addr->port != address->host_port)
        return 0;
    return is_any(at) || is_any(listener->bind_addr) ||
           apr_sockaddr_equal(at, listener->bind_addr);
}

/* Addresses that virtual hosts name, and not "*"; few have any. */
static apr_array_header_t *named_addresses(const cfo_generation_t *gen,
                                           apr_pool_t *p)
{
    apr_array_header_t *named =
        apr_array_make(p, 0, sizeof(const server_addr_rec *));
    const server_addr_rec *address;
    int i;

    for (i = 0; i < gen->servers->nelts; i++) {
        address = APR_ARRAY_IDX(gen->servers, i, server_rec *)->addrs;
        for (; address; address = address->next) {
            if (!is_any(address->host_addr))
                APR_ARRAY_PUSH(named, const server_addr_rec *) = address;
        }
    }
    return named;
}

/* Whoever names an address is asked there, and not "*". */
static int is_named(const apr_array_header_t *named, const char *ip, int port)
{
    int i;

    for (i = 0; i < named->nelts; i++) {
        const server_addr_rec *address =
            APR_ARRAY_IDX(named, i, const server_addr_rec *);
        char word[64];

        if ((address->host_port == 0 || address->host_port == port) &&
            apr_sockaddr_ip_getbuf(word, sizeof(word), address->host_addr) ==
                APR_SUCCESS &&
            !strcmp(word, ip))
            return 1;
    }
    return 0;
}

static int find_place(const server_rec *s, const apr_array_header_t *named,
                      cfo_served_t *served, apr_pool_t *p)
{
    const server_addr_rec *address;
    const ap_listen_rec *listener;

    for (address = s->addrs; address; address = address->next) {
        int any = is_any(address->host_addr);

        for (listener = ap_listeners; listener; listener = listener->next) {
            if (!reaches(listener, address))
                continue;
            served->port = listener->bind_addr->port;
            served->address =
                ip_of(any ? listener->bind_addr : address->host_addr, p);
            if (served->address &&
                !(any && is_named(named, served->address, served->port)))
                return 1;
        }
    }
    return 0;
}

/* A name that httpd takes to this server. */
static const char *sni_of(const server_rec *s, const cfo_wanted_t *wanted,
                          apr_pool_t *p)
{
    const char *at = s->server_hostname, *name = NULL;
    int i;

    while (at && *at && *at != '*' && !(*at & 0x80))
        at++;
    if (at && at != s->server_hostname && *at == '\0')
        return s->server_hostname;
    for (i = 0; i < wanted->hostnames->nelts; i++) {
        name = APR_ARRAY_IDX(wanted->hostnames, i, const char *);
        if (*name != '*')
            return name;
    }
    return name ? apr_pstrcat(p, "cforigin-look", name + 1, NULL) : NULL;
}

static int has_both(const cfo_generation_t *gen, int vhost)
{
    const cfo_assignment_t *as =
        &APR_ARRAY_IDX(gen->plan->assignments, vhost, cfo_assignment_t);

    return as->wanted[CFO_ORIGIN_ECC] >= 0 && as->wanted[CFO_ORIGIN_RSA] >= 0;
}

/* NULL when there is no listener that could be asked. */
static cfo_served_t *look_at(const cfo_generation_t *gen,
                             const cfo_standing_t *st,
                             const apr_array_header_t *named, apr_pool_t *p)
{
    const cfo_wanted_t *wanted = st->wanted;
    cfo_served_t *served = apr_pcalloc(p, sizeof(*served));
    int i;

    served->name = wanted->name;
    served->folder = st->folder;
    served->request_type = wanted->request_type;
    served->account = -1;
    served->sha256 = st->served->sha256; /* not what the store has by now */
    for (i = 0; i < wanted->vhosts->nelts; i++) {
        int vhost = APR_ARRAY_IDX(wanted->vhosts, i, int);
        const server_rec *s = APR_ARRAY_IDX(gen->servers, vhost, server_rec *);

        served->sni = sni_of(s, wanted, p);
        served->one_of_two = has_both(gen, vhost);
        if (served->sni && find_place(s, named, served, p))
            return served;
    }
    return NULL;
}

/* --- after a restart of our own --- */

void cfo_confirm_mark(cfo_generation_t *gen)
{
    cfo_retained_t *r = gen->retained;
    int i;

    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];

        if (cfo_standing_wants_reload(st))
            apr_hash_set(r->confirm, apr_pstrdup(r->confirm_pool, st->key),
                         APR_HASH_KEY_STRING,
                         apr_pcalloc(r->confirm_pool, sizeof(int)));
    }
}

static void forget(cfo_retained_t *r, const char *key)
{
    apr_hash_set(r->confirm, key, APR_HASH_KEY_STRING, NULL);
    if (apr_hash_count(r->confirm) > 0)
        return;
    apr_hash_clear(r->confirm);
    apr_pool_clear(r->confirm_pool);
    r->confirm = apr_hash_make(r->confirm_pool);
}

static void add_marked(cfo_generation_t *gen, const cfo_standing_t *st,
                       const apr_array_header_t *named,
                       apr_array_header_t *served, apr_pool_t *ptemp)
{
    cfo_retained_t *r = gen->retained;
    int *looks = apr_hash_get(r->confirm, st->key, APR_HASH_KEY_STRING);
    cfo_served_t *one = NULL;

    if (looks == NULL)
        return;
    if (st->served && !cfo_standing_wants_reload(st) && *looks < LOOKS_MAX)
        one = look_at(gen, st, named, ptemp);
    if (one == NULL) {
        forget(r, st->key);
        return;
    }
    ++*looks;
    APR_ARRAY_PUSH(served, cfo_served_t *) = one;
}

void cfo_confirm_add(cfo_generation_t *gen, apr_array_header_t *served,
                     apr_pool_t *ptemp)
{
    const apr_array_header_t *named = NULL;
    int i;

    if (apr_hash_count(gen->retained->confirm) > 0)
        named = named_addresses(gen, ptemp);
    for (i = 0; apr_hash_count(gen->retained->confirm) > 0 &&
                i < gen->plan->wanted->nelts;
         i++)
        add_marked(gen, &gen->standings[i], named, served, ptemp);
    /* what is left belongs to vhosts that are gone */
    if (served->nelts == 0 && apr_hash_count(gen->retained->confirm) > 0) {
        apr_pool_clear(gen->retained->confirm_pool);
        gen->retained->confirm = apr_hash_make(gen->retained->confirm_pool);
    }
}

void cfo_confirm_learn(cfo_generation_t *gen, const cfo_standing_t *st,
                       const cfo_event_t *event)
{
    cfo_retained_t *r = gen->retained;
    const int *looks = apr_hash_get(r->confirm, st->key, APR_HASH_KEY_STRING);
    const char *type = cfo_request_type_word(st->wanted->request_type);

    if (looks == NULL)
        return; /* a look for another's sake */
    if (event->ok == 1)
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, gen->base,
                     "%s: the new %s certificate is served", st->wanted->name,
                     type);
    else if (*looks < LOOKS_MAX)
        return; /* once more at the next look around */
    else if (event->ok == 0)
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, gen->base,
            "%s: after the restart the %s certificate with sha256 %s is "
            "installed, but %s shows the one with sha256 %s; look for another "
            "server on that address, or another virtual host of that name",
            st->wanted->name, type,
            st->entry->stored.facts ? st->entry->stored.facts->sha256 : "?",
            event->message ? event->message : "the listener",
            event->sha256 ? event->sha256 : "?");
    else
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, gen->base,
                     "%s: can't see whether the new %s certificate is served: "
                     "%s",
                     st->wanted->name, type,
                     event->message ? event->message : "no word why");
    forget(r, st->key);
}

/* --- superseded certificates --- */

static int has_superseded(const cfo_generation_t *gen,
                          const cfo_standing_t *st, apr_time_t now,
                          apr_pool_t *ptemp)
{
    int account = st->wanted->account;

    return account >= 0 &&
           cfo_store_superseded(
               ptemp, gen->global->store, st->folder, st->wanted->request_type,
               st->entry,
               APR_ARRAY_IDX(gen->plan->accounts, account, cfo_account_t).id,
               now)
                   ->nelts > 0;
}

static int may_revoke(const cfo_generation_t *gen, const cfo_standing_t *st,
                      apr_time_t now, apr_pool_t *ptemp)
{
    const cfo_entry_t *entry = st->entry;

    return st->served && entry->generation > 1 && !entry->fell_back &&
           entry->stored.state == CFO_STORED_PAIR && entry->stored.installed &&
           entry->stored.installed <= now - DAY &&
           !cfo_standing_wants_reload(st) &&
           has_superseded(gen, st, now, ptemp);
}

void cfo_confirm_add_revokes(cfo_generation_t *gen, apr_array_header_t *served,
                             apr_time_t now, apr_pool_t *ptemp)
{
    cfo_retained_t *r = gen->retained;
    const apr_array_header_t *named;
    int i;

    if (!gen->global->revoke_superseded || !cfo_clock_trusted(gen, now) ||
        (r->revoke_looked && r->revoke_looked <= now &&
         now - r->revoke_looked < HOUR))
        return;
    r->revoke_looked = now;
    named = named_addresses(gen, ptemp);
    for (i = 0; i < gen->plan->wanted->nelts; i++) {
        const cfo_standing_t *st = &gen->standings[i];
        cfo_served_t *one;

        if (!may_revoke(gen, st, now, ptemp) ||
            (one = look_at(gen, st, named, ptemp)) == NULL)
            continue;
        one->revoke = 1;
        one->account = st->wanted->account;
        APR_ARRAY_PUSH(served, cfo_served_t *) = one;
    }
}
