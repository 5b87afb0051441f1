/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which vhosts are managed, which names each of them asks for, and what is
 * said to those that are left out. Pure, as all of the plan.
 */
#include "plan_parts.h"

#include <string.h>

#include <apr_strings.h>

#include "cforigin_names.h"
#include "cforigin_utf8.h"

static int has_hostnames(const cfo_vhost_t *v)
{
    return v->hostnames && v->hostnames->nelts > 0;
}

/* CFOriginHostnames: all of them, or an error. Without a list the text alone
 * is judged. */
static void take_hostnames(cfo_plan_work_t *work, int vhost,
                           cfo_name_list_t *list)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);
    const char *where = v->hostnames_where ? v->hostnames_where : v->where;

    for (int i = 0; i < v->hostnames->nelts; i++) {
        const char *name = APR_ARRAY_IDX(v->hostnames, i, const char *);
        const char *spelled;
        cfo_name_fault_t fault = cfo_name_spell(work->p, name, &spelled);

        if (fault == CFO_NAME_OK && list)
            cfo_plan_list_add(list, spelled);
        if (fault != CFO_NAME_OK)
            cfo_plan_say(work, CFO_PLAN_ERROR, vhost, where,
                         "CFOriginHostnames of %s: \"%s\" %s", v->label, name,
                         cfo_name_fault_text(fault));
    }
}

/* @return 1 when the certificate can begin with ServerName */
static int take_server_name(cfo_plan_work_t *work, int vhost,
                            cfo_name_list_t *list)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);
    const char *spelled;
    cfo_name_fault_t fault = cfo_name_spell(work->p, v->server_name, &spelled);

    if (fault != CFO_NAME_OK && v->is_base) {
        /* CFOriginHostnames is not for the base server, which may have got
         * its SSLEngine for its vhosts' sake alone */
        cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                     "CFOrigin is on for the main server, but its ServerName "
                     "\"%s\" %s; nothing is asked for it",
                     v->server_name, cfo_name_fault_text(fault));
        return 0;
    }
    if (fault != CFO_NAME_OK) {
        cfo_plan_say(work, CFO_PLAN_ERROR, vhost, v->where,
                     "ServerName of %s: \"%s\" %s; change it, or write the "
                     "names for its certificate with CFOriginHostnames",
                     v->label, v->server_name, cfo_name_fault_text(fault));
        return 0;
    }
    if (!cfo_utf8_is_ascii(v->server_name))
        cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                     "ServerName of %s: \"%s\" is not punycode; httpd "
                     "compares it as written with what clients send, so "
                     "write ServerName %s",
                     v->label, v->server_name, spelled);
    cfo_plan_list_add(list, spelled);
    return 1;
}

static void take_aliases(cfo_plan_work_t *work, int vhost,
                         cfo_name_list_t *list)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    for (int i = 0; v->aliases && i < v->aliases->nelts; i++) {
        const char *name = APR_ARRAY_IDX(v->aliases, i, const char *);
        const char *spelled;
        cfo_name_fault_t fault = cfo_name_spell(work->p, name, &spelled);

        if (fault == CFO_NAME_OK)
            cfo_plan_list_add(list, spelled);
        else
            cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                         "ServerAlias of %s: \"%s\" %s; it is left out of "
                         "the certificate",
                         v->label, name, cfo_name_fault_text(fault));
    }
}

static void say_nameless(cfo_plan_work_t *work, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    if (v->is_base)
        cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                     "CFOrigin is on for the main server, which has no "
                     "ServerName; nothing is asked for it; name one, or "
                     "write SSLEngine on in the virtual hosts alone");
    else if (v->enabled_here)
        cfo_plan_say(work, CFO_PLAN_ERROR, vhost, v->where,
                     "CFOrigin on: %s has no ServerName; name one, such as "
                     "ServerName www.example.com, or write the names for "
                     "its certificate with CFOriginHostnames",
                     v->label);
    else
        cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                     "%s inherits CFOrigin on but has no ServerName; "
                     "nothing is asked for it; name one, or write CFOrigin "
                     "off in it",
                     v->label);
}

/* @return its names, or NULL when it has none to ask for */
static const apr_array_header_t *take_names(cfo_plan_work_t *work, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);
    cfo_name_list_t list;

    if (has_hostnames(v)) {
        list = cfo_plan_list_make(work, work->ptemp, v->hostnames->nelts);
        take_hostnames(work, vhost, &list);
    }
    else if (v->server_name && *v->server_name) {
        list = cfo_plan_list_make(work, work->ptemp, 1);
        if (take_server_name(work, vhost, &list))
            take_aliases(work, vhost, &list);
    }
    else {
        say_nameless(work, vhost);
        return NULL;
    }
    return list.names->nelts ? list.names : NULL;
}

/* CFOrigin on without TLS is worth a word to who wrote it there, or has
 * certificate lines that now lie idle. In the server scope it is how all
 * vhosts get it. */
static void say_no_tls(cfo_plan_work_t *work, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    if (v->has_ssl_lines || (v->enabled_here && !v->is_base))
        cfo_plan_say(work, CFO_PLAN_WARNING, vhost, v->where,
                     "CFOrigin is on for %s, but SSLEngine is not; nothing "
                     "is asked for it; write SSLEngine on, or CFOrigin off",
                     v->label);
}

static cfo_vhost_state_t judge(cfo_plan_work_t *work, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    if (!v->enabled)
        return CFO_VHOST_OFF;
    if (!v->tls) {
        say_no_tls(work, vhost);
        return CFO_VHOST_NO_TLS;
    }
    if (v->taken) {
        cfo_plan_say(work, CFO_PLAN_INFO, vhost, v->where,
                     "%s is served by another module; CFOrigin asks for "
                     "nothing",
                     v->label);
        return CFO_VHOST_TAKEN;
    }
    if (v->foreign) {
        cfo_plan_say(work, CFO_PLAN_INFO, vhost, v->where,
                     "%s keeps what its SSLCertificateFile names, which is no "
                     "pair of the Origin CA; CFOrigin asks for nothing",
                     v->label);
        return CFO_VHOST_FOREIGN;
    }
    work->names[vhost] = take_names(work, vhost);
    return work->names[vhost] ? CFO_VHOST_MANAGED : CFO_VHOST_LEFT_OUT;
}

/* A mistake in the text is one, whoever serves the vhost. */
static int is_unread(cfo_vhost_state_t state)
{
    return state != CFO_VHOST_MANAGED && state != CFO_VHOST_LEFT_OUT;
}

/* Without a token there is nobody to ask. Told once, since it is one line
 * that is missing, however many vhosts miss it. */
static void drop_tokenless(cfo_plan_work_t *work)
{
    int first = -1, more = -1;

    for (int i = 0; i < work->vhosts->nelts; i++) {
        cfo_assignment_t *a =
            &APR_ARRAY_IDX(work->plan->assignments, i, cfo_assignment_t);

        if (a->state != CFO_VHOST_MANAGED ||
            cfo_plan_vhost(work, i)->settings.token_file)
            continue;
        a->state = CFO_VHOST_LEFT_OUT;
        work->names[i] = NULL;
        if (first < 0)
            first = i;
        more++;
    }
    if (first >= 0)
        cfo_plan_say(work, CFO_PLAN_ERROR, first,
                     cfo_plan_vhost(work, first)->where,
                     "CFOriginTokenFile is missing for %s%s, where CFOrigin "
                     "is on; name the file that holds the API token, such "
                     "as CFOriginTokenFile /etc/apache2/cforigin/token",
                     cfo_plan_vhost(work, first)->label,
                     more ? apr_psprintf(work->p, " and %d more", more) : "");
}

void cfo_plan_vhosts(cfo_plan_work_t *work)
{
    int count = work->vhosts->nelts;

    work->names =
        apr_pcalloc(work->ptemp, sizeof(*work->names) * ((size_t)count + 1));
    for (int i = 0; i < count; i++) {
        cfo_assignment_t *a = apr_array_push(work->plan->assignments);

        for (int t = 0; t < CFO_REQUEST_TYPES; t++)
            a->wanted[t] = -1;
        a->state = judge(work, i);
        if (is_unread(a->state) && has_hostnames(cfo_plan_vhost(work, i)))
            take_hostnames(work, i, NULL);
    }
    drop_tokenless(work);
}
