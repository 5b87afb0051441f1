/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The system calls that are left to the issuer (seccomp): a list of what
 * libcurl, OpenSSL and glibc's resolver need; all others fail. They fail with
 * EPERM instead of ending the program, so that a resolver's plug-in that
 * wants more than its due does without. Touches its own process.
 */
#include "cforigin_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__LP64__) && !defined(__AARCH64EB__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#ifndef ARCH

const char *cfo_sandbox_calls(void)
{
    return "there is no list of system calls for this architecture";
}

#else

#define SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Harmless whatever their arguments. */
static const int plain[] = {
    /* descriptors that it has */
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_write,
    SYS_writev,
    SYS_close,
    SYS_close_range,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    /* the network, as a client */
    SYS_connect,
    SYS_bind,
    SYS_socketpair,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    /* memory and threads */
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_exit,
    SYS_exit_group,
    /* time, chance, signals to itself, who and where it is */
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_uname,
    SYS_sysinfo,
    SYS_getcwd,
#ifdef __x86_64__ /* the same in their older forms */
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_time,
#endif
#ifdef __riscv
    SYS_riscv_flush_icache,
#endif
};

static const uint32_t domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
/* The last for a resolver whose address is link-local: its interface. */
static const uint32_t requests[] = {FIONBIO, FIONREAD, SIOCGIFINDEX};
static const uint32_t commands[] = {F_GETFD, F_SETFD, F_GETFL,
                                    F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC};

/* From here on calls have one number on all machines, and glibc has older
 * ones to fall back to when it hears that a call isn't there: to clone,
 * whose flags can be judged, from clone3, whose can't. */
#define YOUNG 424

/* ---- writing the program ---- */

#define DENY (SECCOMP_RET_ERRNO | EPERM)
#define ABSENT (SECCOMP_RET_ERRNO | ENOSYS)

typedef struct program_t {
    struct sock_filter code[400];
    unsigned short n;
} program_t;

static void put(program_t *to, unsigned code, uint32_t k, size_t yes,
                size_t no)
{
    if (to->n < SIZE(to->code)) {
        to->code[to->n++] =
            (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, k};
    }
}

static void load(program_t *to, size_t offset)
{
    put(to, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The lower half of an argument: all that the kernel reads of an int. */
static void load_arg(program_t *to, int arg)
{
    load(to,
         offsetof(struct seccomp_data, args) + (size_t)arg * sizeof(uint64_t));
}

static void end(program_t *to, uint32_t verdict)
{
    put(to, BPF_RET | BPF_K, verdict, 0, 0);
}

/* When it is not this call, pass over the next so many instructions. */
static void unless(program_t *to, int call, size_t pass)
{
    put(to, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, pass);
}

/* Allowed when none of these bits is in the argument. */
static void without(program_t *to, int call, int arg, uint32_t bits)
{
    unless(to, call, 4);
    load_arg(to, arg);
    put(to, BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    end(to, SECCOMP_RET_ALLOW);
    end(to, DENY);
}

/* Allowed when the argument, as far as the mask shows it, is (or, `is` being
 * 0, is not) this value. */
static void masked(program_t *to, int call, int arg, uint32_t mask,
                   uint32_t value, int is)
{
    unless(to, call, 5);
    load_arg(to, arg);
    put(to, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
    put(to, BPF_JMP | BPF_JEQ | BPF_K, value, is ? 0 : 1, is ? 1 : 0);
    end(to, SECCOMP_RET_ALLOW);
    end(to, DENY);
}

/* Allowed when the argument is one of these. */
static void one_of(program_t *to, int call, int arg, const uint32_t *values,
                   size_t n)
{
    unless(to, call, 1 + 2 * n + 1);
    load_arg(to, arg);
    for (size_t i = 0; i < n; i++) {
        put(to, BPF_JMP | BPF_JEQ | BPF_K, values[i], 0, 1);
        end(to, SECCOMP_RET_ALLOW);
    }
    end(to, DENY);
}

static void write_program(program_t *to)
{
    const uint32_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    const uint32_t both = PROT_WRITE | PROT_EXEC;
    const uint32_t self = (uint32_t)getpid();

    load(to, offsetof(struct seccomp_data, arch));
    put(to, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    end(to, SECCOMP_RET_KILL_PROCESS);
    load(to, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < SIZE(plain); i++) {
        unless(to, plain[i], 1);
        end(to, SECCOMP_RET_ALLOW);
    }
    without(to, SYS_openat, 2, writing);
#ifdef SYS_open
    without(to, SYS_open, 1, writing);
#endif
    /* Code comes out of a file and is never written: a plug-in of the
     * resolver can be loaded, data can't be turned into code. */
    masked(to, SYS_mmap, 2, both, both, 0);
    without(to, SYS_mprotect, 2, PROT_EXEC);
    masked(to, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD, 1);
    one_of(to, SYS_socket, 0, domains, SIZE(domains));
    one_of(to, SYS_fcntl, 1, commands, SIZE(commands));
    one_of(to, SYS_ioctl, 1, requests, SIZE(requests));
    one_of(to, SYS_tgkill, 0, &self, 1);
    masked(to, SYS_prlimit64, 0, ~0U, 0, 1); /* its own */
    put(to, BPF_JMP | BPF_JGE | BPF_K, YOUNG, 0, 1);
    end(to, ABSENT);
    end(to, DENY);
}

const char *cfo_sandbox_calls(void)
{
    static program_t program;
    struct sock_fprog filter = {0, program.code};

    write_program(&program);
    filter.len = program.n;
    if (program.n >= SIZE(program.code)) {
        return "the list of system calls is too long";
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        return "this kernel has no seccomp filter, or does not take one";
    }
    return NULL;
}

#endif
