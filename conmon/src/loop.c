/* SPDX-License-Identifier: Apache-2.0
 * The event loop, and memory by pages. Events are taken one at a time: what a handler frees can then not be in a batch that is
 * being worked on, and epoll goes round its ready list by itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "kernel.h"
#include "monitor.h"

struct scratch *scratch;

void loop_init(void)
{
	srv.epoll = epoll_create1(EPOLL_CLOEXEC);
	scratch = map_take(sizeof *scratch);
	if (srv.epoll < 0 || !scratch)
		_exit(71);
}

void watch_init(struct watch *w, int fd, void (*ready)(struct watch *, uint32_t))
{
	w->fd = fd;
	w->ready = ready;
	w->on = false;
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
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

void loop_step(int64_t deadline)
{
	struct epoll_event e;
	int ms = -1;
	if (srv.trim || deadline) {
		int64_t ns = deadline ? deadline - now_monotonic() : TRIM_NS;
		if (srv.trim && ns > TRIM_NS)
			ns = TRIM_NS;
		ms = ns <= 0 ? 0 : (int)((ns + 999999) / 1000000);
	}
	int n = epoll_wait(srv.epoll, &e, 1, ms);
	if (n == 1) {
		struct watch *w = e.data.ptr;
		w->ready(w, e.events);
	} else if (n == 0 && srv.trim) {
		srv.trim = false;
		madvise(scratch, sizeof *scratch, MADV_DONTNEED);
	}
}

int64_t now_monotonic(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

uint64_t now_realtime(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

void *map_take(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void map_give(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

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
