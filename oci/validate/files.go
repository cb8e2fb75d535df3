// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"crisp/oci"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// files looks at the files that a config.json names.
type files struct {
	bundle   string // absolute
	spec     *specs.Spec
	root     string // absolute; "" when it is not there
	findings oci.Findings
}

// checkFiles looks at the files of a bundle. What is named by an absolute path belongs to the host.
func checkFiles(bundle string, spec *specs.Spec) oci.Findings {
	f := &files{bundle: bundle, spec: spec}
	f.checkRoot()
	f.checkMounts()
	f.checkHooks()
	f.checkNamespaces()
	f.checkProgram()
	return f.findings
}

func (f *files) add(scope oci.Scope, field, format string, args ...any) {
	e := &oci.FieldError{Field: field, Reason: fmt.Sprintf(format, args...), Err: oci.ErrInvalid, Scope: scope}
	f.findings = append(f.findings, e)
}

func (f *files) advise(scope oci.Scope, field, format string, args ...any) {
	f.findings = append(f.findings, &oci.FieldError{
		Field: field, Reason: fmt.Sprintf(format, args...), Err: oci.ErrAdvice, Severity: oci.SeverityWarning, Scope: scope,
	})
}

// absolute makes a path absolute as the runtime does, and says whether it is the bundle's or the host's.
func (f *files) absolute(p string) (string, oci.Scope) {
	if filepath.IsAbs(p) {
		return p, oci.ScopeHost
	}
	return filepath.Join(f.bundle, p), oci.ScopeBundle
}

// reason is an error of a call on a path without the path.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (f *files) checkRoot() {
	if f.spec.Root == nil || f.spec.Root.Path == "" {
		return
	}
	given := f.spec.Root.Path
	p, scope := f.absolute(given)
	info, err := os.Stat(p)
	switch {
	case err != nil:
		f.add(scope, "root.path", "%q: %v", given, reason(err))
	case !info.IsDir():
		f.add(scope, "root.path", "%q: not a directory", given)
	default:
		f.root = p
	}
	if scope == oci.ScopeBundle && path.Clean(given) != "rootfs" {
		f.advise(oci.ScopeSpec, "root.path", "%q: not the conventional rootfs", given)
	}
	if scope == oci.ScopeHost && path.Dir(path.Clean(given)) != f.bundle {
		f.advise(oci.ScopeSpec, "root.path", "%q: not in the bundle's directory, so that the bundle cannot be moved", given)
	}
}

func (f *files) checkMounts() {
	for i := range f.spec.Mounts {
		m := &f.spec.Mounts[i]
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		if !bind || m.Source == "" || slices.Contains(m.Options, "remount") {
			continue
		}
		p, scope := f.absolute(m.Source)
		if _, err := os.Stat(p); err != nil {
			f.add(scope, fmt.Sprintf("mounts[%d].source", i), "%q: %v", m.Source, reason(err))
		}
	}
}

func (f *files) checkHooks() {
	for _, kind := range hook.Kinds {
		for i, h := range hook.Of(f.spec.Hooks, kind).Hooks {
			field := fmt.Sprintf("hooks.%s[%d].path", kind, i)
			switch {
			case !path.IsAbs(h.Path):
			case kind == hook.StartContainer:
				f.checkInside(field, h.Path)
			default:
				f.checkExecutable(field, h.Path)
			}
		}
	}
}

func (f *files) checkExecutable(field, p string) {
	info, err := os.Stat(p)
	switch {
	case err != nil:
		f.add(oci.ScopeHost, field, "%q: %v", p, reason(err))
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		f.add(oci.ScopeHost, field, "%q: not an executable file", p)
	}
}

// checkNamespaces looks only whether the files are there: that they are of the right type is seen when they are joined.
func (f *files) checkNamespaces() {
	if f.spec.Linux == nil {
		return
	}
	for i, n := range f.spec.Linux.Namespaces {
		if !path.IsAbs(n.Path) {
			continue
		}
		if _, err := os.Stat(n.Path); err != nil {
			f.add(oci.ScopeHost, fmt.Sprintf("linux.namespaces[%d].path", i), "%q: %v", n.Path, reason(err))
		}
	}
	if s := f.spec.Linux.Seccomp; s != nil && path.IsAbs(s.ListenerPath) {
		if info, err := os.Stat(s.ListenerPath); err != nil || info.Mode()&fs.ModeSocket == 0 {
			f.advise(oci.ScopeHost, "linux.seccomp.listenerPath", "%q: no socket is there yet", s.ListenerPath)
		}
	}
}

// checkProgram looks for process.args[0] where the runtime will.
func (f *files) checkProgram() {
	p := f.spec.Process
	if p == nil || len(p.Args) == 0 || p.Args[0] == "" || f.root == "" {
		return
	}
	program := p.Args[0]
	if strings.Contains(program, "/") {
		f.checkInside("process.args[0]", path.Join("/", p.Cwd, "x/..", program))
		return
	}
	dirs := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range p.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		candidate := path.Join("/", dir, program)
		if f.mounted(candidate) || f.executable(candidate) == nil {
			return
		}
	}
	f.advise(oci.ScopeBundle, "process.args[0]", "%q: not found in the root file system, in PATH", program)
}

// checkInside looks for a program in the root file system, unless a mount covers the place.
func (f *files) checkInside(field, p string) {
	if f.root == "" || f.mounted(p) {
		return
	}
	if err := f.executable(p); err != nil {
		f.advise(oci.ScopeBundle, field, "%q in the root file system: %v", p, err)
	}
}

// mounted says whether something is going to be mounted at a path or above it.
func (f *files) mounted(p string) bool {
	return slices.ContainsFunc(f.spec.Mounts, func(m specs.Mount) bool {
		dest := path.Clean("/" + m.Destination)
		return p == dest || strings.HasPrefix(p, strings.TrimSuffix(dest, "/")+"/")
	})
}

var errNotExecutable = errors.New("not an executable file")

// executable looks for a program in the root file system. Its links are the image's, and are followed inside the root.
func (f *files) executable(p string) error {
	root, err := unix.Open(f.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(root, p, &how)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return errNotExecutable
	}
	return nil
}
