// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostV2 and hostV1 are machines as the golden plans have them.
func hostV2() Host {
	return Host{
		CgroupDir: true, UnifiedMount: "/sys/fs/cgroup", Capabilities: 1<<41 - 1, RaiseLimits: true, TimeOffsets: true,
		HardLimits: map[int]uint64{unix.RLIMIT_NOFILE: 1024},
	}
}

func hostV1() Host {
	h := hostV2()
	h.CgroupDir, h.UnifiedMount, h.CgroupTasks = true, "/sys/fs/cgroup/unified", []string{"cpu,cpuacct", "memory", "name=systemd"}
	h.Hierarchies = []Hierarchy{
		{Path: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}},
		{Path: "/sys/fs/cgroup/memory", Controllers: []string{"memory"}},
		{Path: "/sys/fs/cgroup/systemd", Controllers: []string{"name=systemd"}},
	}
	h.Capabilities &^= 1 << unix.CAP_SYS_RESOURCE
	h.RaiseLimits = false
	return h
}

func hostLSM() Host {
	h := hostV2()
	h.AppArmor, h.AppArmorDir, h.SELinux = true, true, true
	return h
}

func readSpec(t testing.TB, name string) *specs.Spec {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "plans", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	var s specs.Spec
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// options are those of a test for a spec.
func options(s *specs.Spec, h Host) CompileOptions {
	return CompileOptions{ID: "c1", Bundle: "/run/crisp/pods/p1/c1", CgroupPath: s.Linux.CgroupsPath, Host: h}
}

// golden compares a text with the file of that name, and the plan with what it becomes by way of its encoded form.
func golden(t *testing.T, name string, c *Compiled) {
	t.Helper()
	file := filepath.Join("testdata", "plans", name+".plan")
	if *update {
		if err := os.WriteFile(file, []byte(c.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.String(); got != string(want) {
		t.Errorf("plan differs from %s (go test -update writes it anew)\n%s", file, firstDifference(got, string(want)))
	}
	if _, err := c.Plan.Encode(); err != nil {
		t.Errorf("encode: %v", err)
	}
	if c.Plan.NumFDs != len(c.Files) {
		t.Errorf("%d files for %d registers", len(c.Files), c.Plan.NumFDs)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one goes on after the other"
}

func TestPlansAreAsPinned(t *testing.T) {
	for name, o := range map[string]func(*CompileOptions){
		"kubernetes":                 func(o *CompileOptions) { o.Rootfs = true },
		"restricted":                 func(o *CompileOptions) { o.Rootfs, o.Host = true, hostLSM() },
		"terminal":                   func(*CompileOptions) {},
		"userns":                     func(o *CompileOptions) { o.Rootfs = true },
		"userns-joined-host-network": func(*CompileOptions) {},
		"privileged":                 func(o *CompileOptions) { o.Rootfs, o.Mounts = true, map[string]bool{"/host": true} },
		"restricted-5.10":            func(o *CompileOptions) { o.Rootfs, o.Host = true, hostLSM(); o.Host.NoSetattr = true },
		"host-dev":                   func(*CompileOptions) {},
		"image-dev":                  func(o *CompileOptions) { o.Rootfs = true },
		"pause":                      func(o *CompileOptions) { o.Rootfs, o.ExecFile = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			s := readSpec(t, strings.TrimSuffix(name, "-5.10"))
			opts := options(s, hostV2())
			o(&opts)
			c, err := Compile(s, opts)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, c)
		})
	}
	t.Run("v1", func(t *testing.T) {
		for _, name := range []string{"kubernetes", "userns", "privileged", "restricted"} {
			s := readSpec(t, name)
			opts := options(s, hostV1())
			opts.Rootfs = true
			if name == "restricted" {
				opts.Host.AppArmor, opts.Host.SELinux = true, true
			}
			c, err := Compile(s, opts)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+"-v1", c)
		}
	})
}

func TestExecPlansAreAsPinned(t *testing.T) {
	for _, name := range []string{"kubernetes", "restricted", "terminal", "userns", "privileged"} {
		s := readSpec(t, name)
		s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-1", Final: "9"}
		opts := options(s, hostV1())
		if name == "restricted" {
			opts.Host.AppArmor, opts.Host.AppArmorDir, opts.Host.SELinux = true, true, true
		}
		c, err := CompileExec(s, s.Process, opts)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+"-exec", c)
	}
}

// TestProceedsInTheOrderThatCompileDocuments checks the order on every golden plan: for two notes, all steps of the first come
// before all steps of the second.
func TestProceedsInTheOrderThatCompileDocuments(t *testing.T) {
	order := []string{
		"become undumpable", "enter the cgroup", "join the ", "make the cgroup namespace", "become root of", "set the hostname",
		"set the sysctl", "open the source", "isolate", "attach the root", "mount /", "make the device", "make the terminal",
		"make the working directory", "make /proc", "make the mask", "mask /", "make the root file system read-only",
		"enter the root file system", "let go", "make a session", "set the AppArmor profile", "close the procfs",
		"set no_new_privs", "drop capabilities", "become user", "set capabilities", "wait for the start", "exec ",
	}
	plans, err := filepath.Glob("testdata/plans/*.plan")
	if err != nil || len(plans) == 0 {
		t.Fatal(plans, err)
	}
	for _, file := range plans {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		_, plan, _ := strings.Cut(string(b), "\nplan: ")
		for _, note := range strings.Split(plan, "\n") { // its steps begin with a space
			for i, prefix := range order {
				if !strings.HasPrefix(note, prefix) || note == "mount /dev/console" || note == "join the session keyring" ||
					prefix == "open the source" && strings.Contains(file, "rootless") { // sources are opened by the user there

					continue
				}
				if i < last {
					t.Errorf("%s: %q after %q", file, note, order[last])
				}
				last = i
			}
		}
	}
}

func TestSeccompOfNoNewPrivsComesRightBeforeTheExec(t *testing.T) {
	s := readSpec(t, "restricted")
	opts := options(s, hostLSM())
	opts.Rootfs = true
	c, err := Compile(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	n := len(c.Plan.Steps)
	for i, want := range []plan.Op{plan.OpBarrier, plan.OpSeccomp, plan.OpExec} {
		if got := c.Plan.Steps[n-3+i].Op; got != want {
			t.Errorf("step %d is %s, want %s", n-3+i, got, want)
		}
	}
}

func TestSeccompWithoutNoNewPrivsComesBeforeTheCapabilitiesGo(t *testing.T) {
	s := readSpec(t, "kubernetes")
	opts := options(s, hostV2())
	opts.Rootfs = true
	c, err := Compile(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i, st := range c.Plan.Steps {
		if st.Op == plan.OpSeccomp {
			if next := c.Plan.Steps[i+1].Op; next != plan.OpCapBound {
				t.Errorf("%s after SECCOMP, want CAP_BOUND", next)
			}
			return
		}
	}
	t.Error("no SECCOMP step")
}

// TestBindMountsAreNoPeersOfTheHosts checks every combination of options that does not ask for it.
func TestBindMountsAreNoPeersOfTheHosts(t *testing.T) {
	for options, peer := range map[string]bool{
		"bind": false, "rbind": false, "rbind,ro": false, "rbind,private": false, "rbind,rprivate": false, "rbind,slave": false,
		"rbind,rslave": false, "rbind,unbindable": false, "rbind,rshared": true, "bind,shared": true,
	} {
		o := parseMountOptions(strings.Split(options, ","))
		isolated := false
		for _, at := range o.attributes(false) {
			isolated = isolated || at.Propagation != 0 && at.Propagation != unix.MS_SHARED && at.Recursive
		}
		if isolated == peer {
			t.Errorf("%s: %v", options, o.attributes(false))
		}
	}
}
