/* SPDX-License-Identifier: Apache-2.0
 *
 * The one definition of what crisp (Go) and crisp-conmon (C) say to each other: the plan, which a child of the
 * monitor carries out, and the socket protocol, by which the daemon drives the monitor. The Go side
 * (conmon/protocol_gen.go) is generated from this file by conmon/internal/gen; a test fails when it is stale.
 * All numbers are in the machine's byte order: both ends always run on one machine.
 *
 * ---------------------------------------------------------------------------------------------------------
 * The plan
 *
 *   offset 0             cr_plan          128 bytes
 *   128                  cr_step[nsteps]  64 bytes each
 *   128 + 64 * nsteps    data             NUL-terminated strings and blobs; steps name them by their offset
 *                                         from the start of the data area. Offset 0 is one NUL byte and
 *                                         means "no string" (the call gets NULL).
 *
 * It travels as a sealed memfd (the first fd of CREATE and EXEC). The fds behind it fill the registers 0, 1, 2 ... of
 * the child; steps may fill others by `out`. There are CR_NREGS registers; an empty one holds -1.
 *
 * The monitor clones the child with clone_flags (new namespaces) into cgroup_fd (cgroup v2), after joining, in a short-lived
 * intermediate process, the user and PID namespaces named by join_user and join_pid, and others (a PID namespace counts only for
 * children, and only a single-threaded process may join a user namespace). The child is always a direct child of the
 * monitor (CLONE_PARENT). With CLONE_NEWUSER the monitor writes uid_map and gid_map before the child runs its first step.
 *
 * The child runs the steps in order. A step that fails with an errno named in ok[] jumps `skip` steps ahead (0: just goes on);
 * any other failure ends the child, and the monitor reports (step index, errno, op). Success of the last step, EXEC, is seen
 * as the close-on-exec of the child's sync socket. All registers are close-on-exec.
 *
 * A BARRIER with a register is one that outlives its executor (once mode, below): the register is a listening SOCK_SEQPACKET socket.
 * Whoever is to start the child connects and sends one byte; the child then closes the register, and the connection is its sync socket:
 * struct cr_sync comes in messages, CR_SYNC_FINAL and then the end mean success. A connection that ends without a byte is forgotten.
 */
#ifndef CRISP_PROTOCOL_H
#define CRISP_PROTOCOL_H
#include <stdint.h>

#define CR_PLAN_MAGIC 0x4c505243u /* "CRPL" */
#define CR_PROTOCOL_VERSION 1u
#define CR_NREGS 512u              /* registers of a child */
#define CR_MAX_VECTOR 262144u      /* arguments, or variables of the environment, of EXEC */
#define CR_MAX_STEPS 8192u
#define CR_MAX_PLAN (16u << 20)    /* bytes: room for 2 MiB of environment, big seccomp programs, many mounts */
#define CR_MAX_FDS 250u            /* fds in one message: SCM_MAX_FD is 253 */

struct cr_plan {
	uint32_t magic, version;
	uint32_t size;        /* of the whole plan in bytes */
	uint32_t nsteps;
	uint32_t nfds;        /* fds that come along: registers 0 .. nfds-1 */
	int32_t cgroup_fd;    /* register of a cgroup v2 directory for CLONE_INTO_CGROUP; -1: none */
	int32_t join_user;    /* register of a namespace fd or pidfd whose user namespace the intermediate joins; -1: none */
	int32_t join_pid;     /* the same for the PID namespace; -1: none */
	uint64_t clone_flags; /* CLONE_NEW*; nothing else is allowed */
	uint32_t uid_map, gid_map; /* data offsets of the text for /proc/PID/{uid,gid}_map; 0: none */
	uint32_t flags;       /* CR_PLAN_* */
	int32_t oom_adj;      /* with CR_PLAN_OOM_ADJ: the child's oom_score_adj, written by the monitor before the first step (a process
	                       * of another user namespace cannot write its own); clamped where lowering it is not allowed */
	uint32_t join, njoins; /* the first register, and number, of namespace fds that the intermediate joins, before or after the user namespace: as
	                        * soon as it may. With CLONE_NEWUSER these are those that the new namespace has no rights to */
	uint32_t reserved[16];
};
#define CR_PLAN_BARRIER 1u /* has a BARRIER step: CREATE answers when the child stands there */
#define CR_PLAN_OOM_ADJ 2u /* oom_adj is set; without it the child gets the score that the monitor was started with */

struct cr_step {
	uint16_t op;       /* CR_OP_* */
	uint16_t skip;     /* steps to jump over after a tolerated failure */
	int16_t fd[2];     /* registers; -1: none (AT_FDCWD where the call takes a directory) */
	int16_t out;       /* register for the resulting fd; -1: none */
	uint16_t ok[3];    /* errnos that are not failures; 0: unused */
	uint32_t str[3];   /* data offsets; 0: NULL */
	uint32_t len;      /* bytes of the blob, or number of entries, where the step has one */
	uint64_t arg[4];
};

/* Every step. X(name, number, shape, what it does). f = fd[0], g = fd[1], s/t/u = str[0..2], a..d = arg[0..3], -> = out.
 * Numbers are never reused (16 and 33 were). The shape says which fields the step has, and is what both ends validate by: f g (registers),
 * s t u (strings), o (out); a capital letter is an optional field, a field that is not named must be empty. A digit after a string
 * makes it a blob of len elements of that size, a `v` a vector: t has a entries, u has len. */
#define CR_STEPS(X) \
	X(SETNS, 1, "f", "setns(f, a)") \
	X(UNSHARE, 2, "", "unshare(a)") \
	X(MOUNT, 3, "FSTU", "mount(s source, t target or without it /proc/self/fd of register f, u fstype, a flags, NULL): for the propagation of /, and, before " \
	              "mount_setattr, MS_REMOUNT | MS_BIND") \
	X(UMOUNT, 4, "s", "umount2(s, a)") \
	X(FSOPEN, 5, "so", "-> fsopen(s, FSOPEN_CLOEXEC)") \
	X(FSCONFIG, 6, "fGST", "fsconfig(f, a cmd, s key or NULL, t value or NULL, aux: register g if given, else b)") \
	X(FSMOUNT, 7, "fo", "-> fsmount(f, FSMOUNT_CLOEXEC, a attr)") \
	X(OPEN_TREE, 8, "FSo", "-> open_tree(f, s, a | OPEN_TREE_CLOEXEC)") \
	X(MOUNT_SETATTR, 9, "fG", "mount_setattr(f, \"\", AT_EMPTY_PATH | a, {set b, clr c, propagation d, userns_fd g})") \
	X(MOVE_MOUNT, 10, "fGS", "move_mount(f, \"\", g, s or \"\", F_EMPTY_PATH | T_EMPTY_PATH when s is NULL | a)") \
	X(OPENAT2, 11, "Fso", "-> openat2(f, s, {flags a | O_CLOEXEC, mode b, resolve c})") \
	X(MKDIRAT, 12, "Fs", "mkdirat(f, s, a mode)") \
	X(MKNODAT, 13, "Fs", "mknodat(f, s, a mode, b dev)") \
	X(SYMLINKAT, 14, "Fst", "symlinkat(t target, f, s path)") \
	X(FCHOWNAT, 15, "FS", "fchownat(f, s or \"\", a uid, b gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)") \
	X(FCHDIR, 17, "f", "fchdir(f)") \
	X(CHDIR, 18, "s", "chdir(s)") \
	X(CHROOT, 19, "s", "chroot(s)") \
	X(PIVOT_ROOT, 20, "st", "pivot_root(s, t)") \
	X(SETHOSTNAME, 21, "s1", "sethostname(s, len)") \
	X(SETDOMAINNAME, 22, "s1", "setdomainname(s, len)") \
	X(PRCTL, 23, "", "prctl(a, b, c, d, 0)") \
	X(SETSID, 24, "", "setsid()") \
	X(UMASK, 25, "", "umask(a)") \
	X(SETRESUID, 26, "", "setresuid(a, b, c)") \
	X(SETRESGID, 27, "", "setresgid(a, b, c)") \
	X(SETGROUPS, 28, "S4", "setgroups(len, s: uint32_t[len])") \
	X(SETRLIMIT, 29, "", "prlimit(0, a resource, {b soft, c hard})") \
	X(SECCOMP, 30, "s8O", "seccomp(SECCOMP_SET_MODE_FILTER, a flags, {len, s: struct sock_filter[len]}); -> listener fd with FLAG_NEW_LISTENER") \
	X(CAP_BOUND, 31, "", "drop from the bounding set every capability whose bit is not in a (up to the kernel's last)") \
	X(CAPSET, 32, "", "capset({effective a, permitted b, inheritable c}), v3, 64-bit masks") \
	X(KEYRING, 34, "S", "keyctl(JOIN_SESSION_KEYRING, s)") \
	X(PERSONALITY, 35, "", "personality(a)") \
	X(SCHED_SETATTR, 36, "s1", "sched_setattr(0, s: struct sched_attr of len bytes, 0)") \
	X(IOPRIO_SET, 37, "", "ioprio_set(IOPRIO_WHO_PROCESS, 0, a)") \
	X(SCHED_SETAFFINITY, 38, "s1", "sched_setaffinity(0, len, s)") \
	X(CLOSE, 39, "f", "close(f) and empty the register") \
	X(MKPOINT, 40, "fGsO", "-> O_PATH fd of the mount point s under the root directory f, made where missing, never through a symlink out of f " \
	               "(RESOLVE_IN_ROOT); a: 0 a directory, 1 a regular file, 2 what g is; b: mode of what is made") \
	X(WRITE, 41, "fSt1", "write(t, len bytes, in one call) to f itself when s is NULL, else to s below f (openat2 O_WRONLY|b, mode c, " \
	             "RESOLVE_BENEATH|NO_MAGICLINKS|NO_SYMLINKS|NO_XDEV unless a = 1: no O_NOFOLLOW checks but RESOLVE_IN_ROOT)") \
	X(VERIFY_FS, 42, "f", "fail with EXDEV unless fstatfs(f).f_type == a") \
	X(VERIFY_DEV, 43, "f", "fail with ENODEV unless f is a character device with rdev b (a = S_IFCHR)") \
	X(STDIO, 44, "", "make fds 0, 1, 2 of this child: from the monitor's pipes (CREATE) or the fds passed by EXEC; the container's /dev/null for those " \
	             "that are none or a /dev/null") \
	X(PTY, 45, "fO", "open ptmx below the devpts directory f, TIOCSPTLCK 0, size a rows b columns (0: leave), TIOCGPTPEER as fds 0, 1, 2, setsid, " \
	           "TIOCSCTTY, fchown to c:d, send the master to the monitor; -> the peer (for a bind on /dev/console)") \
	X(SEND_FD, 46, "fG", "send register f with kind a: to the socket in register g as a struct cr_sync, or without one to the monitor, who hands it to the " \
	               "daemon with the reply") \
	X(BARRIER, 47, "F", "tell the monitor \"created\", wait for START; then, with a register f, for a byte on a connection to that socket") \
	X(CWD, 48, "s", "chdir(s), made with mkdir -p when missing and a = 1; then fail with ENOENT unless getcwd() starts with '/'") \
	X(EXEC, 49, "FStvuv", "close all fds over 2 + b at exec (the b registers from c on become 3, 4, ...), then execve: s NULL: execveat(f, \"\", AT_EMPTY_PATH); " \
	            "s with '/': that file; else searched in PATH of the environment. t: argv, u: environ, NUL-separated, a and len entries") \
	X(FCHOWN_STDIO, 50, "", "fchown of fds 0, 1, 2 to a (uid), gid left; errors EINVAL, EPERM, EROFS ignored; only files, pipes and terminals") \
	X(WAIT_FD, 51, "f", "read f until EOF (order with the daemon)") \
	X(MKPATH, 52, "fsO", "mkdir -p of s below the root directory f (RESOLVE_IN_ROOT), mode a, owner b:c for what is made; -> O_PATH fd of it") \
	X(SET_MEMPOLICY, 53, "S8", "set_mempolicy(a mode | flags, s: uint64_t[len] nodes, 64 * len + 1)") \
	X(SOCKET, 54, "o", "-> socket(a, b, c)") \
	X(IOCTL, 55, "fs1", "ioctl(f, a, s: len bytes that the kernel only reads)") \
	X(REMOUNT, 56, "f", "before Linux 5.12: what MOUNT_SETATTR does with b and c, on the one mount f, which must be attached and seen: MS_REMOUNT | MS_BIND " \
	              "on /proc/self/fd, of which the plan has made sure") \
	X(KEYCTL, 57, "", "keyctl(a, b, c, d)") \
	X(SETXATTR, 58, "fsu1", "setxattr(/proc/self/fd of register f, s, u: len bytes, 0)") \
	X(VERIFY_TEXT, 60, "fst1", "fail with ESTALE unless the file s below f, opened as WRITE does (a), begins with t (len bytes) and ends there, or goes on " \
	                   "with a space, a newline or a NUL")

enum cr_op {
#define X(name, num, shape, text) CR_OP_##name = num,
	CR_STEPS(X)
#undef X
	CR_OP_MAX = 64
};

/* ---------------------------------------------------------------------------------------------------------
 * The socket
 *
 * A SOCK_SEQPACKET Unix socket, <run>/pods/<sandbox ID>/conmon.sock, mode 0600, bound and listened on by the daemon and passed
 * to the monitor as fd 3 (so a connect succeeds at once). Every message is one struct cr_msg, with fds by SCM_RIGHTS.
 * The monitor refuses peers whose SO_PEERCRED uid is not its own.
 *
 *   daemon                                        crisp-conmon
 *     | CREATE {id, flags} [plan, log|, exitdir|, oom|, regs...] |   clones the child, runs the plan up to BARRIER
 *     | <------------------------- OK {pid} [pidfd, sent fds...] |   or ERR {step, op, errno}
 *     | START {id} --------------------------------------------> |   the child goes on to EXEC
 *     | <------------------------------------- OK | ERR {step..} |   ERR: it has exited with 128
 *     | EXEC {id, flags} [plan, stdio fds, regs...] -----------> |   as CREATE without BARRIER; id is the exec's own
 *     | <--------------- OK {pid} [pidfd, pty master, sent fds] |
 *     | <------------------------------ EVENT_EXIT {id, status} |   to every connection that said HELLO with SUBSCRIBE
 *     | ATTACH {id, flags} [stdin r, stdout w, stderr w] ------> |   the monitor copies; several at a time
 *     | RESIZE, CLOSE_STDIN, REOPEN_LOG [fd], SIGNAL, FORGET --> |
 *     | LIST -> one STATE for every container, then OK           |
 *     | SHUTDOWN -> OK, then the monitor exits (it refuses with EBUSY while a container runs, unless flag FORCE: kills them)
 *
 * Requests carry a sequence number chosen by the daemon; the answer carries the same. Answers to different requests may come in any
 * order. A connection that is closed loses nothing but its subscriptions. A monitor whose last connection is gone goes on, unless it holds
 * nothing. ERR to CREATE, EXEC and START is sent when the child is reaped; each OK to CREATE and EXEC is followed by one EVENT_EXIT in the end.
 * An exec is gone with its EVENT_EXIT, unless nobody is subscribed: then it stays for LIST and FORGET.
 *
 * The exit record. When a container exits, the monitor drains its pipes, writes the last log line, reads the OOM counter, and
 * writes in exitdir the file "exit" (aside, then renamed): one line, "1 CODE SIGNAL OOM_KILLS UNIX_NANOSECONDS\n"; then sends
 * EVENT_EXIT, then syncs the file. SIGNAL is 0 for a normal exit; CODE is 128 + SIGNAL otherwise.
 *
 * Once mode. When fd 3 is a connected socket, that is the one connection there will be. The executor answers one request, an EXEC as a
 * rule, and exits; its plan may have a BARRIER with a register, at which OK is sent.
 *
 *   caller (a subreaper)      crisp-conmon                         child
 *     | EXEC ------------------> | clone, joins, id maps -----------> | runs the plan
 *     | <------------ OK | ERR - | <- struct cr_sync: BARRIER, or the end after FINAL
 *     |                          | START (a byte) ------------------> | accepts connections on the BARRIER's register
 *     |                          ' exits                              |
 *     '--- reaps the executor; after OK the child is its own to reap -'
 *
 * ERR is sent when the child is reaped. A caller that goes before its OK, and an executor that dies, take the child with them.
 */
struct cr_msg {
	uint32_t type;     /* CR_MSG_* */
	uint32_t seq;      /* echoed in the answer; 0 in events */
	uint32_t flags;    /* CR_F_* */
	int32_t pid;
	int32_t err;       /* errno of ERR */
	int32_t step;      /* index of the failing step; -1: the failure was the monitor's own, `op` says where (CR_AT_*) */
	int32_t op;
	int32_t code;      /* exit code; signal number in SIGNAL */
	int32_t sig;       /* the signal that ended it, 0: none; also of ERR with CR_AT_CHILD_DIED */
	uint32_t oom;      /* how often the OOM killer struck in the container's cgroup */
	uint32_t nfds;     /* fds with this message */
	uint16_t rows, cols;
	uint64_t time;     /* CLOCK_REALTIME nanoseconds: when it started (STATE) or exited (STATE, EVENT_EXIT) */
	uint64_t started;
	char id[72];       /* container or exec ID, NUL-terminated */
	uint64_t dropped;  /* STATE: log bytes that could not be written */
	uint32_t sent_kinds[4]; /* kinds of the fds that steps sent, in order */
	uint32_t state;    /* STATE: CR_STATE_* */
	uint8_t reserved[92];
};

enum cr_msg_type {
	CR_MSG_HELLO = 1, CR_MSG_CREATE, CR_MSG_START, CR_MSG_EXEC, CR_MSG_ATTACH, CR_MSG_RESIZE, CR_MSG_CLOSE_STDIN,
	CR_MSG_REOPEN_LOG, CR_MSG_SIGNAL, CR_MSG_LIST, CR_MSG_FORGET, CR_MSG_SHUTDOWN,
	CR_MSG_OK = 32, CR_MSG_ERR, CR_MSG_STATE, CR_MSG_EVENT_EXIT,
};

#define CR_F_SUBSCRIBE 1u   /* HELLO: send events to this connection */
#define CR_F_TTY 2u         /* CREATE, EXEC: the plan has a PTY step */
#define CR_F_STDIN 4u       /* CREATE: keep a stdin pipe open; ATTACH: stdin fd comes; EXEC likewise */
#define CR_F_STDIN_ONCE 8u  /* CREATE: close stdin when the first attach with stdin ends */
#define CR_F_STDOUT 16u     /* ATTACH, EXEC: a stdout fd comes */
#define CR_F_STDERR 32u     /* ATTACH, EXEC: a stderr fd comes */
#define CR_F_LOG 64u        /* CREATE: a log fd comes (the CRI log, O_APPEND); without it output is drained and dropped */
#define CR_F_EXITDIR 128u   /* CREATE: a directory fd for the exit record comes */
#define CR_F_OOM 256u       /* CREATE: an fd of memory.events (v2) or memory.oom_control (v1) comes: "oom_kill N" is read when it changes, and at exit */
#define CR_F_FORCE 512u     /* SHUTDOWN */
#define CR_F_EXEC 1024u     /* STATE, EVENT_EXIT: it is an exec, not a container */

struct cr_sync { /* what a child says on its sync socket; CONSOLE and FD bring an fd, FD its kind in op */
	int32_t kind, step, op, err;
};
enum cr_sync_kind { CR_SYNC_FAIL = 1, CR_SYNC_FINAL, CR_SYNC_BARRIER, CR_SYNC_CONSOLE, CR_SYNC_FD, CR_SYNC_PID };

/* Order of the fds of CREATE: plan, [log], [exitdir], [oom], registers. Of EXEC: plan, [stdin], [stdout], [stderr], registers.
 * Of the OK answer to CREATE and EXEC: pidfd, [pty master, EXEC only], fds of SEND_FD. Of a STATE that is not EXITED: pidfd.
 * Of the OK answer to HELLO: pidfd of the monitor; its pid is in pid, its CR_PROTOCOL_VERSION in code. */
enum cr_state { CR_STATE_CREATING = 1, CR_STATE_CREATED, CR_STATE_RUNNING, CR_STATE_EXITED };
/* Where a failure without a step happened (cr_msg.op when step is -1). */
enum cr_at { CR_AT_REQUEST = 1, CR_AT_PLAN, CR_AT_JOIN, CR_AT_CLONE, CR_AT_IDMAP, CR_AT_CHILD_DIED, CR_AT_MEMORY, CR_AT_UNKNOWN_ID, CR_AT_STATE };
#endif
