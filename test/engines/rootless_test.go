// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The user of podman without root, and the IDs that it has by /etc/subuid and /etc/subgid.
const (
	userID   = 1000
	firstSub = 300_000
	subs     = 65536
)

// newRootlessPodman is a podman of an ordinary user, with the test's image.
func newRootlessPodman(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t, "podman")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		t.Skip("podman without root needs the tools of shadow: ", err)
	}
	e.enrol()
	must(os.Chmod(e.dir, 0o755))
	must(os.Chmod(e.path("containers.conf"), 0o644))
	for _, name := range []string{"home", "run"} {
		must(os.Mkdir(e.path(name), 0o700))
		must(os.Chown(e.path(name), userID, userID))
	}
	image0 := archive(t, e.dir)
	must(os.Chmod(image0, 0o644))
	text, err := os.ReadFile(e.runtime) // it need not lie where a user may go
	must(err)
	e.runtime = e.path(filepath.Base(e.runtime))
	must(os.WriteFile(e.runtime, text, 0o755))
	e.user = &syscall.Credential{Uid: userID, Gid: userID}
	e.command = append(e.command, "--root", e.path("home/root"), "--runroot", e.path("run/root"), "--tmpdir", e.path("run/tmp"),
		"--cgroup-manager", "cgroupfs", "--events-backend", "file", "--storage-driver", "vfs", "--runtime", e.runtime)
	t.Cleanup(func() {
		if _, errs, err := e.try("system", "migrate"); err != nil { // ends the process that holds the user namespace
			t.Errorf("system migrate: %v %s", err, errs)
		}
	})
	if _, errs, err := e.try("info"); err != nil {
		t.Skipf("podman does not work without root here: %v: %s", err, errs)
	}
	e.run("import", image0, image)
	return e
}

// enrol makes the user known, in the mount namespace of the tests.
func (e *engine) enrol() {
	e.t.Helper()
	sub := fmt.Sprintf("ann:%d:%d\n", firstSub, subs)
	for name, text := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\nann:x:%d:%d::%s:/bin/sh\n", userID, userID, e.path("home")), "subuid": sub, "subgid": sub,
	} {
		file, on := e.path(name), "/etc/"+name
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			e.t.Fatal(err)
		}
		if err := unix.Mount(file, on, "", unix.MS_BIND, ""); err != nil {
			e.t.Skipf("mount on %s: %v", on, err)
		}
		e.t.Cleanup(func() {
			if err := unix.Unmount(on, unix.MNT_DETACH); err != nil {
				e.t.Error(err)
			}
		})
	}
}

// rootless are the arguments of podman run. Networks of users take programs of their own, which are not the runtime's matter.
func rootless(flags []string, command ...string) []string {
	return append(append(append([]string{"run", "--network", "none"}, flags...), image), command...)
}

func TestPodmanWithoutRoot(t *testing.T) {
	e := newRootlessPodman(t)
	ids := fmt.Sprintf("0 %d 1 1 %d %d", userID, firstSub, subs)
	e.wants("0 0 "+ids, rootless([]string{"--rm"}, "sh", "-c", "echo $(id -u) $(id -g) $(cat /proc/self/uid_map)")...)
	e.wants("8 12 12", rootless([]string{"--rm", "--user", "8:12"}, "sh", "-c", "echo $(id -u) $(id -g) $(id -G)")...)
	e.wants("1000", rootless([]string{"--rm", "--userns", "keep-id"}, "id", "-u")...)
	e.wants("0 1 1000", rootless([]string{"--rm", "--uidmap", "0:1:1000"}, "sh", "-c", "echo $(cat /proc/self/uid_map)")...)
	e.wants("box 1:3", rootless([]string{"--rm", "--hostname", "box"}, "sh", "-c", "echo $(hostname) $(stat -c %t:%T /dev/null)")...)
	e.wants("ok", rootless([]string{"--rm", "--read-only", "--tmpfs", "/var"}, "sh", "-c", "touch /var/x && echo ok")...)
	e.wants("/dev/pts/0", rootless([]string{"--rm", "-t"}, "readlink", "/proc/self/fd/1")...)
	e.wants("000001ffffffffff", rootless([]string{"--rm", "--privileged"}, "sh", "-c", "sed -n 's/CapEff:.//p' /proc/self/status")...)
	e.fails(7, "", rootless([]string{"--rm"}, "sh", "-c", "exit 7")...)
	e.fails(127, "no such file", rootless([]string{"--rm"}, "/missing")...)

	volume := e.path("home/volume")
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(volume, userID, userID); err != nil {
		t.Fatal(err)
	}
	e.run(rootless([]string{"--rm", "-v", volume + ":/v"}, "sh", "-c", "touch /v/root /v/other && chown 5:6 /v/other")...)
	for name, owner := range map[string]uint32{"root": userID, "other": firstSub + 4} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(volume, name), &st); err != nil || st.Uid != owner {
			t.Errorf("%s is of user %d, not %d: %v", name, st.Uid, owner, err)
		}
	}
}

func TestPodmanWithoutRootLifeCycle(t *testing.T) {
	e := newRootlessPodman(t)
	e.run(rootless([]string{"-d", "--name", "c"}, "sh", "-c", waits)...)
	t.Cleanup(func() { e.run("rm", "-f", "-t", "0", "--ignore", "c") })
	e.eventually("one\ntwo", "logs", "c")
	e.wants("0 0", "exec", "c", "sh", "-c", "echo $(id -u) $(id -g)")
	e.wants("/dev/pts/0", "exec", "-t", "c", "readlink", "/proc/self/fd/1")
	e.fails(9, "", "exec", "c", "sh", "-c", "exit 9")
	if top := e.run("top", "c"); !strings.Contains(top, "while :") {
		t.Errorf("top: %s", top)
	}
	e.run("stop", "-t", "20", "c")
	e.wants("exited 3", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c")
	e.run("start", "c")
	e.wants("running", "inspect", "-f", "{{.State.Status}}", "c")
	e.run("kill", "c")
	e.eventually("exited 137", "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c")
	e.run("rm", "c")
	e.wants("", "ps", "-aq")
}
