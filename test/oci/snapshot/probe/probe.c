/* SPDX-License-Identifier: Apache-2.0
 *
 * probe is the workload of the tests below test/oci: it tells what a container's process sees, one fact a line:
 *
 *     FACT <tab> VALUE      with \n, \t, \\ and bytes that are not printable as escapes of C
 *
 * It is C, static and without threads, because it must change nothing of what it tells: Go's runtime raises limits, handles signals,
 * and opens descriptors. Arguments ask for more than the facts that it always tells:
 *
 *     read:PATH    what a file says
 *     look:PATH    what a path is, and whether it can be written to
 *     tree:PATH    everything below a directory of one file system
 *     cgroup       the files of the cgroups that are mounted
 *     calls        what harmless calls of the kernel that profiles forbid come to
 *     wait         after all, print "ready" and wait for a signal
 *     exit:CODE    end with a code
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static char *out; /* everything that is told: written at the end, in one go */
static size_t out_len, out_room;

static void put(char c)
{
	if (out_len == out_room) {
		out_room = out_room ? 2 * out_room : 1 << 16;
		out = realloc(out, out_room);
		if (!out)
			_exit(70);
	}
	out[out_len++] = c;
}

static void put_text(const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '\\' || c == '\n' || c == '\t') {
			put('\\');
			put(c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
		} else if (c < 0x20 || c == 0x7f) {
			put('\\');
			put('x');
			put(hex[c >> 4]);
			put(hex[c & 15]);
		} else {
			put((char)c);
		}
	}
}

static void tell_bytes(const char *fact, const char *s, size_t n)
{
	put_text(fact, strlen(fact));
	put('\t');
	put_text(s, n);
	put('\n');
}

__attribute__((format(printf, 2, 3))) static void tell(const char *fact, const char *format, ...)
{
	char text[8192];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	tell_bytes(fact, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

__attribute__((format(printf, 1, 2))) static const char *name(const char *format, ...)
{
	static char texts[4][2 * PATH_MAX]; /* a call may want two of them at a time */
	static unsigned next;
	char *text = texts[next++ % COUNT(texts)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof *texts, format, args);
	va_end(args);
	return text;
}

static const char *error(int e)
{
	static char text[32];
#define E(x) case x: return #x;
	switch (e) {
	E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(ENXIO) E(EBADF) E(ECHILD) E(EAGAIN) E(ENOMEM) E(EACCES) E(EFAULT) E(EBUSY) E(EEXIST)
	E(EXDEV) E(ENODEV) E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENOTTY) E(ETXTBSY) E(EROFS) E(ENOSYS) E(ELOOP) E(EOPNOTSUPP) E(ENOKEY)
	E(EKEYREJECTED) E(EKEYREVOKED) E(ENOTSOCK) E(ENOPKG) E(EDESTADDRREQ) E(EUSERS) E(ENODATA) E(E2BIG) E(EPROTO) E(ERANGE) E(EUCLEAN)
	}
	snprintf(text, sizeof text, "errno %d", e);
	return text;
}

/* ---- files ---- */
static ssize_t slurp(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	size_t n = 0;
	ssize_t r;
	while (n < room && (r = read(fd, buf + n, room - n)) != 0) {
		if (r < 0) {
			int e = errno;
			close(fd);
			errno = e;
			return -1;
		}
		n += (size_t)r;
	}
	close(fd);
	return (ssize_t)n;
}

static void tell_file(const char *fact, const char *path)
{
	static char buf[1 << 18];
	ssize_t n = slurp(path, buf, sizeof buf);
	if (n < 0)
		tell(fact, "%s", error(errno));
	else
		tell_bytes(fact, buf, n > 0 && buf[n - 1] == '\n' ? (size_t)n - 1 : (size_t)n);
}

/* tell_lines tells each line of a file; with a colon the word before it is part of the fact, else the line's number is. */
static void tell_lines(const char *fact, const char *path, bool colon)
{
	static char buf[1 << 20];
	ssize_t n = slurp(path, buf, sizeof buf - 1);
	if (n < 0) {
		tell(fact, "%s", error(errno));
		return;
	}
	buf[n] = 0;
	int number = 0;
	for (char *line = buf, *end; *line; line = end + 1, number++) {
		end = strchrnul(line, '\n');
		bool last = !*end;
		*end = 0;
		char *value = colon ? strchr(line, ':') : NULL;
		if (value) {
			*value++ = 0;
			tell(name("%s %s", fact, line), "%s", value + strspn(value, " \t"));
		} else {
			tell(name("%s %d", fact, number), "%s", line);
		}
		if (last)
			break;
	}
}

static void tell_link(const char *fact, const char *path)
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof to);
	if (n < 0)
		tell(fact, "%s", error(errno));
	else
		tell_bytes(fact, to, (size_t)n);
}

static const char *kind(mode_t m)
{
	return S_ISREG(m) ? "file" : S_ISDIR(m) ? "dir" : S_ISLNK(m) ? "link" : S_ISCHR(m) ? "char" : S_ISBLK(m) ? "block"
	     : S_ISFIFO(m) ? "fifo" : S_ISSOCK(m) ? "socket" : "unknown";
}

/* describe gives a file in words: kind, mode, owner, device number, where it leads. */
static void describe(char *text, size_t room, const struct stat *st, const char *link)
{
	int n = snprintf(text, room, "%s %04o %u:%u", kind(st->st_mode), st->st_mode & 07777, st->st_uid, st->st_gid);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		n += snprintf(text + n, room - (size_t)n, " %u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (link)
		snprintf(text + n, room - (size_t)n, " -> %s", link);
}

static void tell_tree(const char *fact, const char *path, dev_t device, int depth)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *e = names[i]->d_name;
		char below[PATH_MAX], link[PATH_MAX] = "", text[2 * PATH_MAX];
		struct stat st;
		if (!strcmp(e, ".") || !strcmp(e, "..") ||
		    snprintf(below, sizeof below, "%s/%s", strcmp(path, "/") ? path : "", e) >= (int)sizeof below || lstat(below, &st) < 0)
			continue;
		if (S_ISLNK(st.st_mode) && readlink(below, link, sizeof link - 1) < 0)
			continue;
		describe(text, sizeof text, &st, S_ISLNK(st.st_mode) ? link : NULL);
		tell(name("%s %s", fact, below), "%s%s", text, st.st_dev == device ? "" : " mounted");
		if (S_ISDIR(st.st_mode) && st.st_dev == device && depth > 0)
			tell_tree(fact, below, device, depth - 1);
	}
}

static void look(const char *path)
{
	struct stat st;
	struct statfs fs;
	char link[PATH_MAX] = "", text[2 * PATH_MAX], first[33];
	if (lstat(path, &st) < 0) {
		tell(name("look %s", path), "%s", error(errno));
		return;
	}
	if (S_ISLNK(st.st_mode) && readlink(path, link, sizeof link - 1) < 0)
		strcpy(link, "?");
	describe(text, sizeof text, &st, *link ? link : NULL);
	const char *how = access(path, W_OK) ? error(errno) : "writable";
	ssize_t n = S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? slurp(path, first, sizeof first - 1) : 0;
	tell(name("look %s", path), "%s, magic %lx, %s, %s", text, statfs(path, &fs) ? 0ul : (unsigned long)fs.f_type, how,
	     n < 0 ? error(errno) : n == 0 ? "empty" : "not empty");
}

/* ---- the process ---- */
static void tell_fds(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;
		char text[PATH_MAX], to[PATH_MAX];
		if (fstat(fd, &st) < 0)
			continue;
		ssize_t n = readlink(name("/proc/self/fd/%d", fd), to, sizeof to - 1);
		to[n < 0 ? 0 : n] = 0;
		describe(text, sizeof text, &st, n < 0 ? error(errno) : to);
		tell(name("fd %d", fd), "%s, flags %o%s", text, fcntl(fd, F_GETFL), fcntl(fd, F_GETFD) ? " close-on-exec" : "");
	}
}

static void tell_signals(void)
{
	struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } action;
	char ignored[1024] = "", blocked[1024] = "";
	uint64_t mask = 0;
	for (int s = 1; s <= 64; s++) {
		memset(&action, 0, sizeof action);
		if (syscall(SYS_rt_sigaction, s, NULL, &action, 8) == 0 && action.handler == (void *)SIG_IGN)
			snprintf(ignored + strlen(ignored), sizeof ignored - strlen(ignored), " %d", s);
	}
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	for (int s = 1; s <= 64; s++)
		if (mask >> (s - 1) & 1)
			snprintf(blocked + strlen(blocked), sizeof blocked - strlen(blocked), " %d", s);
	tell("signals ignored", "%s", ignored);
	tell("signals blocked", "%s", blocked);
}

static void tell_terminal(void)
{
	struct winsize size;
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	tell("terminal", "%s", fd < 0 ? error(errno) : "controlling");
	if (fd >= 0)
		close(fd);
	if (isatty(0) && ioctl(0, TIOCGWINSZ, &size) == 0)
		tell("terminal size", "%dx%d", size.ws_row, size.ws_col);
}

static void tell_keyring(const char *fact, int ring)
{
	char text[512];
	long n = syscall(SYS_keyctl, 6 /* DESCRIBE */, ring, text, sizeof text, 0);
	if (n < 0)
		tell(fact, "%s", error(errno));
	else
		tell_bytes(fact, text, strnlen(text, sizeof text));
}

static void tell_prctl(const char *fact, int option)
{
	long r = prctl(option, 0, 0, 0, 0);
	tell(name("prctl %s", fact), "%s", r < 0 ? error(errno) : name("%ld", r));
}

static void tell_process(void)
{
	char cwd[PATH_MAX];
	struct utsname uts;
	long r = syscall(SYS_getcwd, cwd, sizeof cwd);
	tell("cwd", "%s", r < 0 ? error(errno) : cwd);
	uname(&uts);
	tell("hostname", "%s", uts.nodename);
	tell("domainname", "%s", uts.domainname);
	tell("machine", "%s", uts.machine);
	tell("pid", "%d", getpid());
	tell("ppid", "%d", getppid());
	tell("pgid", "%d", getpgid(0));
	tell("sid", "%d", getsid(0));
	mode_t mask = umask(0);
	umask(mask);
	tell("umask", "%04o", mask);
	tell("personality", "%x", (unsigned)syscall(SYS_personality, 0xffffffffu));
	tell("nice", "%d", getpriority(PRIO_PROCESS, 0));
	tell("scheduler", "%d", sched_getscheduler(0));
	tell("ioprio", "%ld", syscall(SYS_ioprio_get, 1, 0));
	int mode = -1;
	unsigned long nodes[16] = { 0 };
	if (syscall(SYS_get_mempolicy, &mode, nodes, 8 * sizeof nodes, NULL, 0) < 0)
		tell("memory policy", "%s", error(errno));
	else
		tell("memory policy", "%d %lx", mode, nodes[0]);
	tell("secure mode", "%lu", getauxval(AT_SECURE));
	tell("execfn", "%s", (const char *)getauxval(AT_EXECFN));
	tell_prctl("dumpable", PR_GET_DUMPABLE);
	tell_prctl("keepcaps", PR_GET_KEEPCAPS);
	tell_prctl("securebits", PR_GET_SECUREBITS);
	tell_prctl("timerslack", PR_GET_TIMERSLACK);
	tell_prctl("thp disable", PR_GET_THP_DISABLE);
	int v = -1;
	r = prctl(PR_GET_PDEATHSIG, &v, 0, 0, 0);
	tell("prctl pdeathsig", "%s", r < 0 ? error(errno) : name("%d", v));
	r = prctl(PR_GET_CHILD_SUBREAPER, &v, 0, 0, 0);
	tell("prctl subreaper", "%s", r < 0 ? error(errno) : name("%d", v));
	tell_keyring("keyring session", -3);
	tell_keyring("keyring process", -2);
	tell_keyring("keyring thread", -1);
}

static void tell_interfaces(void)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct if_nameindex *all = s < 0 ? NULL : if_nameindex();
	if (!all)
		tell("interfaces", "%s", error(errno));
	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct ifreq q;
		memset(&q, 0, sizeof q);
		strncpy(q.ifr_name, i->if_name, IFNAMSIZ - 1);
		if (ioctl(s, SIOCGIFFLAGS, &q) == 0)
			tell(name("interface %s", i->if_name), "%s", q.ifr_flags & IFF_UP ? "up" : "down");
	}
	if (s >= 0)
		close(s);
}

static void tell_cgroup_dir(const char *dir, const char *super)
{
	struct dirent **names;
	struct stat st;
	int n = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX], fact[PATH_MAX];
		if (snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name) >= (int)sizeof path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		snprintf(fact, sizeof fact, "cgroup %s %s", super, names[i]->d_name);
		if (st.st_mode & 0444)
			tell_file(fact, path);
		tell(name("cgroupmode %s %s", super, names[i]->d_name), "%04o %u:%u %s", st.st_mode & 07777, st.st_uid, st.st_gid,
		     access(path, W_OK) ? error(errno) : "writable");
	}
}

/* own_cgroup is the directory of this process's cgroup below a mount: /proc/self/cgroup has lines ID:CONTROLLERS:PATH. */
static void own_cgroup(char *dir, size_t room, const char *point, const char *root, const char *controllers)
{
	char buf[8192];
	ssize_t n = slurp("/proc/self/cgroup", buf, sizeof buf - 1);
	size_t skip = strcmp(root, "/") ? strlen(root) : 0;
	buf[n < 0 ? 0 : n] = 0;
	snprintf(dir, room, "%s", point);
	for (char *line = buf, *end; *line; line = end + (*end != 0)) {
		end = strchrnul(line, '\n');
		char *of = memchr(line, ':', (size_t)(end - line));
		char *path = of ? memchr(of + 1, ':', (size_t)(end - of - 1)) : NULL;
		if (!path || strlen(controllers) != (size_t)(path - of - 1) || strncmp(of + 1, controllers, strlen(controllers)))
			continue;
		path++;
		if ((size_t)(end - path) > skip + 1 && !strncmp(path, root, skip))
			snprintf(dir, room, "%s%.*s", point, (int)((size_t)(end - path) - skip), path + skip);
	}
}

/* tell_cgroups finds the mounts of type cgroup and cgroup2: … MOUNTPOINT OPTIONS … - cgroup SOURCE rw,CONTROLLERS */
static void tell_cgroups(void)
{
	static char buf[1 << 20];
	ssize_t n = slurp("/proc/self/mountinfo", buf, sizeof buf - 1);
	buf[n < 0 ? 0 : n] = 0;
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		char root[PATH_MAX], point[PATH_MAX], type[64], super[512], dir[2 * PATH_MAX], *rest = strstr(line, " - ");
		if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 || sscanf(rest, " - %63s %*s %511s", type, super) != 2)
			continue;
		const char *controllers = super + strcspn(super, ",") + (strchr(super, ',') != NULL);
		bool second = !strcmp(type, "cgroup2");
		if (!second && strcmp(type, "cgroup"))
			continue;
		if (!strncmp(controllers, "xattr,", 6))
			controllers += 6;
		own_cgroup(dir, sizeof dir, point, root, second ? "" : controllers);
		tell_cgroup_dir(dir, second ? "2" : controllers);
	}
}

/* ---- system calls ---- */
#define BAD (~0ul) /* no address, no descriptor, no command: whatever gets through fails behind the filter */
static const struct { const char *name; long number; unsigned long a, b, c; } calls[] = {
	{ "add_key", SYS_add_key, BAD, BAD, BAD }, { "keyctl", SYS_keyctl, BAD, 0, 0 }, { "request_key", SYS_request_key, BAD, BAD, BAD },
	{ "bpf", SYS_bpf, 0xffff, BAD, 8 }, { "perf_event_open", SYS_perf_event_open, BAD, 0, BAD }, { "ptrace", SYS_ptrace, 0xffff, 0, 0 },
	{ "mount", SYS_mount, BAD, BAD, BAD }, { "umount2", SYS_umount2, BAD, 0, 0 }, { "pivot_root", SYS_pivot_root, BAD, BAD, 0 },
	{ "fsopen", SYS_fsopen, BAD, 0, 0 }, { "open_tree", SYS_open_tree, BAD, BAD, 0 }, { "move_mount", SYS_move_mount, BAD, BAD, BAD },
	{ "mount_setattr", SYS_mount_setattr, BAD, BAD, 0 }, { "unshare", SYS_unshare, 0x1, 0, 0 }, { "setns", SYS_setns, BAD, 0, 0 },
	{ "clone3", SYS_clone3, BAD, 88, 0 }, { "personality", SYS_personality, 0x0100000, 0, 0 }, { "userfaultfd", SYS_userfaultfd, BAD, 0, 0 },
	{ "io_uring_setup", SYS_io_uring_setup, 1, BAD, 0 }, { "init_module", SYS_init_module, BAD, 0, BAD },
	{ "finit_module", SYS_finit_module, BAD, BAD, 0 }, { "delete_module", SYS_delete_module, BAD, 0, 0 },
	{ "kexec_load", SYS_kexec_load, 0, BAD, BAD }, { "reboot", SYS_reboot, 0, 0, 0 }, { "swapon", SYS_swapon, BAD, 0, 0 },
	{ "swapoff", SYS_swapoff, BAD, 0, 0 }, { "syslog", SYS_syslog, 0xffff, 0, 0 }, { "quotactl", SYS_quotactl, BAD, BAD, 0 },
	{ "open_by_handle_at", SYS_open_by_handle_at, BAD, BAD, 0 }, { "name_to_handle_at", SYS_name_to_handle_at, BAD, BAD, BAD },
	{ "process_vm_readv", SYS_process_vm_readv, BAD, BAD, 1 }, { "kcmp", SYS_kcmp, BAD, BAD, 0 }, { "move_pages", SYS_move_pages, BAD, 1, BAD },
	{ "set_mempolicy", SYS_set_mempolicy, 0xffff, 0, 0 }, { "mbind", SYS_mbind, 1, 0, 0xffff }, { "vmsplice", SYS_vmsplice, BAD, BAD, 1 },
	{ "settimeofday", SYS_settimeofday, BAD, BAD, 0 }, { "clock_settime", SYS_clock_settime, 0xffff, BAD, 0 },
	{ "adjtimex", SYS_adjtimex, BAD, 0, 0 }, { "acct", SYS_acct, BAD, 0, 0 },
	{ "fanotify_init", SYS_fanotify_init, BAD, 0, 0 }, { "setdomainname", SYS_setdomainname, BAD, BAD, 0 },
	{ "socket AF_VSOCK", SYS_socket, 40, BAD, 0 }, { "openat2", SYS_openat2, BAD, BAD, 24 }, { "pidfd_getfd", 438, BAD, BAD, 0 },
	{ "memfd_secret", 447, BAD, 0, 0 }, { "landlock_create_ruleset", 444, BAD, 0, BAD }, { "futex_waitv", 449, BAD, 0, 0 },
	{ "cachestat", 451, BAD, BAD, 0 }, { "fchmodat2", 452, BAD, BAD, 0 }, { "statmount", 457, BAD, BAD, 0 },
	{ "lsm_list_modules", 461, BAD, BAD, BAD }, { "number 999", 999, 0, 0, 0 },
};

static void tell_calls(void)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		long r = syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, 0, 0, 0);
		tell(name("call %s", calls[i].name), "%s", r < 0 ? error(errno) : "done");
	}
}

static void on_signal(int s) { _exit(s == SIGTERM ? 0 : 1); }

int main(int argc, char **argv, char **envp)
{
	static const char *const files[] = { "cgroup", "oom_score_adj", "timerslack_ns", "loginuid", "sessionid", "setgroups", "uid_map", "gid_map",
		"projid_map", "timens_offsets", "attr/current", "coredump_filter", "comm", "cmdline", "autogroup" };
	static const char *const namespaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts" };
	int code = 0;
	bool wait = false;
	tell_fds(); /* nothing of our own is open yet */
	tell_signals();
	for (int i = 0; argv[i]; i++)
		tell(name("argument %d", i), "%s", argv[i]);
	for (int i = 0; envp[i]; i++)
		tell(name("environment %d", i), "%s", envp[i]);
	tell_process();
	tell_terminal();
	tell_lines("status", "/proc/self/status", true);
	tell_lines("limit", "/proc/self/limits", false);
	tell_lines("mount", "/proc/self/mountinfo", false);
	for (size_t i = 0; i < COUNT(files); i++)
		tell_file(name("file %s", files[i]), name("/proc/self/%s", files[i]));
	for (size_t i = 0; i < COUNT(namespaces); i++)
		tell_link(name("namespace %s", namespaces[i]), name("/proc/self/ns/%s", namespaces[i]));
	tell_link("exe", "/proc/self/exe");
	tell_link("root", "/proc/self/root");
	tell_interfaces();
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], ':');
		struct stat st;
		if (value)
			value++;
		if (!strncmp(argv[i], "read:", 5))
			tell_file(name("read %s", value), value);
		else if (!strncmp(argv[i], "look:", 5))
			look(value);
		else if (!strncmp(argv[i], "tree:", 5) && stat(value, &st) == 0)
			tell_tree("tree", value, st.st_dev, 6);
		else if (!strcmp(argv[i], "cgroup"))
			tell_cgroups();
		else if (!strcmp(argv[i], "calls"))
			tell_calls();
		else if (!strcmp(argv[i], "wait"))
			wait = true;
		else if (!strncmp(argv[i], "exit:", 5))
			code = atoi(value);
	}
	tell("end", "%d", code);
	for (size_t n = 0; n < out_len;) {
		ssize_t w = write(1, out + n, out_len - n);
		if (w < 0)
			return 71;
		n += (size_t)w;
	}
	if (!wait)
		return code;
	signal(SIGTERM, on_signal);
	if (write(1, "ready\n", 6) != 6)
		return 71;
	for (;;)
		pause();
}
