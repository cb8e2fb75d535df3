/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of the daemon's messages, by a real connection: the first byte says how many fds come along, the rest is the message.
 * Nothing but an answer may come of it, and no fd may stay. */
#include "../src/monitor.h"
#include <dirent.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sockaddr_un address;
static socklen_t address_len = sizeof(sa_family_t); /* the kernel chooses an abstract name */
static int client = -1, devnull;

static void start(void)
{
	int l = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	address.sun_family = AF_UNIX;
	if (l < 0 || bind(l, (struct sockaddr *)&address, address_len) < 0 || listen(l, 4) < 0)
		abort();
	address_len = sizeof address;
	getsockname(l, (struct sockaddr *)&address, &address_len);
	devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	loop_init();
	server_init(l);
}

static void connect_again(void)
{
	client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(client, (struct sockaddr *)&address, address_len) < 0)
		abort();
	loop_step(1);
	if (!srv.conns)
		abort();
}

static int count_fds(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[8], nfds = size ? data[0] % 9 : 0, *got, ngot;
	struct cr_msg answer;
	if (!scratch)
		start();
	if (client < 0)
		connect_again();
	for (int i = 0; i < nfds; i++)
		fds[i] = devnull;
	int before = count_fds();
	if (send_fds(client, data + (size > 0), size ? size - 1 : 0, fds, nfds, 0) < 0)
		return 0; /* longer than a message can be */
	loop_step(1);
	while (recv_fds(client, &answer, sizeof answer, &got, &ngot) > 0) {
		while (ngot > 0)
			close(got[--ngot]);
		if (answer.type != CR_MSG_OK && answer.type != CR_MSG_ERR)
			abort();
	}
	if (!srv.conns) /* an empty message counts as the end */
		fd_close(&client);
	else if (count_fds() != before || srv.slots)
		abort();
	srv.leave = false;
	srv.shutdown = (struct ticket){ 0 };
	return 0;
}
