// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// UserNamespace makes a user namespace with these maps, in which nothing ever runs: it only describes how to shift owners. Only
// a single-threaded process can make one, so a child is started and stopped by ptrace before its first instruction.
func UserNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // the tracer of a process is a thread
		defer runtime.UnlockOSThread()
		f, err := userNamespace(uids, gids)
		done <- result{f, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("make user namespace: %w", r.err)
	}
	return r.file, nil
}

func userNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	p, err := os.StartProcess("/proc/self/exe", []string{"crisp-userns"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: mappings(uids), GidMappings: mappings(gids), GidMappingsEnableSetgroups: true,
		Ptrace: true, Pdeathsig: syscall.SIGKILL,
	}})
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait()
	}()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(p.Pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("wait for the child: %w", err)
		}
		break
	}
	if !status.Stopped() {
		return nil, fmt.Errorf("the child did not stop: status %#x", status)
	}
	return os.Open("/proc/" + strconv.Itoa(p.Pid) + "/ns/user")
}

func mappings(m []specs.LinuxIDMapping) []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, x := range m {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(x.ContainerID), HostID: int(x.HostID), Size: int(x.Size)})
	}
	return out
}
