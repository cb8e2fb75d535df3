// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"path/filepath"
	"strings"

	"crisp/oci/cgroup/systemd"
)

// The cgroup of an ID is a leaf below the parent that the kubelet has made for the pod, and the kubelet's alone. The record has it as a
// linux.cgroupsPath, whose form tells who has made it:
//
//	            parent                                            leaf
//	cgroupfs    /kubepods/burstable/podX                          /kubepods/burstable/podX/crisp-ID
//	systemd     /kubepods.slice/…/kubepods-burstable-podX.slice   kubepods-burstable-podX.slice:crisp:ID, whose directory is
//	                                                              /kubepods.slice/…/kubepods-burstable-podX.slice/crisp-ID.scope
//
// The kubelet names a slice by its whole path.

// cgroupPath is the leaf of a new pod.
func (d *Defaults) cgroupPath(parent, id string) string {
	if d.Systemd {
		return slicePath(filepath.Base(parent), id)
	}
	return leafPath(parent, id)
}

func slicePath(slice, id string) string { return slice + ":crisp:" + id }

func leafPath(parent, id string) string { return filepath.Join("/", parent, "crisp-"+id) }

// siblingPath is the leaf of a container in the pod that has this one: made by the same, also when the driver has been changed since.
func siblingPath(pod, id string) string {
	if slice, ok := sliceOf(pod); ok {
		return slicePath(slice, id)
	}
	return leafPath(filepath.Dir(pod), id)
}

// parentPath is the directory of a leaf's parent, in the form of cgroupfs.
func parentPath(leaf string) string {
	slice, ok := sliceOf(leaf)
	if !ok {
		return filepath.Dir(leaf)
	}
	dir, err := systemd.ExpandSlice(slice)
	if err != nil { // a record that nobody of us has written
		return "/"
	}
	return dir
}

// sliceOf is the slice of a leaf of systemd's.
func sliceOf(leaf string) (string, bool) {
	if strings.HasPrefix(leaf, "/") {
		return "", false
	}
	slice, _, ok := strings.Cut(leaf, ":")
	return slice, ok
}

// checkParent refuses parents that the driver cannot have.
func (d *Defaults) checkParent(parent string) error {
	if !d.Systemd || parent == "" {
		return nil
	}
	if _, err := systemd.ExpandSlice(filepath.Base(parent)); err != nil {
		return fmt.Errorf("cgroup parent %q: %w: the cgroup driver is systemd, which needs a slice: %w", parent, ErrInvalid, err)
	}
	return nil
}
