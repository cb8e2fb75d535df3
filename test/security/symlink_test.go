// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// places are the paths of the container that setting it up touches, in the bundle that touching makes.
var places = []string{
	"dev", "dev/pts", "dev/shm", "dev/null", "dev/tty", "dev/console", "dev/ptmx", "dev/fd", "dev/net", "dev/mqueue",
	"proc", "proc/self", "proc/sys", "sys", "sys/fs", "sys/fs/cgroup", "etc", "etc/hosts", "run", "run/dir", "tmp", "var", "var/run",
	"work", "work/deep", "volumes", "volumes/x", "volumes/x/y", "secret", "secret/file", "fixed", "fixed/file", "root", "attached",
}

// touching is a bundle whose creation makes, mounts, masks and protects things at each of places.
func (b *bench) touching(shared string) *bundle {
	b.Helper()
	k := b.bundle("exit", "0")
	volume := b.make("volume")
	b.file(filepath.Join(volume, "file"), "of a volume", 0o644)
	k.spec.Process.Cwd = "/work/deep/er"
	k.spec.Mounts = append(k.spec.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid"}},
		specs.Mount{Destination: "/var/run/made", Type: "tmpfs", Source: "tmpfs"})
	k.bind(volume, "/volumes/x/y", "ro").bind(filepath.Join(volume, "file"), "/etc/hosts").bind(volume, "/root/below/it")
	if shared != "" {
		k.bind(shared, "/attached").bind(volume, "/attached/a/x/z").bind(filepath.Join(volume, "file"), "/attached/a/deep/file")
	}
	k.spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/run/dir/device", Type: "c", Major: 1, Minor: 3}, {Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200},
	}
	k.spec.Linux.Resources.Devices = append(k.spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"})
	k.spec.Linux.MaskedPaths = append(k.spec.Linux.MaskedPaths, "/secret", "/secret/file")
	k.spec.Linux.ReadonlyPaths = append(k.spec.Linux.ReadonlyPaths, "/fixed", "/fixed/file", "/etc")
	return k
}

// TestSymlinksOfTheImageDoNotLeadOutside plants a symlink to the host at each path that the engine touches, with and without a file
// system of the container's own on /dev (CVE-2026-41579, CVE-2026-47766, CVE-2019-19921, CVE-2021-30465, CVE-2023-27561, CVE-2023-28642,
// CVE-2024-5154).
func TestSymlinksOfTheImageDoNotLeadOutside(t *testing.T) {
	b := newBench(t)
	for _, own := range []bool{true, false} {
		for _, at := range places {
			h := b.trap()
			for _, to := range h.links() {
				k := b.touching("")
				if !own {
					k.without("/dev", "/dev/pts", "/dev/shm")
				}
				plant(b, k.rootfs, at, to)
				what := fmt.Sprintf("%s leads to %s, own /dev: %v", at, to, own)
				if r := k.run(); r.late {
					t.Errorf("%s: it hangs", what)
				} else if r.code == 0 && (at == "proc" || at == "sys") && b.engine.ours {
					t.Errorf("%s: a file system of the kernel was mounted through it", what)
				}
				h.check(what)
			}
		}
	}
}

// TestSymlinksInUserNamespacesDoNotLeadOutside: the paths of a container with a user namespace are walked partly before, partly as its root. Here
// that is the host's root, so that what gets out shows.
func TestSymlinksInUserNamespacesDoNotLeadOutside(t *testing.T) {
	b := newBench(t)
	for _, at := range places {
		h := b.trap()
		k := b.touching("")
		k.userNamespace()
		k.spec.Linux.UIDMappings[0].HostID, k.spec.Linux.GIDMappings[0].HostID = 0, 0
		plant(b, k.rootfs, at, h.dir)
		if r := k.run(); r.late {
			t.Errorf("%s: it hangs", at)
		}
		h.check("in a user namespace, " + at)
	}
}

func plant(t testing.TB, rootfs, at, to string) {
	t.Helper()
	path := filepath.Join(rootfs, at)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// TestPathsExchangedBetweenTwoCallsDoNotLeadOutside is each race for a path, won: the container's process is stopped before its
// system calls one after the other, and there a directory that it uses becomes a symlink to the host (CVE-2021-30465, CVE-2023-27561,
// CVE-2024-45310, CVE-2025-31133, CVE-2025-52565, GHSA-3q8j-pf29-vwv8). Once it stays one, once only for the one call.
func TestPathsExchangedBetweenTwoCallsDoNotLeadOutside(t *testing.T) {
	b := newBench(t)
	if testing.Short() {
		t.Skip("hundreds of containers")
	}
	for name, c := range map[string]struct {
		places []string
		dev    bool // without a file system of the container's own there
		brief  bool // the other way too
	}{
		"directories":       {places: []string{"etc", "run", "work", "volumes", "secret", "fixed", "shared/a"}, brief: true},
		"directories below": {places: []string{"volumes/x", "run/dir", "work/deep", "shared/a/x"}},
		"proc":              {places: []string{"proc"}},
		"sys":               {places: []string{"sys"}},
		"dev":               {places: []string{"dev"}, dev: true},
		"devices":           {places: []string{"dev/null", "dev/pts", "dev/console"}, dev: true},
	} {
		for _, brief := range []bool{false, true} {
			if brief && !c.brief {
				continue
			}
			t.Run(fmt.Sprintf("%s, brief: %v", name, brief), func(t *testing.T) {
				b := &bench{TB: t, engine: b.engine, root: b.root, dir: b.make("case-" + b.id())}
				r := race{b: b, brief: brief, trap: b.trap()}
				r.prepare(c.places, c.dev)
				r.all()
			})
		}
	}
}

// race is paths that become symlinks to the trap at one of the engine's system calls.
type race struct {
	b     *bench
	k     *bundle
	brief bool // only for that call
	trap  *trap

	pairs   [][2]string // a path, and the symlink that takes its place
	at      int         // the call
	calls   int
	pivot   int // the call after which nothing of the host can be reached
	hit     string
	swapped bool
}

func (r *race) prepare(places []string, imageDev bool) {
	r.b.Helper()
	shared := r.b.make("shared")
	r.k = r.b.touching(shared)
	if imageDev {
		r.k.without("/dev", "/dev/pts", "/dev/shm")
		r.b.make(filepath.Base(r.k.dir) + "/rootfs/dev/pts")
		r.k.spec.Process.Terminal = false
	}
	for _, place := range places {
		base := r.k.rootfs
		if below, ok := strings.CutPrefix(place, "shared/"); ok {
			base, place = shared, below
		}
		r.pair(filepath.Join(base, place), place)
	}
}

// pair makes an honest file or directory and the symlink beside it.
func (r *race) pair(path, place string) {
	r.b.Helper()
	target, err := r.trap.dir, error(nil)
	switch place {
	case "dev/null": // as an honest image has it
		target += "/file"
		err = unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	case "dev/console":
		target += "/file"
		r.b.file(path, "", 0o644)
	default:
		err = os.MkdirAll(path, 0o755)
	}
	link := path + "-link"
	if err == nil {
		err = os.Symlink(target, link) // absolute: until pivot_root the root of the process is the host's
	}
	if err != nil {
		r.b.Fatal(err)
	}
	r.pairs = append(r.pairs, [2]string{path, link})
}

// all creates the container again and again, until the call at which it happens is the last that may matter.
func (r *race) all() {
	r.b.Helper()
	for r.at = 0; r.at == 0 || r.at <= min(r.calls, r.pivot); r.at++ {
		r.calls, r.pivot, r.hit = 0, 1<<30, ""
		r.b.stopped(r.stop, r.create)
		if r.swapped {
			r.exchange()
		}
		if r.at == 0 && r.calls < 20 {
			r.b.Errorf("only %d system calls were seen", r.calls)
		}
		if r.trap.check("paths become symlinks before call " + r.hit); r.b.Failed() {
			return
		}
	}
}

func (r *race) stop(s stop) {
	r.calls = s.index
	if s.nr == unix.SYS_PIVOT_ROOT && r.pivot > s.index {
		r.pivot = s.index + 1
	}
	switch {
	case s.index == r.at:
		r.hit = s.String()
		r.exchange()
	case s.index == r.at+1 && r.brief && r.swapped:
		r.exchange()
	}
}

func (r *race) exchange() {
	for _, p := range r.pairs {
		if err := unix.Renameat2(unix.AT_FDCWD, p[0], unix.AT_FDCWD, p[1], unix.RENAME_EXCHANGE); err != nil {
			r.b.Error(err)
		}
	}
	r.swapped = !r.swapped
}

// create makes the container and removes it. An error is as good as a success: the path was hostile just then.
func (r *race) create() {
	r.b.Helper()
	under := r.b.under
	for _, p := range r.pairs { // what an earlier round has made would not be made again
		made, _ := filepath.Glob(filepath.Join(p[0], "*"))
		for _, m := range made {
			_ = os.RemoveAll(m)
		}
	}
	c, got := r.k.tryCreate()
	if got.late {
		r.b.Errorf("before call %s: it hangs", r.hit)
	}
	r.b.under = nil // what removes it is not stopped
	if c != nil {
		c.delete()
	}
	r.b.under = under
}

// TestContainersRacingInAVolume has one container exchange a directory of a volume for a symlink to the host all the time, while others
// are created with mount points below it (CVE-2021-30465, CVE-2024-45310).
func TestContainersRacingInAVolume(t *testing.T) {
	b := newBench(t)
	h := b.trap()
	shared := b.make("shared")
	for _, err := range []error{
		os.Mkdir(filepath.Join(shared, "a"), 0o755), os.Symlink(h.dir, filepath.Join(shared, "b")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	swapper := b.bundle("swap", "/shared/a", "/shared/b").bind(shared, "/shared").running().ready()
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		b.touching(shared).run()
		h.check("a race in a volume")
	}
	swapper.delete()
}
