// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestExitCodesOfExec(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 128 + 9} {
		if r := b.do("exec", c.id, "/bin/sh", "-c", script); r.code != want {
			t.Errorf("%s: %v, want code %d", script, r, want)
		}
	}
	b.fails(255, "no such file", "exec", c.id, "/nonexistent")
	b.fails(255, "does not exist", "exec", "nobody", "true")
	b.fails(255, "", "exec", "--user", "x", c.id, "true")
	b.fails(255, "", "exec", "--process", "/nonexistent", c.id)
	b.ok("kill", c.id, "KILL")
	b.status(c, "stopped")
	b.fails(255, "cannot exec in a stopped container", "exec", c.id, "true")
}

// TestFlagsOfExec looks at the process that each flag makes.
func TestFlagsOfExec(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting, func(s *specs.Spec) {
		s.Process.Env = append(s.Process.Env, "OWN=container")
		s.Process.User.AdditionalGids = []uint32{20}
	})
	for _, k := range []struct {
		flags        []string
		script, want string
	}{
		{nil, "pwd; echo $OWN; id -u", "/\ncontainer\n0\n"},
		{[]string{"--cwd", "/bin"}, "pwd", "/bin\n"},
		{[]string{"--env", "A=1 2", "--env", "OWN=exec"}, "echo $A $OWN", "1 2 exec\n"},
		{[]string{"--user", "1000"}, "id -u; id -g", "1000\n0\n"},
		{[]string{"-u", "1000:1001"}, "id -u; id -g", "1000\n1001\n"},
		{[]string{"-g", "100", "-g", "65534"}, "id -G", "0 20 100 65534\n"},
		{[]string{"--cap", "CAP_SYS_NICE", "--cap", "CAP_CHOWN"}, "grep CapBnd /proc/self/status", "CapBnd:\t0000000020800421\n"},
		{[]string{"--no-new-privs"}, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"},
		{[]string{"--no-new-privs=false"}, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t0\n"},
		{[]string{"--tty=false"}, "tty", "not a tty\n"},
	} {
		if k.flags != nil && k.flags[0] == "--no-new-privs=false" && place.peer {
			continue // it takes the flag for said only when it is true
		}
		r := b.do(append(append([]string{"exec"}, k.flags...), c.id, "/bin/sh", "-c", k.script)...)
		if r.out != k.want {
			t.Errorf("%v: %q, want %q (%v)", k.flags, r.out, k.want, r)
		}
	}
	// What stands behind the container's name is not ours.
	if out := b.ok("exec", c.id, "echo", "--cwd", "-u"); out != "--cwd -u\n" {
		t.Errorf("%q", out)
	}
}

func TestExecOfAProcessFile(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	umask := uint32(0o77)
	p := specs.Process{
		Args: []string{"/bin/sh", "-c", "id -u; umask; echo $A; pwd"}, Cwd: "/bin", Env: []string{"PATH=/bin", "A=file"},
		User: specs.User{UID: 7, Umask: &umask},
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, "process.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--process", "-p"} {
		want := "7\n0077\nfile\n/bin\n"
		if place.peer {
			want = "7\n0022\nfile\n/bin\n" // it forgets the umask
		}
		if out := b.ok("exec", flag, file, c.id); out != want {
			t.Errorf("%s: %q", flag, out)
		}
	}
	for _, bad := range []string{"null", "{}", `{"cwd":"/"}`, `{"cwd":"x","args":["true"]}`, "["} {
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if bad == "null" && place.peer {
			continue // it crashes
		}
		b.fails(255, "", "exec", "-p", file, c.id)
	}
}

func TestExecDetaches(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	file := filepath.Join(b.dir, "pid")
	b.ok("exec", "--detach", "--pid-file", file, c.id, "sleep", "1000")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile("/proc/" + string(text) + "/comm")
	if err != nil || string(name) != "sleep\n" {
		t.Errorf("process %s is %q (%v)", text, name, err)
	}
	if pids := b.pids(c); !strings.Contains(" "+strings.Trim(strings.Join(strings.Fields(strings.Trim(jsonOf(pids), "[]")), " "), " "), string(text)) {
		t.Errorf("process %s is not among %v", text, pids)
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func TestExecInAPausedContainer(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	b.ok("pause", c.id)
	b.fails(255, "cannot exec in a paused container", "exec", c.id, "true")
	cmd := b.command("exec", "--ignore-paused", c.id, "echo", "there")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.ok("resume", c.id)
	if r := b.finish(cmd); r.code != 0 || r.out != "there\n" {
		t.Errorf("%v", r)
	}
}

func TestExecBelowTheCgroup(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	b.fails(255, "", "exec", "--cgroup", "..", c.id, "true")
	b.fails(255, "", "exec", "--cgroup", "/missing", c.id, "true")
	path, arg := "/sys/fs/cgroup"+b.cgroup+"/"+c.id+"/sub", "sub"
	if !place.unified {
		path, arg = "/sys/fs/cgroup/pids"+b.cgroup+"/"+c.id+"/sub", "pids:sub"
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if out := b.ok("exec", "--cgroup", arg, c.id, "cat", "/proc/self/cgroup"); !strings.Contains(out, "/sub\n") {
		t.Errorf("%s", out)
	}
	if !place.unified {
		b.fails(255, "", "exec", "--cgroup", "pids:sub", "--cgroup", "pids:sub", c.id, "true")
		b.fails(255, "", "exec", "--cgroup", "nothing:sub", c.id, "true")
	}
}

// Labels of modules that the host has off are errors; what they do is test/oci/conformance's, where it has them.
func TestExecWithLabels(t *testing.T) {
	b := newBench(t)
	c := b.running(waiting)
	if _, err := os.Stat("/sys/module/apparmor/parameters/enabled"); err != nil {
		b.fails(255, "apparmor", "exec", "--apparmor", "x", c.id, "true")
	} else {
		b.fails(255, "", "exec", "--apparmor", "no-such-profile", c.id, "true")
		if out := b.ok("exec", "--apparmor", "unconfined", c.id, "echo", "on"); out != "on\n" {
			t.Errorf("unconfined: %q", out)
		}
	}
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err != nil {
		b.fails(255, "elinux", "exec", "--process-label", "x", c.id, "true")
	}
}

func TestFilesArePassedOn(t *testing.T) {
	b := newBench(t)
	const script = `echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; for fd in 3 4 5 6; do cat <&$fd; done 2>/dev/null; true`
	files := func() []*os.File {
		var all []*os.File
		for i := range 3 {
			name := filepath.Join(b.dir, "file"+strconv.Itoa(i))
			if err := os.WriteFile(name, []byte(strconv.Itoa(i)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			all = append(all, f)
		}
		return all
	}
	for _, how := range []string{"run", "exec"} {
		target := b.running(waiting)
		args := func(flags ...string) []string {
			if how == "exec" {
				return append(append([]string{"exec"}, flags...), target.id, "/bin/sh", "-c", script)
			}
			c := b.bundle(script)
			return append(append([]string{"run", "--bundle", c.bundle}, flags...), c.id)
		}
		cmd := b.command(args("--preserve-fds", "2")...)
		cmd.ExtraFiles = files()
		if r := b.run(cmd); r.out != "\n0\n1\n" {
			t.Errorf("%s --preserve-fds 2: %v", how, r)
		}
		// LISTEN_PID must be the runtime's own pid, so a shell executes it.
		shell := b.command()
		shell.Args = append([]string{"/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh", shell.Path, "--root", b.state()}, args("--preserve-fds", "1")...)
		shell.Path = "/bin/sh"
		shell.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b")
		shell.ExtraFiles = files()
		want := "2 1 a:b\n0\n1\n2\n"
		if place.peer { // it keeps the names to itself, and has none of this in exec
			want = "2 1\n0\n1\n2\n"
			if how == "exec" {
				want = "\n0\n"
			}
		}
		if r := b.run(shell); r.out != want {
			t.Errorf("%s of socket activation: %v, want %q", how, r, want)
		}
	}
	c := b.bundle("true")
	b.fails(1, "", "run", "--preserve-fds", "50", "--bundle", c.bundle, c.id)
}
