// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountinfo(5):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	(1)(2)(3)  (4)   (5)   (6)        (7)     (8)(9)  (10)      (11)
type mountLine struct{ root, point, flags, tags, fsType, source, super string }

func mountLines() ([]mountLine, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	var lines []mountLine
	for line := range strings.Lines(string(text)) {
		left, right, _ := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		lines = append(lines, mountLine{
			root: l[3], point: l[4], flags: l[5], tags: strings.Join(l[6:], " "), fsType: r[0], source: r[1], super: strings.Join(r[2:], " "),
		})
	}
	return lines, err
}

// mount WHAT PATH: of the topmost one there.
func mount(a []string) (string, error) {
	lines, err := mountLines()
	slices.Reverse(lines)
	i := slices.IndexFunc(lines, func(l mountLine) bool { return l.point == a[1] })
	if i < 0 {
		return "not mounted", err
	}
	l := lines[i]
	switch a[0] {
	case "flags":
		return l.flags, err
	case "type":
		return l.fsType, err
	case "source":
		return l.source, err
	case "root":
		return l.root, err
	case "super":
		return l.super, err
	case "propagation":
		return propagation(l.tags), err
	}
	return "", fmt.Errorf("mount %s?", a[0])
}

// propagation without the numbers of peer groups.
func propagation(tags string) string {
	var words []string
	for tag := range strings.FieldsSeq(tags) {
		switch name, _, _ := strings.Cut(tag, ":"); name {
		case "shared", "unbindable":
			words = append(words, name)
		case "master":
			words = append(words, "slave")
		}
	}
	if len(words) == 0 {
		return "private"
	}
	return strings.Join(words, " ")
}

// mounts BELOW: mount points in their order.
func mounts(a []string) (string, error) {
	lines, err := mountLines()
	var points []string
	for _, l := range lines {
		if strings.HasPrefix(l.point, a[0]) {
			points = append(points, l.point)
		}
	}
	return strings.Join(points, " "), err
}

// read gives a file's content, 64 KiB at the most, without white space at its end.
func read(a []string) (string, error) {
	f, err := os.Open(a[0])
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	return strings.TrimRight(string(text), "\n "), err
}

// stat: type, number of a device, mode, owner: "c 1:3 0666 0:0", "- 0644 0:0".
func stat(a []string) (string, error) {
	var s unix.Stat_t
	if err := unix.Lstat(a[0], &s); err != nil {
		return "", err
	}
	kinds := map[uint32]string{
		unix.S_IFREG: "-", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p", unix.S_IFSOCK: "s",
	}
	kind := kinds[s.Mode&unix.S_IFMT]
	if kind == "c" || kind == "b" {
		kind += fmt.Sprintf(" %d:%d", unix.Major(s.Rdev), unix.Minor(s.Rdev))
	}
	return fmt.Sprintf("%s %04o %d:%d", kind, s.Mode&0o7777, s.Uid, s.Gid), nil
}

func readlink(a []string) (string, error) { return os.Readlink(a[0]) }

func list(a []string) (string, error) {
	entries, err := os.ReadDir(a[0])
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " "), err
}

// xattr PATH NAME.
func xattr(a []string) (string, error) {
	var value [256]byte
	n, err := unix.Lgetxattr(a[0], a[1], value[:])
	return strings.TrimRight(string(value[:max(n, 0)]), "\x00"), err
}

// open PATH r|w|rw.
func open(a []string) (string, error) {
	flags := map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR}[a[1]]
	fd, err := unix.Open(a[0], flags|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	return "ok", unix.Close(fd)
}

// touch makes a file and removes it.
func touch(a []string) (string, error) {
	fd, err := unix.Open(a[0], unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	unix.Close(fd)
	return "ok", os.Remove(a[0])
}

// write PATH TEXT.
func write(a []string) (string, error) {
	return "ok", os.WriteFile(a[0], []byte(a[1]), 0o644)
}

func mkdir(a []string) (string, error) { return "ok", os.Mkdir(a[0], 0o755) }

func chown(a []string) (string, error) {
	uid, err := strconv.Atoi(a[1])
	if err != nil {
		return "", err
	}
	return "ok", os.Chown(a[0], uid, -1)
}

// mknod PATH c|b|p MAJOR MINOR: whether it may be made; it is removed at once.
func mknod(a []string) (string, error) {
	if err := makeNode(a); err != nil {
		return "", err
	}
	return "ok", os.Remove(a[0])
}

// device c|b MAJOR MINOR r|w|rw: whether such a device may be opened. ENXIO means yes: there is no such device.
func device(a []string) (string, error) {
	path := "/probe-device-" + strings.Join(a, "-")
	if err := makeNode(append([]string{path}, a[:3]...)); err != nil {
		return "", fmt.Errorf("mknod: %w", err)
	}
	defer os.Remove(path)
	return open([]string{path, a[3]})
}

func makeNode(a []string) error {
	major, err := strconv.ParseUint(a[2], 10, 32)
	if err != nil {
		return err
	}
	minor, err := strconv.ParseUint(a[3], 10, 32)
	if err != nil {
		return err
	}
	kind := map[string]uint32{"c": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[a[1]]
	return unix.Mknod(a[0], kind|0o600, int(unix.Mkdev(uint32(major), uint32(minor))))
}
