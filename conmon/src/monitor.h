/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of crisp-conmon know of each other. One process, one thread, one epoll; everything that lives longer than a
 * message is a slot (a container or an exec), an attacher of a slot, or a connection of the daemon.
 *
 *   server.c  connections, requests, answers      plan.c   the plan's validator        log.c     CRI log lines
 *   spawn.c   clone, joins, id maps, sync socket  steps.c  the executor, in the child  attach.c  stdio, attachers
 *   exit.c    reaping, exit records               loop.c   epoll, memory               main.c    start, pause
 */
#ifndef CRISP_MONITOR_H
#define CRISP_MONITOR_H
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "kernel.h"
#include "protocol.h"

#define LINE_MAX_LOG 16384u        /* bytes of a log record, as containerd's max_container_log_line_size */
#define READ_SIZE 65536u           /* one read of a pipe: all that it holds */
#define PENDING_MAX (1u << 20)     /* bytes kept for an attacher that does not read: the largest pipe of an unprivileged user */
#define SINK_SIZE (PENDING_MAX + 2 * READ_SIZE)
#define STALL_NS 10000000000ll     /* a stalled attacher is dropped after this */
#define NOBODY_NS 10000000000ll    /* nobody ever connected: the daemon died in between, so go */
#define TRIM_NS 1000000000ll       /* give memory back when idle for this long */
#define container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* ---- loop.c: a watch is an fd that epoll knows, or will know. ---- */
struct watch {
	void (*ready)(struct watch *, uint32_t events);
	int fd;   /* owned; -1: none */
	bool on;
};
int watch_open(struct watch *, int fd, void (*ready)(struct watch *, uint32_t), uint32_t events);
int watch_on(struct watch *, uint32_t events); /* 0 events: errors and hang-ups only */
void watch_off(struct watch *);
void watch_close(struct watch *);
void loop_init(void);
void loop_step(int64_t deadline); /* handles one event, or none when the deadline (monotonic ns, 0: never) passes */
int64_t now(clockid_t); /* ns */
void *cell_take(void); /* zeroed, or NULL; for a slot, conn or attacher */
void cell_give(void *);
void *map_take(size_t size); /* zeroed pages, or NULL; untouched ones cost nothing */
void map_give(void *, size_t size);
char *put_number(char *at, uint64_t n, int width); /* decimal, zero-padded; returns the end */
void fd_close(int *fd);         /* and empty it */
int fd_flags(int fd, int set);  /* file status flags, as O_NONBLOCK */
ssize_t send_fds(int sock, const void *msg, size_t len, const int *fds, int n, int flags);           /* up to 8 fds */
ssize_t recv_fds(int sock, void *msg, size_t len, int **fds, int *n); /* len + 1: cut off; the fds lie in scratch->ctl */
void close_all_but(const int *keep, int n);        /* above 2 */
struct scratch { /* shared by everything that reads; its pages are given back when idle */
	char buf[READ_SIZE];
	char ctl[1088]; /* control data of a message: CR_MAX_FDS + 3 fds */
	struct iovec iov[512];
};
extern struct scratch *scratch;

/* ---- plan.c ---- */
struct plan {
	const struct cr_plan *head;
	const struct cr_step *steps;
	const char *data;
	uint32_t datalen;
	bool stdio, pty; /* it has such steps */
};
int plan_check(struct plan *, const void *bytes, size_t size); /* 0 or an errno; then everything in it may be used */
int plan_map(struct plan *, int memfd);
void plan_unmap(struct plan *);
static inline const char *plan_str(const struct plan *p, uint32_t at) { return at ? p->data + at : NULL; }

/* ---- attach.c: a sink is an fd that is written to without blocking, with what it did not take yet. ---- */
struct sink {
	struct watch w;
	char *buf;
	uint32_t len, off;
	bool closing;     /* close when empty */
	int64_t deadline; /* drop when not empty then; 0: never */
};
struct attacher {
	struct attacher *next;
	struct slot *slot;
	bool output; /* it asked for some */
	struct watch in;
	struct sink out[2];
};
struct stream { /* stdout or stderr of a container: what the monitor reads */
	struct watch w;
	int index;
	uint32_t plen; /* bytes of an unfinished line in part */
	char *part;    /* LINE_MAX_LOG */
};

/* ---- server.c ---- */
struct conn {
	struct conn *next;
	struct watch w;
	bool subscribed, dead;
};
struct ticket { /* an answer that is owed */
	struct conn *conn; /* NULL: nobody waits any more */
	uint32_t seq, type;
};
struct failure { int32_t step, op, err, sig; };
struct slot {
	struct slot *next;
	char id[sizeof(((struct cr_msg *)0)->id)];
	pid_t pid;
	int32_t state, code, sig;
	bool exec, tty, stdin_once;
	bool final;               /* its child said that EXEC comes next: from here the end of the sync socket means success */
	bool starting;            /* START was sent, or there is no barrier */
	struct watch sync;        /* the child's messages, until its exec */
	struct ticket owed;
	struct failure fail;      /* err 0: none */
	int pidfd, log, exitdir, console;
	struct watch oom;
	int nsent, sent[4];
	uint32_t kinds[4], oom_kills;
	struct stream out[2];
	struct sink in;           /* its stdin, or the terminal */
	struct attacher *attachers;
	uint64_t started, ended, dropped;
};
struct server {
	struct watch listener, signals;
	struct conn *conns;
	struct slot *slots;
	int epoll, pidns;       /* pidns: our own PID namespace, to come back to */
	int oom_adj, oom_adj_parent; /* ours, and what we were started with; INT_MAX: unknown */
	bool sweep;             /* something among the attachers is to be freed */
	bool trim;              /* there may be memory to give back */
	bool leave;             /* exit as soon as nothing runs: SIGTERM, or SHUTDOWN */
	bool once, given;       /* once mode; OK was sent: the child is the caller's */
	int64_t nobody;         /* exit at this time if nobody ever connects */
	struct ticket shutdown;
};
extern struct server srv;
int msg_check(const struct cr_msg *, size_t size, uint32_t nfds); /* 0 or an errno: is this a request? */
void server_init(int listener);
int server_once(int conn);
void answer(struct ticket *, struct cr_msg *, const int *fds, int nfds);
void answer_error(struct ticket *, struct failure);
bool announce(struct cr_msg *); /* to every subscriber; is there one? */
void slot_describe(const struct slot *, struct cr_msg *);
void slot_free(struct slot *);
bool anything_runs(void);

/* ---- spawn.c ---- */
struct child {
	const struct plan *plan;
	const int *files; /* registers 0 .. head->nfds-1 */
	int stdio[3];     /* -1: /dev/null */
	int sync;
	bool wait;        /* for a byte from the monitor, before the first step */
	bool set_adj;     /* write adj into our own oom_score_adj */
	int adj;
};
int spawn(struct slot *, struct child *, struct failure *); /* 0, or -1 with the failure */
int write_all(int fd, const char *text, size_t len); /* 0 or an errno, as the next */
int write_oom_adj(pid_t, int adj); /* pid 0: our own */
int send_sync(int sock, struct cr_sync m, int fd);

/* ---- steps.c ---- */
_Noreturn void run_plan(const struct child *);

/* ---- log.c ---- */
void log_feed(struct slot *, int stream, const char *data, size_t n);
void log_flush(struct slot *, int stream); /* the unfinished line, as P */

/* ---- attach.c ---- */
int stdio_open(struct slot *, const struct plan *, uint32_t flags, int childs[3]);
void stdio_console(struct slot *, int master);
void stdio_drain(struct slot *); /* at exit: what is readable now, and the last line */
void stdio_close(struct slot *);
void stdin_close(struct slot *);
int attach(struct slot *, uint32_t flags, int *fds); /* takes the fds */
int64_t attach_sweep(void); /* frees what is done, drops what is stalled; the next deadline */

/* ---- exit.c ---- */
void sync_ready(struct watch *, uint32_t);
void oom_ready(struct watch *, uint32_t);
void reap(void);
#endif
