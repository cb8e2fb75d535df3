// SPDX-License-Identifier: Apache-2.0
//
// workload is /bin/true of the measured containers, and /bin/sleep where it has an argument.

#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argv;
	return argc > 1 ? pause() : 0;
}
