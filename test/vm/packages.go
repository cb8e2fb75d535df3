// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrUnavailable is what New's error wraps where a virtual machine cannot be had at all; the error says why.
var ErrUnavailable = errors.New("no virtual machine here")

// A need is a program on the host, and Debian's package of it.
type need struct{ program, pkg string }

// virtiofsd is not in PATH.
const virtiofsd = "/usr/lib/qemu/virtiofsd"

// needs: newer Debians have virtiofsd at /usr/libexec, in a package of its own.
var needs = []need{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{virtiofsd, "qemu-system-common"},
	{"/bin/busybox", "busybox-static"},
	{"xz", "xz-utils"},
	{"zstd", "zstd"},
	{"lz4", "lz4"},
	{"mkfs.ext4", "e2fsprogs"},
	{"dpkg-deb", "dpkg"},
	{"/lib/systemd/systemd", "systemd"},
	{"dbus-daemon", "dbus-daemon"},
	{"/lib/systemd/system/dbus.socket", "dbus"},
}

// virtiofsdPath is where the package of this Debian has it.
func virtiofsdPath() string {
	if _, err := os.Stat("/usr/libexec/virtiofsd"); err == nil {
		return "/usr/libexec/virtiofsd"
	}
	return virtiofsd
}

func (n need) there() bool {
	switch {
	case n.program == virtiofsd:
		_, err := os.Stat(virtiofsdPath())
		return err == nil
	case filepath.IsAbs(n.program):
		_, err := os.Stat(n.program)
		return err == nil
	}
	_, err := exec.LookPath(n.program)
	return err == nil
}

func missing() (programs, packages []string) {
	for _, n := range needs {
		if !n.there() {
			programs, packages = append(programs, n.program), append(packages, n.pkg)
		}
	}
	return programs, packages
}

// install installs what is missing, where that can be done without asking anybody.
func install(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs root", ErrUnavailable)
	}
	programs, packages := missing()
	if len(programs) == 0 {
		return nil
	}
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		return fmt.Errorf("%w: %s missing, and this is not Debian, whose packages could be installed", ErrUnavailable, strings.Join(programs, ", "))
	}
	get := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", strings.Join(args, " "), err, lastLine(out))
		}
		return nil
	}
	args := append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)
	err := get(args...)
	if err != nil {
		if err = get("update", "-q"); err == nil {
			err = get(args...)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if programs, _ = missing(); len(programs) > 0 {
		return fmt.Errorf("%w: %s still missing after apt-get install", ErrUnavailable, strings.Join(programs, ", "))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
