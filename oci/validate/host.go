// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"crisp/oci"
	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Machine is what a bundle is held against.
type Machine struct {
	host        oci.Host
	cgroups     *cgroup.Manager
	release     [2]int // of the kernel
	filesystems map[string]bool
}

// Open probes this machine.
func Open() (*Machine, error) {
	cgroups, err := cgroup.New(cgroup.Config{Log: slog.New(slog.DiscardHandler)}) // its warnings are findings
	if err != nil {
		return nil, err
	}
	m := &Machine{cgroups: cgroups}
	if m.host, err = oci.ProbeHost(cgroups); err != nil {
		return nil, errors.Join(err, cgroups.Close())
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		_, _ = fmt.Sscanf(unix.ByteSliceToString(uts.Release[:]), "%d.%d", &m.release[0], &m.release[1]) // 0.0 knows nothing
	}
	if f, err := os.Open("/proc/filesystems"); err == nil {
		defer f.Close()
		m.filesystems = parseFilesystems(f)
	}
	return m, nil
}

// Close closes what Open opened.
func (m *Machine) Close() error { return m.cgroups.Close() }

// Plan compiles the plan of a bundle.
func (m *Machine) Plan(spec *specs.Spec, bundle string) (*oci.Compiled, error) {
	return oci.Plan(spec, bundle, m.host)
}

// parseFilesystems reads the file systems that the kernel has (filesystems(5)):
//
//	nodev	tmpfs
//		ext4
func parseFilesystems(r io.Reader) map[string]bool {
	all := map[string]bool{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		_, name, ok := strings.Cut(lines.Text(), "\t")
		if ok {
			all[name] = true
		}
	}
	return all
}

// check finds what the machine cannot do. The spec is valid in itself.
func (m *Machine) check(spec *specs.Spec) oci.Findings {
	c := &hostCheck{machine: m, spec: spec}
	c.findings = oci.CheckHost(spec, m.host)
	c.kernel()
	c.mounts()
	c.namespaces()
	c.resources()
	return c.findings
}

type hostCheck struct {
	machine  *Machine
	spec     *specs.Spec
	findings oci.Findings
}

func (c *hostCheck) add(severity oci.Severity, field, format string, args ...any) {
	err := errors.ErrUnsupported
	if severity == oci.SeverityWarning {
		err = oci.ErrAdvice
	}
	c.findings = append(c.findings, &oci.FieldError{
		Field: field, Reason: fmt.Sprintf(format, args...), Err: err, Severity: severity, Scope: oci.ScopeHost,
	})
}

// needs adds an error when a field is used and the kernel is older.
func (c *hostCheck) needs(used bool, field string, major, minor int) {
	have := c.machine.release
	if used && have[0] != 0 && (have[0] < major || have[0] == major && have[1] < minor) {
		c.add(oci.SeverityError, field, "needs Linux %d.%d, this is %d.%d", major, minor, have[0], have[1])
	}
}

// kernel: since when the kernel has what a field asks for.
func (c *hostCheck) kernel() {
	l := c.spec.Linux
	if p := l.MemoryPolicy; p != nil {
		c.needs(p.Mode == specs.MpolPreferredMany, "linux.memoryPolicy.mode", 5, 15)
		c.needs(p.Mode == specs.MpolWeightedInterleave, "linux.memoryPolicy.mode", 6, 9)
		c.needs(slices.Contains(p.Flags, specs.MpolFNumaBalancing), "linux.memoryPolicy.flags", 5, 12)
	}
	if s := l.Seccomp; s != nil {
		c.needs(slices.Contains(s.Flags, specs.LinuxSeccompFlagWaitKillableRecv), "linux.seccomp.flags", 5, 19)
	}
	if l.IntelRdt != nil && !resctrl("/sys/fs/resctrl") {
		c.add(oci.SeverityError, "linux.intelRdt", "no resctrl file system is mounted")
	}
	for name := range l.NetDevices {
		if _, err := os.Stat("/sys/class/net/" + name); err != nil && !strings.Contains(name, "/") {
			c.add(oci.SeverityError, fmt.Sprintf("linux.netDevices[%q]", name), "no such network device")
		}
	}
	if !c.machine.host.SELinux && l.MountLabel != "" {
		c.add(oci.SeverityWarning, "linux.mountLabel", "ignored: SELinux is not enabled on this host")
	}
}

// resctrl says whether the file system of Intel RDT is mounted.
func resctrl(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.RDTGROUP_SUPER_MAGIC
}

func (c *hostCheck) mounts() {
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		field := fmt.Sprintf("mounts[%d]", i)
		bind := slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") || slices.Contains(m.Options, "remount")
		known := m.Type == "" || m.Type == "bind" || m.Type == "cgroup" || c.machine.filesystems[m.Type] || c.machine.filesystems == nil
		if !bind && !known {
			c.add(oci.SeverityWarning, field+".type", "%q: not in /proc/filesystems; a module may have it", m.Type)
		}
		mapped := len(m.UIDMappings) > 0 || slices.Contains(m.Options, "idmap") || slices.Contains(m.Options, "ridmap")
		c.needs(mapped, field+".uidMappings", 5, 12)
		c.needs(slices.ContainsFunc(m.Options, recursive), field+".options", 5, 12)
	}
}

// recursive says whether an option needs mount_setattr(2) on a tree.
func recursive(option string) bool {
	return slices.Contains([]string{
		"rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec", "rnodiratime", "rdiratime", "rnosymfollow", "rsymfollow",
		"rnoatime", "ratime", "rrelatime", "rnorelatime", "rstrictatime", "rnostrictatime",
	}, option)
}

// namespaces: which the kernel was built with, and whether it may make more.
func (c *hostCheck) namespaces() {
	files := map[specs.LinuxNamespaceType]string{
		specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.MountNamespace: "mnt", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
		specs.UserNamespace: "user", specs.CgroupNamespace: "cgroup", specs.TimeNamespace: "time",
	}
	for i, n := range c.spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		file := files[n.Type]
		if _, err := os.Stat("/proc/self/ns/" + file); err != nil {
			c.add(oci.SeverityError, field+".type", "this kernel has no %s namespaces", n.Type)
			continue
		}
		limit, err := os.ReadFile("/proc/sys/user/max_" + file + "_namespaces")
		if n.Path == "" && err == nil && strings.TrimSpace(string(limit)) == "0" {
			c.add(oci.SeverityError, field+".type", "user.max_%s_namespaces is 0", file)
		}
	}
}

// resources asks the cgroups for what they lack.
func (c *hostCheck) resources() {
	r := c.spec.Linux.Resources
	if r == nil {
		return
	}
	c.hugepages(r.HugepageLimits)
	for _, p := range resourceParts(r) {
		for _, err := range flat(c.machine.cgroups.Check(&p.only)) {
			c.add(oci.SeverityError, "linux.resources."+p.field, "%v", err)
		}
	}
}

type part struct {
	field string
	only  specs.LinuxResources
}

// resourceParts takes resources apart, so that what is said of one is said of its field.
func resourceParts(r *specs.LinuxResources) []part {
	return []part{
		{"memory", specs.LinuxResources{Memory: r.Memory}}, {"cpu", specs.LinuxResources{CPU: r.CPU}},
		{"pids", specs.LinuxResources{Pids: r.Pids}}, {"blockIO", specs.LinuxResources{BlockIO: r.BlockIO}},
		{"hugepageLimits", specs.LinuxResources{HugepageLimits: r.HugepageLimits}}, {"network", specs.LinuxResources{Network: r.Network}},
		{"rdma", specs.LinuxResources{Rdma: r.Rdma}}, {"unified", specs.LinuxResources{Unified: r.Unified}},
	}
}

// hugepages finds page sizes that the kernel does not have, which are directories such as hugepages-2048kB.
func (c *hostCheck) hugepages(all []specs.LinuxHugepageLimit) {
	dirs, err := os.ReadDir("/sys/kernel/mm/hugepages")
	if err != nil {
		return
	}
	have := map[string]bool{}
	for _, d := range dirs {
		var kb uint64
		if n, _ := fmt.Sscanf(d.Name(), "hugepages-%dkB", &kb); n == 1 {
			have[pageSize(kb)] = true
		}
	}
	for i, l := range all {
		if !have[l.Pagesize] {
			c.add(oci.SeverityError, fmt.Sprintf("linux.resources.hugepageLimits[%d].pageSize", i), "%q: no such size on this host", l.Pagesize)
		}
	}
}

// pageSize is a number of kilobytes as the hugetlb controller writes it.
func pageSize(kb uint64) string {
	switch {
	case kb >= 1<<20 && kb%(1<<20) == 0:
		return fmt.Sprintf("%dGB", kb>>20)
	case kb >= 1<<10 && kb%(1<<10) == 0:
		return fmt.Sprintf("%dMB", kb>>10)
	}
	return fmt.Sprintf("%dKB", kb)
}

// flat takes a joined error apart.
func flat(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") { //nolint:errorlint // the outermost
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, flat(e)...)
		}
		return all
	}
	return []error{err}
}
