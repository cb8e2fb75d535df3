// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestNamespaces(t *testing.T) { verifyTables(t, "namespaces") }

// namespaceFiles are the names below /proc/PID/ns.
var namespaceFiles = map[string]string{
	"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user", "cgroup": "cgroup", "time": "time",
}

var namespaceTypes = sortedKeys(namespaceFiles)

func hostNamespace(kind string) string {
	text, err := os.Readlink("/proc/self/ns/" + namespaceFiles[kind])
	if err != nil {
		return err.Error()
	}
	return text
}

func not(text string) string { return "!~^" + regexpQuote(text) + "$" }

func namespaceTables() []table {
	return []table{
		{name: "new namespaces", base: func(k *bundle) { k.mapUsers(100000) }, rows: newNamespaceRows()},
		{name: "the host's namespaces", base: func(k *bundle) {
			k.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
			k.without("/sys") // which shows the network namespace, and cannot be new without one
		}, rows: inheritedRows()},
		{name: "joined namespaces", rows: joinRows()},
		{name: "times", rows: timeRows()},
		{name: "user namespaces", base: func(k *bundle) { k.mapUsers(100000) }, rows: userRows()},
		{name: "names", rows: nameRows()},
	}
}

func newNamespaceRows() []row {
	var rows []row
	for _, kind := range namespaceTypes {
		rows = append(rows, row{
			id: "namespaces.new." + kind, of: "6.4 namespaces", fields: []string{"linux.namespaces.type"},
			edit: func(k *bundle) {
				if t := specs.LinuxNamespaceType(kind); k.namespace(t) == nil {
					k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: t})
				}
			},
			sees: []sight{{"ns " + namespaceFiles[kind], not(hostNamespace(kind))}, {"ns " + namespaceFiles[kind], "~^" + namespaceFiles[kind] + ":"}},
		})
	}
	return append(rows,
		row{
			id: "namespaces.new.first", of: "6.4 namespaces", // the first process, a fresh network, empty queues
			sees: []sight{{"status Pid", "1"}, {"status PPid", "0"}, {"list /dev/mqueue", ""}, {"links", "~^lo\\*?( |$)"}, {"links", "!~eth0"}},
		},
		row{
			id: "namespaces.new.network.lo", of: "6.4 namespaces", // runc and crun bring it up
			sees: []sight{{"ping", "ok"}},
		},
	)
}

func inheritedRows() []row {
	var rows []row
	for _, kind := range namespaceTypes {
		if kind == "mount" {
			continue // another table has it
		}
		rows = append(rows, row{
			id: "namespaces.inherited." + kind, of: "6.4 namespaces",
			sees: []sight{{"ns " + namespaceFiles[kind], hostNamespace(kind)}},
		})
	}
	return append(rows, row{
		id: "namespaces.inherited.mount", of: "6.4 namespaces",
		run: func(b *bench) {
			k := b.bundle()
			k.withoutNamespace(specs.MountNamespace)
			k.Mounts = nil
			k.Linux.Namespaces = nil
			k.Linux.Resources = nil
			// The namespace's own procfs is not in the container's root: a bind mount would be the host's.
			b.must(os.Mkdir(k.rootfs+"/proc", 0o755))
			k.asks = []string{"ids", "stat /probe"}
			if got := k.run()["ids"]; got != "0 0 0 0 0 0" {
				b.errorf("ids: %s", got)
			}
		},
	})
}

func joinRows() []row {
	var rows []row
	for _, kind := range namespaceTypes {
		r := row{
			id: "namespaces.join." + kind, of: "6.4 namespaces", fields: []string{"linux.namespaces.path"},
			run: func(b *bench) { joinNamespace(b, kind) },
		}
		if kind == "mount" {
			r.run = joinMountNamespace
		}
		rows = append(rows, r)
	}
	first := func(k *bundle) *specs.LinuxNamespace { return k.namespace(specs.IPCNamespace) }
	return append(rows,
		row{
			id: "namespaces.join.pod", of: "6.4 namespaces", // as containers of a pod are
			run: func(b *bench) {
				pod := b.bundle()
				pod.Hostname = "the-pod"
				p := pod.create()
				p.start()
				k := b.bundle()
				for _, kind := range []string{"network", "ipc", "uts", "pid"} {
					k.namespace(specs.LinuxNamespaceType(kind)).Path = fmt.Sprintf("/proc/%d/ns/%s", p.pid, namespaceFiles[kind])
				}
				k.asks = []string{"hostname", "status Pid", "read /proc/1/cmdline"}
				got := k.run()
				if got["hostname"] != "the-pod" || got["status Pid"] == "1" || got["read /proc/1/cmdline"][:6] != "/probe" {
					b.errorf("%q", got)
				}
				p.stop()
				p.delete()
			},
		},
		row{
			id: "namespaces.path.wrongType", of: "6.4 namespaces", refused: "ipc namespace: /proc/self/ns/uts",
			edit: func(k *bundle) { first(k).Path = "/proc/self/ns/uts" },
		},
		row{
			id: "namespaces.path.nowhere", of: "6.4 namespaces", refused: "/nowhere",
			edit: func(k *bundle) { first(k).Path = "/nowhere" },
		},
		row{
			id: "namespaces.path.notOne", of: "6.4 namespaces", refused: "ipc namespace",
			edit: func(k *bundle) { first(k).Path = k.file(k.path("file"), "", 0o644) },
		},
		row{
			id: "namespaces.path.relative", of: "6.4 namespaces", refused: "linux.namespaces[2].path",
			edit: func(k *bundle) { first(k).Path = "self/ns/ipc" },
		},
		row{
			id: "namespaces.twice", of: "6.4 namespaces", refused: "linux.namespaces[6].type",
			edit: func(k *bundle) {
				k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.PIDNamespace})
			},
		},
		row{
			id: "namespaces.unknown", of: "6.4 namespaces", refused: "linux.namespaces[6].type",
			edit: func(k *bundle) { k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: "dream"}) },
		},
	)
}

// joinNamespace has a container join the namespace of another one's process.
func joinNamespace(b *bench, kind string) {
	other := b.bundle()
	if kind == "user" {
		other.mapUsers(200000)
	} else if other.namespace(specs.LinuxNamespaceType(kind)) == nil {
		other.Linux.Namespaces = append(other.Linux.Namespaces, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(kind)})
	}
	o := other.create()
	k := b.bundle()
	if kind == "user" { // its root must own what it mounts into
		k.must(os.Chown(k.rootfs, 200000, 200000))
	}
	k.verifyJoin(kind, o.pid)
	o.start()
	o.stop()
	o.delete()
}

// joinMountNamespace joins one that still has the bundle in sight, as no other container's has.
func joinMountNamespace(b *bench) {
	cmd := exec.Command("unshare", "--mount", "cat")
	stdin, err := cmd.StdinPipe()
	b.must(err)
	b.must(cmd.Start())
	b.cleanup(func() {
		stdin.Close()
		b.must(cmd.Wait())
	})
	b.eventually("a mount namespace", func() bool {
		text, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", cmd.Process.Pid))
		return err == nil && text != hostNamespace("mount")
	})
	b.bundle().verifyJoin("mount", cmd.Process.Pid)
}

func (k *bundle) verifyJoin(kind string, pid int) {
	path := fmt.Sprintf("/proc/%d/ns/%s", pid, namespaceFiles[kind])
	want, err := os.Readlink(path)
	k.must(err)
	k.withoutNamespace(specs.LinuxNamespaceType(kind))
	k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(kind), Path: path})
	ask := "ns " + namespaceFiles[kind]
	k.asks = []string{ask}
	if got := k.run()[ask]; got != want {
		k.errorf("%s: %s, want %s", ask, got, want)
	}
}

func timeRows() []row {
	const hour = 3600
	return []row{
		{
			id: "timeOffsets", of: "6.4 timeOffsets", fields: []string{"linux.timeOffsets.secs", "linux.timeOffsets.nanosecs"}, alone: true,
			edit: func(k *bundle) {
				k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
				k.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{
					"monotonic": {Secs: 10 * hour}, "boottime": {Secs: 20 * hour, Nanosecs: 500000000},
				}
			},
			sees: []sight{
				{"clock monotonic", "~."}, {"clock boottime", "~."}, {"ns time", not(hostNamespace("time"))},
				{"read /proc/self/timens_offsets", "~monotonic +36000 +0\nboottime +72000 +500000000"},
			},
			check: func(b *bench, a answers) {
				for name, c := range map[string]struct {
					id     int32
					offset int64
				}{"monotonic": {unix.CLOCK_MONOTONIC, 10 * hour}, "boottime": {unix.CLOCK_BOOTTIME, 20 * hour}} {
					var now unix.Timespec
					b.must(unix.ClockGettime(c.id, &now))
					got, err := strconv.ParseInt(a["clock "+name], 10, 64)
					if behind := now.Sec + c.offset - got; err != nil || behind < -1 || behind > int64(patience.Seconds()) {
						b.errorf("%s is %d seconds behind what it should be (%v)", name, behind, err)
					}
				}
			},
		}, {
			id: "timeOffsets.noNamespace", of: "6.4 timeOffsets", refused: "linux.timeOffsets",
			edit: func(k *bundle) { k.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}} },
		}, {
			id: "timeOffsets.joined", of: "6.4 timeOffsets", refused: "linux.timeOffsets",
			edit: func(k *bundle) {
				k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace, Path: "/proc/self/ns/time"})
				k.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}}
			},
		}, {
			id: "timeOffsets.unknown", of: "6.4 timeOffsets", refused: "linux.timeOffsets.realtime",
			edit: func(k *bundle) {
				k.Linux.Namespaces = append(k.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
				k.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"realtime": {Secs: 1}}
			},
		},
	}
}

func userRows() []row {
	return []row{
		{
			id: "uidMappings", of: "6.4 mappings", fields: idMapFields("linux."),
			sees: []sight{
				{"read /proc/self/uid_map", "~^ *0 +100000 +65536$"}, {"read /proc/self/gid_map", "~^ *0 +100000 +65536$"}, {"ids", "0 0 0 0 0 0"},
				{"stat /", "d 0755 0:0"}, {"stat /probe", "- 0755 65534:65534"}, {"touch /new", "ok"}, {"mount type /proc", "proc"},
			},
		}, {
			id: "uidMappings.devices", of: "6.4 mappings", // bound from the host
			sees: []sight{{"stat /dev/null", "~^c 1:3 0666"}, {"open /dev/null rw", "ok"}, {"open /dev/zero r", "ok"}, {"readlink /dev/fd", "/proc/self/fd"}},
		}, {
			id: "uidMappings.several", of: "6.4 mappings", alone: true,
			edit: func(k *bundle) {
				m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 500, HostID: 300000, Size: 5}}
				k.Linux.UIDMappings, k.Linux.GIDMappings = m, m
				k.Process.User = specs.User{UID: 502, GID: 503, AdditionalGids: []uint32{504}}
			},
			sees: []sight{
				{"read /proc/self/uid_map", "~0 +100000 +10\n +500 +300000 +5$"}, {"ids", "502 502 502 503 503 503"}, {"groups", "504"},
			},
		}, {
			id: "cgroup.ownership", of: "6.4 cgroup ownership", lane: "v2", alone: true, // config-linux.md, "Cgroup ownership"
			edit: func(k *bundle) {
				k.without("/sys/fs/cgroup")
				k.mount("cgroup", "cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "rw")
			},
			sees: []sight{
				{"stat /sys/fs/cgroup", "~ 0:"}, {"stat /sys/fs/cgroup/cgroup.procs", "~ 0:"}, {"stat /sys/fs/cgroup/cgroup.threads", "~ 0:"},
				{"stat /sys/fs/cgroup/cgroup.subtree_control", "~ 0:"}, {"stat /sys/fs/cgroup/memory.max", "~ 65534:"},
				{"mkdir /sys/fs/cgroup/own", "ok"},
			},
		}, {
			id: "cgroup.ownership.readonly", of: "6.4 cgroup ownership", lane: "v2",
			sees: []sight{{"stat /sys/fs/cgroup/cgroup.procs", "~ 65534:"}},
		}, {
			id: "uidMappings.unmapped", of: "6.4 mappings", refused: "user",
			edit: func(k *bundle) { k.Process.User.UID = 70000 },
		}, {
			id: "uidMappings.noNamespace", of: "6.4 mappings", refused: "linux.uidMappings",
			edit: func(k *bundle) { k.withoutNamespace(specs.UserNamespace) },
		}, {
			id: "uidMappings.overlap", of: "6.4 mappings", refused: "linux.uidMappings[1]",
			edit: func(k *bundle) {
				k.Linux.UIDMappings = append([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}, specs.LinuxIDMapping{ContainerID: 5, HostID: 400000, Size: 5})
			},
		}, {
			id: "uidMappings.none", of: "6.4 mappings", refused: "linux.uidMappings",
			edit: func(k *bundle) { k.Linux.UIDMappings, k.Linux.GIDMappings = nil, nil },
		},
	}
}

func nameRows() []row {
	return []row{
		{
			id: "hostname", of: "6.1 hostname", fields: []string{"hostname"},
			edit: func(k *bundle) { k.Hostname = "box" },
			sees: []sight{{"hostname", "box"}},
		}, {
			id: "domainname", of: "6.1 hostname", fields: []string{"domainname"},
			edit: func(k *bundle) { k.Domainname = "example.org" },
			sees: []sight{{"domainname", "example.org"}},
		}, {
			id: "hostname.host", of: "6.1 hostname", refused: "hostname",
			edit: func(k *bundle) { k.withoutNamespace(specs.UTSNamespace); k.Hostname = "box" },
		}, {
			id: "domainname.host", of: "6.1 hostname", refused: "domainname",
			edit: func(k *bundle) { k.withoutNamespace(specs.UTSNamespace); k.Domainname = "box" },
		}, {
			id: "hostname.joined", of: "6.1 hostname",
			run: func(b *bench) {
				other := b.bundle()
				o := other.create()
				k := b.bundle()
				k.namespace(specs.UTSNamespace).Path = fmt.Sprintf("/proc/%d/ns/uts", o.pid)
				k.Hostname, k.asks = "joined", []string{"hostname"}
				if got := k.run()["hostname"]; got != "joined" {
					b.errorf("hostname %q", got)
				}
				o.start()
				o.stop()
				o.delete()
			},
		}, {
			id: "hostname.unset", of: "6.1 hostname", alone: true,
			sees: []sight{{"hostname", ownFile("/proc/sys/kernel/hostname")}},
		},
	}
}
