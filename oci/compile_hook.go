// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"

	"crisp/conmon/plan"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CompileHook makes the plan of a createContainer hook: a process with all rights in the namespaces of the container, which halts with its
// mounts at root and the host's files around them. It is in the container's cgroup, in a session of its own, and its working
// directory is the container's root, as in runc (libcontainer/rootfs_linux.go, prepareRootfs).
func CompileHook(spec *specs.Spec, h *specs.Hook, root string, o CompileOptions) (*Compiled, error) {
	env := h.Env
	if len(env) == 0 {
		env = os.Environ() // as hook.Command has it
	}
	a := newAssembly(spec, &specs.Process{Args: hook.Args(h), Env: env, Cwd: root}, o)
	a.opts.ExecPath = h.Path
	a.userns = a.has(specs.UserNamespace)
	a.requestCgroups()
	a.requestContainer()
	a.hide()
	a.enterCgroups()
	a.enterContainer()
	a.becomeRoot()
	a.about("set up stdio")
	a.step(plan.OpStdio)
	a.about("make a session")
	a.step(plan.OpSetsid)
	a.about("enter the container's root")
	a.step(plan.OpChdir).Str[0] = root
	a.tolerate(unix.EACCES) // root of a user namespace may not get there
	a.about("set the umask")
	a.step(plan.OpUmask, 0o022)
	a.execute(nil)
	return a.compiled(), nil
}
