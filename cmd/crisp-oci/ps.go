// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

func psCommand() command {
	return command{
		name: "ps", summary: "ps displays the processes running inside a container", least: 1, most: -1, ordered: true,
		args: "<container-id> [ps options]\n\nWhere \"[ps options]\" are those of ps(1); \"-ef\" without any.",
		options: func(o *options) action {
			var format string
			o.string(&format, "format, f", "table", formatUsage)
			return simple(func(c *call) error {
				pids, err := c.global.runtime().Processes(c.args[0])
				if err != nil {
					return err
				}
				return printProcesses(pids, format, c.args[1:])
			})
		},
	}
}

func printProcesses(pids []int, format string, options []string) error {
	switch format {
	case "json":
		return json.NewEncoder(os.Stdout).Encode(append([]int{}, pids...))
	case "table":
	default:
		return errors.New("invalid format option")
	}
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	out, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ps: %w: %s", err, out)
	}
	lines, err := linesOf(string(out), pids)
	if err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(lines)
	return err
}

// linesOf picks the heading and the lines of some processes from ps's table.
func linesOf(table string, pids []int) (string, error) {
	heading, rest, _ := strings.Cut(table, "\n")
	column := slices.Index(strings.Fields(heading), "PID")
	if column < 0 {
		return "", errors.New("couldn't find PID field in ps output")
	}
	var b strings.Builder
	b.WriteString(heading + "\n")
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return "", fmt.Errorf("unable to parse pid: %w", err)
		}
		if slices.Contains(pids, pid) {
			b.WriteString(line)
		}
	}
	return b.String(), nil
}
