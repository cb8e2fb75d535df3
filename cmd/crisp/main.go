// SPDX-License-Identifier: Apache-2.0

// Command crisp is a Kubernetes container runtime: "crisp serve" is the daemon that the kubelet talks to.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// command is one of crisp's subcommands. Its run gets the arguments behind the name and writes results to out.
type command struct {
	name, summary string
	run           func(args []string, out io.Writer) error
}

// commands is the table of them, in the order of the help. A function: help is in it and prints it.
func commands() []command {
	return []command{
		{"serve", "serve the CRI", serve},
		{"image", "list, pull, remove and look at images", images},
		{"config", "print the effective configuration as TOML", printConfig},
		{"version", "print the version", printVersion},
		{"help", "print this", printHelp},
	}
}

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0, 1 for a failure, 2 for a wrong command line.
func run(args []string) int {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if name == "-h" || name == "-help" || name == "--help" {
		name = "help"
	}
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		err := c.run(args, os.Stdout)
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		}
		fmt.Fprintf(os.Stderr, "crisp %s: %v\n", name, err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "crisp: no command %q; \"crisp help\" lists them\n", name)
	return 2
}

// errUsage: the command line is wrong, and the user has been told.
var errUsage = errors.New("wrong usage")

// parse parses a subcommand's flags; arguments beside them are errors.
func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage // the flag set has printed it
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(fs.Output(), "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return errUsage
	}
	return nil
}

func printHelp(_ []string, out io.Writer) error {
	fmt.Fprint(out, "crisp is a Kubernetes container runtime.\n\nUsage: crisp COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-8s  %s\n", c.name, c.summary)
	}
	fmt.Fprint(out, "\n\"crisp COMMAND -h\" lists a command's flags.\n")
	return nil
}
