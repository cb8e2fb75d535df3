// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostDevices are what may be somebody's stdin, stdout or stderr: /dev/null as a rule.
var hostDevices = map[string]uint32{"null": 3, "zero": 5, "full": 7}

// node makes a device node like one of the host's: the host's own is not put at risk.
func (b *bench) node(name string) *os.File {
	b.Helper()
	path := filepath.Join(b.make("nodes-"+b.id()), name)
	if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, hostDevices[name]))); err != nil {
		b.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		b.Skip("devices cannot be opened here: ", err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// TestDevicesOnStdioKeepTheirOwner: who starts a container as a user with /dev/null as its stdio finds it as it was. crun 1.8.1 gives it to
// the user in each exec, to the root of a user namespace, and where the container's /dev/null is another device (runc, in the last case).
func TestDevicesOnStdioKeepTheirOwner(t *testing.T) {
	b := newBench(t)
	plain := func(*bundle) {}
	for name, set := range map[string]func(*bundle){
		"plain":             plain,
		"user namespace":    (*bundle).userNamespace,
		"another /dev/null": func(k *bundle) { k.bind("/dev/zero", "/dev/null") },
		"no /dev/null":      func(k *bundle) { k.without("/dev", "/dev/pts", "/dev/shm"); plantNull(b, k.rootfs, "file") },
	} {
		for device := range hostDevices {
			t.Run(name+", "+device, func(t *testing.T) {
				f := b.node(device)
				before := describe(t, f)
				k := b.bundle("exit", "0")
				k.spec.Process.User = specs.User{UID: 1000, GID: 1000}
				set(k)
				b.stdio = f
				defer func() { b.stdio = nil }()
				unchanged := func(what string) {
					t.Helper()
					if now := describe(t, f); now != before {
						t.Errorf("%s: the device was %s and is %s", what, before, now)
					}
				}
				k.run()
				unchanged("run")
				k.spec.Process.Args = []string{"/attacker", "wait"}
				c, r := k.tryCreate()
				unchanged("create")
				if c == nil { // refused, as another /dev/null may be
					t.Log(r)
					return
				}
				c.start()
				c.exec([]string{"--user", "1000:1000"}, "exit", "0")
				unchanged("exec")
				c.delete()
			})
		}
	}
}

// describe tells a device's owner and mode.
func describe(t testing.TB, f *os.File) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode)
}

// userNamespace gives the container one whose root is the host's user 100000.
func (k *bundle) userNamespace() {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	k.spec.Linux.UIDMappings, k.spec.Linux.GIDMappings = ids, slices.Clone(ids)
	k.spec.Linux.Namespaces = append(k.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
}

// TestNullDeviceOnStdioIsTheContainersOwn: root in a container may change the mode of what is its stdin. With /dev/null of whoever starts it,
// nobody on the host could open that any more.
func TestNullDeviceOnStdioIsTheContainersOwn(t *testing.T) {
	b := newBench(t)
	f := b.node("null")
	before := describe(t, f)
	b.stdio = f
	b.bundle("spoil").run().ok()
	if now := describe(t, f); now != before {
		t.Errorf("run: the device was %s and is %s", before, now)
	}
	c := b.bundle("wait").create()
	c.start()
	c.exec(nil, "spoil").ok()
	if now := describe(t, f); now != before {
		t.Errorf("exec: the device was %s and is %s", before, now)
	}
	b.stdio = nil
	c.delete()
}
