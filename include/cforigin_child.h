/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Starts another program with nothing but what it is given: its descriptors,
 * its environment, default signal handlers. Used by the keeper for the issuer,
 * for `httpd -t` and for CFOriginNotifyCommand. Whoever starts a child ends it and reaps it.
 */
#ifndef CFORIGIN_CHILD_H
#define CFORIGIN_CHILD_H

#include <apr_pools.h>
#include <signal.h>
#include <sys/types.h>

typedef struct cfo_child_t {
    const char *path;        /* executed as it is, no PATH is searched */
    const char *const *argv; /* ends with NULL */
    char *const *envp;       /* ends with NULL */
    const char *cwd;         /* or NULL: stay */
    int own_group;           /* of processes, so that all of it can be killed */
    int last_words;          /* of too much output the end is kept, not the
                              * beginning */
    int fds[4];              /* become 0, 1, 2, 3; -1: not open in the child */
} cfo_child_t;

/**
 * Returns when the program runs, or can't.
 * @return 0 and *pid, or the system's error
 */
int cfo_child_start(const cfo_child_t *child, pid_t *pid);

/**
 * Wait for its end, at most ms milliseconds, then kill it; reaped on return.
 * @param stop non-zero ends the waiting early; may be NULL
 * @return the status as waitpid gives it, or -1 when it had to be killed
 */
int cfo_child_end(pid_t pid, int ms, const volatile sig_atomic_t *stop);

/* --- one whose words are wanted --- */

/** What a child printed, and how it ended. */
typedef struct cfo_capture_t {
    char *output; /* as much as there is room for, NUL-terminated */
    int killed;   /* it did not end in time, or *stop */
    int status;   /* as waitpid gives it, when it ended by itself */
} cfo_capture_t;

/**
 * Start a child, with what it prints on both of 1 and 2 caught, and wait for
 * its end. It is over when the process is: who inherited its pipe may live on.
 * Out of time, all that it started and that stayed in its group goes with it.
 * @param child its fds are set here
 * @param room  bytes of its output that are kept; it is read to its end
 * @param ms    how long it may take
 * @return 0, or the system's error when it can't be started
 */
int cfo_child_capture(apr_pool_t *p, cfo_child_t *child, size_t room, int ms,
                      const volatile sig_atomic_t *stop,
                      cfo_capture_t *capture);

/** A pipe whose two ends are closed on exec; 0, or -1 with errno. */
int cfo_child_pipe(int ends[2]);

/** Milliseconds of a clock that only goes forward, since it was first asked;
 * good for 24 days at least. Main thread only. */
long cfo_child_clock(void);

#endif
