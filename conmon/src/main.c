/* SPDX-License-Identifier: Apache-2.0
 * crisp-conmon: the executor and monitor of a pod (a listening socket at fd 3), the executor of one request (a connected one), or, called
 * "pause", the pod's first process. */
#include "monitor.h"

struct server srv = { .pidns = -1, .oom_adj = INT_MAX, .oom_adj_parent = INT_MAX };

/* pause_main holds the pod's namespaces and, as pid 1, reaps: the kernel does it for a parent that ignores SIGCHLD. */
static int pause_main(void)
{
	sigset_t set;
	int sig;
	prctl(PR_SET_NAME, "pause");
	signal(SIGCHLD, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL); /* blocked, they reach even a pid 1 */
	while (sigwait(&set, &sig) != 0)
		;
	return 0;
}

static void signals_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo si;
	if (read(w->fd, &si, sizeof si) != sizeof si)
		return;
	if (si.ssi_signo == SIGCHLD)
		reap();
	else
		srv.leave = true; /* SIGTERM, as from a machine that shuts down: go when the containers have gone */
}

static void init_signals(void)
{
	static const unsigned long dfl[4]; /* the kernel's struct sigaction: the C library keeps us from some real-time signals */
	sigset_t set;
	for (int i = 1; i <= 64; i++)
		syscall(SYS_rt_sigaction, i, dfl, NULL, 8);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	watch_open(&srv.signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), signals_ready, EPOLLIN);
}

/* init_oom asks that the OOM killer takes anything else first: the monitor has every container's exit to tell. */
static void init_oom(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
		srv.oom_adj = srv.oom_adj_parent = atoi(text);
	fd_close(&fd);
	if (write_oom_adj(0, -999) == 0)
		srv.oom_adj = -999;
}

static int monitor_main(void)
{
	static const char usage[] = "usage: crisp-conmon  (a listening or connected SOCK_SEQPACKET socket at fd 3)\n       crisp-conmon pause\n";
	int listening = 0, type = 0;
	socklen_t len = sizeof(int);
	if (getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		return (void)!write(2, usage, sizeof usage - 1), 64;
	for (int fd; (fd = open("/dev/null", O_RDWR)) >= 0 && (fd < 3 || close(fd));)
		; /* 0 to 2 are open, or are /dev/null now */
	syscall(SYS_close_range, 4, ~0u, 0);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	fcntl(3, F_SETFL, O_NONBLOCK);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* what joins a container's namespaces with our fds is nobody's to trace (CVE-2016-9962) */
	umask(0); /* modes are the plan's */
	loop_init();
	init_signals();
	if (!listening)
		return server_once(3);
	prctl(PR_SET_NAME, "crisp-conmon");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	init_oom();
	server_init(3);
	srv.nobody = now(CLOCK_MONOTONIC) + NOBODY_NS;
	for (int64_t next = 0; !srv.leave || anything_runs();) {
		if (srv.sweep || next)
			next = attach_sweep();
		loop_step(srv.nobody && (!next || srv.nobody < next) ? srv.nobody : next);
		srv.leave |= srv.nobody && now(CLOCK_MONOTONIC) >= srv.nobody;
	}
	if (srv.shutdown.type)
		answer(&srv.shutdown, &(struct cr_msg){ 0 }, NULL, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	name = name ? name + 1 : argc > 0 ? argv[0] : "";
	return !strcmp(name, "pause") || (argc > 1 && !strcmp(argv[1], "pause")) ? pause_main() : monitor_main();
}
