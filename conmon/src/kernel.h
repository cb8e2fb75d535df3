/* SPDX-License-Identifier: Apache-2.0
 * The kernel's interface where the C library's headers lag behind it: musl-gcc sees no <linux/...>, glibc's clash with it. */
#ifndef CRISP_KERNEL_H
#define CRISP_KERNEL_H
#include <stdint.h>
#include <sys/syscall.h>

/* System calls since 5.1 have the same number on every architecture. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct k_clone_args { /* clone3(2) */
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
struct k_open_how { uint64_t flags, mode, resolve; };                          /* openat2(2) */
struct k_mount_attr { uint64_t attr_set, attr_clr, propagation, userns_fd; };  /* mount_setattr(2) */
struct k_sock_fprog { unsigned short len; const void *filter; };               /* seccomp(2) */
struct k_cap_header { uint32_t version; int pid; };                            /* capset(2) */
struct k_cap_data { uint32_t effective, permitted, inheritable; };

enum {
	K_CLONE_NEWTIME = 0x80, K_CLONE_NEWNS = 0x20000, K_CLONE_NEWCGROUP = 0x2000000, K_CLONE_NEWUTS = 0x4000000, K_CLONE_NEWIPC = 0x8000000,
	K_CLONE_NEWUSER = 0x10000000, K_CLONE_NEWPID = 0x20000000, K_CLONE_NEWNET = 0x40000000,
	K_CLONE_PIDFD = 0x1000, K_CLONE_PARENT = 0x8000,
	K_CLOSE_RANGE_CLOEXEC = 4, /* since 5.11 */
	K_PIDFD_NONBLOCK = 04000,
	K_RESOLVE_NO_XDEV = 1, K_RESOLVE_NO_MAGICLINKS = 2, K_RESOLVE_NO_SYMLINKS = 4, K_RESOLVE_BENEATH = 8, K_RESOLVE_IN_ROOT = 16,
	K_MOVE_MOUNT_F_EMPTY_PATH = 4, K_MOVE_MOUNT_T_EMPTY_PATH = 0x40,
	K_SECCOMP_SET_MODE_FILTER = 1, K_KEYCTL_JOIN_SESSION_KEYRING = 1, K_IOPRIO_WHO_PROCESS = 1, K_CAP_VERSION_3 = 0x20080522,
	K_F_GET_SEALS = 1034, K_F_SEAL_SHRINK = 2, K_F_SEAL_WRITE = 8,
};
#define K_CLONE_CLEAR_SIGHAND 0x100000000ull
#define K_CLONE_INTO_CGROUP 0x200000000ull
#define K_TIOCGPTPEER 0x5441
#endif
