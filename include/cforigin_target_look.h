/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What stands at a path that an administrator's SSLCertificateFile names:
 * nothing yet, a certificate of the Origin CA, one of somebody else's, or
 * rubbish. Reads the file (and its key) once, until it is told to forget;
 * writes nothing.
 */
#ifndef CFORIGIN_TARGET_LOOK_H
#define CFORIGIN_TARGET_LOOK_H

#include "cforigin_pki.h"
#include "cforigin_store.h"

typedef enum {
    CFO_TARGET_ABSENT = 0, /* no such file, or an empty one: as mod_ssl */
    CFO_TARGET_ORIGIN,     /* signed by one of the Origin CA's roots */
    CFO_TARGET_OTHER,      /* somebody else's certificate */
    CFO_TARGET_RUBBISH,    /* no certificate at all */
    CFO_TARGET_UNREADABLE
} cfo_target_class_t;

typedef struct cfo_target_look_t {
    cfo_target_class_t class;
    const cfo_cert_facts_t *facts; /* ORIGIN and OTHER, else NULL */
} cfo_target_look_t;

/** The key that a line names beside a certificate. */
typedef enum {
    CFO_TARGET_KEY_NONE = 0, /* no such file, or no key in it */
    CFO_TARGET_KEY_FITS,     /* the certificate's */
    CFO_TARGET_KEY_OTHER,    /* another one's */
    CFO_TARGET_KEY_LOCKED    /* behind a pass phrase, or unreadable */
} cfo_target_key_t;

/** A pass's looks: the roots they are judged by, and a memory by path. */
typedef struct cfo_looker_t cfo_looker_t;

/** @param ca_root_file unreadable: then nothing is ORIGIN */
cfo_looker_t *cfo_target_looker(apr_pool_t *p, const char *ca_root_file);

const cfo_target_look_t *cfo_target_look(cfo_looker_t *looker,
                                         const char *certificate);

cfo_target_key_t cfo_target_key_look(cfo_looker_t *looker,
                                     const char *certificate,
                                     const char *key);

/** The keeper has been at them: they are looked at anew when next asked for.
 * What was told of them is gone. */
void cfo_target_forget(cfo_looker_t *looker, const char *certificate,
                       const char *key);

/** A pair of the Origin CA, good to be served and to be taken over. */
int cfo_target_is_pair(cfo_looker_t *looker, const char *certificate,
                       const char *key);

#endif
