// SPDX-License-Identifier: Apache-2.0

package images

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`

const group = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
wheel:x:10:root
mail:x:12:
www-data:x:33:
utmp:x:43:
operator:x:37:
users:x:100:
nobody:x:65534:
`

// Root is the root file system of the busybox images. Applets are hard links, as in the published image; the
// actor plays those that this busybox lacks.
func Root(busybox string, actor []byte) ([]File, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	libs, err := libraries(busybox)
	if err != nil {
		return nil, err
	}
	applets, err := applets(busybox)
	if err != nil {
		return nil, err
	}
	files := slices.Concat(skeleton(), libs, []File{Binary("bin/busybox", program, 0o755)})
	for _, a := range applets {
		files = append(files, File{Name: "bin/" + a, Mode: 0o755, Link: "bin/busybox"})
	}
	for _, a := range []string{"pgrep", "ipcs"} {
		if !slices.Contains(applets, a) {
			files = append(files, Binary("bin/"+a, actor, 0o755))
		}
	}
	return files, nil
}

func skeleton() []File {
	files := []File{
		Dir("dev", 0o755), Dir("home", 0o755).OwnedBy(65534), Dir("proc", 0o555), Dir("root", 0o700),
		Dir("sys", 0o555), Dir("tmp", 0o1777), Dir("var/spool/mail", 0o755).OwnedBy(8), Dir("var/www", 0o755).OwnedBy(33),
		{Name: "var/run", Symlink: "/run"},
		Text("etc/passwd", passwd), Text("etc/group", group),
		{Name: "etc/shadow", Mode: 0o600, Data: []byte("root:*:19000:0:99999:7:::\n")},
		Text("etc/hosts", "127.0.0.1\tlocalhost\n"),
		Text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
	}
	for _, d := range []string{"run", "usr/bin", "usr/sbin", "usr/local/bin"} {
		files = append(files, Dir(d, 0o755))
	}
	return files
}

func applets(busybox string) ([]string, error) {
	out, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", busybox, err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(a string) bool { return a == "busybox" }), nil
}

// libraries are the loader and the libraries of a dynamic binary, none for a static one.
func libraries(binary string) ([]File, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, nil
	}
	out, err := exec.Command("ldd", binary).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w", binary, err)
	}
	var files []File
	for word := range strings.FieldsSeq(string(out)) {
		if !path.IsAbs(word) {
			continue
		}
		data, err := os.ReadFile(word)
		if err != nil {
			return nil, err
		}
		files = append(files, Binary(strings.TrimPrefix(word, "/"), data, 0o755))
	}
	return files, nil
}
