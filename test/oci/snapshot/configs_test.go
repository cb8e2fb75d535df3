// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A config is a kind of container.
type config struct {
	name string
	from string // testdata/FROM.json is what set changes; "" is what `runc spec` writes
	set  func(*bundle)
}

func (c config) base() string {
	if c.from == "" {
		return "runc-spec"
	}
	return c.from
}

// allCapabilities are those of Linux 5.9 and later, as privileged containers get them.
var allCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// configs are the containers of the snapshot. sandbox is the process whose namespaces a pod's container joins. A time namespace is
// not among them: runc 1.1.5 has none.
func configs(sandbox int) []config {
	return []config{
		{name: "plain"},
		{name: "terminal", set: terminal},
		{name: "podman", from: "podman"},
		{name: "pod", set: func(b *bundle) { pod(b, sandbox) }},
		{name: "privileged", set: privileged},
		{name: "host-namespaces", set: hostNamespaces},
		{name: "user-namespace", set: userNamespace},
		{name: "read-only-root", set: readOnlyRoot},
		{name: "binds", set: binds},
		{name: "filesystems", set: filesystems},
		{name: "propagation", set: propagation},
		{name: "devices", set: devices},
		{name: "ambient-capabilities", set: ambient},
		{name: "no-capabilities", set: func(b *bundle) { b.capabilities() }},
		{name: "limits", set: limits},
		{name: "sysctls", set: sysctls},
		{name: "seccomp", from: "podman", set: seccompOfUser},
		{name: "masks", set: masks},
		{name: "resources", set: resources},
		{name: "cgroup-namespace", set: cgroupNamespace},
		{name: "delegated-cgroup", set: delegatedCgroup},
		{name: "user", set: user},
		{name: "bare-environment", set: bareEnvironment},
		{name: "hooks", set: hooks},
		{name: "descriptors", set: func(b *bundle) { b.files = 2 }},
		{name: "names", set: func(b *bundle) { b.spec.Hostname, b.spec.Domainname = "box", "example.org" }},
		{name: "image-dev", set: imageDev},
	}
}

// terminal is what `runc spec` writes, with a terminal, of a user.
func terminal(b *bundle) {
	b.terminal, b.spec.Process.Terminal = true, true
	b.spec.Process.ConsoleSize = &specs.Box{Height: 25, Width: 100}
	b.user(1000, 1000)
}

// pod is a container as the kubelet asks for one: containerd's defaults, in the namespaces of a sandbox.
func pod(b *bundle, sandbox int) {
	for _, n := range []struct {
		kind specs.LinuxNamespaceType
		file string
	}{{specs.NetworkNamespace, "net"}, {specs.IPCNamespace, "ipc"}, {specs.UTSNamespace, "uts"}} {
		b.namespace(n.kind, fmt.Sprintf("/proc/%d/ns/%s", sandbox, n.file))
	}
	b.namespace(specs.CgroupNamespace, "")
	b.spec.Hostname = ""
	b.capabilities("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
		"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE")
	b.spec.Process.NoNewPrivileges = true
	b.spec.Process.Rlimits = nil
	score := 1000
	b.spec.Process.OOMScoreAdj = &score
	b.user(1000, 1000)
	b.spec.Process.User.AdditionalGids = []uint32{1000, 2000}
	b.spec.Process.Env = []string{"PATH=/usr/bin:/bin", "HOSTNAME=web-0", "KUBERNETES_PORT=tcp://10.0.0.1:443"}
	for _, f := range []string{"hosts", "hostname", "resolv.conf"} {
		b.mount("/etc/"+f, "bind", "BUNDLE/"+f, "rbind", "rprivate", "rw")
	}
	b.mount("/dev/termination-log", "bind", "BUNDLE/termination-log", "rbind", "rprivate", "rw")
	*b.mountOf("/dev/shm") = specs.Mount{Destination: "/dev/shm", Type: "bind", Source: filepath.Join(b.dir, "shm"), Options: []string{"rbind", "ro"}}
	b.mount("/var/run/secrets/kubernetes.io/serviceaccount", "bind", filepath.Join(b.dir, "shm"), "rbind", "rprivate", "ro")
	limit, shares, period, quota := int64(64<<20), uint64(102), uint64(100000), int64(20000)
	b.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	b.spec.Linux.Resources.CPU = &specs.LinuxCPU{Shares: &shares, Period: &period, Quota: &quota}
}

// privileged is a privileged container of a pod or of docker.
func privileged(b *bundle) {
	b.capabilities(allCapabilities...)
	b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths = nil, nil
	b.mountOf("/sys").Options = []string{"nosuid", "noexec", "nodev", "rw"}
	b.mountOf("/sys/fs/cgroup").Options = []string{"nosuid", "noexec", "nodev", "relatime", "rw"}
	b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
	b.spec.Process.NoNewPrivileges = false
}

// hostNamespaces has a mount namespace alone.
func hostNamespaces(b *bundle) {
	b.drop(specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.PIDNamespace, specs.CgroupNamespace)
	b.spec.Hostname = ""
	*b.mountOf("/sys") = specs.Mount{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"}}
	b.mountOf("/proc").Options = []string{"nosuid", "noexec", "nodev"}
}

func userNamespace(b *bundle) {
	b.namespace(specs.UserNamespace, "")
	b.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	b.spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}
	b.user(1000, 1000)
	must(b.t, filepath.WalkDir(b.inside(""), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 100000, 200000)
	}))
	b.mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777", "uid=1000")
	b.mount("/vol", "bind", "BUNDLE/volume", "rbind", "ro")
}

func readOnlyRoot(b *bundle) {
	b.spec.Root.Readonly = true
	b.mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777")
	b.mount("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755", "size=1m")
	b.mount("/new/point", "bind", "BUNDLE/volume", "rbind", "rw")
	b.ask("look", "/", "/etc", "/tmp", "/run", "/data", "/new/point")
}

// binds are bind mounts of files and directories with the flags that there are.
func binds(b *bundle) {
	tree := filepath.Join(b.dir, "tree")
	for _, d := range []string{"", "sub", "deep/er"} {
		must(b.t, os.MkdirAll(filepath.Join(tree, d), 0o755))
	}
	b.mount("/b/plain", "bind", tree, "bind")
	b.mount("/b/recursive", "bind", tree, "rbind")
	b.mount("/b/read-only", "bind", tree, "rbind", "ro")
	b.mount("/b/strict", "bind", tree, "bind", "nosuid", "nodev", "noexec", "ro")
	b.mount("/b/noatime", "bind", tree, "bind", "noatime")
	b.mount("/b/nodiratime", "bind", tree, "bind", "nodiratime")
	b.mount("/b/strictatime", "bind", tree, "bind", "strictatime")
	b.mount("/b/write", "bind", tree, "bind", "rw", "exec", "suid", "dev")
	b.mount("/b/file", "bind", "BUNDLE/file", "bind", "ro")
	b.mount("/b/over/../dots", "bind", tree, "bind")
	b.mount("/b/plain/sub", "bind", tree, "bind", "ro")
	b.file(filepath.Join(b.dir, "passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	b.mount("/etc/passwd", "bind", "BUNDLE/passwd", "bind", "ro")
	b.mount("/none", "none", tree, "bind", "ro") // the type does not count
	b.ask("look", "/b/read-only", "/b/strict", "/b/file", "/b/write")
}

// filesystems are the other types, with their options.
func filesystems(b *bundle) {
	b.mount("/t/plain", "tmpfs", "tmpfs")
	b.mount("/t/options", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "mode=1770", "size=1234k", "uid=1000", "gid=1000", "nr_inodes=100")
	b.mount("/t/ro", "tmpfs", "tmpfs", "ro", "noatime")
	b.mount("/data", "tmpfs", "tmpfs", "tmpcopyup")
	b.mount("/home/user", "tmpfs", "tmpfs", "size=64k") // the mode is the image's
	b.mount("/t/pts", "devpts", "devpts", "newinstance", "ptmxmode=0600", "mode=0600")
	b.mount("/t/mqueue", "mqueue", "mqueue", "ro")
	b.ask("look", "/t/plain", "/t/options", "/t/ro", "/data", "/data/file", "/home/user", "/t/pts/ptmx")
}

// propagation is that of the root and of mounts.
func propagation(b *bundle) {
	b.spec.Linux.RootfsPropagation = "rslave"
	tree := filepath.Join(b.dir, "tree")
	must(b.t, os.MkdirAll(tree, 0o755))
	for _, p := range []string{"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate"} {
		b.mount("/p/"+p, "bind", tree, "rbind", p)
	}
	b.mount("/p/tmpfs", "tmpfs", "tmpfs", "rshared")
}

func devices(b *bundle) {
	mode, uid, gid := os.FileMode(0o640), uint32(1000), uint32(2000)
	b.spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/dev/loop7", Type: "b", Major: 7, Minor: 7, FileMode: &mode},
		{Path: "/dev/unbuffered", Type: "u", Major: 1, Minor: 5},
		{Path: "/dev/pipe", Type: "p", FileMode: &mode, UID: &uid},
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200},
		{Path: "/nodes/zero", Type: "c", Major: 1, Minor: 5},
	}
	major, ten := int64(1), int64(10)
	b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: &ten, Access: "rw"}, {Allow: false, Type: "c", Major: &major, Access: "w"},
	}
	b.ask("look", "/dev/full", "/dev/random", "/dev/null")
}

// ambient gives a user capabilities.
func ambient(b *bundle) {
	c := b.capabilities("CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_KILL")
	c.Inheritable, c.Ambient = []string{"CAP_NET_BIND_SERVICE", "CAP_KILL"}, []string{"CAP_NET_BIND_SERVICE"}
	b.user(1000, 1000)
}

func limits(b *bundle) {
	b.spec.Process.Rlimits = nil
	for name, n := range map[string]uint64{
		"AS": 1 << 34, "CORE": 0, "CPU": 1000, "DATA": 1 << 33, "FSIZE": 1 << 32, "LOCKS": 64, "MEMLOCK": 1 << 16, "MSGQUEUE": 8192, "NICE": 0,
		"NOFILE": 512, "NPROC": 256, "RSS": 1 << 31, "RTPRIO": 0, "RTTIME": 1000000, "SIGPENDING": 128, "STACK": 1 << 22,
	} {
		b.spec.Process.Rlimits = append(b.spec.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_" + name, Hard: n, Soft: n / 2})
	}
	score := 321
	b.spec.Process.OOMScoreAdj = &score
}

func sysctls(b *bundle) {
	b.spec.Linux.Sysctl = map[string]string{
		"kernel.shm_rmid_forced": "1", "kernel.msgmax": "9000", "kernel.sem": "250 32000 100 200", "fs.mqueue.msg_max": "20",
		"net.ipv4.ip_forward": "1", "net.ipv4.ip_unprivileged_port_start": "80", "net.ipv4.ping_group_range": "0 1000",
	}
	for _, p := range []string{"kernel/shm_rmid_forced", "kernel/msgmax", "kernel/sem", "fs/mqueue/msg_max", "net/ipv4/ip_forward",
		"net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range"} {
		b.ask("read", "/proc/sys/"+p)
	}
}

// seccompOfUser is podman's profile for a user with no_new_privs.
func seccompOfUser(b *bundle) {
	b.user(1000, 1000)
	b.spec.Process.NoNewPrivileges = true
}

// masks are of all kinds of things.
func masks(b *bundle) {
	b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/missing", "/data", "/etc/group", "/dev/zero", "/sys/firmware", "/sys/firmware")
	b.spec.Linux.ReadonlyPaths = append(b.spec.Linux.ReadonlyPaths, "/home", "/etc/passwd", "/missing/too", "/proc/sys/net", "/dev/shm")
	b.ask("look", "/data", "/data/file", "/etc/group", "/dev/zero", "/home", "/home/user", "/etc/passwd", "/proc/kcore", "/proc/sys/kernel/msgmax",
		"/proc/sys/net/ipv4/ip_forward", "/dev/shm", "/sys/firmware")
}

func resources(b *bundle) {
	limit, reservation, swap := int64(100<<20), int64(50<<20), int64(150<<20)
	shares, quota, period, pids := uint64(512), int64(50000), uint64(200000), int64(33)
	r := b.spec.Linux.Resources
	r.Memory = &specs.LinuxMemory{Limit: &limit, Reservation: &reservation, Swap: &swap}
	r.CPU = &specs.LinuxCPU{Shares: &shares, Quota: &quota, Period: &period, Cpus: "0", Mems: "0"}
	r.Pids = &specs.LinuxPids{Limit: &pids}
}

// cgroupNamespace has one, and its cgroups writable.
func cgroupNamespace(b *bundle) {
	b.namespace(specs.CgroupNamespace, "")
	b.mountOf("/sys/fs/cgroup").Options = []string{"nosuid", "noexec", "nodev", "relatime", "rw"}
	b.capabilities(allCapabilities...)
}

// delegatedCgroup is the case in which a cgroup belongs to root of the user namespace (config-linux.md, cgroup ownership).
func delegatedCgroup(b *bundle) {
	userNamespace(b)
	b.user(0, 0)
	b.namespace(specs.CgroupNamespace, "")
	b.mountOf("/sys/fs/cgroup").Options = []string{"nosuid", "noexec", "nodev", "relatime", "rw"}
}

func user(b *bundle) {
	mask := uint32(0o027)
	b.spec.Process.User = specs.User{UID: 1000, GID: 2000, Umask: &mask, AdditionalGids: []uint32{5, 10, 2000}}
	b.spec.Process.Cwd = "/made/for/it"
}

// bareEnvironment has neither PATH nor HOME, but a duplicate and odd values.
func bareEnvironment(b *bundle) {
	b.spec.Process.Env = []string{"A=1", "A=2", "EMPTY=", "SPACE= a b "}
	b.user(1000, 1000)
	b.spec.Process.Cwd = "/home/user"
}

// hooks tell where and as what they run, in files of the root file system.
func hooks(b *bundle) {
	tell := func(name, file string) []specs.Hook {
		path := filepath.Join(b.dir, "rootfs", file)
		return []specs.Hook{{
			Path: "/bin/sh", Args: []string{"sh", "-c", "{ echo " + name + "; env; pwd; id -u; umask; } >" + path}, Env: []string{"PATH=/usr/bin:/bin", "ONLY=this"},
		}}
	}
	b.spec.Hooks = &specs.Hooks{
		//lint:ignore SA1019 deprecated, but still in use
		Prestart:        tell("prestart", "prestart"),
		CreateRuntime:   tell("createRuntime", "createRuntime"),
		CreateContainer: tell("createContainer", "createContainer"),
		StartContainer:  []specs.Hook{{Path: "/probe", Args: []string{"probe", "exit:0"}}},
	}
	b.spec.Root.Readonly = false
	b.ask("read", "/prestart", "/createRuntime", "/createContainer")
}

// imageDev has no mounts but proc, so that devices come into the image's own /dev.
func imageDev(b *bundle) {
	b.spec.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}}
	b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths = nil, nil
	b.spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}
	must(b.t, os.Mkdir(b.inside("dev"), 0o755))
	b.spec.Hostname = ""
}
