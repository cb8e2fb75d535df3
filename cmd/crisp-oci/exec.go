// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"crisp/oci/operation"
)

func execCommand() command {
	return command{
		name: "exec", summary: "execute new process inside the container", least: 1, most: -1, ordered: true, failure: exitExecFailed,
		args: `<container-id> <command> [command options]  || -p process.json <container-id>

Where "<container-id>" is the name for the instance of the container and
"<command>" is the command to be executed in the container.
"<command>" can't be empty unless a "-p" flag provided.

EXAMPLE:
For example, if the container is configured to run the linux ps command the
following will output a list of processes running in the container:

       # crisp-oci exec <container-id> ps`,
		options: execOptions,
	}
}

func execOptions(o *options) action {
	var q operation.ExecRequest
	var cgroups []string
	var noNewPrivs bool
	p := &q.Process
	o.string(&q.ConsoleSocket, "console-socket", "", consoleSocketUsage)
	o.string(&q.PidfdSocket, "pidfd-socket", "", "path to an AF_UNIX socket which will receive a file descriptor referencing the exec process")
	o.string(&p.Cwd, "cwd", "", "current working directory in the container")
	o.strings(&p.Env, "env, e", "set environment variables")
	o.bool(&p.TTY, "tty, t", "allocate a pseudo-TTY")
	o.string(&p.User, "user, u", "", "UID (format: <uid>[:<gid>])")
	o.strings(&p.AdditionalGids, "additional-gids, g", "additional gids")
	o.string(&p.File, "process, p", "", "path to the process.json")
	o.bool(&q.Detach, "detach, d", "detach from the container's process")
	o.string(&q.PidFile, "pid-file", "", "specify the file to write the process id to")
	o.string(&p.Label, "process-label", "", "set the asm process label for the process commonly used with selinux")
	o.string(&p.AppArmor, "apparmor", "", "set the apparmor profile for the process")
	o.bool(&noNewPrivs, "no-new-privs", "set the no new privileges value for the process")
	o.strings(&p.Capabilities, "cap, c", "add a capability to the bounding set for the process")
	o.int(&q.PreserveFDs, "preserve-fds", 0, preserveUsage)
	o.strings(&cgroups, "cgroup", "run the process in an (existing) sub-cgroup(s). Format is [<controller>:]<cgroup>.")
	o.bool(&q.IgnorePaused, "ignore-paused", "allow exec in a paused container")
	return func(c *call) (int, error) {
		q.ID, p.Args = c.args[0], c.args[1:]
		if c.set["no-new-privs"] {
			p.NoNewPrivs = &noNewPrivs
		}
		var err error
		if q.Cgroups, err = operation.ParseSubCgroups(cgroups); err != nil {
			return 0, fmt.Errorf("exec failed: %w", err)
		}
		r, err := c.standBy()
		if err != nil {
			return 0, fmt.Errorf("exec failed: %w", err)
		}
		defer r.Close()
		code, err := r.Exec(c.ctx, q)
		if err != nil {
			return 0, fmt.Errorf("exec failed: %w", err)
		}
		return code, nil
	}
}
