// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// TestMain is itself a lane.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // the tests say why they are skipped
	}
	os.Exit(Run(func() error { return os.Setenv("PREPARED", "yes") }, m.Run))
}

func TestLaneHasANetworkOfItsOwn(t *testing.T) {
	if Outer() == 0 {
		t.Skip("needs root")
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	for _, want := range []string{"lo", "eth0"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	l, err := net.Listen("tcp", NodeIPv4+":0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestPrepareRunsBeforeTheLane(t *testing.T) {
	if Outer() == 0 {
		t.Skip("needs root")
	}
	if os.Getenv("PREPARED") != "yes" {
		t.Error("the environment from prepare is missing")
	}
}

func TestOrphansComeToTheOuterProcess(t *testing.T) {
	if Outer() == 0 {
		t.Skip("needs root")
	}
	// The shell ends at once; its background process is left.
	if err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 &").Run(); err != nil {
		t.Fatal(err)
	}
	pids, err := Descendants(Outer())
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err == nil && string(cmdline) == "sleep\x001000\x00" {
			return // the outer process kills it, or this test binary would not end
		}
	}
	t.Errorf("no orphan below %d", Outer())
}
