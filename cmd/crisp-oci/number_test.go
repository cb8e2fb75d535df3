// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestSizesHaveUnits(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "-1": -1, "4096": 4096, "64k": 64 << 10, "64m": 64 << 20, "64MB": 64 << 20, "64MiB": 64 << 20, "1.5g": 3 << 29, "2T": 2 << 40,
	} {
		if n, err := parseSize(s); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", s, n, err, want)
		}
	}
	for _, s := range []string{"", "m", "-2", "12x", "1m1", "nan", "inf", "1e30", "9000p"} {
		if n, err := parseSize(s); err == nil {
			t.Errorf("%q: taken for %d", s, n)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("64m")
	f.Add("1.5GiB")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil && n < -1 {
			t.Errorf("%q: %d", s, n)
		}
	})
}

func TestNumbersFitTheirFields(t *testing.T) {
	var small *uint16
	var unsigned *uint64
	var signed *int64
	if err := number("65536", &small); err == nil {
		t.Error("65536 fits 16 bits")
	}
	if err := number("-1", &unsigned); err == nil {
		t.Error("-1 is unsigned")
	}
	if err := number("-1", &signed); err != nil || *signed != -1 {
		t.Error(err)
	}
}

func TestLinesOfProcesses(t *testing.T) {
	table := "UID   PID CMD\nroot    1 init\nroot   12 sh -c 1\nroot  112 x\n"
	got, err := linesOf(table, []int{12})
	if want := "UID   PID CMD\nroot   12 sh -c 1\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := linesOf("UID CMD\n", nil); err == nil {
		t.Error("a table without pids is taken")
	}
}
