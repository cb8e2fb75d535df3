// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

//go:embed guest/init.sh
var initScript string

// initKey changes when what goes into an initramfs does.
func initKey() (string, error) {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	h := sha256.New()
	fmt.Fprintln(h, initScript, bootModules)
	h.Write(busybox)
	return fmt.Sprintf("%x", h.Sum(nil)[:4]), nil
}

// writeInitramfs packs init.sh, busybox and the modules that the root needs.
func (k kernel) writeInitramfs(version string) error {
	f, err := os.Create(k.initramfs())
	if err != nil {
		return err
	}
	defer f.Close()
	a := archive{w: f}
	for _, dir := range []string{"bin", "proc", "sys", "dev", "host", "memory", "new", "lib", "lib/modules"} {
		a.dir(dir)
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	a.file("bin/busybox", 0o755, busybox)
	first, rest, _ := strings.Cut(initScript, "\n")
	a.file("init", 0o755, fmt.Appendf(nil, "%s\nMODULES='%s'\n%s", first, strings.Join(bootModules, " "), rest))

	modules := filepath.Join(k.modules(), version)
	dep, err := os.ReadFile(filepath.Join(modules, "modules.dep"))
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, name := range moduleFiles(string(dep), bootModules) {
		data, err := os.ReadFile(filepath.Join(modules, name))
		if err != nil {
			return err
		}
		target := filepath.Join("lib/modules", version, name)
		a.parents(target, made)
		a.file(target, 0o644, data)
	}
	a.file(filepath.Join("lib/modules", version, "modules.dep"), 0o644, dep)
	if err := a.close(); err != nil {
		return err
	}
	return f.Close()
}

// An archive is a cpio archive in the format "newc" (Documentation/driver-api/early-userspace/buffer-format.rst):
// a header of hexadecimal numbers, the name, the data, the last two padded to 4 bytes. It keeps the first error.
type archive struct {
	w   io.Writer
	n   int // bytes written
	ino int
	err error
}

const (
	modeDir  = 0o040000
	modeFile = 0o100000
)

func (a *archive) dir(name string) { a.entry(name, modeDir|0o755, nil) }

func (a *archive) file(name string, perm uint32, data []byte) { a.entry(name, modeFile|perm, data) }

// parents makes the directories above a file that are not in made yet.
func (a *archive) parents(name string, made map[string]bool) {
	dir := filepath.Dir(name)
	if dir == "." || dir == "lib" || dir == "lib/modules" || made[dir] {
		return
	}
	a.parents(dir, made)
	made[dir] = true
	a.dir(dir)
}

func (a *archive) entry(name string, mode uint32, data []byte) {
	a.ino++
	// magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
	a.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name))
	a.pad()
	a.write(data)
	a.pad()
}

func (a *archive) pad() { a.write(make([]byte, -a.n&3)) }

func (a *archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
		a.n += len(b)
	}
}

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}
