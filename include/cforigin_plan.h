/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From plain facts about the virtual hosts to the list of certificates that
 * are wanted. Pure: no file, no clock, no OpenSSL, no httpd. The same facts
 * always give the same plan, so `httpd -t`, the first pass, the second pass
 * and a reload agree.
 *
 * Rules (plan.c tells where each of them is):
 *  - a vhost is managed when CFOrigin is on and SSLEngine on is said for it;
 *  - its names are ServerName and ServerAlias, or CFOriginHostnames;
 *  - a CFOriginCertificate that covers all of them serves it;
 *  - vhosts with one first name, or one target, share a certificate;
 *  - with CFOriginPack on, all others of one account, zone and settings share
 *    certificates of up to 200 names (plan_pack.c);
 *  - each request type is a certificate of its own;
 *  - whoever shares must agree on the settings;
 *  - what an SSLCertificateFile holds decides whether it is foreign and of
 *    which request type it is, but makes no error of a line.
 * Work is linear in vhosts and names: everything is looked up by hash.
 */
#ifndef CFORIGIN_PLAN_H
#define CFORIGIN_PLAN_H

#include "cforigin.h"

/** The settings that a certificate takes from its vhosts. */
typedef struct cfo_settings_t {
    unsigned request_types; /* bit (1u << cfo_request_type_t) */
    cfo_request_type_t first_type; /* the first one written: gets target 1 */
    int validity;           /* days */
    int renew_manual;       /* CFOriginRenewMode manual */
    cfo_window_t renew_window;
    cfo_window_t warn_window;
    const char *token_file; /* absolute, or NULL when none is configured */
    const char *zone_id;    /* or NULL: looked up by name */
} cfo_settings_t;

/** A file pair that an administrator's SSLCertificateFile lines name. */
typedef struct cfo_target_t {
    const char *certificate; /* absolute path */
    const char *key;         /* absolute path; the same one: a single PEM */
    const char *where;       /* "file:line" of the SSLCertificateFile line */
    int has_type;            /* 1: the file there is an Origin CA certificate
                              * of `type`, so the pair belongs to that type */
    cfo_request_type_t type;
} cfo_target_t;

/** What a vhost (or the base server) says. Filled in by vhosts.c. */
typedef struct cfo_vhost_t {
    const char *label;       /* "a.example.com:443", unique enough to read */
    const char *where;       /* "file:line" of its definition */
    int is_base;             /* the server outside all vhosts */
    int enabled;             /* CFOrigin on, own or inherited */
    int enabled_here;        /* … and written in this very vhost */
    int tls;                 /* SSLEngine on in words, own or inherited */
    const char *server_name; /* as written, NULL when it has none of its own */
    const apr_array_header_t *aliases;   /* const char *, as written; NULL:
                                          * none */
    const apr_array_header_t *hostnames; /* CFOriginHostnames, NULL if none */
    const char *hostnames_where; /* file:line of that line, or NULL */
    int has_ssl_lines;       /* SSLCertificateFile is written in it */
    const apr_array_header_t *targets;   /* cfo_target_t, managed ones only,
                                          * or NULL */
    int foreign;             /* its certificate lines name a pair of another
                              * CA: mod_ssl keeps it, nothing is asked for */
    int taken;               /* another module (mod_md) serves it */
    cfo_settings_t settings;
} cfo_vhost_t;

/** A CFOriginCertificate line. */
typedef struct cfo_shared_t {
    const char *name;  /* its folder in the store */
    const apr_array_header_t *hostnames; /* const char *, as written */
    const char *where; /* "file:line" */
} cfo_shared_t;

/** A packed certificate's name and folder begin so: no hostname and no
 * CFOriginCertificate can hold a '+'. */
#define CFO_PACK_PREFIX "pack+"

/** A packed certificate that is in the store, and the names on it: whoever is
 * on it stays there. */
typedef struct cfo_pack_t {
    const char *folder; /* "pack+a.example.com": of its first vhost's name */
    const apr_array_header_t *hostnames; /* const char *, maybe empty */
    int unreadable;     /* the disk is sick: who is on it can't be known */
} cfo_pack_t;

/** One certificate: one name, one request type. */
typedef struct cfo_wanted_t {
    int index;        /* its place in the plan */
    const char *name; /* what is shown: the first hostname, or shared name */
    const char *folder; /* its folder below certs/: "*" as "_" */
    cfo_request_type_t request_type;
    const apr_array_header_t *hostnames; /* const char *, spelled, no repeats,
                                          * in order of appearance */
    cfo_settings_t settings;             /* request_types has just this bit */
    int account;                         /* index into plan->accounts */
    const apr_array_header_t *targets;   /* cfo_target_t, or NULL: none */
    const apr_array_header_t *vhosts;    /* int: indexes into the facts */
} cfo_wanted_t;

/** One token file. */
typedef struct cfo_account_t {
    const char *id;         /* accounts/<id>.json; from the path, hex */
    const char *name;       /* base name, made unique with -2, -3 */
    const char *token_file; /* absolute */
} cfo_account_t;

typedef enum {
    CFO_PLAN_ERROR = 0, /* httpd.conf has to change; -t and a start fail, a
                         * server that runs with the same text does not */
    CFO_PLAN_WARNING,   /* something is left out, the rest works */
    CFO_PLAN_INFO
} cfo_plan_level_t;

typedef struct cfo_plan_message_t {
    cfo_plan_level_t level;
    const char *where; /* "file:line" or NULL */
    int vhost;         /* index into the facts, -1 when about none */
    const char *text;  /* names the directive, the value and the remedy */
} cfo_plan_message_t;

/** Why a vhost stands where it does. */
typedef enum {
    CFO_VHOST_OFF = 0,   /* CFOrigin is not on for it */
    CFO_VHOST_NO_TLS,    /* on, but SSLEngine on is not said */
    CFO_VHOST_LEFT_OUT,  /* on, but has no name to ask for: fallback only */
    CFO_VHOST_FOREIGN,   /* keeps the certificate of another CA */
    CFO_VHOST_TAKEN,     /* another module serves it */
    CFO_VHOST_MANAGED
} cfo_vhost_state_t;

typedef struct cfo_assignment_t {
    cfo_vhost_state_t state;
    int wanted[CFO_REQUEST_TYPES]; /* index into plan->wanted by request type,
                                    * -1 for none */
} cfo_assignment_t;

typedef struct cfo_plan_t {
    apr_array_header_t *wanted;      /* cfo_wanted_t * */
    apr_array_header_t *accounts;    /* cfo_account_t */
    apr_array_header_t *assignments; /* cfo_assignment_t, one a vhost */
    apr_array_header_t *messages;    /* cfo_plan_message_t, in file order */
    int errors;                      /* how many of them are errors */
    struct apr_hash_t *by_name;      /* for cfo_plan_find */
} cfo_plan_t;

/**
 * @param p      the plan and all its strings live here
 * @param vhosts cfo_vhost_t, in order of httpd.conf, the base server first;
 *               the plan points into it
 * @param shared cfo_shared_t, in order
 * @param packs  cfo_pack_t, what the store has; NULL: CFOriginPack off
 * @return a plan, never NULL. With errors it is still whole enough to be shown
 *
 * A CFOriginCertificate's hosts, and ServerName and CFOriginHostnames of a
 * vhost, must be names the API can take: an error if not. A ServerAlias that
 * is none is left out with a warning.
 */
cfo_plan_t *cfo_plan_make(apr_pool_t *p, const apr_array_header_t *vhosts,
                          const apr_array_header_t *shared,
                          const apr_array_header_t *packs);

/** The wanted certificate by its folder and type, or NULL. Linear scan is
 * not allowed: callers use it per event. */
cfo_wanted_t *cfo_plan_find(const cfo_plan_t *plan, const char *name,
                            cfo_request_type_t type);

/** accounts/<id>: cfo_hash_text of the token file's path, 16 hex digits. The
 * path, never the token: an id must not tell anything of the secret. */
const char *cfo_account_id(apr_pool_t *p, const char *token_file);

#endif
