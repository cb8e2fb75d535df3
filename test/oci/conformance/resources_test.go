// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestResources(t *testing.T) { verifyTables(t, "resources") }

// cg asks for a file of the container's cgroup: of a controller on v1, which v2 does not separate.
func cg(controller, file, want string) sight {
	return sight{"read " + ownCgroup(controller) + "/" + file, want}
}

func resourceFields(prefix string, names ...string) []string {
	for i, n := range names {
		names[i] = "linux.resources." + prefix + "." + n
	}
	return names
}

func resourceTables() []table {
	return []table{
		{name: "memory, cpu, pids", rows: append(append(memoryRows(), cpuRows()...), pidsRows()...)},
		{name: "devices and networks", rows: append(append(blockRows(), otherRows()...), pathRows()...)},
	}
}

const mib = 1 << 20

func memoryRows() []row {
	memory := func(m specs.LinuxMemory) func(*bundle) {
		return func(k *bundle) { k.Linux.Resources.Memory = &m }
	}
	limits := specs.LinuxMemory{Limit: new(int64(64 * mib)), Reservation: new(int64(32 * mib)), Swap: new(int64(96 * mib)), Swappiness: new(uint64(30))}
	limitsV2 := limits
	limitsV2.Swappiness = nil
	fields := resourceFields("memory", "limit", "reservation", "swap", "swappiness")
	return []row{
		{
			id: "resources.memory.v1", of: "6.4 resources.memory", fields: fields, lane: "v1", edit: memory(limits),
			sees: []sight{
				cg("memory", "memory.limit_in_bytes", fmt.Sprint(64*mib)), cg("memory", "memory.soft_limit_in_bytes", fmt.Sprint(32*mib)),
				cg("memory", "memory.memsw.limit_in_bytes", fmt.Sprint(96*mib)), cg("memory", "memory.swappiness", "30"),
			},
		}, {
			id: "resources.memory.v2", of: "6.4 resources.memory", fields: fields, lane: "v2", edit: memory(limitsV2),
			sees: []sight{
				cg("", "memory.max", fmt.Sprint(64*mib)), cg("", "memory.low", fmt.Sprint(32*mib)),
				cg("", "memory.swap.max", fmt.Sprint(32*mib)), // v2 counts swap apart
			},
		}, {
			id: "resources.memory.swappiness.v2", of: "6.4 resources.memory", lane: "v2", alone: true, // v2 has none: a warning
			edit: memory(specs.LinuxMemory{Swappiness: new(uint64(30))}),
			sees: []sight{cg("", "memory.max", "max")},
		}, {
			id: "resources.memory.unlimited.v1", of: "6.4 resources.memory", lane: "v1", alone: true,
			edit: memory(specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(-1))}),
			sees: []sight{cg("memory", "memory.limit_in_bytes", "~^9223372036854771712$"), cg("memory", "memory.memsw.limit_in_bytes", "~^9223372036854771712$")},
		}, {
			id: "resources.memory.unlimited.v2", of: "6.4 resources.memory", lane: "v2", alone: true,
			edit: memory(specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(-1))}),
			sees: []sight{cg("", "memory.max", "max"), cg("", "memory.swap.max", "max")},
		}, {
			id: "resources.memory.disableOOMKiller.v1", of: "6.4 resources.memory", fields: resourceFields("memory", "disableOOMKiller"), lane: "v1", alone: true,
			edit: memory(specs.LinuxMemory{Limit: new(int64(64 * mib)), DisableOOMKiller: new(true)}),
			sees: []sight{cg("memory", "memory.oom_control", "~oom_kill_disable 1")},
		}, {
			// The kernel has dropped kernel; the others change nothing on v2.
			id: "resources.memory.dropped", of: "6.4 resources.memory", fields: resourceFields("memory", "kernel", "kernelTCP", "useHierarchy"), alone: true,
			//lint:ignore SA1019 deprecated, and still a field
			edit: memory(specs.LinuxMemory{Limit: new(int64(64 * mib)), Kernel: new(int64(32 * mib)), KernelTCP: new(int64(32 * mib)), UseHierarchy: new(true)}),
			sees: []sight{{"ids", "0 0 0 0 0 0"}},
		}, {
			id: "resources.memory.checkBeforeUpdate", of: "6.4 resources.memory", fields: resourceFields("memory", "checkBeforeUpdate"),
			run: func(b *bench) {
				k := b.bundle()
				k.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(512 * mib))}
				c := k.create()
				c.start()
				r := c.fails("update", "--resources", c.file(c.path("update.json"), `{"memory":{"limit":65536,"checkBeforeUpdate":true}}`, 0o600), c.id)
				if place.peer == "" && !strings.Contains(r.errs, "checkBeforeUpdate") && !strings.Contains(r.errs, "usage") {
					b.errorf("the error does not say why: %q", r.errs)
				}
				limit := cg("memory", map[string]string{"v1": "memory.limit_in_bytes", "v2": "memory.max"}[laneHere()], "").ask
				if got := c.exec(nil, limit)[limit]; got != fmt.Sprint(512*mib) {
					b.errorf("the limit after it is %s", got)
				}
				c.stop()
				c.delete()
			},
		}, {
			id: "resources.memory.swapBelowLimit", of: "6.4 resources.memory", refused: "linux.resources",
			edit: memory(specs.LinuxMemory{Limit: new(int64(64 * mib)), Swap: new(int64(32 * mib))}),
		}, {
			id: "resources.memory.swappinessTooHigh", of: "6.4 resources.memory", refused: "linux.resources.memory.swappiness",
			edit: memory(specs.LinuxMemory{Swappiness: new(uint64(400))}),
		}, {
			id: "resources.memory.kill", of: "6.4 resources.memory", // a limit that is one
			run: func(b *bench) {
				k := b.bundle()
				k.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(16 * mib)), Swap: new(int64(16 * mib))}
				k.asks = []string{"child fill 64", "child fill 1"}
				a := k.run()
				if a["child fill 64"] != "killed: killed" || !strings.Contains(a["child fill 1"], "ok") {
					b.errorf("%q", a)
				}
			},
		},
	}
}

func cpuRows() []row {
	cpu := func(c specs.LinuxCPU) func(*bundle) {
		return func(k *bundle) { k.Linux.Resources.CPU = &c }
	}
	limits := specs.LinuxCPU{
		Shares: new(uint64(512)), Quota: new(int64(50000)), Period: new(uint64(100000)), Burst: new(uint64(10000)), Cpus: "0", Mems: "0",
	}
	fields := resourceFields("cpu", "shares", "quota", "burst", "period", "cpus", "mems")
	return []row{
		{
			id: "resources.cpu.v1", of: "6.4 resources.cpu", fields: fields, lane: "v1", edit: cpu(limits),
			sees: []sight{
				cg("cpu", "cpu.shares", "512"), cg("cpu", "cpu.cfs_quota_us", "50000"), cg("cpu", "cpu.cfs_period_us", "100000"),
				cg("cpu", "cpu.cfs_burst_us", "10000"), cg("cpuset", "cpuset.cpus", "0"), cg("cpuset", "cpuset.mems", "0"), {"affinity", "0"},
			},
		}, {
			id: "resources.cpu.v2", of: "6.4 resources.cpu", fields: fields, lane: "v2", edit: cpu(limits),
			sees: []sight{
				cg("", "cpu.weight", "59"), // 10^((log2(512)^2 + 125 log2(512)) / 612 − 7/34)
				cg("", "cpu.max", "50000 100000"), cg("", "cpu.max.burst", "10000"), cg("", "cpuset.cpus", "0"), cg("", "cpuset.mems", "0"), {"affinity", "0"},
			},
		}, {
			id: "resources.cpu.idle.v1", of: "6.4 resources.cpu", fields: resourceFields("cpu", "idle"), lane: "v1", alone: true,
			edit: cpu(specs.LinuxCPU{Idle: new(int64(1))}), sees: []sight{cg("cpu", "cpu.idle", "1")},
		}, {
			id: "resources.cpu.idle.v2", of: "6.4 resources.cpu", fields: resourceFields("cpu", "idle"), lane: "v2", alone: true,
			edit: cpu(specs.LinuxCPU{Idle: new(int64(1))}), sees: []sight{cg("", "cpu.idle", "1")},
		}, {
			id: "resources.cpu.realtime.v1", of: "6.4 resources.cpu", fields: resourceFields("cpu", "realtimeRuntime", "realtimePeriod"), lane: "v1", alone: true,
			needs: needsRealtimeGroup,
			edit: func(k *bundle) {
				k.Linux.CgroupsPath = place.cgroup + "-rt2"
				cpu(specs.LinuxCPU{RealtimeRuntime: new(int64(20000)), RealtimePeriod: new(uint64(500000))})(k)
			},
			sees: []sight{cg("cpu", "cpu.rt_runtime_us", "20000"), cg("cpu", "cpu.rt_period_us", "500000")},
		}, {
			id: "resources.cpu.sharesOnly.v1", of: "6.4 resources.cpu", lane: "v1", alone: true, // the lowest that the kernel has
			edit: cpu(specs.LinuxCPU{Shares: new(uint64(2))}), sees: []sight{cg("cpu", "cpu.shares", "2"), cg("cpu", "cpu.cfs_quota_us", "-1")},
		}, {
			id: "resources.cpu.shares.ends.v2", of: "6.4 resources.cpu", lane: "v2", alone: true,
			edit: cpu(specs.LinuxCPU{Shares: new(uint64(262144))}), sees: []sight{cg("", "cpu.weight", "10000"), cg("", "cpu.max", "max 100000")},
		}, {
			id: "resources.cpu.shares.default.v2", of: "6.4 resources.cpu", lane: "v2", alone: true,
			edit: cpu(specs.LinuxCPU{Shares: new(uint64(1024))}), sees: []sight{cg("", "cpu.weight", "100")},
		}, {
			id: "resources.cpu.cpus.none", of: "6.4 resources.cpu", refused: "cpu",
			edit: cpu(specs.LinuxCPU{Cpus: "4000-4001"}),
		}, {
			id: "resources.cpu.cpus.text", of: "6.4 resources.cpu", refused: "linux.resources.cpu.cpus",
			edit: cpu(specs.LinuxCPU{Cpus: "zero"}),
		},
	}
}

func pidsRows() []row {
	pids := func(n int64) func(*bundle) {
		return func(k *bundle) { k.Linux.Resources.Pids = &specs.LinuxPids{Limit: &n} }
	}
	return []row{
		{
			id: "resources.pids", of: "6.4 resources.pids", fields: resourceFields("pids", "limit"), edit: pids(50),
			sees: []sight{cg("pids", "pids.max", "50")},
		}, {
			id: "resources.pids.zero", of: "6.4 resources.pids", alone: true, edit: pids(0), sees: []sight{cg("pids", "pids.max", "max")},
		}, {
			id: "resources.pids.unlimited", of: "6.4 resources.pids", alone: true, edit: pids(-1), sees: []sight{cg("pids", "pids.max", "max")},
		},
	}
}

// disk is a block device that cgroups may name; "" when there is none.
func disk() (major, minor int64) {
	files, _ := filepath.Glob("/sys/block/*/dev")
	for _, f := range files {
		var a, b int64
		text, err := os.ReadFile(f)
		if _, scanErr := fmt.Sscanf(string(text), "%d:%d", &a, &b); err == nil && scanErr == nil && a != 7 && a != 1 { // no loop or ram devices
			return a, b
		}
	}
	return 0, 0
}

func needsDisk() string {
	if major, _ := disk(); major == 0 {
		return "no block device but loop and ram ones"
	}
	return ""
}

// needsFile is about a kernel that may lack something.
func needsFile(path, otherwise string) func() string {
	return func() string {
		if found, _ := filepath.Glob(path); len(found) == 0 {
			return otherwise
		}
		return ""
	}
}

// needsBFQ is for weights of devices.
func needsBFQ() string {
	if major, minor := disk(); major != 0 {
		text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/queue/scheduler", major, minor))
		if err == nil && bytes.Contains(text, []byte("[bfq]")) {
			return ""
		}
	}
	return "no block device with the scheduler BFQ, which alone has weights of devices"
}

func blockRows() []row {
	major, minor := disk()
	number := specs.LinuxBlockIODevice{Major: major, Minor: minor}
	throttled := func(rate uint64) []specs.LinuxThrottleDevice {
		return []specs.LinuxThrottleDevice{{LinuxBlockIODevice: number, Rate: rate}}
	}
	rates := func(k *bundle) {
		k.Linux.Resources.BlockIO = &specs.LinuxBlockIO{
			ThrottleReadBpsDevice: throttled(1000001), ThrottleWriteBpsDevice: throttled(1000002), ThrottleReadIOPSDevice: throttled(1003),
			ThrottleWriteIOPSDevice: throttled(1004),
		}
	}
	var fields []string
	for _, f := range []string{"throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"} {
		fields = append(fields, resourceFields("blockIO."+f, "major", "minor", "rate")...)
	}
	weight := func(k *bundle) { k.Linux.Resources.BlockIO = &specs.LinuxBlockIO{Weight: new(uint16(500))} }
	weightOfDisk := func(k *bundle) {
		k.Linux.Resources.BlockIO = &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: number, Weight: new(uint16(600))}}}
	}
	deviceFields := resourceFields("blockIO.weightDevice", "major", "minor", "weight")
	v1, v2 := "/sys/fs/cgroup/blkio/", "/sys/fs/cgroup/"
	noBFQ := "this kernel has not loaded the scheduler BFQ, which alone has weights of devices"
	at := fmt.Sprint(major, ":", minor, " ")
	return []row{
		{
			id: "resources.blockIO.throttle.v1", of: "6.4 resources.blockIO", fields: fields, lane: "v1", needs: needsDisk, edit: rates,
			sees: []sight{
				cg("blkio", "blkio.throttle.read_bps_device", at+"1000001"), cg("blkio", "blkio.throttle.write_bps_device", at+"1000002"),
				cg("blkio", "blkio.throttle.read_iops_device", at+"1003"), cg("blkio", "blkio.throttle.write_iops_device", at+"1004"),
			},
		}, {
			id: "resources.blockIO.throttle.v2", of: "6.4 resources.blockIO", fields: fields, lane: "v2", needs: needsDisk, edit: rates,
			sees: []sight{cg("", "io.max", at+"rbps=1000001 wbps=1000002 riops=1003 wiops=1004")},
		}, {
			id: "resources.blockIO.weight.v1", of: "6.4 resources.blockIO", fields: resourceFields("blockIO", "weight"), lane: "v1", alone: true, edit: weight,
			needs: needsEither(v1+"blkio.weight", v1+"*/blkio.bfq.weight", noBFQ),
			sees:  []sight{{"read " + v1 + weightFile("blkio.weight", "blkio.bfq.weight"), "500"}},
		}, {
			id: "resources.blockIO.weight.v2", of: "6.4 resources.blockIO", fields: resourceFields("blockIO", "weight"), lane: "v2", alone: true, edit: weight,
			needs: needsEither(v2+"*/io.weight", v2+"*/io.bfq.weight", "this kernel has neither io.weight nor io.bfq.weight"),
			sees:  []sight{{"read " + v2 + weightFile("io.bfq.weight", "io.weight"), map[bool]string{true: "~default 500", false: "~default 4950"}[hasBFQ()]}},
		}, {
			id: "resources.blockIO.weightDevice.v1", of: "6.4 resources.blockIO", fields: deviceFields, lane: "v1", alone: true, edit: weightOfDisk,
			needs: needsBFQ,
			sees:  []sight{cg("blkio", "blkio.bfq.weight_device", "~"+at+"600")},
		}, {
			id: "resources.blockIO.weightDevice.v2", of: "6.4 resources.blockIO", fields: deviceFields, lane: "v2", alone: true, edit: weightOfDisk,
			needs: needsBFQ,
			sees:  []sight{cg("", "io.bfq.weight", "~"+at+"600")},
		}, {
			id: "resources.blockIO.leafWeight", of: "6.4 resources.blockIO", fields: append(resourceFields("blockIO", "leafWeight"), "linux.resources.blockIO.weightDevice.leafWeight"),
			lane: "v1", alone: true, needs: needsFile(v1+"blkio.leaf_weight", "this kernel has no CFQ, which Linux 5.0 dropped, and which alone has leaf weights"),
			edit: func(k *bundle) { k.Linux.Resources.BlockIO = &specs.LinuxBlockIO{LeafWeight: new(uint16(300))} },
			sees: []sight{cg("blkio", "blkio.leaf_weight", "300")},
		}, {
			id: "resources.blockIO.weight.range", of: "6.4 resources.blockIO", refused: "linux.resources.blockIO.weight",
			edit: func(k *bundle) { k.Linux.Resources.BlockIO = &specs.LinuxBlockIO{Weight: new(uint16(5))} },
		},
	}
}

// hasBFQ: cgroups have the files of BFQ.
func hasBFQ() bool {
	for _, pattern := range []string{"/sys/fs/cgroup/blkio/*/blkio.bfq.weight", "/sys/fs/cgroup/*/io.bfq.weight"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return true
		}
	}
	return false
}

func needsEither(a, b, otherwise string) func() string {
	return func() string {
		if needsFile(a, otherwise)() == "" {
			return ""
		}
		return needsFile(b, otherwise)()
	}
}

// weightFile is what there is of two.
func weightFile(first, second string) string {
	bfq, other := first, second
	if strings.Contains(second, "bfq") {
		bfq, other = second, first
	}
	if hasBFQ() {
		return bfq
	}
	return other
}

func network(k *bundle) {
	k.Linux.Resources.Network = &specs.LinuxNetwork{ClassID: new(uint32(0x100001)), Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 5}}}
}

func hugepages(k *bundle) {
	k.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 8 * mib}}
}

func oddPages(k *bundle) {
	k.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "3MB", Limit: 1}}
}

func hugeFields() []string { return resourceFields("hugepageLimits", "pageSize", "limit") }

func otherRows() []row {
	return []row{
		{
			id: "resources.hugepageLimits.v2", of: "6.4 resources.hugepageLimits", fields: hugeFields(), lane: "v2", edit: hugepages,
			needs: needsController("hugetlb"),
			sees:  []sight{cg("", "hugetlb.2MB.max", fmt.Sprint(8*mib)), cg("", "hugetlb.2MB.rsvd.max", fmt.Sprint(8*mib))},
		}, {
			id: "resources.hugepageLimits.size", of: "6.4 resources.hugepageLimits", refused: "3MB", needs: needsController("hugetlb"),
			edit: oddPages,
		}, {
			id: "resources.network.v2", of: "6.4 resources.network", lane: "v2", alone: true, edit: network, // runc does without, silently
			sees: []sight{{"ids", "0 0 0 0 0 0"}},
		}, {
			id: "resources.rdma", of: "6.4 resources.rdma", fields: resourceFields("rdma", "hcaHandles", "hcaObjects"), alone: true,
			needs: needsFile("/sys/class/infiniband/*", "no RDMA device"),
			edit: func(k *bundle) {
				k.Linux.Resources.Rdma = map[string]specs.LinuxRdma{firstRDMA(): {HcaHandles: new(uint32(3)), HcaObjects: new(uint32(10000))}}
			},
			sees: []sight{cg("rdma", "rdma.max", "~"+firstRDMA()+" hca_handle=3 hca_object=10000")},
		}, {
			id: "resources.rdma.missing", of: "6.4 resources.rdma", refused: "rdma",
			edit: func(k *bundle) {
				k.Linux.Resources.Rdma = map[string]specs.LinuxRdma{"nosuch0": {HcaHandles: new(uint32(3))}}
			},
		}, {
			id: "resources.unified", of: "6.4 resources.unified", fields: []string{"linux.resources.unified"}, lane: "v2",
			edit: func(k *bundle) {
				k.Linux.Resources.Unified = map[string]string{"memory.high": "50331648", "pids.max": "77", "cpu.weight": "33", "cgroup.max.depth": "9"}
			},
			sees:  []sight{cg("", "memory.high", "50331648"), cg("", "pids.max", "77"), cg("", "cpu.weight", "33"), cg("", "cgroup.max.depth", "9")},
			alone: true,
		}, {
			id: "resources.unified.unknown", of: "6.4 resources.unified", lane: "v2", refused: "nosuch",
			edit: func(k *bundle) { k.Linux.Resources.Unified = map[string]string{"nosuch.file": "1"} },
		}, {
			id: "resources.unified.path", of: "6.4 resources.unified", lane: "v2", refused: "linux.resources.unified",
			edit: func(k *bundle) { k.Linux.Resources.Unified = map[string]string{"../memory.max": "1"} },
		}, {
			id: "resources.unified.v1", of: "6.4 resources.unified", lane: "v1", refused: "unified",
			edit: func(k *bundle) { k.Linux.Resources.Unified = map[string]string{"memory.high": "1"} },
		},
	}
}

func needsController(name string) func() string {
	return func() string {
		text, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
		if err != nil || !bytes.Contains(text, []byte(name)) {
			return "this kernel does not have the controller " + name
		}
		return ""
	}
}

func firstRDMA() string {
	found, _ := filepath.Glob("/sys/class/infiniband/*")
	if len(found) == 0 {
		return ""
	}
	return filepath.Base(found[0])
}

func pathRows() []row {
	return []row{
		{
			id: "cgroupsPath.absolute", of: "6.4 cgroupsPath", fields: []string{"linux.cgroupsPath"}, alone: true,
			edit: func(k *bundle) {
				k.Linux.CgroupsPath = place.cgroup + "/deep/er"
				k.cleanup(func() { k.must(removeCgroups(place.cgroup + "/deep")) }) // a parent stays, as it does with runc
				k.withoutNamespace(specs.CgroupNamespace)
			},
			sees: []sight{{"read /proc/self/cgroup", "~:" + place.cgroup + "/deep/er(\n|$)"}},
		}, {
			id: "cgroupsPath.relative", of: "6.4 cgroupsPath", alone: true, // to a place of the runtime's choice
			edit: func(k *bundle) {
				k.Linux.CgroupsPath = strings.TrimPrefix(place.cgroup, "/") + "/relative"
				k.withoutNamespace(specs.CgroupNamespace)
			},
			sees: []sight{{"read /proc/self/cgroup", "~" + place.cgroup + "/relative(\n|$)"}},
		}, {
			id: "cgroupsPath.none", of: "6.4 cgroupsPath",
			run: func(b *bench) {
				k := b.bundle()
				k.withoutNamespace(specs.CgroupNamespace)
				id := b.id()
				k.asks = []string{"read /proc/self/cgroup"}
				k.save(id, "ask")
				text, err := os.ReadFile(k.dir + "/config.json")
				b.must(err)
				k.saveText(strings.Replace(string(text), `"cgroupsPath":"`+place.cgroup+"/"+id+`",`, "", 1))
				r := b.ok(k.args("run", id)...)
				if got := b.answers(r.out)["read /proc/self/cgroup"]; !strings.Contains(got, id) {
					b.errorf("a place of the runtime's own has the ID in it: %q", got)
				}
			},
		}, {
			id: "cgroupsPath.systemdForm", of: "6.4 cgroupsPath", // without --systemd-cgroup a name like others, or refused; never at the top
			run: func(b *bench) {
				k := b.bundle()
				k.withoutNamespace(specs.CgroupNamespace)
				k.Linux.CgroupsPath = place.cgroup + "/system.slice:crisp:x"
				k.asks = []string{"read /proc/self/cgroup"}
				r := k.try()
				if r.code == 0 && !strings.Contains(r.out, "system.slice:crisp:x") {
					b.errorf("%v", r)
				}
			},
		},
	}
}
