// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"os/exec"
	"strings"
	"testing"
)

// needsCriu skips where criu is not installed, and where it cannot work with the kernel, and says why.
func needsCriu(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("criu"); err != nil {
		t.Skip("criu is not installed")
	}
	if out, err := exec.Command("criu", "check").CombinedOutput(); err != nil {
		why, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		t.Skipf("criu cannot work here: %s", why)
	}
}

// TestPodmanCheckpoints saves a container that counts, and has it go on: in place, and from an archive.
func TestPodmanCheckpoints(t *testing.T) {
	e := newPodman(t)
	needsCriu(t)
	e.run(e.podmanRun([]string{"-d", "--name", "c"}, "sh", "-c", `n=0; while :; do n=$((n+1)); echo $n > /tmp/n; sleep 1; done`)...)
	t.Cleanup(func() { e.run("rm", "-f", "-t", "0", "--ignore", "c") })
	e.run("container", "checkpoint", "--keep", "c")
	e.wants("exited", "inspect", "-f", "{{.State.Status}}", "c")
	e.run("container", "restore", "--keep", "c")
	e.wants("running true", "inspect", "-f", "{{.State.Status}} {{.State.Restored}}", "c")
	e.wants("on", "exec", "c", "sh", "-c", "test $(cat /tmp/n) -gt 0 && echo on")
	e.run("container", "checkpoint", "--export", e.path("c.tar"), "c")
	e.run("rm", "c")
	e.run("container", "restore", "--import", e.path("c.tar"), "--name", "d")
	t.Cleanup(func() { e.run("rm", "-f", "-t", "0", "--ignore", "d") })
	e.wants("running", "inspect", "-f", "{{.State.Status}}", "d")
	e.run("kill", "d")
}
