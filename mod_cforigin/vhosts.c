/* SPDX-License-Identifier: Apache-2.0 */
/* server_recs -> plain facts for the plan. Reads httpd's structures and, for
 * certificate lines, the files they name. */
#include "cforigin_vhosts.h"
#include "cforigin_directives.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <stdlib.h>

static const char *label_of(apr_pool_t *p, const server_rec *s)
{
    unsigned port =
        s->addrs && s->addrs->host_port ? s->addrs->host_port : s->port;
    const char *name = s->server_hostname ? s->server_hostname : "_default_";

    return port ? apr_psprintf(p, "%s:%u", name, port) : name;
}

static const char *where_of(apr_pool_t *p, const server_rec *s,
                            const cfo_server_conf_t *conf)
{
    if (s->defn_name)
        return apr_psprintf(p, "%s:%u", s->defn_name, s->defn_line_number);
    return conf->where;
}

static apr_array_header_t *aliases_of(apr_pool_t *p, const server_rec *s)
{
    int plain = s->names ? s->names->nelts : 0;
    int wild = s->wild_names ? s->wild_names->nelts : 0;
    apr_array_header_t *aliases;

    if (plain + wild == 0)
        return NULL;
    aliases = apr_array_make(p, plain + wild, sizeof(const char *));
    if (plain)
        apr_array_cat(aliases, s->names);
    if (wild)
        apr_array_cat(aliases, s->wild_names);
    return aliases;
}

static apr_array_header_t *targets_of(apr_pool_t *p,
                                      const cfo_server_conf_t *conf,
                                      const cfo_server_conf_t *base,
                                      cfo_looker_t *looker)
{
    apr_array_header_t *targets = NULL;
    int i;

    for (i = 0; conf->certs && i < conf->certs->nelts; i++) {
        const cfo_ssl_line_t *cert =
            &APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t);
        const cfo_target_look_t *look;
        cfo_target_t *target;

        if (!cert->renamed)
            continue;
        if (targets == NULL)
            targets = apr_array_make(p, 1, sizeof(cfo_target_t));
        target = apr_array_push(targets);
        target->certificate = cert->path;
        target->where = cert->where;
        target->key = cfo_directives_key_path(conf, base, i);
        look = cfo_target_look(looker, cert->path);
        target->has_type =
            look->class == CFO_TARGET_ORIGIN && look->facts->has_type;
        target->type = target->has_type ? look->facts->type : CFO_ORIGIN_ECC;
    }
    return targets;
}

static int is_foreign(const cfo_server_conf_t *conf)
{
    int i;

    for (i = 0; conf->certs && i < conf->certs->nelts; i++) {
        if (!APR_ARRAY_IDX(conf->certs, i, cfo_ssl_line_t).renamed)
            return 1;
    }
    return 0;
}

static void facts_of(apr_pool_t *p, server_rec *s,
                     const cfo_server_conf_t *base, cfo_vhost_t *vhost,
                     cfo_looker_t *looker, apr_hash_t *taken)
{
    const cfo_server_conf_t *conf = cfo_directives_of(s);

    memset(vhost, 0, sizeof(*vhost));
    vhost->label = label_of(p, s);
    vhost->where = where_of(p, s, conf);
    vhost->is_base = !s->is_virtual;
    vhost->enabled = conf->enabled == 1;
    vhost->enabled_here = conf->enabled_here == 1;
    vhost->tls = conf->ssl_engine == 1;
    vhost->server_name = conf->own_name ? s->server_hostname : NULL;
    vhost->has_ssl_lines = conf->certs != NULL;
    vhost->settings = cfo_directives_settings(conf);
    vhost->hostnames = conf->hostnames;
    vhost->hostnames_where = conf->hostnames_where;
    if (!vhost->enabled || !vhost->tls)
        return;
    vhost->aliases = aliases_of(p, s);
    vhost->targets = targets_of(p, conf, base, looker);
    vhost->foreign = is_foreign(conf);
    vhost->taken = taken && apr_hash_get(taken, vhost->label,
                                         APR_HASH_KEY_STRING) != NULL;
}

static int by_order(const void *a, const void *b)
{
    const server_rec *s = *(server_rec *const *)a;
    const server_rec *t = *(server_rec *const *)b;

    if (s->is_virtual != t->is_virtual)
        return s->is_virtual - t->is_virtual;
    return cfo_directives_of(s)->order - cfo_directives_of(t)->order;
}

apr_array_header_t *cfo_vhosts_facts(apr_pool_t *p, server_rec *base,
                                     cfo_looker_t *looker, apr_hash_t *taken,
                                     apr_array_header_t **servers)
{
    apr_array_header_t *list = apr_array_make(p, 16, sizeof(server_rec *));
    apr_array_header_t *facts;
    server_rec *s;
    int i;

    for (s = base; s; s = s->next)
        APR_ARRAY_PUSH(list, server_rec *) = s;
    qsort(list->elts, (size_t)list->nelts, sizeof(server_rec *), by_order);
    facts = apr_array_make(p, list->nelts, sizeof(cfo_vhost_t));
    for (i = 0; i < list->nelts; i++) {
        s = APR_ARRAY_IDX(list, i, server_rec *);
        cfo_directives_of(s)->index = i;
        facts_of(p, s, cfo_directives_of(base), apr_array_push(facts), looker,
                 taken);
    }
    *servers = list;
    return facts;
}
