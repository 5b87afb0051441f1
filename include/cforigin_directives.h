/* SPDX-License-Identifier: Apache-2.0 */
/**
 * httpd.conf into configuration: the directives, what each may hold, how a
 * virtual host inherits. A bad value is told here, at `httpd -t`, with the
 * directive, the value and what is allowed. Nothing here opens a file or
 * looks at the surroundings: only the text is judged.
 */
#ifndef CFORIGIN_DIRECTIVES_H
#define CFORIGIN_DIRECTIVES_H

#include <httpd.h>
#include <http_config.h>

#include "cforigin_plan.h"

/** What the server as a whole has (directives of scope S alone). */
typedef struct cfo_global_t {
    const char *store;         /* CFOriginStoreDir, absolute */
    const char *libexec;       /* CFOriginLibexecDir */
    const char *api;           /* CFOriginAPI, without a final slash */
    const char *api_ca_file;   /* CFOriginAPICAFile, NULL: the system's */
    const char *ca_root_file;  /* CFOriginCARootFile */
    const char *proxy;         /* CFOriginProxy, or NULL */
    const apr_array_header_t *notify; /* CFOriginNotifyCommand's words, NULL */
    apr_interval_time_t startup_wait;
    apr_interval_time_t reload_interval;
    int reload_off;            /* CFOriginReload off */
    int revoke_superseded;     /* CFOriginRevoke superseded */
    int pack;                  /* CFOriginPack on */
    int max_concurrent;
    int has_user;              /* CFOriginUser is said */
    uid_t uid;
    gid_t gid;
    apr_array_header_t *shared; /* cfo_shared_t: CFOriginCertificate lines */
} cfo_global_t;

/** A certificate or key line of mod_ssl's, seen by us. */
typedef struct cfo_ssl_line_t {
    const char *path;  /* absolute */
    const char *where; /* file:line */
    int renamed;       /* ours: mod_ssl never sees it */
} cfo_ssl_line_t;

/** What one server (the base or a virtual host) has. -1 or 0 or NULL as said:
 * not set here, inherited. */
typedef struct cfo_server_conf_t {
    server_rec *server;
    int order;               /* place in httpd.conf */
    int index;               /* place among the facts, -1 before vhosts.c */
    const char *where;       /* file:line of the first directive of ours */
    int enabled;             /* -1 unset */
    int enabled_here;        /* never inherited */
    int ssl_engine;          /* -1 unset; 1 only for the word on */
    int own_name;            /* ServerName is written here; never inherited */
    const apr_array_header_t *hostnames; /* CFOriginHostnames, not inherited */
    const char *hostnames_where;
    apr_array_header_t *certs; /* cfo_ssl_line_t or NULL, never inherited */
    apr_array_header_t *keys;
    const char *token_file;
    const char *zone_id;
    unsigned request_types;  /* 0 unset */
    cfo_request_type_t first_type;
    int validity;            /* 0 unset */
    int renew_manual;        /* -1 unset */
    const cfo_window_t *renew_window; /* NULL unset */
    const cfo_window_t *warn_window;
    cfo_global_t *global;    /* one for all, made with the base server */
} cfo_server_conf_t;

extern const command_rec cfo_directives[];

void *cfo_directives_create(apr_pool_t *p, server_rec *s);
void *cfo_directives_merge(apr_pool_t *p, void *base, void *add);

/** The configuration of a server; never NULL. */
cfo_server_conf_t *cfo_directives_of(const server_rec *s);

/**
 * The path of the key that mod_ssl takes for a server's i-th certificate line:
 * its own i-th key line, the base server's, or the certificate's file itself.
 * @param base the base server's configuration
 */
const char *cfo_directives_key_path(const cfo_server_conf_t *conf,
                                    const cfo_server_conf_t *base, int i);

/** The settings as they hold, defaults filled in. */
cfo_settings_t cfo_directives_settings(const cfo_server_conf_t *conf);

/** The name mod_ssl's certificate lines go by while they are ours. */
#define CFO_TARGET_CERT_LINE "CFOriginTargetCertificate"
#define CFO_TARGET_KEY_LINE "CFOriginTargetKey"
extern const char cfo_target_cert_line[];
extern const char cfo_target_key_line[];

#endif
