// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMounts(t *testing.T) { verifyTables(t, "mounts") }

// What options of a tmpfs and of a bind mount look like in mountinfo: the mount's flags, and for some the file system's. An option that is
// the default shows by what is not there.
var flagOptions = map[string]sight{
	"ro": {"flags", "~^ro"}, "rw": {"flags", "~^rw"}, "nosuid": {"flags", "~nosuid"}, "suid": {"flags", "!~nosuid"}, "nodev": {"flags", "~nodev"},
	"dev": {"flags", "!~nodev"}, "noexec": {"flags", "~noexec"}, "exec": {"flags", "!~noexec"}, "noatime": {"flags", "~noatime"},
	"atime": {"flags", "!~noatime"}, "nodiratime": {"flags", "~nodiratime"}, "diratime": {"flags", "!~nodiratime"}, "relatime": {"flags", "~relatime"},
	"norelatime": {"flags", "~relatime"}, "strictatime": {"flags", "!~atime"}, "nostrictatime": {"flags", "~relatime"},
	"nosymfollow": {"flags", "~nosymfollow"}, "symfollow": {"flags", "!~nosymfollow"}, "defaults": {"flags", "rw,relatime"},
	"sync": {"super", "~sync"}, "async": {"super", "!~sync"}, "dirsync": {"super", "~dirsync"}, "lazytime": {"super", "~lazytime"},
	"nolazytime": {"super", "!~lazytime"}, "mand": {"flags", "rw,relatime"}, "nomand": {"flags", "rw,relatime"}, "silent": {"flags", "rw,relatime"},
	"loud": {"flags", "rw,relatime"}, "iversion": {"flags", "rw,relatime"}, "noiversion": {"flags", "rw,relatime"},
}

// undone are options that take back the one before them.
var undone = map[string]string{
	"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "atime": "noatime", "diratime": "nodiratime", "symfollow": "nosymfollow",
	"async": "sync", "nolazytime": "lazytime", "nostrictatime": "strictatime",
}

// treeOptions hold for a mount and those below it. The tree is mounted with all that they take away.
var treeOptions = map[string]string{
	"rro": "~^ro", "rrw": "~^rw", "rnosuid": "~nosuid", "rsuid": "!~nosuid", "rnodev": "~nodev", "rdev": "!~nodev", "rnoexec": "~noexec",
	"rexec": "!~noexec", "rnodiratime": "~nodiratime", "rdiratime": "!~nodiratime", "rrelatime": "~relatime", "rnorelatime": "~relatime",
	"rnoatime": "~noatime", "ratime": "~relatime", "rstrictatime": "!~(no|rel)atime", "rnostrictatime": "~relatime", "rnosymfollow": "~nosymfollow",
	"rsymfollow": "!~nosymfollow",
}

// propagations by their option, with what a bind mount of a shared one then is.
var propagations = map[string]string{
	"private": "private", "rprivate": "private", "slave": "slave", "rslave": "slave", "shared": "shared", "rshared": "shared",
	"unbindable": "unbindable", "runbindable": "unbindable",
}

// All that the specification lists but the acl flag (data of file systems that have it) and bind, rbind and remount, which have rows by hand.
var mountOptions, recursiveOptions = sortedKeys(flagOptions), sortedKeys(treeOptions)

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func mountTables() []table {
	return []table{
		{name: "options", rows: optionRows()},
		{name: "recursive options", base: func(k *bundle) { k.tree("tree") }, rows: recursiveRows()},
		{name: "propagation", base: func(k *bundle) { k.tree("tree") }, rows: propagationRows()},
		{name: "mounts", base: func(k *bundle) { k.file(k.path("volume/inner/file"), "content", 0o644) }, rows: mountRows()},
		{name: "mounts alone", rows: mountRowsAlone()},
		{name: "roots", rows: rootRows()},
	}
}

func optionRows() []row {
	var rows []row
	for _, option := range mountOptions {
		s := flagOptions[option]
		at := "/options/" + option
		rows = append(rows, row{
			id: "mounts.option." + option, of: "6.2 flags", fields: []string{"mounts.options"},
			edit: func(k *bundle) {
				options := []string{option}
				if before := undone[option]; before != "" {
					options = []string{before, option}
				}
				k.mount("tmpfs", "tmpfs", at, options...)
			},
			sees: []sight{{"mount " + s.ask + " " + at, s.want}, {"mount type " + at, "tmpfs"}},
		})
	}
	// What the flags do, and not only that mountinfo has them.
	effect := func(option, ask, want string) row {
		return row{
			id: "mounts.effect." + option, of: "6.2 flags",
			edit: func(k *bundle) {
				source := k.made("effect-" + option)
				k.file(source+"/probe", "#!/probe exit 0", 0o755)
				if err := unix.Mknod(source+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
					k.fatalf("mknod: %v", err)
				}
				k.must(os.Symlink("probe", source+"/link"))
				k.mount("", source, "/effect/"+option, "bind", option)
			},
			sees: []sight{{ask, want}},
		}
	}
	return append(rows,
		effect("ro", "touch /effect/ro/new", "EROFS"), effect("rw", "touch /effect/rw/new", "ok"),
		effect("nodev", "open /effect/nodev/null rw", "EACCES"), effect("dev", "open /effect/dev/null rw", "ok"),
		effect("nosymfollow", "open /effect/nosymfollow/link r", "ELOOP"), effect("symfollow", "open /effect/symfollow/link r", "ok"),
		row{
			id: "mounts.bind.flags", of: "6.2 flags",
			edit: func(k *bundle) {
				k.mount("bind", k.made("flags"), "/flags", "bind", "ro", "nosuid", "nodev", "noexec", "noatime")
			},
			sees: []sight{{"mount flags /flags", "ro,nosuid,nodev,noexec,noatime"}},
		},
	)
}

// tree makes a tmpfs with another one below, shared, whose flags are all that options take away; the opposite is in tree-plain.
func (k *bundle) tree(name string) {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_NOSYMFOLLOW)
	k.tmpfs(name, 0)
	k.tmpfs(name+"/sub", 0)
	k.tmpfs(name+"-set", flags)
	k.must(os.Mkdir(k.path(name+"-set/sub"), 0o755))
	k.tmpfs(name+"-set/sub", flags)
	for _, dir := range []string{name + "-set/sub", name + "-set"} {
		k.must(unix.Mount("", k.path(dir), "", flags|unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	}
}

// tmpfs mounts a shared one below the bench's directory for as long as the row runs.
func (b *bench) tmpfs(name string, flags uintptr) string {
	dir := b.made(name)
	b.must(unix.Mount("tmpfs", dir, "tmpfs", flags, "mode=755"))
	b.cleanup(func() { b.must(unix.Unmount(dir, unix.MNT_DETACH)) })
	b.must(unix.Mount("", dir, "", unix.MS_SHARED, ""))
	return dir
}

func recursiveRows() []row {
	var rows []row
	for _, option := range recursiveOptions {
		at, source := "/recursive/"+option, "tree"
		if strings.HasPrefix(treeOptions[option], "!") || option == "rrw" || strings.Contains(option, "relatime") || strings.HasSuffix(option, "strictatime") || option == "ratime" {
			source = "tree-set"
		}
		rows = append(rows, row{
			id: "mounts.recursive." + option, of: "6.2 recursive",
			edit: func(k *bundle) { k.mount("bind", k.path(source), at, "rbind", option) },
			sees: []sight{{"mount flags " + at, treeOptions[option]}, {"mount flags " + at + "/sub", treeOptions[option]}},
		})
	}
	return append(rows,
		row{
			id: "mounts.recursive.not", of: "6.2 recursive", // without the r: the mount alone
			edit: func(k *bundle) { k.mount("bind", k.path("tree"), "/recursive/not", "rbind", "ro") },
			sees: []sight{{"mount flags /recursive/not", "~^ro"}, {"mount flags /recursive/not/sub", "~^rw"}},
		},
		row{
			id: "mounts.recursive.effect", of: "6.2 recursive",
			edit: func(k *bundle) { k.mount("bind", k.path("tree"), "/recursive/effect", "rbind", "rro") },
			sees: []sight{{"touch /recursive/effect/new", "EROFS"}, {"touch /recursive/effect/sub/new", "EROFS"}},
		},
	)
}

func propagationRows() []row {
	var rows []row
	for _, option := range sortedKeys(propagations) {
		at := "/propagation/" + option
		sights := []sight{{"mount propagation " + at, "~" + propagations[option]}}
		if option[0] == 'r' {
			sights = append(sights, sight{"mount propagation " + at + "/sub", "~" + propagations[option]})
		}
		rows = append(rows, row{
			id: "mounts.propagation." + option, of: "6.2 propagation",
			edit: func(k *bundle) { k.mount("bind", k.path("tree"), at, "rbind", option) },
			sees: sights,
		})
	}
	return append(rows, row{
		id: "mounts.propagation.none", of: "6.2 propagation", // nothing reaches the host without being asked for
		edit: func(k *bundle) { k.mount("bind", k.path("tree"), "/propagation/none", "rbind") },
		sees: []sight{{"mount propagation /propagation/none", "!~shared"}},
	}, row{
		id: "mounts.propagation.effect", of: "6.2 propagation",
		run: func(b *bench) {
			b.tmpfs("tree", 0)
			k := b.bundle()
			k.Process.Capabilities = capabilities(append([]string{"CAP_SYS_ADMIN"}, usual...)...)
			for _, option := range []string{"rslave", "rprivate", "rshared"} {
				k.mount("bind", b.path("tree"), "/"+option, "rbind", option)
			}
			c := k.create()
			c.start()
			b.must(os.Mkdir(b.path("tree/late"), 0o755))
			b.must(unix.Mount("tmpfs", b.path("tree/late"), "tmpfs", 0, ""))
			b.cleanup(func() { b.must(unix.Unmount(b.path("tree/late"), unix.MNT_DETACH)) })
			seen := c.exec(nil, "mount type /rslave/late", "mount type /rprivate/late", "mount type /rshared/late")
			for at, want := range map[string]string{"rslave": "tmpfs", "rprivate": "not mounted", "rshared": "tmpfs"} {
				if got := seen["mount type /"+at+"/late"]; got != want {
					b.errorf("a later mount of the host at %s: %s, want %s", at, got, want)
				}
			}
			c.stop()
			c.delete()
		},
	})
}

func mountRows() []row {
	return []row{
		{
			id: "mounts.bind", of: "6.2 type", fields: []string{"mounts.destination", "mounts.source", "mounts.type", "mounts.options"},
			edit: func(k *bundle) { k.mount("bind", k.path("volume"), "/new/place", "bind") },
			sees: []sight{{"read /new/place/inner/file", "content"}, {"mount flags /new/place", "~^rw"}, {"stat /new", "d 0755 0:0"}},
		}, {
			id: "mounts.bind.type", of: "6.2 type", // the option says it, whatever the type
			edit: func(k *bundle) { k.mount("none", k.path("volume"), "/untyped", "rbind") },
			sees: []sight{{"read /untyped/inner/file", "content"}},
		}, {
			id: "mounts.bind.file", of: "6.2 destination",
			edit: func(k *bundle) { k.mount("bind", k.path("volume/inner/file"), "/new/file", "bind", "ro") },
			sees: []sight{{"read /new/file", "content"}, {"stat /new/file", "~^- 0644"}, {"open /new/file w", "EROFS"}},
		}, {
			id: "mounts.bind.overFile", of: "6.2 destination",
			edit: func(k *bundle) {
				k.inRootfs("/there", "covered", 0o644)
				k.mount("bind", k.path("volume/inner/file"), "/there", "bind")
			},
			sees: []sight{{"read /there", "content"}},
		}, {
			id: "mounts.bind.relativeSource", of: "6.2 type", // config.md: relative to the bundle
			edit: func(k *bundle) {
				k.file(k.dir+"/own/file", "of the bundle", 0o644)
				k.mount("bind", "own", "/own", "bind")
			},
			sees: []sight{{"read /own/file", "of the bundle"}},
		}, {
			id: "mounts.bind.notRecursive", of: "6.2 type",
			edit: func(k *bundle) {
				k.tmpfs("outer", 0)
				k.tmpfs("outer/below", 0)
				k.file(k.path("outer/below/file"), "below", 0o644)
				k.mount("bind", k.path("outer"), "/flat", "bind")
				k.mount("bind", k.path("outer"), "/deep", "rbind")
			},
			sees: []sight{{"list /flat/below", ""}, {"read /deep/below/file", "below"}, {"mounts /flat", "/flat"}},
		}, {
			id: "mounts.destination.symlink", of: "6.2 destination", // resolved inside the root
			edit: func(k *bundle) {
				k.must(os.MkdirAll(k.rootfs+"/real", 0o755))
				k.must(os.Symlink("/real", k.rootfs+"/symbolic"))
				k.must(os.Symlink("../../../../../../outside", k.rootfs+"/escape"))
				k.mount("bind", k.path("volume"), "/symbolic/at", "bind")
				k.mount("bind", k.path("volume"), "/escape/at", "bind")
			},
			sees: []sight{{"read /real/at/inner/file", "content"}, {"read /outside/at/inner/file", "content"}},
		}, {
			id: "mounts.destination.relative", of: "6.2 destination", // deprecated: taken as from /
			edit: func(k *bundle) { k.mount("bind", k.path("volume"), "rel/ative", "bind") },
			sees: []sight{{"read /rel/ative/inner/file", "content"}},
		}, {
			id: "mounts.order", of: "6.2 destination",
			edit: func(k *bundle) {
				k.mount("tmpfs", "tmpfs", "/ordered", "mode=755")
				k.mount("bind", k.path("volume"), "/ordered/below", "bind")
				k.mount("bind", k.path("volume"), "/covered/below", "bind")
				k.mount("tmpfs", "tmpfs", "/covered", "mode=755")
			},
			sees: []sight{{"read /ordered/below/inner/file", "content"}, {"list /covered", ""}},
		}, {
			id: "mounts.data", of: "6.2 type",
			edit: func(k *bundle) {
				k.mount("tmpfs", "named", "/data", "nosuid", "size=1m", "mode=0710", "uid=5", "gid=6", "nr_inodes=50")
			},
			sees: []sight{
				{"stat /data", "d 0710 5:6"}, {"mount super /data", "~size=1024k"}, {"mount super /data", "~nr_inodes=50"},
				{"mount source /data", "named"}, {"mount flags /data", "rw,nosuid,relatime"},
			},
		}, {
			id: "mounts.tmpcopyup", of: "6.2 extensions",
			edit: func(k *bundle) {
				k.inRootfs("/copied/sub/file", "of the image", 0o640)
				k.must(os.Chown(k.rootfs+"/copied/sub/file", 7, 8))
				k.must(os.Symlink("sub/file", k.rootfs+"/copied/link"))
				k.mount("tmpfs", "tmpfs", "/copied", "tmpcopyup")
			},
			sees: []sight{
				{"mount type /copied", "tmpfs"}, {"list /copied", "link sub"}, {"read /copied/link", "of the image"},
				{"stat /copied/sub/file", "- 0640 7:8"}, {"stat /copied", "d 0755 0:0"}, {"write /copied/sub/file changed", "ok"},
			},
		}, {
			id: "mounts.filesystems", of: "6.2 type",
			sees: []sight{
				{"mount type /proc", "proc"}, {"mount type /dev", "tmpfs"}, {"mount type /dev/pts", "devpts"}, {"mount type /dev/shm", "tmpfs"},
				{"mount type /dev/mqueue", "mqueue"}, {"mount type /sys", "sysfs"}, {"mount flags /sys", "~^ro,nosuid,nodev,noexec"},
				{"mount flags /proc", "~^rw,nosuid,nodev,noexec"}, {"stat /dev/shm", "d 1777 0:0"}, {"mount flags /dev", "rw,nosuid"},
				{"mount super /dev/pts", "~gid=5,mode=620,ptmxmode=666"},
			},
		}, {
			id: "mounts.cgroup.v1", of: "6.2 cgroup mount", lane: "v1",
			sees: []sight{
				{"mount type /sys/fs/cgroup/memory", "cgroup"}, {"mount flags /sys/fs/cgroup/memory", "~^ro,nosuid,nodev,noexec"},
				{"mount root /sys/fs/cgroup/memory", "/"}, {"touch /sys/fs/cgroup/memory/x", "EROFS"},
				{"list /sys/fs/cgroup", "~cpuset.*devices.*freezer.*memory.*pids"}, {"touch /sys/fs/cgroup/x", "EROFS"},
				{"read /proc/self/cgroup", "~memory:/\n"},
			},
		}, {
			id: "mounts.cgroup.v2", of: "6.2 cgroup mount", lane: "v2",
			sees: []sight{
				{"mount type /sys/fs/cgroup", "cgroup2"}, {"mount flags /sys/fs/cgroup", "~^ro,nosuid,nodev,noexec"}, {"mount root /sys/fs/cgroup", "/"},
				{"mkdir /sys/fs/cgroup/x", "EROFS"}, {"read /proc/self/cgroup", "0::/"}, {"read /sys/fs/cgroup/cgroup.procs", "~^1\\b"},
			},
		},
	}
}

// mountRowsAlone disturb others.
func mountRowsAlone() []row {
	noCgroupns := func(k *bundle) { k.withoutNamespace(specs.CgroupNamespace) }
	return []row{
		{
			id: "mounts.tmpcopyup.image", of: "6.2 extensions",
			run: func(b *bench) {
				k := b.bundle()
				k.inRootfs("/copied/file", "of the image", 0o644)
				k.mount("tmpfs", "tmpfs", "/copied", "tmpcopyup")
				k.asks = []string{"write /copied/file changed", "read /copied/file"}
				if got := k.run()["read /copied/file"]; got != "changed" {
					b.errorf("in the container: %q", got)
				}
				if text, err := os.ReadFile(k.rootfs + "/copied/file"); string(text) != "of the image" {
					b.errorf("the image has %q (%v)", text, err)
				}
			},
		}, {
			id: "mounts.idmap", of: "6.2 extensions", fields: idMapFields("mounts."), needs: needsIDMap, alone: true,
			edit: func(k *bundle) {
				k.mapped("idmapped", "idmap")
				k.file(k.path("idmapped/file"), "", 0o644)
				k.must(os.Chown(k.path("idmapped/file"), 1003, 1004))
			},
			sees: []sight{{"stat /idmapped/file", "- 0644 5003:6004"}},
		}, {
			id: "mounts.ridmap", of: "6.2 extensions", needs: needsIDMap, alone: true,
			edit: func(k *bundle) {
				k.mapped("ridmapped", "ridmap")
				k.tmpfs("ridmapped/sub", 0)
				k.file(k.path("ridmapped/sub/file"), "", 0o644)
				k.must(os.Chown(k.path("ridmapped/sub/file"), 1003, 1004))
			},
			sees: []sight{{"stat /ridmapped/sub/file", "- 0644 5003:6004"}},
		}, {
			id: "mounts.idmap.notRecursive", of: "6.2 extensions", needs: needsIDMap, alone: true,
			edit: func(k *bundle) {
				k.mapped("flatmapped", "idmap")
				k.tmpfs("flatmapped/sub", 0)
				k.file(k.path("flatmapped/sub/file"), "", 0o644)
				k.must(os.Chown(k.path("flatmapped/sub/file"), 1003, 1004))
			},
			sees: []sight{{"stat /flatmapped/sub/file", "- 0644 1003:1004"}},
		}, {
			id: "mounts.idmap.userns", of: "6.2 extensions", needs: needsIDMap, alone: true, // by the container's own mappings
			edit: func(k *bundle) {
				k.mapUsers(100000)
				k.file(k.path("own/file"), "", 0o644)
				k.must(os.Chown(k.path("own/file"), 7, 8))
				k.mount("bind", k.path("own"), "/own", "bind", "idmap")
			},
			sees: []sight{{"stat /own/file", "- 0644 7:8"}},
		}, {
			id: "mounts.cgroup.v1.noNamespace", of: "6.2 cgroup mount", lane: "v1", alone: true, edit: noCgroupns,
			sees: []sight{{"mount root /sys/fs/cgroup/memory", "~" + place.cgroup + "/c"}, {"read /sys/fs/cgroup/pids/cgroup.procs", "~^1\\b"}},
		}, {
			id: "mounts.cgroup.v2.noNamespace", of: "6.2 cgroup mount", lane: "v2", alone: true, edit: noCgroupns,
			// the host's, as with runc and crun
			sees: []sight{{"mount root /sys/fs/cgroup", "/"}, {"touch /sys/fs/cgroup/x", "EROFS"}, {"list /sys/fs/cgroup" + place.cgroup, "~cgroup.procs"}},
		}, {
			id: "mounts.cgroup.writable", of: "6.2 cgroup mount", alone: true,
			edit: func(k *bundle) {
				k.without("/sys/fs/cgroup")
				k.mount("cgroup", "cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "rw")
			},
			sees: []sight{{"mkdir " + ownCgroup("pids") + "/new", "ok"}, {"mkdir " + ownCgroup("pids") + "/new", "ok"}},
		}, {
			id: "mounts.sysfs.userns", of: "6.2 proc and sysfs", alone: true, // the kernel lets nobody mount the host's in a user namespace
			edit: func(k *bundle) { k.mapUsers(100000); k.withoutNamespace(specs.NetworkNamespace) },
			sees: []sight{{"mount type /sys", "sysfs"}, {"mount flags /sys", "~^ro,nosuid,nodev,noexec"}, {"list /sys/class/net", "~\\blo\\b"}},
		}, {
			id: "mounts.proc.userns", of: "6.2 proc and sysfs", alone: true, // of a PID namespace that is not its own
			edit: func(k *bundle) { k.mapUsers(100000); k.withoutNamespace(specs.PIDNamespace) },
			sees: []sight{{"mount type /proc", "proc"}, {"mount flags /proc", "~nosuid,nodev,noexec"}, {"status Pid", "!~^1$"}},
		}, {
			id: "mounts.remount", of: "6.2 remount", alone: true,
			edit: func(k *bundle) {
				k.mount("bind", k.made("again"), "/again", "bind")
				k.mount("bind", "", "/again", "bind", "remount", "ro", "nosuid")
			},
			sees: []sight{{"mount flags /again", "~^ro,nosuid"}, {"mounts /again", "/again"}},
		}, {
			id: "mounts.remount.locked", of: "6.2 remount", alone: true, // what the source has must stay, or the kernel says EPERM
			edit: func(k *bundle) {
				k.mapUsers(100000)
				k.tmpfs("locked", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOATIME)
				k.mount("bind", k.path("locked"), "/locked", "bind", "ro")
			},
			sees: []sight{{"mount flags /locked", "ro,nosuid,nodev,noexec,noatime"}, {"touch /locked/x", "EROFS"}},
		}, {
			id: "mounts.source.missing", of: "6.2 type", refused: "/nowhere/at/all",
			edit: func(k *bundle) { k.mount("bind", "/nowhere/at/all", "/x", "bind") },
		}, {
			id: "mounts.type.unknown", of: "6.2 type", refused: "/x",
			edit: func(k *bundle) { k.mount("nosuchfs", "none", "/x") },
		}, {
			id: "mounts.data.unknown", of: "6.2 type", refused: "nosuchoption",
			edit: func(k *bundle) { k.mount("tmpfs", "tmpfs", "/x", "nosuchoption=1") },
		}, {
			id: "mounts.destination.missing", of: "6.2 destination", refused: "mounts[7].destination",
			edit: func(k *bundle) { k.mount("tmpfs", "tmpfs", "") },
		},
	}
}

func idMapFields(prefix string) []string {
	var all []string
	for _, kind := range []string{"uidMappings", "gidMappings"} {
		for _, f := range []string{"containerID", "hostID", "size"} {
			all = append(all, prefix+kind+"."+f)
		}
	}
	return all
}

// mapped mounts the bench's directory NAME at /NAME, a user 1003 of which is 5003.
func (k *bundle) mapped(name, option string) {
	k.mount("bind", k.made(name), "/"+name, "rbind", option)
	m := &k.Mounts[len(k.Mounts)-1]
	m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 1000, HostID: 5000, Size: 10}}
	m.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 1000, HostID: 6000, Size: 10}}
}

// needsIDMap: the file system of TMPDIR can be mounted so; mount_setattr(2) has a list.
func needsIDMap() string {
	var s unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &s); err != nil {
		return err.Error()
	}
	if !slices.Contains([]int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC}, int64(s.Type)) {
		return "the file system of " + os.TempDir() + " may not be one for ID-mapped mounts"
	}
	return ""
}

// ownCgroup is where a container with the usual mounts finds its cgroup's files of a controller.
func ownCgroup(controller string) string {
	if place.unified {
		return "/sys/fs/cgroup"
	}
	return "/sys/fs/cgroup/" + controller
}

// sharedRootfs puts the root file system onto a shared mount.
func (k *bundle) sharedRootfs() {
	dir := k.tmpfs("shared-rootfs", 0)
	text, err := os.ReadFile(filepath.Join(place.image, "probe"))
	k.must(err)
	k.file(dir+"/probe", string(text), 0o755)
	k.Root.Path, k.rootfs = dir, dir
}

func rootRows() []row {
	propagation := func(value, want string) row {
		return row{
			id: "rootfsPropagation." + value, of: "6.4 rootfsPropagation", fields: []string{"linux.rootfsPropagation"}, alone: true,
			edit: func(k *bundle) { k.sharedRootfs(); k.Linux.RootfsPropagation = value },
			sees: []sight{{"mount propagation /", want}},
		}
	}
	return []row{
		{
			id: "root.path.absolute", of: "6.1 root", fields: []string{"root.path"}, alone: true,
			edit: func(k *bundle) { k.Root.Path = k.rootfs },
			sees: []sight{{"stat /probe", "- 0755 0:0"}},
		}, {
			id: "root.readonly", of: "6.1 root", fields: []string{"root.readonly"}, alone: true,
			edit: func(k *bundle) {
				k.Root.Readonly = true
				k.mount("tmpfs", "tmpfs", "/made/for/it", "mode=755") // mount points are made all the same
			},
			sees: []sight{
				{"mount flags /", "~^ro"}, {"touch /new", "EROFS"}, {"mkdir /new", "EROFS"}, {"touch /made/for/it/new", "ok"}, {"touch /dev/new", "ok"},
			},
		}, {
			id: "root.writable", of: "6.1 root", alone: true,
			sees: []sight{{"mount flags /", "~^rw"}, {"touch /new", "ok"}},
		},
		propagation("private", "private"), propagation("rprivate", "private"), propagation("slave", "slave"), propagation("rslave", "slave"),
		propagation("shared", "~shared"), propagation("rshared", "~shared"), propagation("unbindable", "unbindable"),
		propagation("runbindable", "unbindable"),
		{
			id: "rootfsPropagation.none", of: "6.4 rootfsPropagation", alone: true,
			edit: func(k *bundle) { k.sharedRootfs() },
			sees: []sight{{"mount propagation /", "!~shared"}},
		}, {
			id: "rootfsPropagation.unknown", of: "6.4 rootfsPropagation", refused: "linux.rootfsPropagation",
			edit: func(k *bundle) { k.Linux.RootfsPropagation = "sideways" },
		}, {
			id: "root.path.missing", of: "6.1 root", refused: "root.path",
			edit: func(k *bundle) { k.Root.Path = "" },
		}, {
			id: "root.path.nowhere", of: "6.1 root", refused: "nowhere",
			edit: func(k *bundle) { k.Root.Path = "nowhere" },
		}, {
			id: "root.none", of: "6.1 root", refused: "root",
			edit: func(k *bundle) { k.Root = nil },
		},
	}
}
