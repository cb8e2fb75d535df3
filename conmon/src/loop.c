/* SPDX-License-Identifier: Apache-2.0
 * The event loop, and memory by pages. Events are taken one at a time: what a handler frees can then not be in a batch that is
 * being worked on, and epoll goes round its ready list by itself. */
#include "monitor.h"

struct scratch *scratch;

void loop_init(void)
{
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	scratch = map_take(sizeof *scratch);
	if (srv.epoll < 0 || !scratch)
		_exit(71);
}

int watch_open(struct watch *w, int fd, void (*ready)(struct watch *, uint32_t), uint32_t events)
{
	*w = (struct watch){ .ready = ready, .fd = fd };
	return watch_on(w, events);
}

int watch_on(struct watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };
	if (epoll_ctl(srv.epoll, w->on ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) < 0)
		return -1; /* EPERM: a regular file, which never makes anybody wait */
	w->on = true;
	return 0;
}

void watch_off(struct watch *w)
{
	if (w->on)
		epoll_ctl(srv.epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->on = false;
}

void watch_close(struct watch *w)
{
	watch_off(w);
	fd_close(&w->fd);
}

void loop_step(int64_t deadline)
{
	struct epoll_event e;
	int64_t ns = deadline ? deadline - now(CLOCK_MONOTONIC) : TRIM_NS;
	if (srv.trim && ns > TRIM_NS)
		ns = TRIM_NS;
	int n = epoll_wait(srv.epoll, &e, 1, !srv.trim && !deadline ? -1 : ns <= 0 ? 0 : (int)((ns + 999999) / 1000000));
	if (n == 1) {
		struct watch *w = e.data.ptr;
		w->ready(w, e.events);
	} else if (n == 0 && srv.trim) {
		srv.trim = false;
		madvise(scratch, sizeof *scratch, MADV_DONTNEED);
	}
}

int64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Slots, connections and attachers live in cells of one size; the first few in what is left of the page of our own data. */
static union cell { union cell *next; char bytes[768]; } first[4], *cells;

void *cell_take(void)
{
	static bool used;
	if (!cells) {
		union cell *more = used ? map_take(4096) : first;
		for (size_t n = used ? 4096 / sizeof *more : countof(first); more && n > 0;)
			cell_give(more + --n);
		used = true;
	}
	union cell *c = cells;
	return c ? cells = c->next, memset(c, 0, sizeof *c) : NULL;
}

void cell_give(void *p)
{
	union cell *c = p;
	c->next = cells;
	cells = c;
}

void *map_take(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void map_give(void *p, size_t size) { (void)(p && munmap(p, size)); }

char *put_number(char *at, uint64_t n, int width)
{
	char digits[20];
	int len = 0;
	do
		digits[len++] = (char)('0' + n % 10);
	while ((n /= 10) || len < width);
	while (len)
		*at++ = digits[--len];
	return at;
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fd_flags(int fd, int set) { return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | set); }

ssize_t send_fds(int sock, const void *msg, size_t len, const int *fds, int n, int flags)
{
	char ctl[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)msg, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n > 0) {
		h.msg_control = ctl;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n) };
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	}
	return sendmsg(sock, &h, flags | MSG_NOSIGNAL);
}

ssize_t recv_fds(int sock, void *msg, size_t len, int **fds, int *n)
{
	struct iovec iov = { msg, len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = scratch->ctl, .msg_controllen = sizeof scratch->ctl };
	ssize_t got = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&h);
	*n = 0;
	srv.trim = true;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*fds = (int *)(void *)CMSG_DATA(c);
		*n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	}
	return got >= 0 && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? (ssize_t)len + 1 : got;
}

void close_all_but(const int *keep, int n)
{
	for (unsigned from = 3;;) {
		unsigned next = ~0u;
		for (int i = 0; i < n; i++)
			if (keep[i] >= (int)from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from)
			syscall(SYS_close_range, from, next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}
