/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Preloaded into a program under test: counts its calls that can fail, and
 * lets the k-th one fail, or ends the process there.
 *
 *   FAULTS_BOARD   file that is mapped and shared: the count, and what each
 *                  call was; the test reads it afterwards
 *   FAULTS_ARM     "files" or "memory": what is counted
 *   FAULTS_AT      k, from 1; 0: count alone
 *   FAULTS_DO      an errno's name, "short", "kill", "after" (the call is
 *                  done, then the process is killed)
 *   FAULTS_STAYS   set: every later call that would change the disk (or take
 *                  memory) fails, too
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 4096
#define SLOT 160

typedef struct board_t {
    uint64_t count;
    uint64_t fired;
    char calls[SLOTS][SLOT]; /* "open /path" */
} board_t;

enum { NOTHING, FILES, MEMORY };

static board_t *board;
static int armed;
static uint64_t at;
static int error, stays, shorter, kills, after;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static const struct {
    const char *word;
    int error;
} errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EACCES", EACCES},
              {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"EROFS", EROFS},
              {"ENOMEM", ENOMEM}};

static const char *said(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = said("FAULTS_DO");
    int fd = open(said("FAULTS_BOARD"), O_RDWR | O_CLOEXEC);
    void *map = MAP_FAILED;

    if (fd >= 0) {
        map = mmap(NULL, sizeof(board_t), PROT_READ | PROT_WRITE, MAP_SHARED,
                   fd, 0);
        close(fd);
    }
    if (map == MAP_FAILED) {
        return;
    }
    board = map;
    at = strtoul(said("FAULTS_AT"), NULL, 10);
    stays = *said("FAULTS_STAYS") != '\0';
    shorter = !strcmp(what, "short");
    kills = !strcmp(what, "kill");
    after = !strcmp(what, "after");
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (!strcmp(what, errors[i].word)) {
            error = errors[i].error;
        }
    }
    armed = !strcmp(said("FAULTS_ARM"), "memory") ? MEMORY : FILES;
}

/* 1 when it is this call's turn. */
static int turn(int what, const char *call, const char *path, int changes)
{
    uint64_t n;

    if (armed != what || !board) {
        return 0;
    }
    n = __atomic_add_fetch(&board->count, 1, __ATOMIC_RELAXED);
    if (call && n <= SLOTS) {
        char *slot = board->calls[n - 1];

        strncpy(slot, call, SLOT - 1);
        strncat(slot, " ", SLOT - 1 - strlen(slot));
        strncat(slot, path ? path : "", SLOT - 1 - strlen(slot));
    }
    if (!at || n < at || (n > at && (!stays || !changes))) {
        return 0;
    }
    __atomic_add_fetch(&board->fired, 1, __ATOMIC_RELAXED);
    if (kills) {
        kill(getpid(), SIGKILL);
    }
    return 1;
}

static void done(int hit)
{
    if (hit && after) {
        kill(getpid(), SIGKILL);
    }
}

static int fails(int hit)
{
    if (hit && error) {
        errno = error;
        return 1;
    }
    return 0;
}

#define REAL(result, name, ...)                                               \
    static result (*real)(__VA_ARGS__);                                       \
    if (!real) {                                                              \
        *(void **)&real = dlsym(RTLD_NEXT, name);                             \
    }

/* A call whose result is a number, -1 when it fails. */
#define WRAP(result, name, path, changes, declared, passed)                   \
    result name declared;                                                     \
    result name declared                                                      \
    {                                                                         \
        static result(*real) declared;                                        \
        int hit = turn(FILES, #name, path, changes);                          \
        result got;                                                           \
        if (!real) {                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                        \
        }                                                                     \
        if (fails(hit)) {                                                     \
            return -1;                                                        \
        }                                                                     \
        got = real passed;                                                    \
        done(hit);                                                            \
        return got;                                                           \
    }

WRAP(int, fsync, "", 1, (int fd), (fd))
WRAP(int, fdatasync, "", 1, (int fd), (fd))
WRAP(int, rename, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, renameat, to, 1, (int a, const char *from, int b, const char *to),
     (a, from, b, to))
WRAP(int, symlink, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, link, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, mkdir, path, 1, (const char *path, mode_t mode), (path, mode))
WRAP(int, unlink, path, 1, (const char *path), (path))
WRAP(int, unlinkat, path, 1, (int dir, const char *path, int flags),
     (dir, path, flags))
WRAP(int, chmod, path, 1, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, "", 1, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, "", 1, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, ftruncate, "", 1, (int fd, off_t length), (fd, length))

/* open and its kin: mode only when a file may be made. */
#define OPENS(name, path, changes, declared, passed, last)                    \
    int name declared;                                                        \
    int name declared                                                         \
    {                                                                         \
        static int(*real) declared;                                           \
        int hit = turn(FILES, changes ? "open" : "read", path, changes), got; \
        mode_t mode = 0;                                                      \
        if (flags & (O_CREAT | __O_TMPFILE)) {                                \
            va_list args;                                                     \
            va_start(args, last);                                             \
            mode = va_arg(args, mode_t);                                      \
            va_end(args);                                                     \
        }                                                                     \
        if (!real) {                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                        \
        }                                                                     \
        if (fails(hit)) {                                                     \
            return -1;                                                        \
        }                                                                     \
        got = real passed;                                                    \
        done(hit);                                                            \
        return got;                                                           \
    }

OPENS(open, path, (flags & O_ACCMODE) != O_RDONLY,
      (const char *path, int flags, ...), (path, flags, mode), flags)
OPENS(open64, path, (flags & O_ACCMODE) != O_RDONLY,
      (const char *path, int flags, ...), (path, flags, mode), flags)
OPENS(openat, path, (flags & O_ACCMODE) != O_RDONLY,
      (int dir, const char *path, int flags, ...), (dir, path, flags, mode),
      flags)
OPENS(openat64, path, (flags & O_ACCMODE) != O_RDONLY,
      (int dir, const char *path, int flags, ...), (dir, path, flags, mode),
      flags)

DIR *opendir(const char *path)
{
    REAL(DIR *, "opendir", const char *)
    int hit = turn(FILES, "read", path, 0);
    DIR *got;

    if (fails(hit)) {
        return NULL;
    }
    got = real(path);
    done(hit);
    return got;
}

/* A full disk takes half of what it is given, and no more after that. */
ssize_t write(int fd, const void *bytes, size_t n)
{
    REAL(ssize_t, "write", int, const void *, size_t)
    struct stat st;
    int is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int hit = turn(FILES, is_file ? "write file" : "write pipe", "", is_file);
    ssize_t got;

    if (fails(hit)) {
        return -1;
    }
    got = real(fd, bytes, hit && shorter && n > 1 ? n / 2 : n);
    done(hit);
    return got;
}

/* --- memory --- */

static int no_memory(void)
{
    if (turn(MEMORY, NULL, NULL, 1)) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *malloc(size_t size)
{
    return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return no_memory() ? NULL : __libc_realloc(old, size);
}
