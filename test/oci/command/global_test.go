// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"
)

func TestLogs(t *testing.T) {
	b := newBench(t)
	log := filepath.Join(b.dir, "log")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	b.fails(1, `level=error msg="container does not exist"`, "state", "nobody")
	r := b.do("--log", log, "--log-format", "json", "state", "nobody")
	if r.code != 1 || r.errs != "container does not exist\n" {
		t.Errorf("with a log, a person reads %v", r)
	}
	var line struct{ Level, Msg, Time string }
	if err := json.Unmarshal([]byte(read()), &line); err != nil || line.Level != "error" || line.Msg != "container does not exist" {
		t.Errorf("log %q: %+v, %v", read(), line, err)
	}
	if _, err := time.Parse(time.RFC3339, line.Time); err != nil {
		t.Error(err)
	}
	b.do("--log", log, "--log-format", "text", "state", "nobody")
	if lines := strings.Split(strings.TrimSpace(read()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "level=error msg=") {
		t.Errorf("the log was not appended to: %q", lines)
	}
	c := b.bundle("true")
	b.ok("--debug", "--log", log, "run", "--bundle", c.bundle, c.id)
	if !strings.Contains(read(), "level=debug") {
		t.Errorf("no debug lines in %q", read())
	}
	b.fails(1, "invalid log-format", "--log-format", "xml", "list")
	b.fails(1, "", "--log", "/nonexistent/log", "list")
}

func TestGlobalFlags(t *testing.T) {
	b := newBench(t)
	if out := b.ok("--version"); !strings.Contains(out, "version ") || !strings.Contains(out, "\nspec: ") {
		t.Errorf("--version: %q", out)
	}
	if out := b.ok("--help"); !strings.Contains(out, "USAGE:") || !strings.Contains(out, "checkpoint") {
		t.Errorf("--help: %q", out)
	}
	b.fails(1, "should not be set to /", "--root", "/", "list")
	if !place.peer { // it looks at that later
		b.fails(1, "", "--rootless", "perhaps", "list")
	}
	b.fails(3, "No help topic for", "nonsense")
	for _, rootless := range []string{"true", "false", "auto"} {
		b.ok("--rootless", rootless, "list")
	}
	if !place.peer {
		b.ok("--criu", "/nowhere", "list") // hidden, and ignored, as with runc
	}
	b.fails(1, "", "list", "--nonsense")
	b.fails(1, "requires", "state")
	b.fails(1, "requires", "state", "a", "b")
}

// TestFlagsOfEachCommand: all flags that runc 1.5 has are there, with the names that it has for them.
func TestFlagsOfEachCommand(t *testing.T) {
	b := newBench(t)
	if place.peer {
		t.Skip("the list is that of the newest runc")
	}
	for command, flags := range map[string]string{
		"":       "--debug --log --log-format --root --systemd-cgroup --rootless --help -h --version -v",
		"create": "--bundle -b --console-socket --pidfd-socket --pid-file --no-pivot --no-new-keyring --preserve-fds",
		"run":    "--bundle -b --console-socket --pidfd-socket --detach -d --keep --pid-file --no-subreaper --no-pivot --no-new-keyring --preserve-fds",
		"exec": "--console-socket --pidfd-socket --cwd --env -e --tty -t --user -u --additional-gids -g --process -p --detach -d --pid-file " +
			"--process-label --apparmor --no-new-privs --cap -c --preserve-fds --cgroup --ignore-paused",
		"delete": "--force -f", "kill": "", "list": "--format -f --quiet -q", "pause": "", "resume": "", "start": "", "state": "",
		"ps": "--format -f", "spec": "--bundle -b --rootless", "features": "",
		"events": "--interval --stats",
		"update": "--resources -r --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpuset-cpus " +
			"--cpuset-mems --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --cpu-idle",
		"checkpoint": "--image-path --work-path --parent-path --leave-running --tcp-established --tcp-skip-in-flight --link-remap --ext-unix-sk --shell-job " +
			"--lazy-pages --status-fd --page-server --file-locks --pre-dump --manage-cgroups-mode --empty-ns --auto-dedup",
		"restore": "--console-socket --image-path --work-path --tcp-established --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode --bundle -b " +
			"--detach -d --pid-file --no-subreaper --no-pivot --empty-ns --auto-dedup --lazy-pages --lsm-profile --lsm-mount-context",
	} {
		help := b.ok(append(strings.Fields(command), "--help")...)
		words := map[string]bool{}
		for _, w := range strings.FieldsFunc(help, func(r rune) bool { return r == ' ' || r == '\n' || r == ',' }) {
			words[w] = true
		}
		for _, f := range strings.Fields(flags) {
			if !words[f] {
				t.Errorf("%s has no %s", command, f)
			}
		}
	}
}

func TestFeatures(t *testing.T) {
	b := newBench(t)
	b.newer("no features", strings.Contains(b.ok("--help"), "features"))
	var f features.Features
	if err := json.Unmarshal([]byte(b.ok("features")), &f); err != nil {
		t.Fatal(err)
	}
	if f.OCIVersionMin == "" || f.Linux == nil || len(f.Hooks) < 6 || len(f.MountOptions) < 50 {
		t.Errorf("%+v", f)
	}
}

// A workload that is ready tells systemd so: first by run, then by create and start.
func TestReadinessIsPassedOn(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	if err := systemd.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	heard := func() string {
		t.Helper()
		text, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
		n, oobn, _, _, err := systemd.ReadMsgUnix(text, oob)
		if err != nil {
			t.Fatal(err)
		}
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) == 1 {
			fds, err := unix.ParseUnixRights(&messages[0])
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(fds[0]) // understood
		}
		return string(text[:n])
	}
	// busybox has no program that sends a datagram to a socket's path: the test does it, in the workload's place.
	for _, how := range []string{"run", "start"} {
		c := b.bundle(`test "$NOTIFY_SOCKET" = /run/notify/notify.sock || exit 1; ls -l /run/notify/notify.sock && touch /run/notify/x; ` + waiting)
		args := []string{"run", "--detach", "--bundle", c.bundle, c.id}
		if how == "start" {
			create := b.command("create", "--bundle", c.bundle, c.id)
			create.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
			if r := b.run(create); r.code != 0 {
				t.Fatal(r)
			}
			args = []string{"start", c.id}
		}
		cmd := b.command(args...)
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		inside := filepath.Join(b.state(), c.id, "notify", "notify.sock")
		workload := until(b, "socket", func() (net.Conn, bool) {
			conn, err := net.Dial("unixgram", inside)
			return conn, err == nil
		})
		for _, m := range []string{"STATUS=up\n", "MAINPID=1\n", "STATUS=x\nREADY=1\n"} {
			if place.peer {
				m = strings.TrimPrefix(m, "STATUS=x\n") // it wants it first
			}
			if _, err := workload.Write([]byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		workload.Close()
		got := heard() + heard() + heard()
		if r := b.finish(cmd); r.code != 0 || strings.Contains(r.out, "/run/notify/x") {
			t.Errorf("%s: %v", how, r)
		}
		if want := "READY=1\nMAINPID=" + itoa(b.pid(c)) + "\nBARRIER=1"; got != want {
			t.Errorf("%s: systemd hears %q, want %q", how, got, want)
		}
		b.ok("delete", "--force", c.id)
	}
}
