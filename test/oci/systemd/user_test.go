// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	_ "embed"
	"os"
	"os/exec"
	"strings"
	"testing"

	"crisp/test/build"
)

//go:embed testdata/user.sh
var userScript string

// TestSystemdRootless: a user's container in a scope of the user's own systemd, and the error for who is not below that. The script makes
// the user and starts the systemd.
func TestSystemdRootless(t *testing.T) {
	needSystemd(t)
	if os.Getenv("CRISP_VM") == "" {
		t.Skip("makes a user: for a virtual machine")
	}
	program, err := build.OCIRuntime()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/bin/sh", "-euc", userScript, program).CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"run 0\n", "/user.slice/user-1000.slice/user@1000.service/user.slice/crisp-x.scope\n", "TasksMax=20\n", "pids.max 20\n", "exec 7\n", "paused\n", "delete 0\n",
		"LoadState=not-found\n", "outside 1\n", "run it by systemd-run --user --scope",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
