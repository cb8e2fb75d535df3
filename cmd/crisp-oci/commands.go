// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
)

// A command is one of the table.
type command struct {
	name, summary string
	args          string // behind the options in the help, with what they mean
	about         string
	least, most   int  // arguments; most < 0: any number
	ordered       bool // what follows the first argument is not ours, flags neither
	failure       int  // exit code of a failure, when it is not exitFailure
	// options declares the flags and returns what does the work with them.
	options func(*options) action
}

// An action returns the exit code.
type action func(*call) (int, error)

// commands is the table, in the order of the help. A function, so that no command that is not called costs anything at start.
func commands() []command {
	return []command{
		createCommand(), deleteCommand(), killCommand(), listCommand(), runCommand(), startCommand(), stateCommand(),
		specCommand(), validateCommand(),
		pauseCommand(), resumeCommand(), execCommand(), psCommand(), updateCommand(), eventsCommand(),
		checkpointCommand(), restoreCommand(),
		featuresCommand(),
	}
}

func find(name string) *command {
	if name == "help" || name == "h" {
		return helpCommand()
	}
	all := commands()
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// checkArgs checks their number, in runc's words.
func (c *command) checkArgs(args []string) error {
	switch n := len(args); {
	case c.least == c.most && n != c.most:
		return fmt.Errorf("%s: %q requires exactly %d argument(s)", os.Args[0], c.name, c.most)
	case n < c.least:
		return fmt.Errorf("%s: %q requires a minimum of %d argument(s)", os.Args[0], c.name, c.least)
	case c.most >= 0 && n > c.most:
		return fmt.Errorf("%s: %q requires a maximum of %d argument(s)", os.Args[0], c.name, c.most)
	}
	return nil
}

// simple is an action without an exit code of its own.
func simple(f func(*call) error) action {
	return func(c *call) (int, error) { return 0, f(c) }
}

// none is for commands without flags.
func none(f func(*call) error) func(*options) action {
	return func(*options) action { return simple(f) }
}

const aboutID = `<container-id>

Where "<container-id>" is your name for the instance of the container.`
