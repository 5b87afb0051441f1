/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A store in a temporary directory for the tests, written with plain calls of
 * the system, so that the reader is not tested by the writer alone.
 */
#ifndef MAKE_STORE_H
#define MAKE_STORE_H

#include "make_cert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cforigin_store.h"

#define MS_NOW ((time_t)1795000000)
#define MS_FOLDER "a.example.com"

static inline void ms_run(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/** A shell command that has to succeed. */
static inline void ms_run(const char *format, ...)
{
    char command[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (system(command) != 0) {
        fail_msg("failed: %s", command);
    }
}

static inline void ms_put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t len = strlen(text);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static inline const char *ms_get(apr_pool_t *p, const char *path)
{
    cfo_pem_t text;

    return cfo_store_read_file(p, path, &text) == APR_SUCCESS ? text.data
                                                              : NULL;
}

static inline int ms_mode(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

/** Names in a directory, sorted by the shell's rules, hidden ones too. */
static inline const char *ms_names(apr_pool_t *p, const char *dir)
{
    struct dirent **list;
    const char *names = "";
    int i, n = scandir(dir, &list, NULL, alphasort);

    for (i = 0; i < n; i++) {
        if (strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, "..")) {
            names = apr_pstrcat(p, names, *names ? " " : "", list[i]->d_name,
                                NULL);
        }
        free(list[i]);
    }
    if (n >= 0) {
        free(list);
    }
    return names;
}

typedef struct ms_pair_t {
    EVP_PKEY *pkey;
    cfo_pem_t cert, key;
} ms_pair_t;

static inline void ms_pair(apr_pool_t *p, ms_pair_t *pair, int rsa,
                           const char *serial)
{
    static const char *san = "DNS:a.example.com";
    const mc_spec_t spec = {.san = san, .days = 90, .serial = serial};
    mc_ca_t ca;

    mc_ca_open(&ca, "Root", 0);
    pair->pkey = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    pair->key = mc_key_text(p, pair->pkey);
    pair->cert = mc_leaf(p, &spec, pair->pkey, &ca, MS_NOW);
    mc_ca_close(&ca);
}

/** An empty directory below /tmp that everybody may enter. */
static inline const char *ms_open(apr_pool_t *p)
{
    char *dir = apr_pstrdup(p, "/tmp/cforigin-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    return dir;
}

/** certs/<folder>/origin-ecc/<generation>/{cert,key}.pem and meta.json */
static inline void ms_generation(apr_pool_t *p, const char *dir,
                                 int generation, const ms_pair_t *pair,
                                 const char *meta)
{
    const char *path = apr_psprintf(p, "%s/%d", dir, generation);

    ms_run("mkdir -p %s", path);
    ms_put(apr_pstrcat(p, path, "/cert.pem", NULL), pair->cert.data, 0644);
    ms_put(apr_pstrcat(p, path, "/key.pem", NULL), pair->key.data, 0600);
    ms_put(apr_pstrcat(p, path, "/meta.json", NULL), meta, 0644);
}

/** Runs the function in a child; 0 when it returned with its asserts kept. */
static inline int ms_child(void (*work)(void *), void *baton)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        work(baton);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
