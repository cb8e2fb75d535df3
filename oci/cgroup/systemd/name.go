// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"path"
	"strings"

	"crisp/oci/cgroup"
)

// maxName is the longest name of a unit (UNIT_NAME_MAX, with the NUL).
const maxName = 255

// parsePath reads "slice:prefix:name". Without a slice it is the default one; without a prefix the name is all there is.
func parsePath(p, defaultSlice string) (cgroup.Unit, error) {
	parts := strings.Split(p, ":")
	if len(parts) != 3 {
		return cgroup.Unit{}, fmt.Errorf("%w: %q", ErrPath, p)
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice == "" {
		slice = defaultSlice
	}
	if strings.HasSuffix(name, ".slice") {
		return cgroup.Unit{}, fmt.Errorf("%w: %q: a container is no slice", ErrPath, p)
	}
	unit := prefix + "-" + name + ".scope"
	if name == "" || !isUnitName(unit) {
		return cgroup.Unit{}, fmt.Errorf("%w: %q: not the name of a unit: %s", ErrPath, p, unit)
	}
	dir, err := ExpandSlice(slice)
	if err != nil {
		return cgroup.Unit{}, fmt.Errorf("%w: %q: %w", ErrPath, p, err)
	}
	return cgroup.Unit{Name: unit, Slice: slice, Directory: path.Join(dir, unit)}, nil
}

// isUnitName checks the characters of a unit's name (VALID_CHARS_WITH_AT in systemd's unit-name.c; systemd.unit(5)). A file's name
// cannot begin with a point.
func isUnitName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte(`:-_.\@`, c) >= 0:
		default:
			return false
		}
	}
	return s != "" && s[0] != '.' && s[0] != '@' && len(s) <= maxName
}

// ExpandSlice returns the directory of a slice (systemd.slice(5)): "a-b.slice" is /a.slice/a-b.slice, and "-.slice" is the root.
func ExpandSlice(slice string) (string, error) {
	name, ok := strings.CutSuffix(slice, ".slice")
	if !ok || !isUnitName(slice) {
		return "", fmt.Errorf("invalid slice name: %q", slice)
	}
	if name == "-" {
		return "/", nil
	}
	dir, prefix := "/", ""
	for element := range strings.SplitSeq(name, "-") {
		if element == "" {
			return "", fmt.Errorf("invalid slice name: %q", slice)
		}
		dir = path.Join(dir, prefix+element+".slice")
		prefix += element + "-"
	}
	return dir, nil
}
