/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One generation of the server, and how each wanted certificate stands in it:
 * what the store has, what decide says, what is remembered of failed tries,
 * what mod_ssl was given. Only httpd's parent changes it.
 */
#ifndef CFORIGIN_STANDING_H
#define CFORIGIN_STANDING_H

#include "cforigin_directives.h"
#include "cforigin_module.h"
#include "cforigin_retained.h"
#include "cforigin_target_look.h"

#include <apr_hash.h>

typedef struct cfo_standing_t {
    const cfo_wanted_t *wanted;
    const char *key;         /* "folder/request_type" */
    const char *folder;      /* where in the store: the plan's, or the one
                              * whose target this is */
    apr_pool_t *pool;        /* of entry and what hangs on it, if it is not
                              * known: the generation's at the first look,
                              * one of its own at each further one, or NULL */
    const cfo_entry_t *entry;
    int current;             /* what `current` named at that look */
    const cfo_entry_t *other; /* the pair of the request type that is not
                               * wanted any more, while ours is missing */
    cfo_decision_t decision;
    int forced;              /* the marker was there at that look */
    const cfo_target_t *adoptable; /* holds a pair that the store lacks */
    const cfo_attempt_t *attempt;  /* never NULL once it was looked at */
    apr_pool_t *attempt_pool;      /* it lives there; NULL: no failure */
    int attempt_told;        /* that attempt.json is damaged */
    int failures;            /* the count that a failure now adds to */
    apr_time_t due_at;       /* when to try; only while action is not keep */
    int repair;              /* valid, but its files differ from it */
    int trying;              /* a keeper has it in hand */
    int tell_expiring;       /* the notify command has to hear of its end */
    apr_time_t tell_at;      /* when, and what else waits; 0: nothing */
    int asked;               /* mod_ssl asked for it this generation */
    const char *served_cert; /* what it was given, NULL: nothing */
    const char *served_key;
    const cfo_cert_facts_t *served;
    int lacking;             /* a vhost of it has nothing but the fallback */
} cfo_standing_t;

/** The fallback's key and files; tls.c's own. */
typedef struct cfo_tls_fallback_t cfo_tls_fallback_t;

typedef struct cfo_generation_t cfo_generation_t;

struct cfo_generation_t {
    apr_pool_t *pool;
    server_rec *base;
    cfo_retained_t *retained;
    const cfo_global_t *global;
    const char *tree_hash;
    const char *host;              /* this machine's name */
    const char *server;            /* this server among those of a store */
    cfo_looker_t *looker;
    apr_array_header_t *vhosts;    /* cfo_vhost_t */
    apr_array_header_t *servers;   /* server_rec *, alongside */
    cfo_plan_t *plan;
    cfo_standing_t *standings;     /* plan->wanted->nelts of them */
    cfo_entry_t nothing;           /* of all whose place in the store is
                                    * empty */
    cfo_account_state_t *accounts; /* plan->accounts->nelts of them */
    apr_time_t *refused_until;     /* alongside: no try before this, since
                                    * the token was refused; 0: it was not */
    apr_hash_t *targets;           /* the store by target; when needed */
    apr_hash_t *claimed;           /* "folder/type" found so: whose it is */
    apr_hash_t *by_name;           /* stand_in.c's: pairs of the store */
    int replan;                    /* a vhost planned as another module's
                                    * is not: plan again, by a reload */
    char *hook_called;             /* a flag a vhost: mod_ssl asked us */
    char *on_fallback;             /* a flag a vhost: it has nothing else */
    cfo_tls_fallback_t *fallback;  /* NULL until a vhost needs it */
    int handed_over;               /* mod_ssl has asked for all it wants */
    int cold_pass;                 /* 1 or 2 of a cold start, 0 at a reload */
    int one_process;               /* -X */
    /* httpd told that the keeper is over; background.c's */
    void (*keeper_ended)(cfo_generation_t *gen);
};

/** Look at every wanted certificate: the store, the targets, decide, and when
 * what has to be done is due. Remembers checked pairs. */
void cfo_standing_look_all(cfo_generation_t *gen, cfo_cause_t cause,
                           apr_time_t now);

/** Look at one again: its marker was set, its time has come, a keeper or
 * another server changed it. */
void cfo_standing_look(cfo_generation_t *gen, cfo_standing_t *standing,
                       cfo_cause_t cause, apr_time_t now);

/** A round settled it, and had a hand in its targets: look at all of it.
 * @param kept the round found nothing to do */
void cfo_standing_settled(cfo_generation_t *gen, cfo_standing_t *standing,
                          int kept, apr_time_t now);

/** 1 when the store has something better than what mod_ssl was given. */
int cfo_standing_wants_reload(const cfo_standing_t *standing);

/** The standing of an event's name and type, or NULL. */
cfo_standing_t *cfo_standing_find(cfo_generation_t *gen, const char *name,
                                  cfo_request_type_t type);

/** What to hand to mod_ssl for this certificate: paths, or 0 when there is
 * nothing. Notes in the standing that it is served. */
int cfo_standing_serve(cfo_generation_t *gen, cfo_standing_t *standing,
                       const char **cert, const char **key);

/** Another certificate of the store is served for it meanwhile. */
void cfo_standing_serve_other(cfo_standing_t *standing,
                              const cfo_entry_t *entry);

#endif
