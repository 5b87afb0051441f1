/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the issuer may still do once it knows where the API is, and before the
 * first byte of a stranger reaches it: speak over sockets, read what finding
 * and trusting the API takes, have threads. No program is executed, no file
 * written, no process traced, signalled or made, no port listened on.
 *
 * Three layers, each of use without the others: limits of resources, a list
 * of system calls (seccomp), a list of files (Landlock). The kernel may lack
 * the last two, so each tells why it isn't there and the issuer goes on with
 * what there is. No layer can be taken off again. Call them in the order in
 * which they stand here, while there is one thread; none may be called twice.
 */
#ifndef CFORIGIN_SANDBOX_H
#define CFORIGIN_SANDBOX_H

#include <stddef.h>

typedef struct cfo_sandbox_limits_t {
    size_t memory;        /* bytes of addresses; unused under a sanitizer */
    unsigned cpu_seconds; /* then SIGXCPU */
    unsigned seconds;     /* by the clock on the wall; then SIGALRM, which
                           * whoever wants to can ignore */
    unsigned descriptors;
} cfo_sandbox_limits_t;

/** Generous for a round of thousands of certificates, and an end to what runs
 * wild. */
cfo_sandbox_limits_t cfo_sandbox_usual(int max_concurrent);

/** Each answers NULL, or why it is not in force: a sentence that lives as
 * long as the program. */
const char *cfo_sandbox_limits(const cfo_sandbox_limits_t *limits);

/** @param ca_file a further file that may be read, or NULL */
const char *cfo_sandbox_files(const char *ca_file);

const char *cfo_sandbox_calls(void);

#endif
