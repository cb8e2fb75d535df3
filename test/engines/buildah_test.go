// SPDX-License-Identifier: Apache-2.0

package engines

import "testing"

func TestBuildahRunsSteps(t *testing.T) {
	e := newEngine(t, "buildah")
	e.command = append(e.command, "--root", e.path("root"), "--runroot", e.path("run"), "--storage-driver", "overlay")
	root := rootfs(t, e.dir)
	e.wants("w", "from", "--name", "w", "scratch")
	e.run("copy", "w", root, "/")
	flags := []string{"run", "--runtime", e.runtime, "--isolation", "oci", "--network", "none", "w", "--"}
	e.wants("built", append(flags, "sh", "-c", "echo built > /made; cat /made")...)
	e.wants("built", append(flags, "cat", "/made")...)
	e.fails(4, "", append(flags, "sh", "-c", "exit 4")...)
	e.run("rm", "w")
}
