// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// oldKernel says to a test program that it is to run as on Linux 5.10.
const oldKernel = "CRISP_TEST_KERNEL=5.10"

func onOldKernel() bool { return os.Getenv("CRISP_TEST_KERNEL") == "5.10" }

// becomeOld makes the kernel answer this program, and all that comes of it, as Linux 5.10 would: by a filter that knows its system calls and
// those of their flags that are newer. What only the kernel's own memory tells (RESOLVE_CACHED, the attributes of mount_setattr) is nothing
// that is used without the call.
func becomeOld() error {
	const (
		lastCall  = unix.SYS_PROCESS_MADVISE
		nrOffset  = 0  // struct seccomp_data
		argOffset = 16 // args[0], low half, on a little-endian machine
	)
	enosys, einval := uint32(unix.SECCOMP_RET_ERRNO|unix.ENOSYS), uint32(unix.SECCOMP_RET_ERRNO|unix.EINVAL)
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	ret := func(v uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v} }
	filter := []unix.SockFilter{
		load(nrOffset),
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: lastCall, Jf: 2},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: 512, Jt: 1}, // x32, and whatever has no number
		ret(enosys),
	}
	for _, newer := range []struct{ call, arg, flags uint32 }{
		{unix.SYS_CLOSE_RANGE, 2, unix.CLOSE_RANGE_CLOEXEC},              // 5.11
		{unix.SYS_MEMFD_CREATE, 1, unix.MFD_EXEC | unix.MFD_NOEXEC_SEAL}, // 6.3
		{unix.SYS_FSMOUNT, 2, unix.MOUNT_ATTR_NOSYMFOLLOW},               // 5.14
		{unix.SYS_MOVE_MOUNT, 4, ^uint32(0x77)},                          // MOVE_MOUNT_SET_GROUP 5.15, MOVE_MOUNT_BENEATH 6.5
	} {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: newer.call, Jf: 4},
			load(argOffset+8*newer.arg),
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: newer.flags, Jf: 1},
			ret(einval),
			ret(unix.SECCOMP_RET_ALLOW))
	}
	filter = append(filter, ret(unix.SECCOMP_RET_ALLOW))
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// needsSetattr skips what mount_setattr(2) alone can do.
func needsSetattr(t testing.TB) {
	t.Helper()
	if lacksSetattr() {
		t.Skip("this kernel has no mount_setattr(2)")
	}
}

// TestLikeLinux510 runs the tests about mounts again, as on Linux 5.10: nothing but what that cannot do may be different.
func TestLikeLinux510(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
	if lacksSetattr() {
		t.Skip("that is what runs already")
	}
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the filter is for 64-bit machines")
	}
	const about = "Mount|Root|Path|Mask|Bind|Volume|Source|Tmpfs|Device|Propagat|Pivot|Terminal|UserNamespace|Others|Readonly|ReadOnly|Setattr"
	cmd := exec.Command("/proc/self/exe", "-test.run="+about, "-test.skip=Pinned|LikeLinux510", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), oldKernel)
	out, err := cmd.CombinedOutput()
	passed := strings.Count(string(out), "\n--- PASS")
	if err != nil || passed < 30 {
		t.Errorf("%d tests passed; %v\n%s", passed, err, out)
	}
}

func TestSetattrIsKnownToBeMissing(t *testing.T) {
	if want := onOldKernel() || !kernelAtLeast(5, 14); lacksSetattr() != want {
		t.Errorf("lacks mount_setattr(2): %v", !want)
	}
}

func TestWhatOldKernelsCannotIsRefused(t *testing.T) {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}
	for field, m := range map[string]specs.Mount{
		"mounts[0].options":     bindMount("/srv", "/data", "rbind", "rro"),
		"mounts[0].uidMappings": {Destination: "/data", Source: "/srv", Type: "bind", Options: []string{"bind"}, UIDMappings: ids, GIDMappings: ids},
	} {
		s := readSpec(t, "pause")
		s.Mounts = []specs.Mount{m}
		o := options(s, hostV2())
		o.ExecFile = true
		if _, err := Compile(s, o); err != nil {
			t.Errorf("%s: %v", field, err)
		}
		o.Host.NoSetattr = true
		if _, err := Compile(s, o); !errors.Is(err, errors.ErrUnsupported) || !hasField(err, field) || !strings.Contains(err.Error(), "Linux 5.14") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// The flags that a mount will have are what the daemon goes by where the process sets them.
func TestPredictedFlagsAreThoseOfTheKernel(t *testing.T) {
	needsSetattr(t)
	if os.Geteuid() != 0 {
		t.Skip("makes mounts: needs root")
	}
	dir := t.TempDir()
	for _, options := range [][]string{
		{"ro"}, {"nosuid", "nodev"}, {"noatime"}, {"strictatime", "nodiratime"}, {"relatime"}, {"rw", "suid", "exec", "dev"}, {"noexec", "ro", "noatime"},
	} {
		for _, before := range []uint64{0, unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR_STRICTATIME | unix.MOUNT_ATTR_NODEV} {
			fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(fd), dir)
			set := func(a Attributes) {
				attr := unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear}
				if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
					t.Fatal(err)
				}
			}
			set(Attributes{Set: before, Clear: unix.MOUNT_ATTR__ATIME})
			o := parseMountOptions(options)
			changes := []Attributes{o.bindFlags(true).attributes(false)}
			was, err := mountFlagsOf(f, true)
			if err != nil {
				t.Fatal(err)
			}
			set(changes[0])
			is, err := mountFlagsOf(f, true)
			if got := predict(was, changes); err != nil || got != is {
				t.Errorf("%v of %#x: predicted %#x, is %#x, %v", options, was, got, is, err)
			}
			f.Close()
		}
	}
}
