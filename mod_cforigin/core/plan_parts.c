/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the parts of the plan's room use: a vhost's facts, messages, lists
 * without repeats. Pure.
 */
#include "plan_parts.h"

#include <stdarg.h>

#include <apr_hash.h>
#include <apr_strings.h>

const cfo_vhost_t *cfo_plan_vhost(const cfo_plan_work_t *work, int vhost)
{
    return &APR_ARRAY_IDX(work->vhosts, vhost, cfo_vhost_t);
}

const char *cfo_plan_vhost_text(const cfo_plan_work_t *work, int vhost)
{
    const cfo_vhost_t *v = cfo_plan_vhost(work, vhost);

    if (!v->where)
        return v->label;
    return apr_psprintf(work->p, "%s (%s)", v->label, v->where);
}

void cfo_plan_say(cfo_plan_work_t *work, cfo_plan_level_t level, int vhost,
                  const char *where, const char *fmt, ...)
{
    cfo_plan_message_t *message = apr_array_push(work->plan->messages);
    va_list args;

    va_start(args, fmt);
    message->text = apr_pvsprintf(work->p, fmt, args);
    va_end(args);
    message->level = level;
    message->vhost = vhost;
    message->where = where;
    if (level == CFO_PLAN_ERROR)
        work->plan->errors++;
}

cfo_name_list_t cfo_plan_list_make(const cfo_plan_work_t *work, apr_pool_t *p,
                                   int size)
{
    cfo_name_list_t list;

    list.names = apr_array_make(p, size, sizeof(const char *));
    list.seen = apr_hash_make(work->ptemp);
    return list;
}

void cfo_plan_list_add(cfo_name_list_t *list, const char *name)
{
    if (apr_hash_get(list->seen, name, APR_HASH_KEY_STRING))
        return;
    apr_hash_set(list->seen, name, APR_HASH_KEY_STRING, name);
    APR_ARRAY_PUSH(list->names, const char *) = name;
}
