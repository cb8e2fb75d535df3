// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"
	"slices"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// device is a device node of the container.
type device struct {
	path     string // clean, absolute
	kind     uint64 // S_IFCHR, S_IFBLK or S_IFIFO
	mode     uint64
	number   uint64
	uid, gid uint32
}

// defaultDevices are what every container has (runtime-spec config-linux.md, "Default Devices").
var defaultDevices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// deviceLinks are the symlinks in /dev (runtime-spec runtime-linux.md, "Dev symbolic links"; config-linux.md for ptmx).
var deviceLinks = [][2]string{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
}

// devices are the default ones and those of the spec, which win.
func (a *assembly) devices() []device {
	var all []device
	for _, d := range defaultDevices {
		all = append(all, device{
			path: "/dev/" + d.name, kind: unix.S_IFCHR, mode: 0o666, number: unix.Mkdev(d.major, d.minor),
		})
	}
	for i := range a.spec.Linux.Devices {
		d := readDevice(&a.spec.Linux.Devices[i])
		if d.path == "/dev/ptmx" { // always the link to that of the container's devpts
			continue
		}
		all = slices.DeleteFunc(all, func(o device) bool { return o.path == d.path })
		all = append(all, d)
	}
	return all
}

// deviceKinds are the file types of linux.devices[].type; u is an unbuffered character device.
var deviceKinds = table[string, uint64]{{"c", unix.S_IFCHR}, {"u", unix.S_IFCHR}, {"b", unix.S_IFBLK}, {"p", unix.S_IFIFO}}

func readDevice(s *specs.LinuxDevice) device {
	d := device{path: path.Clean(s.Path), kind: deviceKinds.get(s.Type), mode: 0o666}
	if d.kind != unix.S_IFIFO {
		d.number = unix.Mkdev(uint32(s.Major), uint32(s.Minor))
	}
	if s.FileMode != nil {
		d.mode = uint64(s.FileMode.Perm())
	}
	if s.UID != nil {
		d.uid = *s.UID
	}
	if s.GID != nil {
		d.gid = *s.GID
	}
	return d
}

// hostDev says whether the container's /dev is a bind mount, which is left as it is.
func (a *assembly) hostDev() bool {
	return slices.ContainsFunc(a.mounts, func(m mount) bool { return m.kind == mountBind && m.destination == "/dev" })
}

// makeDevices makes the device nodes and symlinks of /dev.
func (a *assembly) makeDevices() {
	if a.hostDev() {
		return
	}
	own := a.dev != plan.NoReg // a fresh file system, in which only what the spec mounted is there already
	if !own {
		a.about("open /dev")
		a.dev = a.path(a.root, "/dev")
	}
	for _, d := range a.devices() {
		a.about("make the device %s", d.path)
		dir, name := a.deviceDir(d.path)
		if a.inUserNamespace() {
			a.bindDevice(d, dir, name)
		} else {
			a.makeNode(d, dir, name, own)
		}
		if dir != a.dev {
			a.close(dir)
		}
	}
	for _, l := range deviceLinks {
		a.about("make the symlink /dev/%s", l[0])
		s := a.step(plan.OpSymlinkat)
		s.FD, s.Str[0], s.Str[1] = a.dev, l[0], l[1]
		a.tolerate(unix.EEXIST)
	}
}

// deviceDir opens the directory of a device.
func (a *assembly) deviceDir(p string) (plan.Reg, string) {
	dir, name := path.Split(p)
	if dir == "/dev/" {
		return a.dev, name
	}
	if below, ok := strings.CutPrefix(dir, "/dev/"); ok {
		return a.path(a.dev, strings.TrimSuffix(below, "/")), name
	}
	return a.path(a.root, dir), name
}

// makeNode makes a device node. One that is there already stays if it was mounted by the spec on a /dev of its own; in the image's
// /dev it must be the same device, which of a block device VERIFY_DEV cannot tell.
func (a *assembly) makeNode(d device, dir plan.Reg, name string, own bool) {
	s := a.step(plan.OpMknodat, d.kind|d.mode, d.number)
	s.FD, s.Str[0] = dir, name
	exists := -1
	if own || d.kind != unix.S_IFBLK {
		exists = a.tolerate(unix.EEXIST)
	}
	if d.uid != 0 || d.gid != 0 {
		s := a.step(plan.OpFchownat, uint64(d.uid), uint64(d.gid))
		s.FD, s.Str[0] = dir, name
	}
	if exists >= 0 {
		a.skipHere(exists)
	}
	if !own && d.kind == unix.S_IFCHR {
		node := a.openat(dir, name, opath|nofollow, beneath|noSymlinks)
		a.verify(node, d)
		a.close(node)
	}
}

// bindDevice binds the host's device of the same path: mknod(2) of devices is forbidden in user namespaces.
func (a *assembly) bindDevice(d device, dir plan.Reg, name string) {
	if d.kind == unix.S_IFIFO {
		s := a.step(plan.OpMknodat, d.kind|d.mode)
		s.FD, s.Str[0] = dir, name
		a.tolerate(unix.EEXIST)
		return
	}
	node := a.clonePath(d.path, 0)
	if d.kind == unix.S_IFCHR {
		a.verify(node, d)
	}
	target := a.point(dir, name, pointFile, plan.NoReg)
	a.attach(node, target)
	a.close(target)
	a.close(node)
}

// verify fails unless a register is the character device.
func (a *assembly) verify(r plan.Reg, d device) {
	a.step(plan.OpVerifyDev, d.kind, d.number).FD = r
}
