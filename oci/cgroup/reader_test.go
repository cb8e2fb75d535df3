// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"reflect"
	"strings"
	"testing"
)

func TestParsePressure(t *testing.T) {
	got := parsePressure([]byte("some avg10=0.00 avg60=12.34 avg300=100.00 total=123456\nfull avg10=1.05 avg60=0.00 avg300=0.00 total=7\n"))
	want := Pressure{
		Known: true, Some: PressureLine{Avg60: 12.34, Avg300: 100, Total: 123456000}, Full: PressureLine{Avg10: 1.05, Total: 7000},
	}
	if got != want {
		t.Errorf("%+v", got)
	}
	if got := parsePressure(nil); got.Known {
		t.Errorf("%+v", got)
	}
}

func FuzzParsePressure(f *testing.F) {
	f.Add([]byte("some avg10=0.00 avg60=12.34 avg300=100.00 total=123456\nfull avg10=1.05\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { parsePressure(b) })
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]uint64{"0": 0, "123": 123, "max": NoLimit, "9223372036854771712": NoLimit, "4611686018427387903": 1<<62 - 1} {
		if got, ok := number([]byte(in)); !ok || got != want {
			t.Errorf("%s: %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "-1", "1 2", "99999999999999999999999999"} {
		if got, ok := number([]byte(in)); ok {
			t.Errorf("%q: %d", in, got)
		}
	}
}

func FuzzReaderValues(f *testing.F) {
	f.Add([]byte("anon 4096\ninactive_file 0\n\nbroken\n x y\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &reader{text: b}
		r.values(func(key []byte, _ uint64) {
			if strings.ContainsAny(string(key), " \n") {
				t.Errorf("key %q", key)
			}
		})
	})
}

const (
	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
42 31 0:32 / /sys/fs/cgroup/again rw,relatime - cgroup cgroup rw,memory
43 23 0:32 / /somewhere/else rw,relatime - cgroup cgroup rw,freezer
`
	v2Mounts = `24 21 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
50 21 0:22 /foo /sys/fs/cgroupx rw - cgroup2 cgroup2 rw
`
)

func TestParseMounts(t *testing.T) {
	got := parseMounts([]byte(hybridMounts), "/sys/fs/cgroup/")
	want := []mount{
		{dir: "/sys/fs/cgroup/cpu,cpuacct", name: "cpu", controllers: []string{"cpu", "cpuacct"}},
		{dir: "/sys/fs/cgroup/memory", name: "memory", controllers: []string{"memory"}},
		{dir: "/sys/fs/cgroup/systemd", name: "name=systemd"},
		{dir: "/sys/fs/cgroup/unified", v2: true, name: "unified"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	got = parseMounts([]byte(v2Mounts), "/sys/fs/cgroup")
	if !reflect.DeepEqual(got, []mount{{dir: "/sys/fs/cgroup", v2: true, name: "unified"}}) {
		t.Errorf("%+v", got)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add(hybridMounts)
	f.Add(v2Mounts)
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseMounts([]byte(text), "/sys/fs/cgroup") {
			if !strings.HasPrefix(m.dir, "/sys/fs/cgroup") || m.name == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
