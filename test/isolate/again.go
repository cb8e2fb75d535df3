// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Again runs this program once more, in new namespaces (clone flags) and with mark ("NAME=value") in its environment, and waits for
// its end. When this process dies, the other gets the signal death.
func Again(mark string, namespaces uintptr, death syscall.Signal) (*os.ProcessState, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: namespaces, Pdeathsig: death}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return nil, err
	}
	return cmd.ProcessState, nil
}
