// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const aboutProgram = `Open Container Initiative runtime

crisp-oci runs containers from bundles: directories with a specification file named "config.json" and a root file system. Its
commands and flags are runc's.

    # crisp-oci run [ -b bundle ] <container-id>`

// printHelp prints the commands and the global flags.
func printHelp(w io.Writer) {
	fmt.Fprintf(w, "NAME:\n   crisp-oci - %s\n\nUSAGE:\n   crisp-oci [global options] command [command options] [arguments...]\n\n", aboutProgram)
	fmt.Fprintf(w, "VERSION:\n   %s\n\nCOMMANDS:\n", version)
	var rows []optionHelp
	for _, c := range commands() {
		rows = append(rows, optionHelp{c.name, c.summary})
	}
	printRows(w, append(rows, optionHelp{"help, h", "Shows a list of commands or help for one command"}))
	fmt.Fprint(w, "\nGLOBAL OPTIONS:\n")
	printRows(w, append((&global{}).options().help(), optionHelp{"--help, -h", "show help"}))
}

// printCommandHelp prints one command.
func printCommandHelp(w io.Writer, c *command) {
	o := newOptions()
	c.options(o)
	usage := c.name
	if len(o.help()) > 0 {
		usage += " [command options]"
	}
	fmt.Fprintf(w, "NAME:\n   crisp-oci %s - %s\n\nUSAGE:\n   crisp-oci %s %s\n", c.name, c.summary, usage, c.args)
	if c.about != "" {
		fmt.Fprintf(w, "\nDESCRIPTION:\n   %s\n", c.about)
	}
	if len(o.help()) > 0 {
		fmt.Fprint(w, "\nOPTIONS:\n")
		printRows(w, o.help())
	}
}

// printRows prints two columns.
func printRows(w io.Writer, rows []optionHelp) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.names))
	}
	for _, r := range rows {
		text := strings.ReplaceAll(r.usage, "\n", "\n"+strings.Repeat(" ", width+5))
		fmt.Fprintf(w, "   %-*s  %s\n", width, r.names, text)
	}
}

func helpCommand() *command {
	return &command{name: "help", summary: "Shows a list of commands or help for one command", args: "[command]", most: 1, options: none(func(c *call) error {
		if k := find(c.arg(0)); k != nil && len(c.args) > 0 {
			printCommandHelp(os.Stdout, k)
		} else {
			printHelp(os.Stdout)
		}
		return nil
	})}
}

// printVersion prints what runc prints: engines take the third word of the first line.
func printVersion(w io.Writer) {
	fmt.Fprintln(w, "crisp-oci version", version)
	if commit != "" {
		fmt.Fprintln(w, "commit:", commit)
	}
	fmt.Fprintln(w, "spec:", specs.Version)
	fmt.Fprintln(w, "go:", runtime.Version())
}
