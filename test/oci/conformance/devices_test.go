// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDevices(t *testing.T) { verifyTables(t, "devices") }

// defaultDevices of config-linux.md; tty, console and ptmx have rows by hand.
var defaultDevices = map[string]string{
	"null": "c 1:3 0666 0:0", "zero": "c 1:5 0666 0:0", "full": "c 1:7 0666 0:0", "random": "c 1:8 0666 0:0", "urandom": "c 1:9 0666 0:0",
	"tty": "c 5:0 0666 0:0",
}

func deviceTables() []table {
	return []table{
		{name: "devices", rows: deviceRows()},
		{name: "device rules", base: func(k *bundle) { k.Process.User = specs.User{} }, rows: ruleRows()},
		{name: "masks", rows: maskRows()},
		{name: "network devices", rows: netDeviceRows()},
	}
}

func deviceRows() []row {
	var rows []row
	for _, name := range sortedKeys(defaultDevices) {
		s := []sight{{"stat /dev/" + name, defaultDevices[name]}}
		if name != "tty" { // which is the controlling terminal, and there is none
			s = append(s, sight{"open /dev/" + name + " rw", "ok"})
		}
		rows = append(rows, row{id: "devices.default." + name, of: "6.2 defaults", sees: s})
	}
	device := func(d specs.LinuxDevice) func(*bundle) {
		return func(k *bundle) { k.Linux.Devices = append(k.Linux.Devices, d) }
	}
	mode := func(m os.FileMode) *os.FileMode { return &m }
	return append(rows,
		row{
			id: "devices.links", of: "6.2 defaults",
			sees: []sight{
				{"readlink /dev/fd", "/proc/self/fd"}, {"readlink /dev/stdin", "/proc/self/fd/0"}, {"readlink /dev/stdout", "/proc/self/fd/1"},
				{"readlink /dev/stderr", "/proc/self/fd/2"}, {"readlink /dev/ptmx", "~^(/dev/)?pts/ptmx$"}, {"open /dev/ptmx rw", "ok"},
				{"stat /dev/console", "ENOENT"},
			},
		},
		row{
			id: "devices.char", of: "6.4 devices",
			fields: []string{
				"linux.devices.path", "linux.devices.type", "linux.devices.major", "linux.devices.minor", "linux.devices.fileMode",
				"linux.devices.uid", "linux.devices.gid",
			},
			edit: device(specs.LinuxDevice{Path: "/dev/deep/below/fuse", Type: "c", Major: 10, Minor: 229, FileMode: mode(0o642), UID: new(uint32(5)), GID: new(uint32(6))}),
			sees: []sight{{"stat /dev/deep/below/fuse", "c 10:229 0642 5:6"}},
		},
		row{
			id: "devices.block", of: "6.4 devices",
			edit: device(specs.LinuxDevice{Path: "/dev/loop99", Type: "b", Major: 7, Minor: 99, FileMode: mode(0o660)}),
			sees: []sight{{"stat /dev/loop99", "b 7:99 0660 0:0"}},
		},
		row{
			id: "devices.unbuffered", of: "6.4 devices", // u is c (mknod(1))
			edit: device(specs.LinuxDevice{Path: "/dev/unbuffered", Type: "u", Major: 1, Minor: 3, FileMode: mode(0o600)}),
			sees: []sight{{"stat /dev/unbuffered", "c 1:3 0600 0:0"}},
		},
		row{
			id: "devices.fifo", of: "6.4 devices",
			edit: device(specs.LinuxDevice{Path: "/dev/fifo", Type: "p", FileMode: mode(0o622)}),
			sees: []sight{{"stat /dev/fifo", "p 0622 0:0"}},
		},
		row{
			id: "devices.elsewhere", of: "6.4 devices",
			edit: device(specs.LinuxDevice{Path: "/srv/null", Type: "c", Major: 1, Minor: 3, FileMode: mode(0o666)}),
			sees: []sight{{"stat /srv/null", "c 1:3 0666 0:0"}},
		},
		row{
			id: "devices.overDefault", of: "6.4 devices", alone: true,
			edit: device(specs.LinuxDevice{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5, FileMode: mode(0o600), UID: new(uint32(7)), GID: new(uint32(8))}),
			sees: []sight{{"stat /dev/zero", "c 1:5 0600 7:8"}},
		},
		row{
			id: "devices.user", of: "6.4 devices", alone: true, // what another user may open
			edit: func(k *bundle) {
				asUser(k)
				k.Process.Capabilities = capabilities()
				device(specs.LinuxDevice{Path: "/dev/mine", Type: "c", Major: 1, Minor: 5, FileMode: mode(0o600), UID: new(uint32(1000))})(k)
				device(specs.LinuxDevice{Path: "/dev/roots", Type: "c", Major: 1, Minor: 5, FileMode: mode(0o600)})(k)
			},
			sees: []sight{{"open /dev/mine rw", "ok"}, {"open /dev/roots rw", "EACCES"}, {"open /dev/null rw", "ok"}},
		},
		row{
			id: "devices.exists", of: "6.4 devices", refused: "/dev/there", // config-linux.md: a file that is something else is an error
			edit: func(k *bundle) {
				k.without("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
				k.inRootfs("/dev/there", "a file", 0o644)
				device(specs.LinuxDevice{Path: "/dev/there", Type: "c", Major: 1, Minor: 3})(k)
			},
		},
		row{
			id: "devices.type.unknown", of: "6.4 devices", refused: "linux.devices[0].type",
			edit: device(specs.LinuxDevice{Path: "/dev/x", Type: "x", Major: 1, Minor: 3}),
		},
		row{
			id: "devices.path.relative", of: "6.4 devices", refused: "linux.devices[0].path",
			edit: device(specs.LinuxDevice{Path: "x", Type: "c", Major: 1, Minor: 3}),
		},
		row{
			id: "devices.number", of: "6.4 devices", refused: "linux.devices[0].major",
			edit: device(specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: -5, Minor: 3}),
		},
	)
}

// rules that deny all and then allow a bit; a device that the host does not have is told from one that is forbidden by ENXIO or ENODEV.
const (
	allowed = "~^(ok|ENXIO|ENODEV|EACCES|ENOMEDIUM|EBUSY)$"
	denied  = "EPERM"
)

func ruleRows() []row {
	rule := func(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
		d := specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Access: access}
		if major >= 0 {
			d.Major = &major
		}
		if minor >= 0 {
			d.Minor = &minor
		}
		return d
	}
	rules := func(all ...specs.LinuxDeviceCgroup) func(*bundle) {
		return func(k *bundle) { k.Linux.Resources.Devices = append(k.Linux.Resources.Devices, all...) }
	}
	fields := []string{"allow", "type", "major", "minor", "access"}
	for i, f := range fields {
		fields[i] = "linux.resources.devices." + f
	}
	return []row{
		{
			id: "resources.devices.default", of: "6.4 resources.devices", // deny all, but the default ones
			sees: []sight{
				{"device c 1 3 rw", "ok"}, {"device c 1 5 rw", "ok"}, {"device c 1 7 rw", "ok"}, {"device c 1 8 r", "ok"}, {"device c 1 9 r", "ok"},
				{"device c 1 4 r", denied}, {"device b 7 0 r", denied}, {"device c 4 64 rw", denied}, {"open /dev/ptmx rw", "ok"},
			},
		}, {
			id: "resources.devices.allow", of: "6.4 resources.devices", fields: fields,
			edit: rules(rule(true, "c", 10, 229, "rwm"), rule(true, "b", 7, 1, "r"), rule(true, "c", 241, -1, "w")),
			sees: []sight{
				{"device c 10 229 rw", allowed}, {"device c 10 228 rw", denied}, {"device b 7 1 r", allowed}, {"device b 7 1 w", denied},
				{"device b 7 2 r", denied}, {"device c 241 5 w", allowed}, {"device c 241 6 r", denied}, {"device c 7 1 r", denied},
			},
		}, {
			id: "resources.devices.mknod", of: "6.4 resources.devices", // making nodes is allowed by default, opening them is not
			sees: []sight{{"mknod /node c 10 200", "ok"}, {"mknod /node b 7 9", "ok"}, {"mknod /node p 0 0", "ok"}},
		}, {
			id: "resources.devices.all", of: "6.4 resources.devices", alone: true,
			edit: func(k *bundle) { k.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}} },
			sees: []sight{{"device c 10 229 rw", allowed}, {"device b 7 1 rw", allowed}, {"device c 1 3 rw", "ok"}},
		}, {
			id: "resources.devices.order", of: "6.4 resources.devices", lane: "v2", alone: true, // a later rule takes part of an earlier one back
			edit: rules(rule(true, "c", 10, -1, "rwm"), rule(false, "c", 10, 228, "rw")),
			sees: []sight{{"device c 10 229 rw", allowed}, {"device c 10 228 rw", denied}},
		}, {
			id: "resources.devices.order.v1", of: "6.4 resources.devices", lane: "v1", refused: "c 10:228 rw", // the kernel cannot
			edit: rules(rule(true, "c", 10, -1, "rwm"), rule(false, "c", 10, 228, "rw")),
		}, {
			id: "resources.devices.access", of: "6.4 resources.devices", refused: "linux.resources.devices[1].access",
			edit: rules(rule(true, "c", 1, 3, "rx")),
		}, {
			id: "resources.devices.type", of: "6.4 resources.devices", refused: "linux.resources.devices[1].type",
			edit: rules(rule(true, "x", 1, 3, "r")),
		},
	}
}

func maskRows() []row {
	return []row{
		{
			id: "maskedPaths", of: "6.4 maskedPaths", fields: []string{"linux.maskedPaths"},
			edit: func(k *bundle) {
				k.inRootfs("/secret/file", "secret", 0o644)
				k.inRootfs("/secrets/dir/file", "secret", 0o644)
				k.Linux.MaskedPaths = append(k.Linux.MaskedPaths, "/secret/file", "/secrets/dir", "/proc/keys", "/sys/firmware", "/not/there")
			},
			sees: []sight{
				{"read /secret/file", ""}, {"list /secrets/dir", ""}, {"touch /secrets/dir/new", "EROFS"}, {"read /proc/keys", "~^(ENOENT)?$"},
				{"list /sys/firmware", "~^(ENOENT)?$"}, {"stat /not", "ENOENT"}, {"stat /secret/file", "~^c 1:3"},
			},
		}, {
			id: "readonlyPaths", of: "6.4 maskedPaths", fields: []string{"linux.readonlyPaths"},
			edit: func(k *bundle) {
				k.inRootfs("/fixed/sub/file", "", 0o644)
				k.mount("tmpfs", "tmpfs", "/fixed/mounted", "mode=755", "nosuid")
				k.Linux.ReadonlyPaths = append(k.Linux.ReadonlyPaths, "/fixed", "/proc/sys", "/not/there")
			},
			sees: []sight{
				{"touch /fixed/new", "EROFS"}, {"write /fixed/sub/file x", "EROFS"}, {"write /proc/sys/kernel/hostname x", "~^(EROFS|EPERM)$"},
				{"mount flags /proc/sys", "~^ro"}, {"mount flags /proc/sys", "~nosuid,nodev,noexec"}, {"mount flags /fixed", "~^ro"},
			},
		}, {
			id: "maskedPaths.relative", of: "6.4 maskedPaths", refused: "linux.maskedPaths[0]",
			edit: func(k *bundle) { k.Linux.MaskedPaths = []string{"proc/kcore"} },
		}, {
			id: "readonlyPaths.relative", of: "6.4 maskedPaths", refused: "linux.readonlyPaths[0]",
			edit: func(k *bundle) { k.Linux.ReadonlyPaths = []string{"proc/sys"} },
		}, {
			id: "sysctl", of: "6.4 sysctl", fields: []string{"linux.sysctl"},
			edit: func(k *bundle) {
				k.Linux.Sysctl = map[string]string{
					"kernel.shmmni": "1234", "kernel.msgmax": "9000", "fs.mqueue.msg_max": "55", "net.ipv4.ip_forward": "1", "net/ipv4/ip_local_port_range": "20000 30000",
				}
			},
			sees: []sight{
				{"read /proc/sys/kernel/shmmni", "1234"}, {"read /proc/sys/kernel/msgmax", "9000"}, {"read /proc/sys/fs/mqueue/msg_max", "55"},
				{"read /proc/sys/net/ipv4/ip_forward", "1"}, {"read /proc/sys/net/ipv4/ip_local_port_range", "20000\t30000"},
			},
		}, {
			id: "sysctl.domainname", of: "6.4 sysctl", alone: true,
			edit: func(k *bundle) { k.Linux.Sysctl = map[string]string{"kernel.domainname": "by.sysctl"} },
			sees: []sight{{"domainname", "by.sysctl"}},
		}, {
			id: "sysctl.readonlyProcSys", of: "6.4 sysctl", alone: true,
			edit: func(k *bundle) {
				k.Linux.Sysctl = map[string]string{"kernel.shmmni": "77"}
				k.Linux.ReadonlyPaths = []string{"/proc/sys"}
			},
			sees: []sight{{"read /proc/sys/kernel/shmmni", "77"}},
		},
		sysctlRefused("host", "kernel.panic", nil), sysctlRefused("vm", "vm.swappiness", nil),
		sysctlRefused("network", "net.ipv4.ip_forward", func(k *bundle) { k.withoutNamespace(specs.NetworkNamespace); k.without("/sys") }),
		sysctlRefused("ipc", "kernel.shmmax", func(k *bundle) { k.withoutNamespace(specs.IPCNamespace); k.without("/dev/mqueue") }),
		sysctlRefused("joinedHost", "net.ipv4.ip_forward", func(k *bundle) { k.namespace(specs.NetworkNamespace).Path = "/proc/self/ns/net" }),
		sysctlRefused("hostname", "kernel.hostname", nil), // config.json has a field for it
	}
}

func sysctlRefused(id, name string, edit func(*bundle)) row {
	names := "linux.sysctl"
	if id == "joinedHost" { // found out when the namespace is opened
		names = "network namespace"
	}
	return row{
		id: "sysctl.refused." + id, of: "6.4 sysctl", refused: names,
		edit: func(k *bundle) {
			if edit != nil {
				edit(k)
			}
			k.Linux.Sysctl = map[string]string{name: "1"}
		},
	}
}

func netDeviceRows() []row {
	return []row{
		{
			id: "netDevices", of: "6.4 netDevices", fields: []string{"linux.netDevices.name"},
			run: func(b *bench) {
				own, other := b.link("own"), b.link("other")
				k := b.bundle()
				k.Linux.NetDevices = map[string]specs.LinuxNetDevice{own: {}, other: {Name: "renamed"}}
				k.asks = []string{"links", "addresses " + own, "addresses renamed"}
				a := k.run()
				if want := own + "* "; a["links"] != "lo* "+own+"* renamed*" && a["links"] != want+"lo* renamed*" {
					b.errorf("links %q", a["links"])
				}
				for _, name := range []string{own, "renamed"} {
					if got := a["addresses "+name]; got != "198.51.100.7/24" {
						b.errorf("%s has the addresses %q", name, got)
					}
				}
			},
		}, {
			id: "netDevices.missing", of: "6.4 netDevices", refused: "linux.netDevices",
			edit: func(k *bundle) { k.Linux.NetDevices = map[string]specs.LinuxNetDevice{"nosuch0": {}} },
		}, {
			id: "netDevices.hostNamespace", of: "6.4 netDevices", refused: "linux.netDevices",
			edit: func(k *bundle) {
				k.withoutNamespace(specs.NetworkNamespace)
				k.without("/sys")
				k.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
			},
		}, {
			id: "netDevices.conflict", of: "6.4 netDevices", refused: "linux.netDevices",
			edit: func(k *bundle) { k.Linux.NetDevices = map[string]specs.LinuxNetDevice{k.link("taken"): {Name: "lo"}} },
		}, {
			id: "netDevices.failure", of: "6.4 netDevices", // it is the host's again when the container cannot be made
			run: func(b *bench) {
				name := b.link("back")
				k := b.bundle()
				k.Linux.NetDevices = map[string]specs.LinuxNetDevice{name: {Name: "moved"}}
				k.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
				if r := k.try(); r.code == 0 {
					b.errorf("a failing hook is no error: %v", r)
				}
				if err := findLink(name); err != nil {
					b.errorf("the device is gone: %v", err)
				}
			},
		},
	}
}

// link makes a network device with an address, one end of a pair: not every kernel has dummy ones. Both vanish with it.
func (b *bench) link(name string) string {
	name = fmt.Sprintf("%s%d", name, count.Add(1))
	b.must(addLink(name))
	b.cleanup(func() { removeLink(name) })
	return name
}
