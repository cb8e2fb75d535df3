// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hugetlb ignores a host without the controller: the kubelet sends limits of 0 for all page sizes to every container.
func (t *translator) hugetlb(limits []specs.LinuxHugepageLimit) {
	suffix := ".max"
	switch t.version("hugetlb") {
	case 0:
		if len(limits) > 0 {
			t.warn("hugepage limits are not enforced: no hugetlb controller", "hugetlb")
		}
		return
	case 1:
		suffix = ".limit_in_bytes"
	}
	for _, l := range limits {
		if strings.ContainsAny(l.Pagesize, "/\n") {
			t.fail(ErrInvalid, "hugepage size %q", l.Pagesize)
			continue
		}
		w := write{controller: "hugetlb", file: "hugetlb." + l.Pagesize + suffix, value: strconv.FormatUint(l.Limit, 10)}
		t.writes = append(t.writes, w)
		w.file, w.optional = "hugetlb."+l.Pagesize+".rsvd"+suffix, true // since Linux 5.7
		t.writes = append(t.writes, w)
	}
}
