/* SPDX-License-Identifier: Apache-2.0
 * The daemon's side: connections, requests, answers, events. Nothing here ever waits for a peer: a connection that does not take an answer
 * is closed, and its owner connects again and asks LIST. */
#include "monitor.h"

struct request {
	const struct cr_msg *m;
	struct ticket ticket;
	int *fds; /* those still to be closed; -1 where taken */
	int nfds;
};

/* ---- answers ---- */
static void send_msg(struct conn *c, struct cr_msg *m, const int *fds, int nfds)
{
	if (!c || c->dead)
		return;
	m->nfds = (uint32_t)nfds;
	if (send_fds(c->w.fd, m, sizeof *m, fds, nfds, MSG_DONTWAIT) == sizeof *m)
		return;
	c->dead = true; /* closed by its own handler, which epoll calls for the hang-up */
	shutdown(c->w.fd, SHUT_RDWR);
}

void answer(struct ticket *t, struct cr_msg *m, const int *fds, int nfds)
{
	m->type = CR_MSG_OK;
	m->seq = t->seq;
	send_msg(t->conn, m, fds, nfds);
	srv.given |= srv.once && t->conn && !t->conn->dead;
	srv.leave |= srv.once;
	*t = (struct ticket){ 0 };
}

void answer_error(struct ticket *t, struct failure f)
{
	struct cr_msg m = { .type = CR_MSG_ERR, .seq = t->seq, .step = f.step, .op = f.op, .err = f.err, .sig = f.sig };
	while (srv.once && waitpid(-1, NULL, 0) > 0)
		; /* it was only looked at */
	srv.leave |= srv.once;
	send_msg(t->conn, &m, NULL, 0);
	*t = (struct ticket){ 0 };
}

bool announce(struct cr_msg *m)
{
	bool heard = false;
	for (struct conn *c = srv.conns; c; c = c->next)
		if (c->subscribed) {
			send_msg(c, m, NULL, 0);
			heard |= !c->dead;
		}
	return heard;
}

static void fail(struct request *r, int at, int err) { answer_error(&r->ticket, (struct failure){ -1, at, err, 0 }); }

static void ok(struct request *r) { answer(&r->ticket, &(struct cr_msg){ 0 }, NULL, 0); }

/* ---- slots ---- */
void slot_describe(const struct slot *s, struct cr_msg *m)
{
	*m = (struct cr_msg){
		.type = CR_MSG_STATE, .flags = (s->exec ? CR_F_EXEC : 0) | (s->tty ? CR_F_TTY : 0), .pid = s->pid, .state = (uint32_t)s->state,
		.code = s->code, .sig = s->sig, .oom = s->oom_kills, .started = s->started, .time = s->ended, .dropped = s->dropped,
	};
	memcpy(m->id, s->id, sizeof m->id);
}

static struct slot *slot_find(const char *id)
{
	struct slot *s = srv.slots;
	while (s && strcmp(s->id, id))
		s = s->next;
	return s;
}

bool anything_runs(void)
{
	for (struct slot *s = srv.slots; s; s = s->next)
		if (s->state != CR_STATE_EXITED)
			return true;
	return false;
}

static void kill_all(void)
{
	for (struct slot *s = srv.slots; s; s = s->next)
		if (s->state != CR_STATE_EXITED)
			kill(s->pid, SIGKILL);
}

static struct slot *slot_new(const struct request *r)
{
	struct slot *s = cell_take();
	if (!s)
		return NULL;
	memcpy(s->id, r->m->id, sizeof s->id);
	s->exec = r->m->type == CR_MSG_EXEC;
	s->tty = r->m->flags & CR_F_TTY;
	s->stdin_once = r->m->flags & CR_F_STDIN_ONCE;
	s->state = CR_STATE_CREATING;
	s->pidfd = s->log = s->exitdir = s->oom.fd = s->console = s->sync.fd = s->in.w.fd = s->out[0].w.fd = s->out[1].w.fd = -1;
	s->owed = r->ticket;
	s->next = srv.slots;
	srv.slots = s;
	return s;
}

void slot_free(struct slot *s)
{
	struct slot **p = &srv.slots;
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	stdio_close(s);
	watch_close(&s->sync), watch_close(&s->oom);
	for (int i = 0; i < s->nsent; i++)
		close(s->sent[i]);
	int *const fds[] = { &s->pidfd, &s->log, &s->exitdir, &s->console };
	for (size_t i = 0; i < countof(fds); i++)
		fd_close(fds[i]);
	cell_give(s);
}

/* ---- requests ---- */
static int take(struct request *r, int *at) /* the next fd of the message */
{
	int fd = r->fds[*at];
	r->fds[(*at)++] = -1;
	return fd;
}

static void make(struct request *r) /* CREATE and EXEC */
{
	const uint32_t flags = r->m->flags;
	const bool exec = r->m->type == CR_MSG_EXEC;
	struct plan plan;
	struct child c = { .plan = &plan, .stdio = { -1, -1, -1 } };
	struct failure f = { -1, CR_AT_MEMORY, 0, 0 };
	int at = 1, made[3] = { -1, -1, -1 };
	if (slot_find(r->m->id))
		return fail(r, CR_AT_STATE, EEXIST);
	int err = plan_map(&plan, r->fds[0]);
	if (err)
		return fail(r, CR_AT_PLAN, err);
	struct slot *s = slot_new(r);
	if (!s) {
		plan_unmap(&plan);
		return fail(r, CR_AT_MEMORY, ENOMEM);
	}
	s->starting = !(plan.head->flags & CR_PLAN_BARRIER);
	if (exec) {
		for (int i = 0; i < 3; i++)
			if (flags & (const uint32_t[]){ CR_F_STDIN, CR_F_STDOUT, CR_F_STDERR }[i])
				c.stdio[i] = r->fds[at++];
	} else {
		s->log = flags & CR_F_LOG ? take(r, &at) : -1;
		s->exitdir = flags & CR_F_EXITDIR ? take(r, &at) : -1;
		watch_open(&s->oom, flags & CR_F_OOM ? take(r, &at) : -1, oom_ready, EPOLLPRI); /* a regular file is not watched */
		f.err = stdio_open(s, &plan, flags, made);
		memcpy(c.stdio, made, sizeof made);
	}
	c.files = r->fds + at;
	if (!f.err && ((uint32_t)(r->nfds - at) != plan.head->nfds || plan.pty != s->tty))
		f = (struct failure){ -1, CR_AT_PLAN, EINVAL, 0 };
	if (!f.err && spawn(s, &c, &f) == 0)
		f.err = 0;
	for (int i = 0; i < 3; i++)
		fd_close(&made[i]);
	plan_unmap(&plan);
	if (f.err) {
		answer_error(&s->owed, f);
		slot_free(s);
	}
}

static void start(struct request *r, struct slot *s)
{
	if (s->state != CR_STATE_CREATED || s->starting)
		return fail(r, CR_AT_STATE, EBUSY);
	s->starting = true;
	s->owed = r->ticket;
	(void)!write(s->sync.fd, "", 1); /* if the child is dead, reap answers */
}

static void list(struct request *r)
{
	struct cr_msg m;
	for (struct slot *s = srv.slots; s; s = s->next) {
		slot_describe(s, &m);
		m.seq = r->m->seq;
		send_msg(r->ticket.conn, &m, &s->pidfd, s->pidfd >= 0);
	}
	ok(r);
}

static void shut_down(struct request *r)
{
	if (anything_runs() && !(r->m->flags & CR_F_FORCE))
		return fail(r, CR_AT_STATE, EBUSY);
	kill_all();
	srv.shutdown = r->ticket;
	srv.leave = true; /* the loop answers when all are reaped */
}

static void hello(struct request *r)
{
	struct cr_msg m = { .pid = getpid(), .code = CR_PROTOCOL_VERSION };
	int self = (int)syscall(SYS_pidfd_open, getpid(), K_PIDFD_NONBLOCK);
	r->ticket.conn->subscribed = r->m->flags & CR_F_SUBSCRIBE;
	answer(&r->ticket, &m, &self, self >= 0);
	fd_close(&self);
}

/* of_slot serves the requests about one container or exec. */
static void of_slot(struct request *r, struct slot *s)
{
	struct winsize size = { .ws_row = r->m->rows, .ws_col = r->m->cols };
	const bool exited = s->state == CR_STATE_EXITED;
	int err = 0, at = 0;
	switch (r->m->type) {
	case CR_MSG_START: return start(r, s);
	case CR_MSG_SIGNAL: err = exited ? ESRCH : kill(s->pid, r->m->code) < 0 ? errno : 0; break;
	case CR_MSG_RESIZE: err = s->console < 0 ? ENOTTY : ioctl(s->console, TIOCSWINSZ, &size) < 0 ? errno : 0; break;
	case CR_MSG_CLOSE_STDIN: stdin_close(s); break;
	case CR_MSG_ATTACH: err = exited || s->exec ? ESRCH : attach(s, r->m->flags, r->fds); break;
	case CR_MSG_REOPEN_LOG: err = s->log < 0 ? ESRCH : (close(s->log), s->log = take(r, &at), 0); break; /* ESRCH: nobody writes any more */
	case CR_MSG_FORGET: err = exited ? (slot_free(s), 0) : EBUSY; break;
	}
	return err ? fail(r, CR_AT_STATE, err) : ok(r);
}

static void serve(struct request *r)
{
	struct slot *s = slot_find(r->m->id);
	switch (r->m->type) {
	case CR_MSG_HELLO: return hello(r);
	case CR_MSG_CREATE: case CR_MSG_EXEC: return make(r);
	case CR_MSG_LIST: return list(r);
	case CR_MSG_SHUTDOWN: return shut_down(r);
	}
	return s ? of_slot(r, s) : fail(r, CR_AT_UNKNOWN_ID, ENOENT);
}

int msg_check(const struct cr_msg *m, size_t size, uint32_t nfds)
{
	if (size != sizeof *m || m->type < CR_MSG_HELLO || m->type > CR_MSG_SHUTDOWN || m->nfds != nfds || nfds > CR_MAX_FDS ||
	    !memchr(m->id, 0, sizeof m->id))
		return EPROTO;
	if (!m->id[0] && m->type != CR_MSG_HELLO && m->type != CR_MSG_LIST && m->type != CR_MSG_SHUTDOWN)
		return EINVAL;
	bool registers = m->type == CR_MSG_CREATE || m->type == CR_MSG_EXEC; /* bring any number of fds, but the plan at least */
	uint32_t brings = m->type == CR_MSG_CREATE ? CR_F_LOG | CR_F_EXITDIR | CR_F_OOM : /* an fd for each of these flags */
		m->type == CR_MSG_EXEC || m->type == CR_MSG_ATTACH ? CR_F_STDIN | CR_F_STDOUT | CR_F_STDERR : 0;
	uint32_t need = (registers || m->type == CR_MSG_REOPEN_LOG) + (uint32_t)__builtin_popcount(m->flags & brings);
	return nfds < need || (nfds > need && !registers) ? EINVAL : 0;
}

/* ---- connections ---- */
static void conn_close(struct conn *c)
{
	struct conn **p = &srv.conns;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	for (struct slot *s = srv.slots; s; s = s->next)
		if (s->owed.conn == c)
			s->owed.conn = NULL;
	if (srv.shutdown.conn == c)
		srv.shutdown.conn = NULL;
	watch_close(&c->w);
	cell_give(c);
	if (!srv.conns && (srv.once || !srv.slots))
		srv.leave = true; /* nothing to hold, and nobody who could ask for anything */
}

static void conn_ready(struct watch *w, uint32_t events)
{
	struct conn *c = container(w, struct conn, w);
	struct cr_msg m = { 0 };
	struct request r = { .m = &m };
	ssize_t n = recv_fds(w->fd, &m, sizeof m, &r.fds, &r.nfds);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->dead)
		return conn_close(c);
	r.ticket = (struct ticket){ c, m.seq, m.type };
	int err = msg_check(&m, (size_t)n, (uint32_t)r.nfds);
	err ? fail(&r, CR_AT_REQUEST, err) : serve(&r);
	for (int i = 0; i < r.nfds; i++)
		fd_close(&r.fds[i]);
}

static int conn_open(int fd)
{
	struct conn *c = cell_take();
	if (!c)
		return -1;
	c->next = srv.conns;
	srv.conns = c;
	return watch_open(&c->w, fd, conn_ready, EPOLLIN);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid() || conn_open(fd) < 0)
		close(fd);
	else
		srv.nobody = 0;
}

/* server_once answers one request. A caller that goes before, or that took no answer, gets no process: it is killed. */
int server_once(int fd)
{
	prctl(PR_SET_NAME, "crisp-oci");
	srv.once = true;
	if (conn_open(fd) < 0)
		return 71;
	while (!srv.leave)
		loop_step(0);
	if (!srv.given) {
		kill_all();
		while (waitpid(-1, NULL, 0) > 0)
			;
	}
	_exit(0); /* nothing is to be flushed; and a sanitizer looking for leaks would make its helper in the PID namespace that was joined */
}

void server_init(int listener) { watch_open(&srv.listener, listener, listener_ready, EPOLLIN); }
