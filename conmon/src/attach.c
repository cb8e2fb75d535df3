/* SPDX-License-Identifier: Apache-2.0
 * The stdio of containers, and who is attached to it. What a container writes goes to its log, then to every attacher. An attacher that
 * does not read makes the container's stream wait; after STALL_NS it is dropped. An exec has none of this: its fds are the daemon's. */
#include "monitor.h"

/* ---- sinks ---- */
static void sink_close(struct sink *k)
{
	watch_close(&k->w);
	map_give(k->buf, SINK_SIZE);
	k->buf = NULL;
	k->len = k->off = 0;
	k->deadline = 0;
	srv.sweep = true;
}

static ssize_t try_write(int fd, const char *data, size_t n)
{
	ssize_t done = write(fd, data, n);
	return done < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : done;
}

/* sink_write writes what the fd takes and keeps the rest. */
static void sink_write(struct sink *k, const char *data, size_t n)
{
	ssize_t done = 0;
	if (k->w.fd < 0 || k->closing)
		return;
	if (!k->len) {
		done = try_write(k->w.fd, data, n);
		if (done == (ssize_t)n)
			return;
		if (done < 0 || (!k->buf && !(k->buf = map_take(SINK_SIZE))))
			return sink_close(k);
		k->off = 0;
		k->deadline = now(CLOCK_MONOTONIC) + STALL_NS;
		srv.sweep = true; /* there is a deadline */
		watch_on(&k->w, EPOLLOUT);
	}
	n -= (size_t)done;
	if (k->off + k->len + n > SINK_SIZE)
		return sink_close(k);
	memcpy(k->buf + k->off + k->len, data + done, n);
	k->len += (uint32_t)n;
}

/* sink_flush is called when the fd takes more, or is broken; it tells whether the sink is empty (or closed) now. */
static bool sink_flush(struct sink *k, uint32_t events)
{
	ssize_t n = k->len ? try_write(k->w.fd, k->buf + k->off, k->len) : 0;
	if (n < 0 || (!k->len && (events & (EPOLLERR | EPOLLHUP))))
		return sink_close(k), true;
	if (n > 0) {
		k->off += (uint32_t)n;
		k->len -= (uint32_t)n;
		k->deadline = now(CLOCK_MONOTONIC) + STALL_NS;
	}
	if (k->len)
		return false;
	map_give(k->buf, SINK_SIZE);
	k->buf = NULL;
	k->deadline = 0;
	watch_on(&k->w, 0);
	if (k->closing)
		sink_close(k);
	return true;
}

static void sink_finish(struct sink *k) /* close it when all is written */
{
	k->closing = true;
	if (!k->len)
		sink_close(k);
}

static void sink_open(struct sink *k, int fd, void (*ready)(struct watch *, uint32_t))
{
	fd_flags(fd, O_NONBLOCK);
	watch_open(&k->w, fd, ready, 0); /* tells when the reader goes; not of regular files */
}

/* ---- what a container writes ---- */
static bool stalled(const struct slot *s, int i)
{
	for (const struct attacher *a = s->attachers; a; a = a->next)
		if (a->out[i].len)
			return true;
	return false;
}

static void log_done(struct slot *s) /* after the exit, when nobody can write any more */
{
	if (s->state == CR_STATE_EXITED && s->out[0].w.fd < 0 && s->out[1].w.fd < 0)
		fd_close(&s->log);
}

static void stream_end(struct slot *s, int i)
{
	log_flush(s, i);
	watch_close(&s->out[i].w);
	for (struct attacher *a = s->attachers; a; a = a->next)
		sink_finish(&a->out[i]);
	log_done(s);
}

/* stream_read reads once and hands on; false: nothing more for now, or for ever. */
static bool stream_read(struct slot *s, int i)
{
	ssize_t n = read(s->out[i].w.fd, scratch->buf, sizeof scratch->buf);
	srv.trim = true;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) /* EIO: nobody has the terminal open any more */
		return stream_end(s, i), false;
	log_feed(s, i, scratch->buf, (size_t)n);
	for (struct attacher *a = s->attachers; a; a = a->next)
		sink_write(&a->out[i], scratch->buf, (size_t)n);
	return true;
}

static void stream_ready(struct watch *w, uint32_t events)
{
	struct stream *st = container(w, struct stream, w);
	struct slot *s = container(st - st->index, struct slot, out);
	if (stream_read(s, st->index) && stalled(s, st->index))
		watch_off(w); /* not even hang-ups: they would be reported without end */
}

/* ---- what a container reads ---- */
static void stdin_ready(struct watch *w, uint32_t events)
{
	struct slot *s = container(w, struct slot, in.w);
	if (!sink_flush(&s->in, events))
		return;
	for (struct attacher *a = s->attachers; a; a = a->next)
		if (s->in.w.fd < 0)
			watch_close(&a->in);
		else if (a->in.fd >= 0)
			watch_on(&a->in, EPOLLIN);
}

void stdin_close(struct slot *s)
{
	if (!s->tty && s->in.w.fd >= 0) /* a terminal is closed as a whole */
		sink_finish(&s->in);
}

static void attacher_stdin(struct watch *w, uint32_t events)
{
	struct attacher *a = container(w, struct attacher, in);
	struct slot *s = a->slot;
	ssize_t n = read(w->fd, scratch->buf, 4096);
	srv.trim = true;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && s->in.w.fd >= 0) {
		sink_write(&s->in, scratch->buf, (size_t)n);
		for (a = s->attachers; a && s->in.len; a = a->next)
			watch_off(&a->in);
		return;
	}
	watch_close(w);
	srv.sweep = true;
	if (s->stdin_once)
		stdin_close(s);
}

/* ---- attachers ---- */
static void attacher_out(struct watch *w, uint32_t events)
{
	struct sink *k = container(w, struct sink, w);
	if (sink_flush(k, events))
		srv.sweep = true; /* streams may go on */
}

int attach(struct slot *s, uint32_t flags, int *fds)
{
	struct attacher *a = cell_take();
	int n = 0;
	if (!a)
		return ENOMEM;
	a->slot = s;
	a->output = flags & (CR_F_STDOUT | CR_F_STDERR);
	a->in = (struct watch){ .fd = flags & CR_F_STDIN ? fds[n++] : -1, .ready = attacher_stdin };
	for (int i = 0; i < 2; i++) {
		sink_open(&a->out[i], flags & (CR_F_STDOUT << i) ? fds[n++] : -1, attacher_out);
		if (s->out[i].w.fd < 0)
			sink_finish(&a->out[i]);
	}
	while (n > 0)
		fds[--n] = -1; /* taken */
	a->next = s->attachers;
	s->attachers = a;
	srv.sweep = true;
	fd_flags(a->in.fd, O_NONBLOCK);
	if (a->in.fd >= 0 && (s->in.w.fd < 0 || (!s->in.len && watch_on(&a->in, EPOLLIN) < 0))) /* not a regular file: it would never end */
		watch_close(&a->in);
	return 0;
}

static void attacher_free(struct attacher *a)
{
	if (a->in.fd >= 0 && a->slot->stdin_once && a->slot->state != CR_STATE_EXITED)
		stdin_close(a->slot);
	watch_close(&a->in);
	sink_close(&a->out[0]);
	sink_close(&a->out[1]);
	cell_give(a);
}

int64_t attach_sweep(void)
{
	int64_t next = 0, time = 0;
	for (struct slot *s = srv.slots; s; s = s->next) {
		struct attacher **p = &s->attachers, *a;
		while ((a = *p)) {
			for (int i = 0; i < 2; i++) {
				struct sink *k = &a->out[i];
				if (k->deadline && k->deadline <= (time ? time : (time = now(CLOCK_MONOTONIC))))
					sink_close(k);
				if (k->deadline && (!next || k->deadline < next))
					next = k->deadline;
			}
			/* Who asked for output stays as long as there may be some, others as long as they write. */
			if (a->out[0].w.fd >= 0 || a->out[1].w.fd >= 0 || (a->in.fd >= 0 && !a->output)) {
				p = &a->next;
				continue;
			}
			*p = a->next;
			attacher_free(a);
		}
		for (int i = 0; i < 2; i++)
			if (s->out[i].w.fd >= 0 && !s->out[i].w.on && !stalled(s, i))
				watch_on(&s->out[i].w, EPOLLIN);
	}
	srv.sweep = false;
	return next;
}

/* ---- the whole stdio of a slot ---- */
static void stream_open(struct slot *s, int i, int fd)
{
	fd_flags(fd, O_NONBLOCK);
	s->out[i].index = i;
	watch_open(&s->out[i].w, fd, stream_ready, EPOLLIN);
}

int stdio_open(struct slot *s, const struct plan *p, uint32_t flags, int childs[3])
{
	if (!p->stdio || s->tty)
		return 0;
	for (int i = flags & CR_F_STDIN ? 0 : 1; i < 3; i++) {
		int pair[2];
		if (pipe2(pair, O_CLOEXEC) < 0)
			return errno;
		childs[i] = pair[i > 0];
		if (i > 0)
			stream_open(s, i - 1, pair[0]);
		else
			sink_open(&s->in, pair[1], stdin_ready);
	}
	return 0;
}

void stdio_console(struct slot *s, int master)
{
	s->console = master;
	stream_open(s, 0, fcntl(master, F_DUPFD_CLOEXEC, 3)); /* epoll knows an fd once: reading and writing get one each */
	sink_open(&s->in, fcntl(master, F_DUPFD_CLOEXEC, 3), stdin_ready);
}

void stdio_drain(struct slot *s)
{
	for (int i = 0; i < 2; i++) {
		/* As much as a pipe can hold: what somebody who is left writes meanwhile can wait. */
		for (size_t n = 0; s->out[i].w.fd >= 0 && n < PENDING_MAX && stream_read(s, i); n += READ_SIZE)
			;
		if (s->out[i].w.fd >= 0)
			log_flush(s, i);
		for (struct attacher *a = s->attachers; a; a = a->next)
			sink_finish(&a->out[i]);
	}
	sink_close(&s->in);
	for (struct attacher *a = s->attachers; a; a = a->next)
		watch_close(&a->in);
	fd_close(&s->console);
	log_done(s);
}

void stdio_close(struct slot *s)
{
	for (int i = 0; i < 2; i++)
		stream_end(s, i);
	sink_close(&s->in);
	for (struct attacher *a; (a = s->attachers);) {
		s->attachers = a->next;
		attacher_free(a);
	}
}
