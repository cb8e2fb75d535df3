// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMountOptions(t *testing.T) {
	const (
		ro, nosuid, noexec = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID, unix.MOUNT_ATTR_NOEXEC
		atime              = unix.MOUNT_ATTR__ATIME
	)
	for options, want := range map[string]mountOptions{
		"":                     {},
		"defaults":             {},
		"bind,ro":              {bind: true, flags: change{set: ro}},
		"rbind,rw":             {bind: true, recursive: true, flags: change{clear: ro}},
		"ro,rw":                {flags: change{clear: ro}},
		"rw,ro":                {flags: change{set: ro}},
		"nosuid,noexec,suid":   {flags: change{set: noexec, clear: nosuid}},
		"noatime":              {flags: change{set: unix.MOUNT_ATTR_NOATIME, clear: atime}},
		"noatime,relatime":     {flags: change{clear: atime}},
		"relatime,strictatime": {flags: change{set: unix.MOUNT_ATTR_STRICTATIME, clear: atime}},
		"rro":                  {tree: change{set: ro}},
		"rrelatime":            {tree: change{clear: atime}},
		"rrw,rnosuid":          {tree: change{set: nosuid, clear: ro}},
		"rshared":              {propagation: []Attributes{{Propagation: unix.MS_SHARED, Recursive: true}}},
		"slave,rshared": {propagation: []Attributes{
			{Propagation: unix.MS_SLAVE}, {Propagation: unix.MS_SHARED, Recursive: true},
		}},
		"size=64k,newinstance": {data: []fsOption{{"size", "64k"}, {"newinstance", ""}}},
		"sync,async,silent":    {data: []fsOption{{"sync", ""}}},
		"ridmap":               {idmap: true, idmapTree: true},
		"tmpcopyup":            {copyUp: true},
		"remount":              {remount: true},
		"rdefaults":            {data: []fsOption{{"rdefaults", ""}}},
	} {
		var list []string
		if options != "" {
			list = strings.Split(options, ",")
		}
		if got := parseMountOptions(list); !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", options, got, want)
		}
	}
}

// TestAccessTimesAreSetAsTheKernelWants: mount_setattr refuses to set a mode without clearing all of them (build_mount_kattr).
func TestAccessTimesAreSetAsTheKernelWants(t *testing.T) {
	for _, options := range [][]string{{"noatime"}, {"relatime", "strictatime"}, {"strictatime", "ro", "noatime"}, {"rnoatime"}} {
		o := parseMountOptions(options)
		for _, at := range o.attributes() {
			if at.Set&unix.MOUNT_ATTR__ATIME != 0 && at.Clear&unix.MOUNT_ATTR__ATIME != unix.MOUNT_ATTR__ATIME {
				t.Errorf("%v: %s", options, at)
			}
		}
	}
}
