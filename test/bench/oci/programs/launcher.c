// SPDX-License-Identifier: Apache-2.0
//
// launcher starts a program, waits for it and tells its wall time and peak memory. It is this small because of what it measures:
// the kernel counts the memory of the process that calls execve(2) into the peak of the program (getrusage(2), ru_maxrss).
//
// Descriptor 3 is one end of a SOCK_SEQPACKET pair. Each request is a message; each answer is a text of decimal numbers.
//
//	'x' seconds(u8) argv[0] NUL argv[1] NUL …   run it, kill it after so many seconds → "nanoseconds KiB status", status as of wait(2)
//	'w' pid                                     wait for an orphan (this process is a subreaper) → "status"

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL = 3, MAX_ARGS = 64 };

extern char **environ;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static pid_t spawn(char **argv)
{
	pid_t pid = fork();
	if (pid < 0)
		die("launcher: fork");
	if (pid > 0)
		return pid;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, 0);
	dup2(null, 1);
	execve(argv[0], argv, environ);
	perror(argv[0]);
	_exit(127);
}

/* A wait for the process itself: SIGCHLD and pidfds would cost what is being measured. The timeout is a helper's. */
static pid_t alarm_for(pid_t pid, unsigned seconds)
{
	pid_t timer = fork();
	if (timer < 0)
		die("launcher: fork");
	if (timer > 0)
		return timer;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	if (fd >= 0 && poll(&ended, 1, (int)seconds * 1000) == 0)
		kill(pid, SIGKILL);
	_exit(0);
}

static void run(char *message, char *end, char *answer, size_t room)
{
	char *argv[MAX_ARGS + 1];
	int n = 0;
	unsigned seconds = (unsigned char)message[1];
	for (char *p = message + 2; p < end && n < MAX_ARGS; p += strlen(p) + 1)
		argv[n++] = p;
	argv[n] = NULL;
	struct rusage used;
	int status;
	long long start = now();
	pid_t pid = spawn(argv);
	pid_t timer = seconds ? alarm_for(pid, seconds) : -1;
	while (wait4(pid, &status, 0, &used) < 0)
		if (errno != EINTR)
			die("launcher: wait4");
	long long took = now() - start;
	if (timer > 0)
		waitpid(timer, NULL, 0);
	snprintf(answer, room, "%lld %ld %d", took, used.ru_maxrss, status);
}

static void wait_for(const char *message, char *answer, size_t room)
{
	int status = -1;
	pid_t pid = atoi(message + 1);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("launcher: waitpid");
	snprintf(answer, room, "%d", status);
}

int main(void)
{
	static char message[1 << 16];
	char answer[128];
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("launcher: subreaper");
	if (fcntl(CONTROL, F_SETFD, FD_CLOEXEC))
		die("launcher: descriptor 3");
	for (;;) {
		ssize_t n = recv(CONTROL, message, sizeof message - 1, 0);
		if (n <= 0)
			return n < 0;
		message[n] = 0;
		if (message[0] == 'x' && n > 2)
			run(message, message + n, answer, sizeof answer);
		else if (message[0] == 'w')
			wait_for(message, answer, sizeof answer);
		else
			return 2;
		if (send(CONTROL, answer, strlen(answer), 0) < 0)
			die("launcher: answer");
	}
}
