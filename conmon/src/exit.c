/* SPDX-License-Identifier: Apache-2.0
 * From the child's first word to its last: the messages of the sync socket, reaping, the exit record.
 *
 *   CREATING --BARRIER--> CREATED --START, FINAL, end of the socket--> RUNNING --reaped--> EXITED --FORGET--> gone
 *       |                    '--------------------- reaped -----------------------------------^
 *       '--FAIL or death: an ERR when it is reaped, and gone; an EXEC goes from CREATING to RUNNING, and is gone with its event */
#include "monitor.h"

static void answer_made(struct slot *s)
{
	struct cr_msg m;
	int fds[6] = { s->pidfd }, n = 1;
	slot_describe(s, &m);
	if (s->exec && s->console >= 0) {
		fds[n++] = s->console;
		s->console = -1;
	}
	memcpy(m.sent_kinds, s->kinds, sizeof m.sent_kinds);
	for (int i = 0; i < s->nsent; i++)
		fds[n++] = s->sent[i];
	s->nsent = 0;
	answer(&s->owed, &m, fds, s->owed.type == CR_MSG_START ? 0 : n);
	while (--n > 0) /* not the pidfd, which LIST gives again */
		close(fds[n]);
}

static void keep_fd(struct slot *s, const struct cr_sync *m, int fd)
{
	if (m->kind == CR_SYNC_FD && s->nsent < (int)countof(s->sent)) {
		s->kinds[s->nsent] = (uint32_t)m->op;
		s->sent[s->nsent++] = fd;
	} else if (m->kind != CR_SYNC_CONSOLE || s->console >= 0) {
		close(fd);
	} else if (s->exec) {
		s->console = fd; /* the daemon's, with the answer */
	} else {
		stdio_console(s, fd);
	}
}

/* sync_read takes one message; false: there is none now, or the socket has ended. */
static bool sync_read(struct slot *s)
{
	struct cr_sync m;
	int *fds, nfds;
	ssize_t n = recv_fds(s->sync.fd, &m, sizeof m, &fds, &nfds);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != sizeof m) { /* the end: close-on-exec, or death */
		watch_close(&s->sync);
		if (s->final && !s->fail.err && s->starting) { /* else reap tells the rest */
			s->state = CR_STATE_RUNNING;
			s->started = (uint64_t)now(CLOCK_REALTIME);
			answer_made(s);
		}
		return false;
	}
	if (nfds > 0)
		keep_fd(s, &m, fds[0]);
	if (m.kind == CR_SYNC_FAIL)
		s->fail = (struct failure){ m.step, m.op, m.err ? m.err : EIO, 0 };
	s->final |= m.kind == CR_SYNC_FINAL;
	if (m.kind == CR_SYNC_BARRIER && s->state == CR_STATE_CREATING && (srv.once || !s->exec)) {
		s->state = CR_STATE_CREATED;
		answer_made(s);
		if (srv.given)
			(void)!write(s->sync.fd, "", 1);
	}
	return true;
}

void sync_ready(struct watch *w, uint32_t events)
{
	struct slot *s = container(w, struct slot, sync);
	while (s->sync.fd >= 0 && sync_read(s))
		;
}

/* oom_ready reads memory.events (v2) or memory.oom_control (v1) at the exit: "oom_kill N". systemd removes the cgroup with its last
 * process, so when the file changes (v2) "oom N" is read, which comes before the kill: the next notice is 10 ms off. */
void oom_ready(struct watch *w, uint32_t events)
{
	char buf[1024];
	ssize_t n = w->fd < 0 ? -1 : pread(w->fd, buf, sizeof buf - 1, 0);
	if (n <= 0)
		return watch_close(w);
	buf[n] = 0;
	const char *p = strstr(buf, events ? "oom " : "oom_kill "); /* no other key ends so */
	container(w, struct slot, oom)->oom_kills = p ? (uint32_t)strtoul(p + (events ? 4 : 9), NULL, 10) : 0;
}

/* write_record writes the exit record aside and renames it; the fd that is to be synced, or -1. */
static int write_record(const struct slot *s)
{
	const uint64_t fields[5] = { 1, (uint64_t)s->code, (uint64_t)s->sig, s->oom_kills, s->ended };
	char line[128], *p = line;
	for (int i = 0; i < 5; i++) {
		p = put_number(p, fields[i], 1);
		*p++ = i < 4 ? ' ' : '\n';
	}
	int fd = s->exitdir < 0 ? -1 : openat(s->exitdir, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && (write_all(fd, line, (size_t)(p - line)) != 0 || renameat(s->exitdir, "exit.tmp", s->exitdir, "exit") < 0)) {
		unlinkat(s->exitdir, "exit.tmp", 0);
		fd_close(&fd);
	}
	return fd;
}

/* sync_record makes the record durable in a process of its own: a slow disk must not hold up the other containers' output. */
static void sync_record(const struct slot *s, int fd)
{
	struct k_clone_args a = { .exit_signal = SIGCHLD };
	if (fd < 0)
		return;
	if (syscall(SYS_clone3, &a, sizeof a) == 0) {
		close_all_but((int[]){ fd, s->exitdir }, 2);
		fdatasync(fd);
		fsync(s->exitdir);
		_exit(0);
	}
	close(fd);
}

static void slot_exited(struct slot *s, const siginfo_t *si)
{
	struct cr_msg m;
	sync_ready(&s->sync, 0);
	watch_close(&s->sync);
	s->sig = si->si_code == CLD_EXITED ? 0 : si->si_status;
	s->code = s->sig ? 128 + s->sig : si->si_status;
	s->ended = (uint64_t)now(CLOCK_REALTIME);
	oom_ready(&s->oom, 0);
	if (s->owed.type) /* CREATE, EXEC or START */
		answer_error(&s->owed, s->fail.err ? s->fail : (struct failure){ -1, CR_AT_CHILD_DIED, ESRCH, s->sig });
	if (s->state == CR_STATE_CREATING)
		return slot_free(s);
	s->state = CR_STATE_EXITED;
	fd_close(&s->pidfd);
	stdio_drain(s);
	int record = write_record(s);
	slot_describe(s, &m);
	m.type = CR_MSG_EVENT_EXIT;
	bool heard = announce(&m);
	sync_record(s, record);
	fd_close(&s->exitdir);
	watch_close(&s->oom);
	if (s->exec && heard)
		slot_free(s);
}

void reap(void)
{
	for (int n = 0;; n++) {
		siginfo_t si = { 0 };
		struct slot *s = srv.slots;
		if (n == 64) /* somebody forks like mad: others have their turn first */
			return (void)kill(getpid(), SIGCHLD);
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | (srv.once ? WNOWAIT : 0)) < 0 || si.si_pid == 0) /* once: the caller's to reap after OK */
			return;
		while (s && (s->pid != si.si_pid || s->state == CR_STATE_EXITED))
			s = s->next;
		if (s) /* else an orphan that we adopted, or a helper of ours */
			slot_exited(s, &si);
	}
}
