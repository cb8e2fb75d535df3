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
		"bind,ro":              {bind: true, flags: change{set: ro}, given: true},
		"rbind,rw":             {bind: true, recursive: true, flags: change{clear: ro}, given: true},
		"ro,rw":                {flags: change{clear: ro}, given: true},
		"rw,ro":                {flags: change{set: ro}, given: true},
		"nosuid,noexec,suid":   {flags: change{set: noexec, clear: nosuid}, given: true},
		"noatime":              {times: times{noatime: true}, given: true},
		"noatime,atime":        {given: true},
		"relatime,strictatime": {times: times{relatime: true, strictatime: true}, given: true},
		"diratime":             {given: true},
		"rro":                  {tree: change{set: ro}},
		"rrelatime":            {tree: change{clear: atime}},
		"rrw,rnosuid":          {tree: change{set: nosuid, clear: ro}},
		"rshared":              {propagation: []Attributes{{Propagation: unix.MS_SHARED, Recursive: true}}},
		"slave,rshared": {propagation: []Attributes{
			{Propagation: unix.MS_SLAVE}, {Propagation: unix.MS_SHARED, Recursive: true},
		}},
		"size=64k,newinstance": {data: []fsOption{{"size", "64k"}, {"newinstance", ""}}},
		"sync,async,silent":    {data: []fsOption{}, given: true},
		"sync,dirsync,loud":    {data: []fsOption{{"sync", ""}, {"dirsync", ""}}, given: true},
		"ridmap":               {idmap: true, idmapTree: true},
		"tmpcopyup":            {copyUp: true},
		"remount":              {remount: true},
		"acl":                  {data: []fsOption{{"acl", ""}}},
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
		for _, at := range o.attributes(false) {
			if at.Set&unix.MOUNT_ATTR__ATIME != 0 && at.Clear&unix.MOUNT_ATTR__ATIME != unix.MOUNT_ATTR__ATIME {
				t.Errorf("%v: %s", options, at)
			}
		}
	}
}

// TestFlagsOfBindMounts: with any option about flags the mount has those and no others, unless a user namespace holds them.
func TestFlagsOfBindMounts(t *testing.T) {
	const (
		ro, nosuid, follow = unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOSUID, unix.MOUNT_ATTR_NOSYMFOLLOW
		atime, nodir       = unix.MOUNT_ATTR__ATIME, unix.MOUNT_ATTR_NODIRATIME
	)
	for options, want := range map[string][2]change{
		"bind":             {},
		"bind,ro":          {{set: ro, clear: lockable&^ro | follow}, {set: ro, clear: follow}},
		"bind,rw":          {{clear: lockable | follow}, {clear: ro | follow}},
		"bind,nosymfollow": {{set: follow, clear: lockable}, {set: follow}},
		"bind,sync":        {{clear: lockable | follow}, {clear: follow}},
		"bind,atime":       {{clear: lockable | follow}, {clear: follow}},
		"bind,noatime":     {{set: unix.MOUNT_ATTR_NOATIME, clear: lockable | follow | atime | nodir}, {set: unix.MOUNT_ATTR_NOATIME, clear: follow | atime | nodir}},
		"bind,nodiratime":  {{set: nodir, clear: lockable | follow | atime}, {set: nodir, clear: follow | atime}},
		"bind,nosuid,suid": {{clear: lockable | follow}, {clear: nosuid | follow}},
	} {
		o := parseMountOptions(strings.Split(options, ","))
		for i, userns := range []bool{false, true} {
			if got := o.bindFlags(userns); got != want[i] {
				t.Errorf("%s, user namespace %v: %+v, want %+v", options, userns, got, want[i])
			}
		}
	}
}
