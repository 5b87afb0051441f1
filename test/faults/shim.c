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
 *   FAULTS_DEPTH   memory: how many of the program's own functions, from the
 *                  nearest on, tell one place that asks from another; the
 *                  board has the place of each call
 *   FAULTS_PLACE   memory: only calls from this place count, so that the k-th
 *                  is the same one whatever pipes and sockets do in between
 *   FAULTS_BELOW   files: nothing counts but what is below this folder, where
 *                  reading counts as a change, and OpenSSL (fopen) is left
 *                  alone: it reads for mod_ssl what was read for it before
 *   FAULTS_PROGRAM the one program that counts; its children have another name
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#define SLOTS 4096
#define SLOT 160
#define SITES 65536
#define DEPTH 8

typedef struct board_t {
    uint64_t count;
    uint64_t fired;
    uint32_t sites[SITES];   /* of each call for memory: its place */
    char calls[SLOTS][SLOT]; /* "open /path" */
} board_t;

enum { NOTHING, FILES, MEMORY };

static board_t *board;
static int armed;
static uint64_t at;
static int error, stays, shorter, kills, after, depth;
static uint32_t where; /* the place that counts; 0: each of them */
static const char *below;
static struct {
    uintptr_t first, last;
} text; /* the program's own code */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static const struct {
    const char *word;
    int error;
} errors[] = {{"ENOSPC", ENOSPC},          {"EIO", EIO},
              {"EACCES", EACCES},          {"EDQUOT", EDQUOT},
              {"EMFILE", EMFILE},          {"EROFS", EROFS},
              {"ENOMEM", ENOMEM},          {"ECONNREFUSED", ECONNREFUSED},
              {"ENETUNREACH", ENETUNREACH}};

static const char *said(const char *name)
{
    const char *value = getenv(name);

    return value ? value : "";
}

/* The first that is listed is the program. */
static int note_text(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
            text.first = info->dlpi_addr + part->p_vaddr;
            text.last = text.first + part->p_memsz;
        }
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = said("FAULTS_DO"), *program = said("FAULTS_PROGRAM");
    void *map = MAP_FAILED;
    int fd;

    if (*program && strcmp(program, program_invocation_short_name)) {
        return;
    }
    fd = open(said("FAULTS_BOARD"), O_RDWR | O_CLOEXEC);
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
    below = *said("FAULTS_BELOW") ? said("FAULTS_BELOW") : NULL;
    depth = atoi(said("FAULTS_DEPTH"));
    depth = depth > DEPTH ? DEPTH : depth;
    where = (uint32_t)strtoul(said("FAULTS_PLACE"), NULL, 10);
    dl_iterate_phdr(note_text, NULL);
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

/* --- which place asks --- */

typedef struct walk_t {
    uintptr_t own[DEPTH];
    int n;
} walk_t;

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *data)
{
    walk_t *walk = data;
    uintptr_t ip = _Unwind_GetIP(context);

    if (ip >= text.first && ip < text.last) {
        walk->own[walk->n++] = ip - text.first;
    }
    return walk->n < depth ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

/* A hash of the nearest return addresses in the program itself; never 0. */
static uint32_t place(void)
{
    uint32_t hash = 2166136261u;
    walk_t walk = {.n = 0};

    _Unwind_Backtrace(step, &walk);
    for (int i = 0; i < walk.n; i++) {
        hash = (hash ^ (uint32_t)walk.own[i]) * 16777619u;
        hash ^= hash >> 15;
    }
    return hash ? hash : 1;
}

/* --- whose turn --- */

static void note(uint64_t n, const char *call, const char *path)
{
    char *slot = board->calls[n - 1];

    strncpy(slot, call, SLOT - 1);
    strncat(slot, " ", SLOT - 1 - strlen(slot));
    strncat(slot, path ? path : "", SLOT - 1 - strlen(slot));
}

static int fire(void)
{
    __atomic_add_fetch(&board->fired, 1, __ATOMIC_RELAXED);
    if (kills) {
        kill(getpid(), SIGKILL);
    }
    return 1;
}

/* 1 when it is this call's turn. */
static int turn(const char *call, const char *path, int changes)
{
    uint64_t n;

    if (armed != FILES || !board ||
        (below && strncmp(path ? path : "", below, strlen(below)))) {
        return 0;
    }
    n = __atomic_add_fetch(&board->count, 1, __ATOMIC_RELAXED);
    if (n <= SLOTS) {
        note(n, call, path);
    }
    if (!at || n < at || (n > at && (!stays || !(changes || below)))) {
        return 0;
    }
    return fire();
}

/* The same of a call for memory. */
static int turn_of_memory(void)
{
    uint32_t here = 0;
    uint64_t n;

    if (armed != MEMORY || !board) {
        return 0;
    }
    if (__atomic_load_n(&board->fired, __ATOMIC_RELAXED)) {
        return stays && fire();
    }
    if (depth) {
        here = place();
    }
    if (where && here != where) {
        return 0;
    }
    n = __atomic_add_fetch(&board->count, 1, __ATOMIC_RELAXED);
    if (n <= SITES) {
        board->sites[n - 1] = here;
    }
    return n == at && fire();
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

/* Where a descriptor leads. */
static const char *of(int fd, char *buf, size_t size)
{
    char link[40];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = syscall(SYS_readlink, link, buf, size - 1);
    buf[len > 0 ? len : 0] = '\0';
    return buf;
}

/* A name in an opened folder, as a path. */
static const char *in(int dir, const char *path, char *buf, size_t size)
{
    size_t len;

    if (dir == AT_FDCWD || path[0] == '/') {
        return path;
    }
    of(dir, buf, size);
    len = strlen(buf);
    snprintf(buf + len, size - len, "%s%s", len > 1 ? "/" : "", path);
    return buf;
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
        char buf[SLOT];                                                       \
        static result(*real) declared;                                        \
        int hit = turn(#name, path, changes);                                 \
        result got;                                                           \
        (void)buf;                                                            \
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

WRAP(int, fsync, of(fd, buf, SLOT), 1, (int fd), (fd))
WRAP(int, fdatasync, of(fd, buf, SLOT), 1, (int fd), (fd))
WRAP(int, rename, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, renameat, in(b, to, buf, SLOT), 1,
     (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, symlink, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, link, to, 1, (const char *from, const char *to), (from, to))
WRAP(int, mkdir, path, 1, (const char *path, mode_t mode), (path, mode))
WRAP(int, unlink, path, 1, (const char *path), (path))
WRAP(int, unlinkat, in(dir, path, buf, SLOT), 1,
     (int dir, const char *path, int flags), (dir, path, flags))
WRAP(int, chmod, path, 1, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, of(fd, buf, SLOT), 1, (int fd, mode_t mode), (fd, mode))
WRAP(int, fchown, of(fd, buf, SLOT), 1, (int fd, uid_t uid, gid_t gid),
     (fd, uid, gid))
WRAP(int, ftruncate, of(fd, buf, SLOT), 1, (int fd, off_t length),
     (fd, length))

/* open and its kin: mode only when a file may be made. */
#define OPENS(name, path, changes, declared, passed, last)                    \
    int name declared;                                                        \
    int name declared                                                         \
    {                                                                         \
        char buf[SLOT];                                                       \
        static int(*real) declared;                                           \
        int hit = turn(changes ? "open" : "read", path, changes), got;        \
        mode_t mode = 0;                                                      \
        (void)buf;                                                            \
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
OPENS(openat, in(dir, path, buf, SLOT), (flags & O_ACCMODE) != O_RDONLY,
      (int dir, const char *path, int flags, ...), (dir, path, flags, mode),
      flags)
OPENS(openat64, in(dir, path, buf, SLOT), (flags & O_ACCMODE) != O_RDONLY,
      (int dir, const char *path, int flags, ...), (dir, path, flags, mode),
      flags)

/* What answers with a pointer. */
#define POINTS(type, name, counts, declared, passed)                          \
    type *name declared                                                       \
    {                                                                         \
        static type *(*real)declared;                                         \
        int hit = counts ? turn(#name, path, 0) : 0;                          \
        type *got;                                                            \
        if (!real) {                                                          \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                        \
        }                                                                     \
        if (fails(hit)) {                                                     \
            return NULL;                                                      \
        }                                                                     \
        got = real passed;                                                    \
        done(hit);                                                            \
        return got;                                                           \
    }

POINTS(DIR, opendir, 1, (const char *path), (path))
POINTS(FILE, fopen, !below, (const char *path, const char *mode), (path, mode))
POINTS(FILE, fopen64, !below, (const char *path, const char *mode),
       (path, mode))

WRAP(int, socket, "", 0, (int domain, int type, int protocol),
     (domain, type, protocol))
WRAP(int, connect, "", 0, (int fd, const struct sockaddr *whom, socklen_t len),
     (fd, whom, len))

static int is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    REAL(ssize_t, "read", int, void *, size_t)
    char buf[SLOT];
    int hit = is_file(fd) ? turn("read bytes of", of(fd, buf, SLOT), 0) : 0;
    ssize_t got;

    if (fails(hit)) {
        return -1;
    }
    got = real(fd, bytes, n);
    done(hit);
    return got;
}

WRAP(ssize_t, pread, of(fd, buf, SLOT), 0,
     (int fd, void *bytes, size_t n, off_t offset), (fd, bytes, n, offset))
WRAP(ssize_t, readlink, path, 0, (const char *path, char *bytes, size_t n),
     (path, bytes, n))

/* What _FORTIFY_SOURCE makes of these where it knows the room. */
ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t offset, size_t room);
ssize_t __readlink_chk(const char *path, char *bytes, size_t n, size_t room);

ssize_t __read_chk(int fd, void *bytes, size_t n, size_t room)
{
    if (n > room) {
        abort();
    }
    return read(fd, bytes, n);
}

ssize_t __pread_chk(int fd, void *bytes, size_t n, off_t offset, size_t room)
{
    if (n > room) {
        abort();
    }
    return pread(fd, bytes, n, offset);
}

ssize_t __readlink_chk(const char *path, char *bytes, size_t n, size_t room)
{
    if (n > room) {
        abort();
    }
    return readlink(path, bytes, n);
}

/* The begin of what is told through a pipe. */
static const char *told(const void *bytes, size_t n, char *buf, size_t size)
{
    n = n < size ? n : size - 1;
    memcpy(buf, bytes, n);
    buf[n] = '\0';
    return buf;
}

/* A full disk takes half of what it is given, and no more after that. */
ssize_t write(int fd, const void *bytes, size_t n)
{
    REAL(ssize_t, "write", int, const void *, size_t)
    char buf[SLOT];
    int changes = is_file(fd);
    int hit = changes ? turn("write file", of(fd, buf, SLOT), 1)
                      : turn("write pipe", told(bytes, n, buf, SLOT), 0);
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
    if (turn_of_memory()) {
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
