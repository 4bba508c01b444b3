#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "mendd/seccomp.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && defined(__LP64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && defined(__LP64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#if !defined(ARCH) || defined(SANITIZED)

int
seccomp_confine(void)
{
	return -EOPNOTSUPP;
}

#else

#define X32_BIT 0x40000000u	/* x86's other numbering of the same calls */
#define PROGRAM_MAX 1024	/* instructions; the kernel takes 4,096 */

/* Newer than our headers may be. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const uint32_t allowed[] = {
	/* files and directories: replica/dir */
	SYS_openat, SYS_close, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64,
	SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_ftruncate, SYS_truncate, SYS_fallocate,
	SYS_fadvise64, SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_getdents64, SYS_fstat, SYS_newfstatat, SYS_statx,
	SYS_fstatfs, SYS_statfs, SYS_faccessat, SYS_faccessat2, SYS_mkdirat, SYS_mknodat, SYS_symlinkat, SYS_linkat,
	SYS_unlinkat, SYS_renameat2, SYS_readlinkat, SYS_fchmod, SYS_fchmodat, SYS_fchmodat2, SYS_fchown, SYS_fchownat,
	SYS_utimensat, SYS_flock, SYS_umask, SYS_chdir, SYS_memfd_create, SYS_dup, SYS_dup3, SYS_fcntl,
	SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr,
	SYS_listxattr, SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
	SYS_setxattrat, SYS_getxattrat, SYS_listxattrat, SYS_removexattrat,
	/* connections, which have been opened before or are accepted */
	SYS_accept, SYS_accept4, SYS_connect, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_shutdown,
	SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername,
	SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2, SYS_signalfd4, SYS_pipe2,
	/* memory, threads, time */
	SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_set_robust_list, SYS_get_robust_list,
	SYS_rseq, SYS_membarrier, SYS_sched_yield, SYS_sched_getaffinity, SYS_set_tid_address, SYS_gettid, SYS_getpid, SYS_getppid,
	SYS_setsid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_exit, SYS_exit_group,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_tgkill, SYS_restart_syscall,
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_getrandom, SYS_uname, SYS_sysinfo,
#ifdef __x86_64__
	/* older forms, which libc uses where there are any */
	SYS_open, SYS_stat, SYS_lstat, SYS_poll, SYS_epoll_wait, SYS_dup2, SYS_pipe, SYS_rename, SYS_renameat, SYS_unlink,
	SYS_access, SYS_readlink, SYS_time, SYS_getdents, SYS_mkdir, SYS_rmdir, SYS_chmod, SYS_chown, SYS_lchown,
	SYS_symlink, SYS_link, SYS_mknod, SYS_creat,
#endif
};

/* Nothing of ours, on no day. */
static const uint32_t deadly[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_open_by_handle_at,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_setns, SYS_unshare, SYS_bpf, SYS_perf_event_open,
	SYS_init_module, SYS_finit_module, SYS_kexec_load, SYS_keyctl, SYS_userfaultfd, SYS_io_uring_setup,
	SYS_setuid, SYS_setgid, SYS_setresuid, SYS_setresgid, SYS_capset,
};

/* Allowed if the argument's bits of ${mask} are ${value}; of several of one call, any does. */
static const struct { uint32_t call; unsigned argument; uint32_t mask, value; } conditional[] = {
	{ SYS_mmap, 2, PROT_EXEC, 0 },
	{ SYS_mprotect, 2, PROT_EXEC, 0 },
	{ SYS_clone, 0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM },
	{ SYS_socket, 0, UINT32_MAX, AF_UNIX },
	{ SYS_prctl, 0, UINT32_MAX, PR_SET_NAME },
	{ SYS_prctl, 0, UINT32_MAX, PR_GET_NAME },
	{ SYS_prctl, 0, UINT32_MAX, PR_SET_VMA },
};

struct program { struct sock_filter code[PROGRAM_MAX]; unsigned len; };

static void
add(struct program *program, struct sock_filter instruction)
{
	if (program->len < PROGRAM_MAX)
		program->code[program->len] = instruction;
	program->len++;
}

static void
load(struct program *program, size_t offset)
{
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void
answer(struct program *program, uint32_t action)
{
	add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* If the accumulator is ${value}, the answer is ${action}. */
static void
on_equal(struct program *program, uint32_t value, uint32_t action)
{
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
	answer(program, action);
}

/* Where the lower half of an argument lies. */
static size_t
argument_offset(unsigned argument)
{
	size_t offset = offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);

	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? offset + sizeof(uint32_t) : offset;
}

static void
build(struct program *program)
{
	size_t i;

	program->len = 0;
	load(program, offsetof(struct seccomp_data, arch));
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
	answer(program, SECCOMP_RET_KILL_PROCESS);
	load(program, offsetof(struct seccomp_data, nr));
	if (ARCH == AUDIT_ARCH_X86_64) {
		add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
		answer(program, SECCOMP_RET_KILL_PROCESS);
	}
	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		on_equal(program, allowed[i], SECCOMP_RET_ALLOW);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		on_equal(program, deadly[i], SECCOMP_RET_KILL_PROCESS);
	/* Asking for a limit (the fourth argument is where it goes) sets none (the third). */
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 6));
	load(program, argument_offset(2));
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3));
	load(program, argument_offset(2) + sizeof(uint32_t));
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1));
	answer(program, SECCOMP_RET_ALLOW);
	answer(program, SECCOMP_RET_ERRNO | EPERM);
	for (i = 0; i < sizeof(conditional) / sizeof(conditional[0]); i++) {
		add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, conditional[i].call, 0, 5));
		load(program, argument_offset(conditional[i].argument));
		add(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, conditional[i].mask));
		add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, conditional[i].value, 0, 1));
		answer(program, SECCOMP_RET_ALLOW);
		load(program, offsetof(struct seccomp_data, nr));
	}
	/* clone3's flags lie where no filter can look: libc then takes clone. */
	answer(program, SECCOMP_RET_ERRNO | ENOSYS);
}

int
seccomp_confine(void)
{
	struct program program;
	struct sock_fprog filter;

	build(&program);
	if (program.len > PROGRAM_MAX)
		return -E2BIG;
	filter.len = (unsigned short)program.len;
	filter.filter = program.code;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0 ? -errno : 0;
}

#endif
