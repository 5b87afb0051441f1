/* SPDX-License-Identifier: Apache-2.0 */
/* What the issuer can't do any more once it is locked in. Each probe is run
 * in a child of its own three times: with nothing in force, where it has to
 * succeed (or the test would prove nothing), with the one layer that is to
 * stop it, and with all of them. */
#include "cforigin_sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { LIMITS = 1, FILES = 2, CALLS = 4, ALL = 7 };

static char folder[] = "/tmp/cforigin-sandbox-XXXXXX";
static char file[64], other[64];
static int open_file;         /* for writing, from before */
static int listener;          /* a TCP listener of ours */
static struct sockaddr_in at; /* and where it is */
static int local_listener;    /* as a resolver's: systemd-resolved, nscd */
static struct sockaddr_un local_at;
static int has_landlock; /* this kernel: or FILES has to say it hasn't */
static pid_t victim;     /* a process of the same user */

static const cfo_sandbox_limits_t tight = {(size_t)300 << 20, 60, 60, 64};

/* ---- probes: 1 when it could be done ---- */

static int run_a_program(void)
{
    char *const argv[] = {(char[]){"false"}, NULL};

    execv("/bin/false", argv); /* which says 1 */
    return 0;
}

static int make_a_process(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}

static int trace_another(void)
{
    return ptrace(PTRACE_ATTACH, victim, NULL, NULL) == 0;
}

static int signal_another(void)
{
    return kill(victim, SIGCONT) == 0;
}

static int limit_another(void)
{
    struct rlimit core = {0, 0};

    return prlimit(victim, RLIMIT_CORE, &core, NULL) == 0;
}

static int become_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static int write_a_file(void)
{
    return open(file, O_WRONLY) >= 0;
}

static int empty_a_file(void)
{
    return open(file, O_RDONLY | O_TRUNC) >= 0;
}

static int make_a_file(void)
{
    return open(other, O_RDONLY | O_CREAT, 0600) >= 0 && unlink(other) == 0;
}

static int read_a_file(void)
{
    return open(file, O_RDONLY) >= 0;
}

static int read_passwd(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static int look_into_another(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)victim);
    return open(path, O_RDONLY) >= 0;
}

static int rename_a_file(void)
{
    return rename(file, other) == 0 && rename(other, file) == 0;
}

static int remove_a_file(void)
{
    return rename(file, other) == 0 && unlink(other) == 0 &&
           close(open(file, O_WRONLY | O_CREAT, 0600)) == 0;
}

static int change_a_mode(void)
{
    return chmod(file, 0644) == 0;
}

static int make_a_folder(void)
{
    return mkdir(other, 0700) == 0 && rmdir(other) == 0;
}

static int write_to_an_open_file(void)
{
    return write(open_file, "x", 1) == 1;
}

static int listen_on_a_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 &&
           listen(fd, 1) == 0;
}

static int make_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int turn_data_into_code(void)
{
    void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(data, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static void *data_to_run(void)
{
    void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(data, 0xc3, 4096);
    return data;
}

static int turn_data_into_code_in_two_steps(void)
{
    return mprotect(data_to_run(), 4096, PROT_READ | PROT_EXEC) == 0;
}

static int turn_data_into_code_by_a_key(void)
{
    return syscall(SYS_pkey_mprotect, data_to_run(), 4096,
                   PROT_READ | PROT_EXEC, -1) == 0;
}

static int make_a_file_in_memory(void)
{
    return memfd_create("x", 0) >= 0;
}

static int watch_files(void)
{
    return inotify_init1(0) >= 0;
}

static int take_much_memory(void)
{
    return mmap(NULL, tight.memory, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int open_many(void)
{
    int fd = 0;

    for (unsigned i = 0; i < 2 * tight.descriptors && fd >= 0; i++) {
        fd = dup(0);
    }
    return fd >= 0;
}

/* ---- what has to go on working: 1 when it does ---- */

static int speak_to_a_server(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
           send(fd, "hello", 5, MSG_NOSIGNAL) == 5;
}

static void *look_up(void *found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;

    *(int *)found = getaddrinfo("localhost", "443", &hints, &list) == 0;
    return NULL;
}

static int look_a_name_up_in_a_thread(void)
{
    pthread_t thread;
    int found = 0;

    return pthread_create(&thread, NULL, look_up, &found) == 0 &&
           pthread_join(thread, NULL) == 0 && found;
}

static int have_many_threads(void)
{
    int ok = 1;

    for (int i = 0; i < 16; i++) {
        ok = ok && look_a_name_up_in_a_thread();
    }
    return ok;
}

/* glibc has files and DNS built in; every other way to look a name up is a
 * library that is loaded when it is needed. This one comes with glibc. */
static int load_a_plug_in(void)
{
    return dlopen("libnss_compat.so.2", RTLD_NOW) != NULL;
}

static int speak_to_a_local_service(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *)&local_at, sizeof(local_at)) == 0;
}

static int read_the_resolvers_files(void)
{
    return open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC) >= 0 &&
           open("/etc/hosts", O_RDONLY | O_CLOEXEC) >= 0;
}

/* As the resolver does for `nameserver fe80::1%eth0`. */
static int find_an_interface(void)
{
    return if_nametoindex("lo") != 0;
}

static int have_memory(void)
{
    char *some = malloc((size_t)64 << 20);

    if (some) {
        memset(some, 1, (size_t)64 << 20);
    }
    free(some);
    return some != NULL;
}

static int end_by_abort(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* ---- running them ---- */

typedef struct probe_t {
    const char *name;
    int (*run)(void);
    int layer; /* that stops it; 0: none does */
} probe_t;

/* The child's wait status; its exit code is what the probe says, 99 when a
 * layer could not be put in force. */
static int status_of(const probe_t *probe, int layers,
                     const cfo_sandbox_limits_t *limits, const char *ca_file)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        const char *fault = NULL;

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (layers & LIMITS) {
            fault = cfo_sandbox_limits(limits);
        }
        if (!fault && layers & FILES) {
            fault = cfo_sandbox_files(ca_file);
            fault = has_landlock    ? fault
                    : fault == NULL ? "there is no Landlock, they say"
                                    : NULL;
        }
        if (!fault && layers & CALLS) {
            fault = cfo_sandbox_calls();
        }
        if (fault) {
            fprintf(stderr, "%s\n", fault);
            _exit(99);
        }
        _exit(probe->run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect(const probe_t *probe, int layers, int can)
{
    int status = status_of(probe, layers, &tight, NULL);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != can) {
        fail_msg("%s with layers %d: status 0x%x, not %d", probe->name, layers,
                 (unsigned)status, can);
    }
}

static const probe_t stopped[] = {
    {"run a program", run_a_program, CALLS},
    {"run a program, by files", run_a_program, FILES},
    {"make a process", make_a_process, CALLS},
    {"trace another", trace_another, CALLS},
    {"signal another", signal_another, CALLS},
    {"limit another", limit_another, CALLS},
    {"become dumpable", become_dumpable, CALLS},
    {"write a file", write_a_file, CALLS},
    {"write a file, by files", write_a_file, FILES},
    {"empty a file", empty_a_file, CALLS},
    {"make a file", make_a_file, CALLS},
    {"make a file, by files", make_a_file, FILES},
    {"read a file", read_a_file, FILES},
    {"read passwd", read_passwd, FILES},
    {"look into another", look_into_another, SANITIZED ? 0 : FILES},
    {"rename a file", rename_a_file, CALLS},
    {"remove a file", remove_a_file, CALLS},
    {"change a mode", change_a_mode, CALLS},
    {"make a folder", make_a_folder, CALLS},
    {"make a folder, by files", make_a_folder, FILES},
    {"write to an open file", write_to_an_open_file, LIMITS},
    {"listen on a port", listen_on_a_port, CALLS},
    {"make code", make_code, CALLS},
    {"turn data into code", turn_data_into_code, CALLS},
    {"turn data into code, in two steps", turn_data_into_code_in_two_steps,
     CALLS},
    {"turn data into code, by a key", turn_data_into_code_by_a_key, CALLS},
    {"make a file in memory", make_a_file_in_memory, CALLS},
    {"watch files", watch_files, CALLS},
    {"take much memory", take_much_memory, SANITIZED ? 0 : LIMITS},
    {"open many", open_many, LIMITS},
};

static void test_each_layer_stops_what_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stopped) / sizeof(stopped[0]); i++) {
        int layer = stopped[i].layer;

        layer = has_landlock ? layer : layer & ~FILES;
        expect(&stopped[i], 0, 1);
        expect(&stopped[i], stopped[i].layer, layer == 0);
        if (layer || stopped[i].layer != FILES) {
            expect(&stopped[i], ALL, layer == 0);
        }
    }
}

static const probe_t working[] = {
    {"speak to a server", speak_to_a_server, 0},
    {"look a name up in a thread", look_a_name_up_in_a_thread, 0},
    {"have many threads", have_many_threads, 0},
    {"load a plug-in", load_a_plug_in, 0},
    {"speak to a local service", speak_to_a_local_service, 0},
    {"read the resolver's files", read_the_resolvers_files, 0},
    {"find an interface", find_an_interface, 0},
    {"have memory", have_memory, 0},
};

static void test_what_has_to_work_goes_on_working(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(working) / sizeof(working[0]); i++) {
        expect(&working[i], ALL, 1);
    }
}

static void test_the_ca_file_can_be_read(void **state)
{
    static const probe_t probe = {"read the CA file", read_a_file, 0};
    int status = status_of(&probe, ALL, &tight, file);

    (void)state;
    assert_int_equal(WEXITSTATUS(status), 1);
    expect(&probe, ALL, !has_landlock);
}

static void test_an_abort_is_one(void **state)
{
    static const probe_t probe = {"abort", end_by_abort, 0};
    int status = status_of(&probe, ALL, &tight, NULL);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- time ---- */

static int burn(void)
{
    while (getpid() > 0) {
    }
    return 1;
}

/* As one would who wants to live on. */
static int take_the_alarm_off_and_wait(void)
{
    struct timespec long_enough = {10, 0};

    alarm(0);
    return nanosleep(&long_enough, NULL) == 0;
}

static void test_time_is_limited(void **state)
{
    static const cfo_sandbox_limits_t short_cpu = {(size_t)1 << 30, 1, 60, 64},
                                      short_time = {(size_t)1 << 30, 60, 1,
                                                    64};
    static const probe_t busy = {"burn", burn, 0},
                         idle = {"wait", take_the_alarm_off_and_wait, 0};
    int status = status_of(&busy, ALL, &short_cpu, NULL);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL);
    status = status_of(&idle, ALL, &short_time, NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

static void test_limits_grow_with_what_is_asked_at_a_time(void **state)
{
    (void)state;
    assert_true(cfo_sandbox_usual(1).descriptors >= 64);
    assert_true(cfo_sandbox_usual(256).descriptors >= 4 * 256);
    assert_true(cfo_sandbox_usual(16).descriptors < 1024);
}

/* ---- the surroundings ---- */

static int set_up(void **state)
{
    socklen_t len = sizeof(at);

    (void)state;
    has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(file, sizeof(file), "%s/file", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    open_file = open(file, O_WRONLY | O_CREAT, 0600);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (open_file < 0 ||
        bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0) {
        return -1;
    }
    local_at.sun_family = AF_UNIX;
    snprintf(local_at.sun_path, sizeof(local_at.sun_path), "%s/socket",
             folder);
    local_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(local_listener, (struct sockaddr *)&local_at, sizeof(local_at)) !=
            0 ||
        listen(local_listener, 64) != 0) {
        return -1;
    }
    victim = fork();
    if (victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    return victim > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    close(listener);
    close(local_listener);
    close(open_file);
    unlink(local_at.sun_path);
    unlink(file);
    unlink(other);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_layer_stops_what_it_should),
        cmocka_unit_test(test_what_has_to_work_goes_on_working),
        cmocka_unit_test(test_the_ca_file_can_be_read),
        cmocka_unit_test(test_an_abort_is_one),
        cmocka_unit_test(test_time_is_limited),
        cmocka_unit_test(test_limits_grow_with_what_is_asked_at_a_time),
    };

    return cmocka_run_group_tests_name("sandbox", tests, set_up, tear_down);
}
