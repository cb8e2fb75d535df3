// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// wideValue differs from 1 in what a 32-bit ABI does not compare. A variable: it is too large for a constant there.
var wideValue uint64 = 1<<32 + 1

// childEnv makes this test binary load a program and try some calls under it.
const childEnv = "CRISP_SECCOMP_CHILD"

func TestMain(m *testing.M) {
	if which := os.Getenv(childEnv); which != "" {
		if err := child(which); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("good")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// install loads the program for the whole process, without privileges.
func install(p Program) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := p.Bytes
	prog := unix.SockFprog{Len: uint16(len(filter) / 8), Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0]))}
	const setModeFilter = 1
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, uintptr(p.Flags|unix.SECCOMP_FILTER_FLAG_TSYNC), uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

func child(which string) error {
	p, err := Compile(childProfile(which))
	if err != nil {
		return err
	}
	if err := install(p); err != nil {
		return err
	}
	check := func(what string, err, want error) error {
		if !errors.Is(err, want) {
			return fmt.Errorf("%s: %v, not %v", what, err, want)
		}
		return nil
	}
	_, _, unknown := unix.RawSyscall(100000, 0, 0, 0)
	switch which {
	case "default":
		_, vsock := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
		fd, local := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		unix.Close(fd)
		return errors.Join(
			check("mount", unix.Mount("none", "/nowhere", "tmpfs", 0, ""), unix.EPERM), check("vsock", vsock, unix.EPERM),
			check("unix socket", local, nil), check("call 100000", unknown, unix.ENOSYS),
		)
	case "arguments":
		_, one := unix.FcntlInt(0, 0x1234, 1)
		_, _, wide := unix.RawSyscall(unix.SYS_FCNTL, 0, 0x1234, uintptr(wideValue))
		_, _, other := unix.RawSyscall(unix.SYS_FCNTL, 0, 0x1234, 2)
		wideWant := unix.Errno(78)
		if bits.UintSize == 32 {
			wideWant = 77
		}
		return errors.Join(
			check("fcntl 1", one, unix.Errno(77)), check("fcntl 1<<32+1", wide, wideWant),
			check("fcntl 2", other, unix.EINVAL), check("call 100000", unknown, unix.ENOSYS),
		)
	}
	return fmt.Errorf("no child %q", which)
}

func childProfile(which string) *specs.LinuxSeccomp {
	if which == "default" {
		return mobyDefault(panicky{}, nil)
	}
	rule := func(errnoRet uint, value uint64) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"fcntl"}, Action: specs.ActErrno, ErrnoRet: &errnoRet, Args: []specs.LinuxSeccompArg{
			{Index: 1, Op: specs.OpEqualTo, Value: 0x1234}, {Index: 2, Op: specs.OpEqualTo, Value: value},
		}}
	}
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{rule(77, 1), rule(78, wideValue)}}
}

// panicky stands for a testing.TB in the child.
type panicky struct{ testing.TB }

func (panicky) Helper()           {}
func (panicky) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func TestKernelObeysThePrograms(t *testing.T) {
	for _, which := range []string{"default", "arguments"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), childEnv+"="+which)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "good") {
			t.Errorf("%s: %v\n%s", which, err, out)
		}
	}
}
