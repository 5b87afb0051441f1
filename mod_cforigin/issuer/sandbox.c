/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The issuer's limits, and the files that are left to it (Landlock). Touches
 * the limits and rights of its own process. The system calls are in
 * sandbox_calls.c.
 */
#include "cforigin_sandbox.h"
#include "cforigin_wire.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/* ---- limits ---- */

#define THREAD_STACK ((size_t)512 * 1024)

cfo_sandbox_limits_t cfo_sandbox_usual(int max_concurrent)
{
    cfo_sandbox_limits_t usual = {.memory = (size_t)1 << 30,
                                  .cpu_seconds = 900,
                                  .seconds = CFO_WIRE_SECONDS_MAX,
                                  .descriptors = 64};

    /* A call and a look each at a listener, either with a lookup's two ends
     * and a second address that is tried. */
    usual.descriptors += 8 * (unsigned)max_concurrent;
    return usual;
}

static int limit(__rlimit_resource_t which, rlim_t value)
{
    struct rlimit now;

    if (getrlimit(which, &now) != 0) {
        return -1;
    }
    if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value) {
        value = now.rlim_max;
    }
    now.rlim_cur = now.rlim_max = value;
    return setrlimit(which, &now);
}

/* libcurl looks each name up in a thread of its own. What glibc sets aside
 * for one would not fit many times into a limit worth having. */
static int make_threads_small(void)
{
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);

    error = error ? error : pthread_attr_setstacksize(&attr, THREAD_STACK);
    error = error ? error : pthread_setattr_default_np(&attr);
    mallopt(M_ARENA_MAX, 2);
    return error;
}

/* There is no limit of processes: it would count every process of httpd's
 * user. sandbox_calls.c lets none be made. Nor does the alarm keep anybody in
 * who took this process over: it can't be taken off, but a signal can be
 * ignored. It ends what hangs; the keeper kills whoever lives longer. */
const char *cfo_sandbox_limits(const cfo_sandbox_limits_t *limits)
{
    int failed = limit(RLIMIT_FSIZE, 0) | limit(RLIMIT_CORE, 0) |
                 limit(RLIMIT_MEMLOCK, 0) | limit(RLIMIT_MSGQUEUE, 0) |
                 limit(RLIMIT_NOFILE, limits->descriptors) |
                 limit(RLIMIT_CPU, limits->cpu_seconds);

#ifndef SANITIZED /* sets aside terabytes */
    failed |= make_threads_small() | limit(RLIMIT_AS, limits->memory);
#else
    (void)make_threads_small;
#endif
    signal(SIGXFSZ, SIG_IGN); /* to be refused is enough */
    alarm(limits->seconds);
    return failed ? "some of the limits were refused" : NULL;
}

/* ---- files ---- */

/* As linux/landlock.h has them; it is younger than some machines that this
 * is built on. */
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define NET_BIND_TCP 1ULL
#define SCOPE_ABSTRACT_UNIX 1ULL
#define SCOPE_SIGNAL 2ULL
#define RULE_PATH_BENEATH 1
#define ASK_VERSION 1U

typedef struct ruleset_t {
    uint64_t fs, net, scoped;
} ruleset_t;

typedef struct __attribute__((packed)) beneath_t {
    uint64_t allowed;
    int32_t fd;
} beneath_t;

/* What getaddrinfo, OpenSSL and libcurl read on the way to the API: whom to
 * ask for names, whom to trust, the libraries that do either. */
static const char *const readable[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/usr/share/crypto-policies",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/dev/urandom",
    "/dev/random",
    "/dev/null",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
#ifdef SANITIZED
    "/proc", /* its own maps, for a report */
#endif
};

static uint64_t all_below(int bits)
{
    return (1ULL << bits) - 1;
}

/* The rights that this version of Landlock can withhold. */
static ruleset_t all_rights(long version)
{
    ruleset_t rules = {all_below(13), 0, 0};

    if (version >= 2) {
        rules.fs = all_below(14); /* to move between folders */
    }
    if (version >= 3) {
        rules.fs = all_below(15); /* to truncate */
    }
    if (version >= 4) {
        rules.net = NET_BIND_TCP;
    }
    if (version >= 5) {
        rules.fs = all_below(16); /* ioctl on devices */
    }
    if (version >= 6) {
        rules.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    }
    return rules;
}

static size_t size_of_rules(long version)
{
    return version >= 6   ? sizeof(ruleset_t)
           : version >= 4 ? 2 * sizeof(uint64_t)
                          : sizeof(uint64_t);
}

/* What isn't there needs no rule. The rule is the file's that the path leads
 * to now, through whatever links. */
static void let_read(int ruleset, const char *path)
{
    beneath_t rule = {FS_READ_FILE, -1};
    struct stat st;

    if (!path) {
        return;
    }
    rule.fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.fd < 0) {
        return;
    }
    if (fstat(rule.fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        rule.allowed |= FS_READ_DIR;
    }
    syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    close(rule.fd);
}

static void let_read_all(int ruleset, const char *ca_file)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);

    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        let_read(ruleset, readable[i]);
    }
    if (curl->age >= CURLVERSION_SEVENTH) {
        let_read(ruleset, curl->cainfo); /* the system's trust, to libcurl */
        let_read(ruleset, curl->capath);
    }
    let_read(ruleset, ca_file);
}

const char *cfo_sandbox_files(const char *ca_file)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    ruleset_t rules;
    int ruleset, error;

    if (version < 1) {
        return "this kernel has no Landlock, or does not let it be used";
    }
    rules = all_rights(version);
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules,
                           size_of_rules(version), 0);
    if (ruleset < 0) {
        return "Landlock takes no rules";
    }
    let_read_all(ruleset, ca_file);
    error = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
    return error ? "Landlock can't be put in force" : NULL;
}
