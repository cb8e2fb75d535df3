// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	order "encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

func TestUnshareMakesNamespaces(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpUnshare, func(st *plan.Step) { st.Arg[0] = unix.CLONE_NEWIPC })
	own, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.sh("readlink /proc/self/ns/ipc"); err != nil || !strings.HasPrefix(out, "ipc:[") || strings.TrimSpace(out) == own {
		t.Errorf("namespace %q, %v; the host's is %s", out, err, own)
	}
}

func TestPersonality(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpPersonality, func(st *plan.Step) { st.Arg[0] = 0x0008 }) // PER_LINUX32
	s.wantOutput("cat /proc/self/personality", "00000008")
}

func TestScheduler(t *testing.T) {
	s := newStepper(t)
	e := order.NativeEndian
	attr := make([]byte, 48) // struct sched_attr: u32 size, policy; u64 flags; s32 nice; …
	e.PutUint32(attr, 48)
	e.PutUint32(attr[4:], unix.SCHED_BATCH)
	e.PutUint32(attr[16:], 7)
	s.do(plan.OpSchedSetattr, func(st *plan.Step) { st.Blob = attr })
	s.wantOutput("cut -d' ' -f19,41 /proc/self/stat", "7 3")
}

func TestSchedulerThatDoesNotExist(t *testing.T) {
	s := newStepper(t)
	attr := make([]byte, 48)
	order.NativeEndian.PutUint32(attr, 48)
	order.NativeEndian.PutUint32(attr[4:], 99)
	s.do(plan.OpSchedSetattr, func(st *plan.Step) { st.Blob = attr })
	s.wantErrno(unix.EINVAL)
}

func TestAffinity(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpSchedSetaffinity, func(st *plan.Step) { st.Blob = []byte{1, 0, 0, 0, 0, 0, 0, 0} })
	s.wantOutput("grep Cpus_allowed_list /proc/self/status | cut -f2", "0")
}

func TestIOPriority(t *testing.T) {
	if _, err := exec.LookPath("ionice"); err != nil {
		t.Skip("ionice tells the priority: ", err)
	}
	s := newStepper(t)
	s.do(plan.OpIoprioSet, func(st *plan.Step) { st.Arg[0] = 2<<13 | 6 })
	s.wantOutput("ionice", "best-effort: prio 6")
}

func TestKeyring(t *testing.T) {
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skip("/proc/keys tells the keyrings: ", err)
	}
	s := newStepper(t)
	name := "crisp-test-" + newID()[:12]
	s.do(plan.OpKeyring, func(st *plan.Step) { st.Str[0] = name })
	const setperm, session, permissions = 5, 1<<64 - 3, 0x3f1b0000
	s.do(plan.OpKeyctl, func(st *plan.Step) { st.Arg = [4]uint64{setperm, session, permissions} })
	s.wantOutput("grep -c '3f1b0000 .* keyring *"+name+"' /proc/keys", "1")
}

func TestMemoryPolicy(t *testing.T) {
	if _, err := os.Stat("/proc/self/numa_maps"); errors.Is(err, os.ErrNotExist) {
		t.Skip("the kernel has no memory policies: no /proc/self/numa_maps")
	}
	const bind, interleave = 2, 3
	for want, policy := range map[string]uint64{"bind:0": bind, "interleave:0": interleave, "bind=static:0": bind | 1<<15} {
		s := newStepper(t)
		s.do(plan.OpSetMempolicy, func(st *plan.Step) { st.Arg[0], st.Blob = policy, []byte{1, 0, 0, 0, 0, 0, 0, 0} })
		s.wantOutput("head -n 1 /proc/self/numa_maps | cut -d' ' -f2", want)
	}
	s := newStepper(t)
	s.do(plan.OpSetMempolicy, func(st *plan.Step) { st.Arg[0] = 0 })
	s.wantOutput("head -n 1 /proc/self/numa_maps | cut -d' ' -f2", "default")

	s = newStepper(t)
	s.do(plan.OpSetMempolicy, func(st *plan.Step) { st.Arg[0] = bind })
	s.wantErrno(unix.EINVAL) // without nodes
}

// Before mount_setattr(2), Linux 5.12, the flags of an attached mount are set by a remount through its descriptor.
func TestRemountByDescriptor(t *testing.T) {
	s := newStepper(t)
	dir := t.TempDir()
	fs := s.do(plan.OpFsopen, func(st *plan.Step) { st.Str[0], st.Out = "tmpfs", s.Reg() })
	s.do(plan.OpFsconfig, func(st *plan.Step) { st.FD, st.Arg[0] = fs, unix.FSCONFIG_CMD_CREATE })
	mnt := s.do(plan.OpFsmount, func(st *plan.Step) { st.FD, st.Out = fs, s.Reg() })
	s.do(plan.OpMoveMount, func(st *plan.Step) { st.FD, st.Str[0] = mnt, dir })
	s.do(plan.OpMount, func(st *plan.Step) {
		st.FD, st.Arg[0] = mnt, unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV
	})
	s.wantOutput("awk '$5 == \""+dir+"\" {print $6}' /proc/self/mountinfo; touch "+dir+"/x 2>&1 | grep -o Read-only",
		"ro,nosuid,nodev,relatime\nRead-only")
}

// After a filter that allows little more than execve there is nothing left to do that it could forbid.
func TestNothingButExecAfterTheFilter(t *testing.T) {
	s := newStepper(t)
	s.do(plan.OpStdio, func(*plan.Step) {})
	kill := deny(unix.SYS_CLOSE_RANGE, unix.SYS_UMASK, unix.SYS_SENDMSG, unix.SYS_SENDTO, unix.SYS_FCNTL, unix.SYS_PRCTL)
	for i := range kill {
		if kill[i].K == unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM) {
			kill[i].K = unix.SECCOMP_RET_KILL_PROCESS
		}
	}
	s.do(plan.OpPrctl, func(st *plan.Step) { st.Arg = [4]uint64{unix.PR_SET_NO_NEW_PRIVS, 1} })
	s.do(plan.OpSeccomp, func(st *plan.Step) { st.Blob = plan.Filter(kill) })
	s.Add(execStep("/bin/true", "true"))
	e := s.m.exec(ExecRequest{Plan: s.Plan})
	if x := s.m.waitExec(e); x.Code != 0 {
		t.Errorf("exit %+v", x)
	}
}
