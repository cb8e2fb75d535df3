// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"

	"crisp/oci/operation"
)

func startCommand() command {
	return command{
		name: "start", summary: "executes the user defined process in a created container", args: aboutID, least: 1, most: 1,
		about:   "The start command executes the user defined process in a created container.",
		options: none(func(c *call) error { return c.global.runtime().Start(c.ctx, c.args[0]) }),
	}
}

func stateCommand() command {
	return command{
		name: "state", summary: "output the state of a container", args: aboutID, least: 1, most: 1,
		about: "The state command outputs current state information for the\n   instance of a container.",
		options: none(func(c *call) error {
			s, err := c.global.runtime().State(c.args[0])
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(s, "", "  ")
			if err == nil {
				_, err = os.Stdout.Write(b)
			}
			return err
		}),
	}
}

func killCommand() command {
	return command{
		name: "kill", summary: "kill sends the specified signal (default: SIGTERM) to the container's init process", least: 1, most: 2,
		args: `<container-id> [signal]

Where "<container-id>" is the name for the instance of the container and
"[signal]" is the signal to be sent to the init process.`,
		options: func(o *options) action {
			var q operation.KillRequest
			o.bool(&q.All, "all, a", "send the signal to all processes of the container")
			return simple(func(c *call) error {
				var err error
				if q.Signal, err = operation.ParseSignal(c.arg(1)); err != nil {
					return err
				}
				return c.global.runtime().Kill(c.ctx, c.args[0], q)
			})
		},
	}
}

func deleteCommand() command {
	return command{
		name: "delete", summary: "delete any resources held by the container often used with detached container", args: aboutID, least: 1, most: 1,
		options: func(o *options) action {
			var force bool
			o.bool(&force, "force, f", "Forcibly deletes the container if it is still running (uses SIGKILL)")
			return simple(func(c *call) error { return c.global.runtime().Delete(c.ctx, c.args[0], force) })
		},
	}
}

func pauseCommand() command {
	return command{
		name: "pause", summary: "pause suspends all processes inside the container", args: aboutID, least: 1, most: 1,
		about:   "The pause command suspends all processes in the instance of the container.",
		options: none(func(c *call) error { return c.global.runtime().Pause(c.ctx, c.args[0]) }),
	}
}

func resumeCommand() command {
	return command{
		name: "resume", summary: "resumes all processes that have been previously paused", args: aboutID, least: 1, most: 1,
		about:   "The resume command unsuspends all processes in the instance of the container.",
		options: none(func(c *call) error { return c.global.runtime().Resume(c.ctx, c.args[0]) }),
	}
}
