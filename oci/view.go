// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// view is the root file system before the container's mounts are made: what a plan depends on of it is looked at by this. Whatever
// is found may be another by the time that the plan runs; no right depends on it.
type view struct {
	spec   *specs.Spec
	bundle string
	root   *os.File
	own    bool // root is ours to close
}

func openView(q *CreateRequest) (*view, error) {
	v := &view{spec: q.Spec, bundle: q.Bundle, root: q.Rootfs}
	if v.root != nil {
		return v, nil
	}
	if q.Spec.Root == nil || q.Spec.Root.Path == "" {
		return nil, invalid("root.path", "missing")
	}
	fd, err := unix.Open(v.hostPath(q.Spec.Root.Path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: q.Spec.Root.Path, Err: err}
	}
	v.root, v.own = os.NewFile(uintptr(fd), q.Spec.Root.Path), true
	return v, nil
}

func (v *view) close() {
	if v.own {
		v.root.Close()
	}
}

func (v *view) hostPath(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(v.bundle, p)
}

// home is the home directory of the process's user: by the /etc/passwd of the image, or by what is bind-mounted on it.
func (v *view) home() string {
	const passwd = "/etc/passwd"
	uid := v.spec.Process.User.UID
	for i := range slices.Backward(v.spec.Mounts) {
		m := &v.spec.Mounts[i]
		rest, covers := strings.CutPrefix(passwd, path.Clean("/"+m.Destination))
		if !covers || (rest != "" && rest[0] != '/') {
			continue
		}
		o := parseMountOptions(m.Options)
		if (!o.bind && m.Type != "bind") || o.remount {
			return defaultHome
		}
		source := v.hostPath(path.Clean(m.Source + rest)) // of the host: bind mounts are the administrator's
		if rest == "" {
			source = v.hostPath(m.Source)
		}
		dir, err := os.OpenFile(path.Dir(source), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return defaultHome
		}
		defer dir.Close()
		return home(dir, path.Base(source), uid)
	}
	return home(v.root, passwd, uid)
}

// wantsMode says whether a mount is a tmpfs that takes over the mode of what it covers.
func wantsMode(m *specs.Mount) bool {
	return m.Type == "tmpfs" && !slices.ContainsFunc(m.Options, func(s string) bool {
		return strings.HasPrefix(s, "mode=") || s == "bind" || s == "rbind" || s == "remount"
	})
}

// below says whether a mount goes into an earlier one.
func (v *view) below(i int) bool {
	destination := path.Clean("/" + v.spec.Mounts[i].Destination)
	return slices.ContainsFunc(v.spec.Mounts[:i], func(m specs.Mount) bool {
		return strings.HasPrefix(destination, path.Clean("/"+m.Destination)+"/")
	})
}

// links are where the sources with the option copy-symlink lead, as far as they are symlinks.
func links(q *CreateRequest) map[int]string {
	var found map[int]string
	for i := range q.Spec.Mounts {
		m := &q.Spec.Mounts[i]
		if !slices.Contains(m.Options, "copy-symlink") {
			continue
		}
		source := m.Source
		if !path.IsAbs(source) {
			source = path.Join(q.Bundle, source)
		}
		if target, err := os.Readlink(source); err == nil {
			if found == nil {
				found = map[int]string{}
			}
			found[i] = target
		}
	}
	return found
}

// look fills in what a plan depends on of the root file system.
func (o *CompileOptions) look(q *CreateRequest) error {
	if err := o.lookForProcs(); err != nil {
		return err
	}
	o.Links = links(q)
	home, modes := wantsHome(q.Spec.Process), slices.ContainsFunc(q.Spec.Mounts, func(m specs.Mount) bool { return wantsMode(&m) })
	if !home && !modes {
		return nil
	}
	v, err := openView(q)
	if err != nil {
		return err
	}
	defer v.close()
	if home {
		o.Home = v.home()
	}
	if modes {
		o.Modes = v.modes()
	}
	return nil
}

// modes are the modes of the directories that a tmpfs without the option mode covers, by the index of the mount: it takes them over, as in
// runc. Only the image is looked at.
func (v *view) modes() map[int]uint32 {
	found := map[int]uint32{}
	for i := range v.spec.Mounts {
		m := &v.spec.Mounts[i]
		if !wantsMode(m) || v.below(i) {
			continue
		}
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
		fd, err := unix.Openat2(int(v.root.Fd()), path.Clean("/"+m.Destination), &how)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			found[i] = st.Mode & 0o7777
		}
		unix.Close(fd)
	}
	return found
}

// home is the home directory of a further process's user, by the container's own /etc/passwd; "" where the process does not ask.
func (c *Container) home(p *specs.Process) string {
	if !wantsHome(p) {
		return ""
	}
	fd, err := unix.Open("/proc/"+itoa(c.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return defaultHome
	}
	root := os.NewFile(uintptr(fd), "root")
	defer root.Close()
	return home(root, "/etc/passwd", p.User.UID)
}
