// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"crisp/oci/operation"
)

const formatUsage = "select one of: table or json"

func listCommand() command {
	return command{
		name: "list", summary: "lists containers started by crisp-oci with the given root",
		args: "\n\nWhere the given root is specified via the global option \"--root\".",
		options: func(o *options) action {
			var format string
			var quiet bool
			o.string(&format, "format, f", "table", formatUsage)
			o.bool(&quiet, "quiet, q", "display only container IDs")
			return simple(func(c *call) error {
				all, err := c.global.runtime().List(func(id string, err error) {
					fmt.Fprintf(os.Stderr, "load container %s: %v\n", id, err)
				})
				if err != nil {
					return err
				}
				return printStates(all, format, quiet)
			})
		},
	}
}

func printStates(all []operation.State, format string, quiet bool) error {
	switch {
	case quiet:
		for i := range all {
			fmt.Println(all[i].ID)
		}
		return nil
	case format == "json":
		return json.NewEncoder(os.Stdout).Encode(all)
	case format != "table":
		return errors.New("invalid format option")
	}
	w := tabwriter.NewWriter(os.Stdout, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.Pid, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return w.Flush()
}
