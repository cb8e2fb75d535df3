/* SPDX-License-Identifier: Apache-2.0
 * Making a child: clone3 into namespaces and cgroup, the joins that must come before it, the id maps, the sync socket.
 *
 *   monitor                          intermediate (only with a user namespace)         child
 *     | clone ------------------------> |
 *     |                                 | setns others, user, and what was not allowed before
 *     |                                 | clone3(CLONE_PARENT) ----------------------> | waits
 *     | <---------------- CR_SYNC_PID - | exits
 *     | id maps, oom_score_adj                                                         |
 *     | go -------------------------------------------------------------------------> | runs the plan
 *
 * Without a user namespace to join, or others to join before one is made, there is no intermediate, and without a reason to wait the child
 * does not. A PID namespace alone is joined by the monitor itself, around the clone: setns(CLONE_NEWPID) is only about children.
 */
#include "monitor.h"

static int failed(struct failure *f, int at, int err) { return *f = (struct failure){ -1, at, err, 0 }, -1; }

static pid_t clone_child(const struct child *c, int *pidfd, int exit_signal, uint64_t more)
{
	const struct cr_plan *h = c->plan->head;
	struct k_clone_args a = {
		.flags = K_CLONE_PIDFD | K_CLONE_CLEAR_SIGHAND | h->clone_flags | more,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = (uint64_t)exit_signal,
	};
	if (h->cgroup_fd >= 0) {
		a.flags |= K_CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)c->files[h->cgroup_fd];
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		run_plan(c);
	return pid;
}

/* join joins what it may of the namespaces that are not joined yet; is it all? */
static bool join(const struct child *c, uint32_t *done)
{
	const struct cr_plan *h = c->plan->head;
	for (uint32_t i = 0; i <= h->njoins; i++) {
		int32_t reg = i < h->njoins ? (int32_t)(h->join + i) : h->join_pid;
		if (reg < 0 || (~*done >> i & 1 && setns(c->files[reg], i < h->njoins ? 0 : K_CLONE_NEWPID) == 0))
			*done |= 1u << i;
	}
	return *done == (2u << h->njoins) - 1;
}

/* intermediate runs in a process of its own: it joins, makes the child for its parent, tells the child's pid, and ends. */
static _Noreturn void intermediate(const struct child *c)
{
	const struct cr_plan *h = c->plan->head;
	struct cr_sync m = { .kind = CR_SYNC_PID, .op = CR_AT_JOIN };
	uint32_t done = 0;
	int pidfd;
	join(c, &done); /* afterwards we may lack the right to what the user namespace does not own; who is not root has it only then */
	if ((h->join_user >= 0 && setns(c->files[h->join_user], K_CLONE_NEWUSER) < 0) || !join(c, &done)) {
		m.err = errno;
	} else {
		m.op = CR_AT_CLONE;
		m.step = clone_child(c, &pidfd, 0, K_CLONE_PARENT);
		m.err = m.step < 0 ? errno : 0;
	}
	send_sync(c->sync, m, -1);
	_exit(0);
}

static pid_t clone_by_intermediate(const struct child *c, int sync, int *pidfd, struct failure *f)
{
	struct k_clone_args a = { .flags = K_CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	struct timeval patience = { .tv_sec = 10 };
	struct cr_sync m = { 0 };
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		intermediate(c);
	if (pid < 0)
		return failed(f, CR_AT_JOIN, errno);
	setsockopt(sync, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	ssize_t n = recv(sync, &m, sizeof m, 0);
	if (n != sizeof m || m.kind != CR_SYNC_PID) {
		kill(pid, SIGKILL);
		m = (struct cr_sync){ .op = CR_AT_JOIN, .err = ESRCH };
	}
	waitpid(pid, NULL, 0);
	if (m.err)
		return failed(f, m.op, m.err);
	*pidfd = (int)syscall(SYS_pidfd_open, m.step, 0); /* our child, not reaped: the pid is still its own */
	return *pidfd >= 0 ? m.step : (failed(f, m.op, errno), kill(m.step, SIGKILL), -1);
}

static pid_t clone_directly(const struct child *c, int *pidfd, struct failure *f)
{
	const struct cr_plan *h = c->plan->head;
	if (h->join_pid >= 0 && srv.pidns < 0)
		srv.pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (h->join_pid >= 0 && (srv.pidns < 0 || setns(c->files[h->join_pid], K_CLONE_NEWPID) < 0))
		return failed(f, CR_AT_JOIN, errno);
	pid_t pid = clone_child(c, pidfd, SIGCHLD, 0);
	if (pid < 0)
		failed(f, CR_AT_CLONE, errno);
	if (h->join_pid >= 0 && !srv.once && setns(srv.pidns, K_CLONE_NEWPID) < 0) /* once: root of a user namespace may not go back */
		_exit(71); /* the next child would be born in a foreign namespace */
	return pid;
}

int write_all(int fd, const char *text, size_t len)
{
	ssize_t n = write(fd, text, len);
	return n < 0 ? errno : n == (ssize_t)len ? 0 : EIO;
}

static int write_proc(pid_t pid, const char *name, const char *text, size_t len) /* pid 0: our own */
{
	char path[64] = "/proc/self";
	strcpy(pid ? put_number(path + 6, (uint64_t)pid, 1) : path + 10, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = fd < 0 ? errno : write_all(fd, text, len);
	fd_close(&fd);
	return err;
}

int write_oom_adj(pid_t pid, int adj)
{
	char text[16] = "-";
	char *end = put_number(text + (adj < 0), (uint64_t)(adj < 0 ? -adj : adj), 1);
	return write_proc(pid, "/oom_score_adj", text, (size_t)(end - text)); /* lowering it takes CAP_SYS_RESOURCE: else it stays as it is */
}

static int write_maps(pid_t pid, const struct plan *p)
{
	const char *uids = plan_str(p, p->head->uid_map), *gids = plan_str(p, p->head->gid_map);
	int err = uids ? write_proc(pid, "/uid_map", uids, strlen(uids)) : 0;
	if (gids && geteuid()) /* user_namespaces(7): else it must not map groups */
		write_proc(pid, "/setgroups", "deny", 4);
	return err || !gids ? err : write_proc(pid, "/gid_map", gids, strlen(gids));
}

int spawn(struct slot *s, struct child *c, struct failure *f)
{
	const struct cr_plan *h = c->plan->head;
	struct stat st;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return failed(f, CR_AT_CLONE, errno);
	bool foreign = h->join_user >= 0 || (h->clone_flags & K_CLONE_NEWUSER);
	for (int i = 0; foreign && i < 3; i++)
		if (c->stdio[i] >= 0 && fstat(c->stdio[i], &st) == 0 && S_ISFIFO(st.st_mode))
			fchmod(c->stdio[i], 0666); /* so that it may open /dev/stdout: a pipe of ours cannot be chowned in there */
	c->adj = h->flags & CR_PLAN_OOM_ADJ ? h->oom_adj : srv.oom_adj_parent;
	c->set_adj = c->adj != srv.oom_adj && !foreign; /* the child writes its own: saves a wait */
	c->wait = foreign;
	if (geteuid()) { /* else files of our own in /proc are root's */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		if (srv.once && c->adj != srv.oom_adj)
			write_oom_adj(0, c->adj);
		prctl(PR_SET_DUMPABLE, (h->clone_flags & K_CLONE_NEWUSER) != 0, 0, 0, 0); /* its uid_map too; in there is nobody to trace it */
	}
	c->sync = pair[1];
	s->pid = h->join_user >= 0 || h->njoins ? clone_by_intermediate(c, pair[0], &s->pidfd, f) : clone_directly(c, &s->pidfd, f);
	close(pair[1]);
	if (s->pid < 0)
		return close(pair[0]), -1;
	if (c->wait) {
		if (c->adj != srv.oom_adj)
			write_oom_adj(s->pid, c->adj);
		int err = write_maps(s->pid, c->plan);
		if (err || write(pair[0], "", 1) != 1) {
			kill(s->pid, SIGKILL); /* reaped by the loop */
			close(pair[0]);
			return failed(f, CR_AT_IDMAP, err ? err : EPIPE);
		}
	}
	watch_open(&s->sync, pair[0], sync_ready, EPOLLIN);
	return 0;
}
