// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A bundle is one in the making: a row edits its spec, and asks questions of the probe in it.
type bundle struct {
	*bench
	*specs.Spec
	dir    string
	rootfs string
	asks   []string
	flags  []string // of create and run
}

// bundle makes the ordinary one.
func (b *bench) bundle() *bundle {
	dir, err := os.MkdirTemp(b.dir, "b")
	b.must(err)
	b.must(os.Chmod(dir, 0o755))
	k := &bundle{bench: b, dir: dir, rootfs: filepath.Join(dir, "rootfs"), Spec: ordinary()}
	b.must(os.Mkdir(k.rootfs, 0o755))
	b.must(os.Link(filepath.Join(place.image, "probe"), filepath.Join(k.rootfs, "probe")))
	return k
}

// version of the specification that bundles name. Debian's crun refuses what is newer than it.
func version() string {
	if strings.HasPrefix(place.peer, "crun-1.8") {
		return "1.0.2"
	}
	return specs.Version
}

// ordinary is what engines write for a container, with root and all capabilities but those that reach the host.
func ordinary() *specs.Spec {
	return &specs.Spec{
		Version: version(),
		Process: &specs.Process{Cwd: "/", Env: []string{"PATH=/"}, Capabilities: capabilities(usual...)},
		Root:    &specs.Root{Path: "rootfs"},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.NetworkNamespace}, {Type: specs.CgroupNamespace},
			},
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
	}
}

// usual are the capabilities of docker's and podman's containers.
var usual = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
	"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

func capabilities(names ...string) *specs.LinuxCapabilities {
	return &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
}

// mount adds one.
func (k *bundle) mount(fsType, source, destination string, options ...string) {
	k.Mounts = append(k.Mounts, specs.Mount{Destination: destination, Type: fsType, Source: source, Options: options})
}

// without drops mounts.
func (k *bundle) without(destinations ...string) {
	k.Mounts = slices.DeleteFunc(k.Mounts, func(m specs.Mount) bool { return slices.Contains(destinations, m.Destination) })
}

// namespace returns the entry of a type; nil when there is none.
func (k *bundle) namespace(t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	i := slices.IndexFunc(k.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
	if i < 0 {
		return nil
	}
	return &k.Linux.Namespaces[i]
}

func (k *bundle) withoutNamespace(t specs.LinuxNamespaceType) {
	k.Linux.Namespaces = slices.DeleteFunc(k.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
}

// inRootfs makes a file there.
func (k *bundle) inRootfs(path, text string, mode os.FileMode) {
	k.file(filepath.Join(k.rootfs, path), text, mode)
}

// mapUsers gives the container a user namespace, and the root file system to its root.
func (k *bundle) mapUsers(first uint32) {
	k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: first, Size: 65536}}
	k.Linux.UIDMappings, k.Linux.GIDMappings = m, m
	k.must(os.Chown(k.rootfs, int(first), int(first)))
}

// save writes config.json with a cgroup for the container. Without a command, the probe is asked.
func (k *bundle) save(id, verb string) {
	if k.Process != nil && k.Process.Args == nil {
		k.Process.Args = append([]string{"/probe", verb}, k.asks...)
		defer func() { k.Process.Args = nil }()
	}
	if k.Linux != nil && k.Linux.CgroupsPath == "" {
		k.Linux.CgroupsPath = place.cgroup + "/" + id
		defer func() { k.Linux.CgroupsPath = "" }()
	}
	text, err := json.Marshal(k.Spec)
	k.must(err)
	k.saveText(string(text))
}

func (k *bundle) saveText(text string) { k.file(filepath.Join(k.dir, "config.json"), text, 0o600) }

func (k *bundle) args(verb, id string) []string {
	return append(append([]string{verb, "--bundle", k.dir}, k.flags...), id)
}

// try runs the container to its end.
func (k *bundle) try() result {
	id := k.id()
	k.save(id, "ask")
	return k.command(k.args("run", id)...)
}

// run runs the container to its end and returns what the probe saw.
func (k *bundle) run() answers {
	r := k.try()
	if r.code != 0 {
		k.fatalf("run: %v", r)
	}
	return k.answers(r.out)
}

// A container is one that is created.
type container struct {
	*bundle
	id  string
	out string // what it writes to stdout
	pid int
}

// create makes a container whose probe stays, unless the bundle has a command.
func (k *bundle) create() *container {
	c := &container{bundle: k, id: k.id()}
	k.save(c.id, "stay")
	pidFile := k.path(c.id + ".pid")
	r, out := k.into(append([]string{"create", "--pid-file", pidFile}, k.args("create", c.id)[1:]...)...)
	if r.code != 0 {
		k.fatalf("create: %v", r)
	}
	text, err := os.ReadFile(pidFile)
	k.must(err)
	c.out = out
	c.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	k.must(err)
	return c
}

// start starts it and, if the probe stays, waits for its answers.
func (c *container) start() answers {
	c.ok("start", c.id)
	if c.Process.Args != nil {
		return nil
	}
	var text []byte
	c.eventually("the probe's answers", func() bool {
		var err error
		text, err = os.ReadFile(c.out)
		c.must(err)
		return len(text) > 0 && text[len(text)-1] == '\n'
	})
	return c.answers(string(text))
}

// stop ends the probe, which gives the code 0.
func (c *container) stop() {
	c.ok("kill", c.id, "TERM")
	c.eventually("the end of the probe", func() bool { return !alive(c.pid) })
}

func (c *container) delete() { c.ok("delete", c.id) }

// exec asks the probe in a new process.
func (c *container) exec(flags []string, asks ...string) answers {
	return c.answers(c.ok(append(append(append([]string{"exec"}, flags...), c.id, "/probe", "ask"), asks...)...).out)
}

// execProcess is exec by a process.json.
func (c *container) execProcess(p *specs.Process, asks ...string) answers {
	return c.answers(c.ok("exec", "--process", c.processFile(p, asks...), c.id).out)
}

func (c *container) processFile(p *specs.Process, asks ...string) string {
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	if p.Args == nil {
		p.Args = append([]string{"/probe", "ask"}, asks...)
	}
	text, err := json.Marshal(p)
	c.must(err)
	return c.file(filepath.Join(c.dir, "process.json"), string(text), 0o600)
}

// into is command, and the file that stdout goes to.
func (b *bench) into(args ...string) (result, string) {
	f, err := os.CreateTemp(b.dir, "stdout")
	b.must(err)
	defer f.Close()
	r := b.commandWith(func(cmd *exec.Cmd) { cmd.Stdout = f }, args...)
	return r, f.Name()
}
