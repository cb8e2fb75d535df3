// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// firstFD is the number of the first file behind stdio (sd_listen_fds(3): SD_LISTEN_FDS_START).
const firstFD = 3

// maxExtra bounds the files that are passed on: one message to the executor takes them, with all else.
const maxExtra = 128

// extraFiles are the files that the workload gets from number 3 on: those of systemd's socket activation, if they are for this process, and
// preserve more behind them. The environment of the process is told of the former.
func extraFiles(p *specs.Process, preserve int) ([]*os.File, error) {
	listen := listenFDs()
	if preserve < 0 || listen+preserve > maxExtra {
		return nil, fmt.Errorf("%d files to pass on, %d is the most: %w", listen+preserve, maxExtra, unix.EINVAL)
	}
	var all []*os.File
	for i := range listen + preserve {
		fd := firstFD + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			if i < listen {
				return nil, fmt.Errorf("file %d of LISTEN_FDS: %w", fd, err)
			}
			return nil, fmt.Errorf("unable to stat preserved-fd %d (of %d): %w", i-listen, preserve, os.NewSyscallError("fcntl", err))
		}
		unix.CloseOnExec(fd)
		all = append(all, os.NewFile(uintptr(fd), "preserved "+strconv.Itoa(fd)))
	}
	tellListenFDs(p, listen)
	if names, ok := os.LookupEnv("LISTEN_FDNAMES"); ok && listen > 0 {
		p.Env = append(p.Env, "LISTEN_FDNAMES="+names)
	}
	return all, nil
}

// tellListenFDs tells a process of the files of LISTEN_FDS, if there are any.
func tellListenFDs(p *specs.Process, n int) {
	if n > 0 {
		p.Env = append(p.Env, "LISTEN_FDS="+strconv.Itoa(n), "LISTEN_PID=1")
	}
}

// listenFDs is the number of files that systemd has passed to this process.
func listenFDs() int {
	pid, err := strconv.Atoi(os.Getenv("LISTEN_PID"))
	if err != nil || pid != os.Getpid() {
		return 0
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
