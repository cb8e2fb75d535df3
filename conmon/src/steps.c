/* SPDX-License-Identifier: Apache-2.0
 * The executor: what the child does between its clone and its exec. It decides nothing; it carries out the steps of a validated
 * plan in their order. Steps that are one system call stand in a table, the others in a function each. A failure is reported to the
 * monitor as (step, op, errno), and the child ends with 128. */
#include "monitor.h"

struct run {
	const struct child *child;
	const struct plan *plan;
	int sync;
	bool final, masked; /* CR_SYNC_FINAL was sent; there was a UMASK */
	int reg[CR_NREGS];
};

int send_sync(int sock, struct cr_sync m, int fd)
{
	ssize_t n = fd < 0 ? write(sock, &m, sizeof m) : send_fds(sock, &m, sizeof m, &fd, 1, 0); /* write: what the narrowest filter allows */
	return n == sizeof m ? 0 : -1;
}

/* ---- one system call: the table says where each argument comes from ---- */
enum arg {
	ZERO, ONE, F, G, S, T, U, A, B, C, D, L, /* the step's fields; F and G without a register: AT_FDCWD */
	S_OR_EMPTY, A_CLOEXEC, EMPTY, MOVE_FLAGS, AUX, EMPTY_PATH, T_OR_LINK, BITS, AT_B,
};
/* KEYRING: KEYCTL_JOIN_SESSION_KEYRING is 1, and so is IOPRIO_WHO_PROCESS of IOPRIO_SET. */
static const struct { uint16_t nr; uint8_t arg[6]; } plain[CR_OP_MAX] = {
	[CR_OP_SETNS] = { SYS_setns, { F, A } }, [CR_OP_UNSHARE] = { SYS_unshare, { A } },
	[CR_OP_MOUNT] = { SYS_mount, { S, T_OR_LINK, U, A, ZERO } }, [CR_OP_UMOUNT] = { SYS_umount2, { S, A } },
	[CR_OP_FSOPEN] = { SYS_fsopen, { S, ONE } }, [CR_OP_FSCONFIG] = { SYS_fsconfig, { F, A, S, T, AUX } },
	[CR_OP_FSMOUNT] = { SYS_fsmount, { F, ONE, A } }, [CR_OP_OPEN_TREE] = { SYS_open_tree, { F, S_OR_EMPTY, A_CLOEXEC } },
	[CR_OP_MOVE_MOUNT] = { SYS_move_mount, { F, EMPTY, G, S_OR_EMPTY, MOVE_FLAGS } }, [CR_OP_MKDIRAT] = { SYS_mkdirat, { F, S, A } },
	[CR_OP_MKNODAT] = { SYS_mknodat, { F, S, A, B } }, [CR_OP_SYMLINKAT] = { SYS_symlinkat, { T, F, S } },
	[CR_OP_FCHOWNAT] = { SYS_fchownat, { F, S_OR_EMPTY, A, B, EMPTY_PATH } }, [CR_OP_FCHDIR] = { SYS_fchdir, { F } },
	[CR_OP_CHDIR] = { SYS_chdir, { S } }, [CR_OP_CHROOT] = { SYS_chroot, { S } }, [CR_OP_PIVOT_ROOT] = { SYS_pivot_root, { S, T } },
	[CR_OP_SETHOSTNAME] = { SYS_sethostname, { S, L } }, [CR_OP_SETDOMAINNAME] = { SYS_setdomainname, { S, L } },
	[CR_OP_PRCTL] = { SYS_prctl, { A, B, C, D, ZERO } }, [CR_OP_SETSID] = { SYS_setsid, { ZERO } },
	[CR_OP_SETRESUID] = { SYS_setresuid, { A, B, C } }, [CR_OP_SETRESGID] = { SYS_setresgid, { A, B, C } },
	[CR_OP_SETGROUPS] = { SYS_setgroups, { L, S } }, [CR_OP_KEYRING] = { SYS_keyctl, { ONE, S } },
	[CR_OP_PERSONALITY] = { SYS_personality, { A } }, [CR_OP_SCHED_SETATTR] = { SYS_sched_setattr, { ZERO, S, ZERO } },
	[CR_OP_IOPRIO_SET] = { SYS_ioprio_set, { ONE, ZERO, A } }, [CR_OP_SCHED_SETAFFINITY] = { SYS_sched_setaffinity, { ZERO, L, S } },
	[CR_OP_SET_MEMPOLICY] = { SYS_set_mempolicy, { A, S, BITS } }, [CR_OP_SETRLIMIT] = { SYS_prlimit64, { ZERO, A, AT_B, ZERO } },
	[CR_OP_SOCKET] = { SYS_socket, { A, B, C } }, [CR_OP_IOCTL] = { SYS_ioctl, { F, A, S } },
	[CR_OP_KEYCTL] = { SYS_keyctl, { A, B, C, D } }, [CR_OP_SETXATTR] = { SYS_setxattr, { T_OR_LINK, S, U, L, ZERO } },
};

static int fd_of(const struct run *r, int16_t reg) { return reg < 0 ? AT_FDCWD : r->reg[reg]; }

static const char *link_to(int fd)
{
	static char link[32] = "/proc/self/fd/";
	*put_number(link + 14, (uint32_t)fd, 1) = 0;
	return link;
}

static long value(const struct run *r, const struct cr_step *s, enum arg arg)
{
	const char *str = plan_str(r->plan, s->str[arg >= S && arg <= U ? arg - S : 0]);
	switch (arg) {
	case ZERO: return 0;
	case ONE: return 1;
	case F: return fd_of(r, s->fd[0]);
	case G: return fd_of(r, s->fd[1]);
	case S: case T: case U: return (long)str;
	case A: case B: case C: case D: return (long)s->arg[arg - A];
	case L: return s->len;
	case S_OR_EMPTY: return (long)(str ? str : "");
	case A_CLOEXEC: return (long)s->arg[0] | O_CLOEXEC;
	case EMPTY: return (long)"";
	case MOVE_FLAGS: return (long)s->arg[0] | K_MOVE_MOUNT_F_EMPTY_PATH | (str ? 0 : K_MOVE_MOUNT_T_EMPTY_PATH);
	case AUX: return s->fd[1] < 0 ? (long)s->arg[1] : r->reg[s->fd[1]];
	case EMPTY_PATH: return AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
	case T_OR_LINK: return (long)(s->str[1] ? plan_str(r->plan, s->str[1]) : link_to(fd_of(r, s->fd[0])));
	case AT_B: return (long)&s->arg[1]; /* b and c are a struct rlimit64 */
	case BITS: return 64l * s->len + 1; /* the kernel counts from 1 */
	}
	return 0;
}

static int step_plain(const struct run *r, const struct cr_step *s)
{
	long v[6];
	for (int i = 0; i < 6; i++)
		v[i] = value(r, s, plain[s->op].arg[i]);
	return (int)syscall(plain[s->op].nr, v[0], v[1], v[2], v[3], v[4], v[5]);
}

/* ---- files ---- */
static int openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct k_open_how how = { flags | O_CLOEXEC, mode, resolve };
	int fd, tries = 0;
	do /* EAGAIN: something was renamed meanwhile, and the kernel cannot be sure that ".." stayed below */
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && tries++ < 64);
	return fd;
}

/* step_remount: what is not asked for stays. Access times have one of three modes, and statfs(2) has no bit for strictatime. */
static int step_remount(const struct cr_step *s, int mount_fd)
{
	enum { MODE = 0x70, NOATIME = 0x10, STRICTATIME = 0x20 }; /* MOUNT_ATTR_* */
	static const uint32_t bits[][3] = { /* of MOUNT_ATTR_*, of statfs(2), of mount(2): ro, nosuid, nodev, noexec, nodiratime, nosymfollow */
		{ 1, 1, 1 }, { 2, 2, 2 }, { 4, 4, 4 }, { 8, 8, 8 }, { 0x80, 2048, 2048 }, { 0x200000, 8192, 256 },
	};
	const uint64_t set = s->arg[1], clear = s->arg[2];
	unsigned long flags = MS_REMOUNT | MS_BIND;
	struct statfs fs;
	if (fstatfs(mount_fd, &fs) < 0)
		return -1;
	for (size_t i = 0; i < countof(bits); i++)
		flags |= (set & bits[i][0]) || ((uint64_t)fs.f_flags & bits[i][1] & -(uint64_t)!(clear & bits[i][0])) ? bits[i][2] : 0;
	uint64_t mode = clear & MODE ? set & MODE : fs.f_flags & 1024 ? NOATIME : fs.f_flags & 4096 ? 0 : STRICTATIME;
	flags |= mode == NOATIME ? MS_NOATIME : mode == STRICTATIME ? MS_STRICTATIME : MS_RELATIME;
	return mount(NULL, link_to(mount_fd), NULL, flags, NULL);
}

struct make { mode_t mode; bool file; uint32_t uid, gid; }; /* what is made where it is missing; uid -1: left as it is */

static int make_one(int dir, const char *name, const struct make *m)
{
	int rc = m->file ? mknodat(dir, name, S_IFREG | (m->mode & 07777), 0) : mkdirat(dir, name, m->mode & 07777);
	if (rc == 0 && m->uid != (uint32_t)-1)
		rc = fchownat(dir, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW);
	return rc;
}

/* open_made opens (O_PATH) path below root as a process chrooted there would see it, and makes what is missing on the way; also the
 * targets of dangling symlinks, as an image with /var/run -> /run but without /run needs. The kernel resolves every time from root. */
static int open_made(int root, const char *path, const struct make *m, int depth)
{
	char parent[PATH_MAX], name[NAME_MAX + 2];
	struct make folder = *m;
	int dir, fd = openat2(root, *path ? path : ".", O_PATH, 0, K_RESOLVE_IN_ROOT);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	size_t len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	size_t cut = len;
	while (cut > 0 && path[cut - 1] != '/')
		cut--;
	if (cut >= sizeof parent || len - cut >= sizeof name || depth > 100)
		return errno = depth > 100 ? ELOOP : ENAMETOOLONG, -1;
	*(char *)mempcpy(parent, path, cut) = 0;
	*(char *)mempcpy(name, path + cut, len - cut) = 0;
	folder.file = false;
	if ((dir = open_made(root, parent, &folder, depth + 1)) < 0)
		return -1;
	int rc = make_one(dir, name, m), err = errno;
	if (rc < 0 && err == EEXIST) { /* a dangling symlink, or somebody was faster */
		ssize_t n = readlinkat(dir, name, parent + cut, sizeof parent - cut - 1);
		if (n > 0) { /* its target, seen from where it lies */
			parent[cut + (size_t)n] = 0;
			rc = open_made(root, parent[cut] == '/' ? parent + cut : parent, m, depth + 1);
			err = errno;
			if (rc >= 0)
				close(rc);
		}
	}
	close(dir);
	if (rc < 0 && err != EEXIST)
		return errno = err, -1;
	return openat2(root, path, O_PATH, 0, K_RESOLVE_IN_ROOT);
}

static int step_make(const struct run *r, const struct cr_step *s) /* MKPOINT and MKPATH */
{
	bool point = s->op == CR_OP_MKPOINT;
	struct make m = { .mode = (mode_t)s->arg[point], .uid = point ? (uint32_t)-1 : (uint32_t)s->arg[1], .gid = (uint32_t)s->arg[2] };
	struct stat st;
	if (point && s->arg[0] == 2 && fstat(fd_of(r, s->fd[1]), &st) < 0)
		return -1;
	m.file = point && (s->arg[0] == 1 || (s->arg[0] == 2 && !S_ISDIR(st.st_mode)));
	int fd = open_made(fd_of(r, s->fd[0]), plan_str(r->plan, s->str[0]), &m, 0);
	return fd >= 0 && s->out < 0 ? close(fd) : fd;
}

/* begins is for the label of a security module, which may have its mode behind it: "docker-default (enforce)". */
static int begins(int fd, const char *text, size_t len)
{
	char have[PATH_MAX];
	ssize_t n = read(fd, have, sizeof have);
	return n < 0 ? errno : (size_t)n >= len && !memcmp(have, text, len) && ((size_t)n == len || strchr(" \n", have[len])) ? 0 : ESTALE;
}

static int step_write(const struct run *r, const struct cr_step *s) /* WRITE and VERIFY_TEXT */
{
	int dir = fd_of(r, s->fd[0]), fd = dir, verify = s->op == CR_OP_VERIFY_TEXT;
	const char *path = plan_str(r->plan, s->str[0]);
	if (path) {
		uint64_t resolve = s->arg[0] == 1 ? K_RESOLVE_IN_ROOT
			: K_RESOLVE_BENEATH | K_RESOLVE_NO_MAGICLINKS | K_RESOLVE_NO_SYMLINKS | K_RESOLVE_NO_XDEV;
		fd = openat2(dir, path, (verify ? O_RDONLY : O_WRONLY) | s->arg[1], s->arg[2], resolve);
	}
	if (fd < 0)
		return -1;
	int err = (verify ? begins : write_all)(fd, plan_str(r->plan, s->str[1]), s->len);
	if (path)
		close(fd);
	return errno = err, err ? -1 : 0;
}

static int step_cwd(const struct run *r, const struct cr_step *s)
{
	const char *path = plan_str(r->plan, s->str[0]);
	char cwd[PATH_MAX];
	int rc = chdir(path);
	if (rc < 0 && errno == ENOENT && s->arg[0] == 1) {
		struct make m = { .mode = 0755, .uid = (uint32_t)-1 };
		int root = open("/", O_PATH | O_CLOEXEC), dir = root < 0 ? -1 : open_made(root, path, &m, 0);
		rc = dir < 0 ? -1 : fchdir(dir);
	}
	if (rc < 0 || syscall(SYS_getcwd, cwd, sizeof cwd) < 0)
		return -1;
	if (cwd[0] != '/') /* "(unreachable)/…": outside of the root, by way of a leaked descriptor (CVE-2024-21626) */
		return errno = ENOENT, -1;
	return 0;
}

static bool is_device(const struct stat *st, dev_t rdev) { return S_ISCHR(st->st_mode) && st->st_rdev == rdev; }

static int step_verify(const struct run *r, const struct cr_step *s)
{
	struct stat st;
	struct statfs fs;
	int fd = fd_of(r, s->fd[0]);
	if (s->op == CR_OP_VERIFY_FS)
		return fstatfs(fd, &fs) < 0 ? -1 : (uint32_t)fs.f_type == (uint32_t)s->arg[0] ? 0 : (errno = EXDEV, -1);
	return fstat(fd, &st) < 0 ? -1 : is_device(&st, s->arg[1]) ? 0 : (errno = ENODEV, -1);
}

/* ---- stdio ---- */
/* null_device opens /dev/null as the container has it, if that is what it is; else the monitor's own serves, which is at 0. */
static int null_device(void)
{
	struct stat st;
	int fd = -1;
	if (lstat("/dev/null", &st) == 0 && is_device(&st, makedev(1, 3)))
		fd = open("/dev/null", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !is_device(&st, makedev(1, 3))))
		fd_close(&fd);
	return fd < 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : fd;
}

static int step_stdio(const struct run *r)
{
	struct stat st;
	int null = null_device(), rc = null;
	for (int i = 0; i < 3 && rc >= 0; i++) { /* a /dev/null of the host is not the container's to change */
		int fd = r->child->stdio[i];
		rc = dup2(fd < 0 || (fstat(fd, &st) == 0 && is_device(&st, makedev(1, 3))) ? null : fd, i);
	}
	fd_close(&null);
	return rc < 0 ? -1 : 0;
}

static int step_fchown_stdio(const struct cr_step *s)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;
		if (fstat(i, &st) < 0 || (st.st_uid != (uid_t)s->arg[0] && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || isatty(i)) &&
		    fchown(i, (uid_t)s->arg[0], (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS))
			return -1;
	}
	return 0;
}

static int step_pty(const struct run *r, const struct cr_step *s)
{
	struct winsize size = { .ws_row = (unsigned short)s->arg[0], .ws_col = (unsigned short)s->arg[1] };
	int unlock = 0, peer = -1;
	int master = openat(fd_of(r, s->fd[0]), "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0))
		return -1;
	peer = ioctl(master, K_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); /* by fd: a path below /dev/pts could be raced (CVE-2025-52565) */
	if (peer < 0 || fchown(peer, (uid_t)s->arg[2], (gid_t)s->arg[3]) < 0)
		return -1;
	setsid(); /* EPERM: a leader already */
	if (ioctl(peer, TIOCSCTTY, 0) < 0 || dup2(peer, 0) < 0 || dup2(peer, 1) < 0 || dup2(peer, 2) < 0 ||
	    send_sync(r->sync, (struct cr_sync){ .kind = CR_SYNC_CONSOLE }, master) < 0)
		return -1;
	close(master);
	return s->out < 0 ? close(peer) : peer;
}

/* ---- privileges ---- */
static int step_cap_bound(const struct cr_step *s)
{
	int has;
	for (unsigned long c = 0; c < 64 && (has = prctl(PR_CAPBSET_READ, c, 0, 0, 0)) >= 0; c++) /* up to the kernel's last */
		if (has && !(s->arg[0] >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -1;
	return 0;
}

static int step_capset(const struct cr_step *s)
{
	struct k_cap_header h = { K_CAP_VERSION_3, 0 };
	struct k_cap_data d[2];
	for (int i = 0; i < 2; i++)
		d[i] = (struct k_cap_data){ (uint32_t)(s->arg[0] >> 32 * i), (uint32_t)(s->arg[1] >> 32 * i), (uint32_t)(s->arg[2] >> 32 * i) };
	return (int)syscall(SYS_capset, &h, d);
}

/* final tells the monitor that only the exec is left. It comes before a seccomp filter, which may forbid anything. All that we open is
 * close-on-exec; that it is so is made sure of here. */
static int final(struct run *r)
{
	if (r->final)
		return 0;
	r->final = true;
	if (!r->masked)
		umask(022);
	if (syscall(SYS_close_range, 3, ~0u, K_CLOSE_RANGE_CLOEXEC) < 0) /* before Linux 5.11 */
		for (int i = 3; i < 4096; i++)
			fcntl(i, F_SETFD, FD_CLOEXEC);
	return send_sync(r->sync, (struct cr_sync){ .kind = CR_SYNC_FINAL }, -1);
}

static int step_seccomp(struct run *r, const struct cr_step *s)
{
	struct k_sock_fprog prog = { (unsigned short)s->len, plan_str(r->plan, s->str[0]) };
	if (s->len > USHRT_MAX)
		return errno = EINVAL, -1;
	if (final(r) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, K_SECCOMP_SET_MODE_FILTER, s->arg[0], &prog);
}

/* ---- the end ---- */
static char **vector(const struct plan *p, uint32_t at, uint64_t n)
{
	char **v = map_take((n + 1) * sizeof *v);
	char *s = (char *)(uintptr_t)p->data + at;
	for (uint64_t i = 0; v && i < n; i++, s += strlen(s) + 1)
		v[i] = s;
	return v;
}

/* exec_in_path is execvpe by the container's own PATH. As a shell does, it tells EACCES if that was met on the way, else ENOENT. */
static void exec_in_path(const char *name, char **argv, char **env)
{
	char file[PATH_MAX], **e = env;
	size_t len = strlen(name);
	int err = ENOENT;
	while (*e && strncmp(*e, "PATH=", 5))
		e++;
	const char *path = *e ? *e + 5 : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (const char *end; len > 0 && path; path = *end ? end + 1 : NULL) {
		size_t n = (size_t)((end = strchrnul(path, ':')) - path);
		if (n + 1 + len >= sizeof file)
			continue;
		*(char *)mempcpy(file, path, n) = '/';
		memcpy(file + n + (n > 0), name, len + 1); /* an empty part is the working directory */
		execve(file, argv, env);
		if (errno == EACCES)
			err = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG)
			return;
	}
	errno = err;
}

/* preserve puts the n registers from `first` on at fds 3, 4, … of the workload. */
static int preserve(struct run *r, int first, int n, int *file)
{
	for (int i = 0; i < n; i++) /* out of the way first: targets may be somebody's sources */
		if (first + i >= (int)CR_NREGS || (r->reg[first + i] = fcntl(r->reg[first + i], F_DUPFD_CLOEXEC, 3 + n)) < 0)
			return -1;
	if ((r->sync = fcntl(r->sync, F_DUPFD_CLOEXEC, 3 + n)) < 0 || (*file >= 0 && (*file = fcntl(*file, F_DUPFD_CLOEXEC, 3 + n)) < 0))
		return -1;
	for (int i = 0; i < n; i++)
		if (dup2(r->reg[first + i], 3 + i) < 0)
			return -1;
	return 0;
}

static int step_exec(struct run *r, const struct cr_step *s)
{
	const char *path = plan_str(r->plan, s->str[0]);
	int file = s->fd[0] < 0 ? -1 : r->reg[s->fd[0]], keep = (int)(s->arg[1] & (CR_NREGS - 1));
	char **argv = vector(r->plan, s->str[1], s->arg[0]), **env = vector(r->plan, s->str[2], s->len);
	if (!argv || !env)
		return errno = ENOMEM, -1;
	if (final(r) < 0)
		return -1;
	if (keep && preserve(r, (int)(s->arg[2] & (CR_NREGS - 1)), keep, &file) < 0)
		return -1;
	if (!path)
		syscall(SYS_execveat, file, "", argv, env, AT_EMPTY_PATH);
	else if (strchr(path, '/'))
		execve(path, argv, env);
	else
		exec_in_path(path, argv, env);
	return -1;
}

static void end(int sig) { _exit(128 + sig); }

static int step_barrier(struct run *r, const struct cr_step *s)
{
	char go; /* process 1 of a namespace would be deaf to these; its exec takes the handlers away */
	signal(SIGHUP, end), signal(SIGINT, end), signal(SIGQUIT, end), signal(SIGTERM, end);
	if (send_sync(r->sync, (struct cr_sync){ .kind = CR_SYNC_BARRIER }, -1) < 0)
		return -1;
	if (read(r->sync, &go, 1) != 1)
		_exit(128); /* the monitor is gone */
	while (s->fd[0] >= 0) { /* whoever sends a byte hears the rest; others only wanted to know whether we listen */
		fd_close(&r->sync);
		if ((r->sync = accept4(r->reg[s->fd[0]], NULL, NULL, SOCK_CLOEXEC)) < 0 && errno != EINTR && errno != ECONNABORTED)
			_exit(128);
		if (r->sync >= 0 && read(r->sync, &go, 1) == 1) /* a FINAL before the barrier went to the monitor */
			return fd_close(&r->reg[s->fd[0]]), r->final ? send_sync(r->sync, (struct cr_sync){ .kind = CR_SYNC_FINAL }, -1) : 0;
	}
	return 0;
}

static int step(struct run *r, const struct cr_step *s)
{
	int f = fd_of(r, s->fd[0]);
	char byte[256];
	ssize_t n;
	if (plain[s->op].nr)
		return step_plain(r, s);
	switch (s->op) {
	case CR_OP_MOUNT_SETATTR: {
		struct k_mount_attr a = { s->arg[1], s->arg[2], s->arg[3], s->fd[1] < 0 ? 0 : (uint64_t)r->reg[s->fd[1]] };
		return (int)syscall(SYS_mount_setattr, f, "", s->arg[0] | AT_EMPTY_PATH, &a, sizeof a);
	}
	case CR_OP_OPENAT2: return openat2(f, plan_str(r->plan, s->str[0]), s->arg[0], s->arg[1], s->arg[2]);
	case CR_OP_UMASK: return r->masked = true, umask((mode_t)s->arg[0]), 0;
	case CR_OP_SECCOMP: return step_seccomp(r, s);
	case CR_OP_CAP_BOUND: return step_cap_bound(s);
	case CR_OP_CAPSET: return step_capset(s);
	case CR_OP_REMOUNT: return step_remount(s, f);
	case CR_OP_CLOSE: return r->reg[s->fd[0]] = -1, close(f);
	case CR_OP_MKPOINT: case CR_OP_MKPATH: return step_make(r, s);
	case CR_OP_WRITE: case CR_OP_VERIFY_TEXT: return step_write(r, s);
	case CR_OP_VERIFY_FS: case CR_OP_VERIFY_DEV: return step_verify(r, s);
	case CR_OP_STDIO: return step_stdio(r);
	case CR_OP_FCHOWN_STDIO: return step_fchown_stdio(s);
	case CR_OP_PTY: return step_pty(r, s);
	case CR_OP_SEND_FD: return f < 0 ? (errno = EBADF, -1) : send_sync(s->fd[1] < 0 ? r->sync : fd_of(r, s->fd[1]),
			(struct cr_sync){ .kind = CR_SYNC_FD, .op = (int)s->arg[0] }, f);
	case CR_OP_BARRIER: return step_barrier(r, s);
	case CR_OP_CWD: return step_cwd(r, s);
	case CR_OP_WAIT_FD:
		while ((n = read(f, byte, sizeof byte)) > 0 || (n < 0 && errno == EAGAIN && poll(&(struct pollfd){ f, POLLIN, 0 }, 1, -1) > 0))
			;
		return (int)n;
	case CR_OP_EXEC: return step_exec(r, s);
	}
	return errno = ENOSYS, -1;
}

static bool tolerated(const struct cr_step *s, int err) { return err == s->ok[0] || err == s->ok[1] || err == s->ok[2]; }

/* prepare leaves nothing of the monitor's in the child but its own fds: others may be the stdin of a container that waits for EOF. */
static void prepare(struct run *r)
{
	const struct child *c = r->child;
	int keep[CR_MAX_FDS + 4], n = 0;
	sigset_t none;
	char go;
	for (uint32_t i = 0; i < r->plan->head->nfds; i++)
		keep[n++] = r->reg[i] = c->files[i];
	for (int i = 0; i < 3; i++)
		keep[n++] = c->stdio[i];
	keep[n++] = r->sync = c->sync;
	close_all_but(keep, n);
	signal(SIGPIPE, SIG_DFL); /* the ignored ones: CLONE_CLEAR_SIGHAND leaves them, and so does exec */
	signal(SIGHUP, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (c->wait && read(c->sync, &go, 1) != 1)
		_exit(128);
	if (c->set_adj)
		write_oom_adj(0, c->adj);
}

_Noreturn void run_plan(const struct child *c)
{
	struct run r = { .child = c, .plan = c->plan };
	memset(r.reg, 0xff, sizeof r.reg);
	prepare(&r);
	for (uint32_t i = 0; i < r.plan->head->nsteps; i++) {
		const struct cr_step *s = &r.plan->steps[i];
		int rc = step(&r, s);
		if (rc >= 0 && s->out >= 0) {
			fd_close(&r.reg[s->out]);
			r.reg[s->out] = rc;
		} else if (rc >= 0) {
			continue;
		} else if (tolerated(s, errno)) {
			i += s->skip;
		} else {
			send_sync(r.sync, (struct cr_sync){ CR_SYNC_FAIL, (int)i, s->op, errno }, -1);
			break;
		}
	}
	_exit(128);
}
