// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// network is v1 only. On v2 there is nothing in its place, and runc ignores it as well.
func (t *translator) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	if t.version("cpu") == 2 || t.version("memory") == 2 {
		t.warn("network classes and priorities are not enforced on cgroup v2", "network")
		return
	}
	if n.ClassID != nil && t.need("net_cls") != 0 {
		t.put("net_cls", "net_cls.classid", strconv.FormatUint(uint64(*n.ClassID), 10))
	}
	for _, p := range n.Priorities {
		if t.need("net_prio") == 0 {
			return
		}
		if strings.ContainsAny(p.Name, " \n") {
			t.fail(ErrInvalid, "network interface %q", p.Name)
			continue
		}
		w := write{controller: "net_prio", file: "net_prio.ifpriomap", value: fmt.Sprintf("%s %d", p.Name, p.Priority)}
		w.old = oldOfKey(p.Name, p.Name+" 0")
		t.writes = append(t.writes, w)
	}
}

// rdma has the same file on v1 and v2.
func (t *translator) rdma(limits map[string]specs.LinuxRdma) {
	for _, device := range sortedKeys(limits) {
		if t.need("rdma") == 0 {
			return
		}
		if strings.ContainsAny(device, " \n") {
			t.fail(ErrInvalid, "rdma device %q", device)
			continue
		}
		value := device
		if n := limits[device].HcaHandles; n != nil {
			value += " hca_handle=" + strconv.FormatUint(uint64(*n), 10)
		}
		if n := limits[device].HcaObjects; n != nil {
			value += " hca_object=" + strconv.FormatUint(uint64(*n), 10)
		}
		t.writes = append(t.writes, write{
			controller: "rdma", file: "rdma.max", value: value, old: oldOfKey(device, device+" hca_handle=max hca_object=max"),
		})
	}
}
