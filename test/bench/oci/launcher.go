// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launcher is a running launcher (programs/launcher.c says why it is C). It serves one request at a time.
type launcher struct {
	cmd    *exec.Cmd
	socket int
	stderr *os.File // of what it starts
}

func startLauncher(path, dir string) (*launcher, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "launcher")
	defer theirs.Close()
	stderr, err := os.OpenFile(filepath.Join(dir, "stderr"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, unix.Close(pair[0]))
	}
	cmd := exec.Command(path)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, stderr.Close(), unix.Close(pair[0]))
	}
	return &launcher{cmd: cmd, socket: pair[0], stderr: stderr}, nil
}

func (l *launcher) close() error {
	return errors.Join(unix.Close(l.socket), l.cmd.Wait(), l.stderr.Close())
}

// use is what a process took.
type use struct {
	took time.Duration
	peak int // KiB resident, of the process and the children that it waited for
}

// failure is a process that did not exit with 0.
type failure struct {
	args   []string
	status syscall.WaitStatus
	stderr string
}

func (f *failure) Error() string {
	end := fmt.Sprintf("exit code %d", f.status.ExitStatus())
	if f.status.Signaled() {
		end = f.status.Signal().String()
	}
	return fmt.Sprintf("%s: %s: %s", strings.Join(f.args, " "), end, strings.TrimSpace(f.stderr))
}

// run runs a command. With a timeout, in whole seconds, it is killed after that; 0 is none, and costs nothing.
func (l *launcher) run(timeout time.Duration, args ...string) (use, error) {
	if err := l.stderr.Truncate(0); err != nil {
		return use{}, err
	}
	answer, err := l.ask("x" + string([]byte{byte(timeout / time.Second)}) + strings.Join(args, "\x00") + "\x00")
	if err != nil {
		return use{}, err
	}
	var ns int64
	var u use
	var status syscall.WaitStatus
	if _, err := fmt.Sscan(answer, &ns, &u.peak, &status); err != nil {
		return use{}, fmt.Errorf("launcher answered %q: %w", answer, err)
	}
	u.took = time.Duration(ns)
	if status != 0 {
		text, err := os.ReadFile(l.stderr.Name())
		return u, errors.Join(&failure{args: args, status: status, stderr: string(text)}, err)
	}
	return u, nil
}

// wait waits for the end of an orphan.
func (l *launcher) wait(pid int) error {
	_, err := l.ask("w" + strconv.Itoa(pid))
	return err
}

func (l *launcher) ask(request string) (string, error) {
	if err := unix.Send(l.socket, []byte(request), unix.MSG_NOSIGNAL); err != nil {
		return "", fmt.Errorf("ask the launcher: %w", err)
	}
	var answer [128]byte
	n, err := unix.Read(l.socket, answer[:])
	if err == nil && n == 0 {
		err = errors.New("it has ended")
	}
	if err != nil {
		return "", fmt.Errorf("hear the launcher: %w", err)
	}
	return string(answer[:n]), nil
}
