/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the parts of the plan's room share while a plan is made: plan.c tells
 * the story, plan_vhosts.c finds who is managed and with which names,
 * plan_groups.c who shares a certificate, plan_pack.c who is packed together,
 * plan_targets.c which files belong to it, and plan_parts.c is what these use.
 * For these files only; everybody else sees cforigin_plan.h.
 */
#ifndef PLAN_PARTS_H
#define PLAN_PARTS_H

#include "cforigin_plan.h"

/** Those who share one name, and so a certificate for each request type. */
typedef struct cfo_group_t {
    const char *name;
    const char *folder;
    const cfo_shared_t *shared;    /* NULL: made of its vhosts' own names */
    apr_array_header_t *hostnames; /* const char *, spelled */
    apr_array_header_t *vhosts;    /* int, in order */
    int wanted[CFO_REQUEST_TYPES]; /* index into plan->wanted, or -1 */
} cfo_group_t;

typedef struct cfo_plan_work_t {
    apr_pool_t *p;     /* the plan's */
    apr_pool_t *ptemp; /* gone when the plan is made */
    cfo_plan_t *plan;
    const apr_array_header_t *vhosts;
    const apr_array_header_t *shared;
    const apr_array_header_t *packs;  /* NULL: nothing is packed */
    const apr_array_header_t **names; /* a vhost: its spelled names, or NULL
                                       * unless it is managed */
    apr_array_header_t *groups;       /* cfo_group_t *, by their first vhost */
} cfo_plan_work_t;

/** A spelled list without repeats, and what is in it already. */
typedef struct cfo_name_list_t {
    apr_array_header_t *names; /* const char * */
    struct apr_hash_t *seen;
} cfo_name_list_t;

cfo_name_list_t cfo_plan_list_make(const cfo_plan_work_t *work, apr_pool_t *p,
                                   int size);
void cfo_plan_list_add(cfo_name_list_t *list, const char *name);

const cfo_vhost_t *cfo_plan_vhost(const cfo_plan_work_t *work, int vhost);

/** Add a message; vhost -1 and where NULL when it is about none. */
void cfo_plan_say(cfo_plan_work_t *work, cfo_plan_level_t level, int vhost,
                  const char *where, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** "a.example.com:443 (httpd.conf:12)", for messages on two vhosts. */
const char *cfo_plan_vhost_text(const cfo_plan_work_t *work, int vhost);

/** States of all vhosts into plan->assignments; names of the managed ones. */
void cfo_plan_vhosts(cfo_plan_work_t *work);

/** work->groups, from CFOriginCertificate lines and the vhosts' names. */
void cfo_plan_groups(cfo_plan_work_t *work);

/** Work on groups: those that may be packed become groups of up to
 * CFO_HOSTNAMES_MAX names. */
void cfo_plan_pack(cfo_plan_work_t *work);

/** The targets of each wanted certificate; wants group->wanted filled in. */
void cfo_plan_targets(cfo_plan_work_t *work);

#endif
