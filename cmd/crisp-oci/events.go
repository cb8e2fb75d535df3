// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"crisp/oci/events"
	"crisp/oci/operation"
)

func eventsCommand() command {
	return command{
		name: "events", summary: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
		args: aboutID, least: 1, most: 1,
		about: "The events command displays information about the container. By default the\n   information is displayed once every 5 seconds.",
		options: func(o *options) action {
			interval := "5s"
			var once bool
			o.string(&interval, "interval", interval, "set the stats collection interval")
			o.bool(&once, "stats", "display the container's stats then exit")
			return simple(func(c *call) error {
				d, err := time.ParseDuration(interval)
				if err != nil {
					return fmt.Errorf("invalid --interval: %w", err)
				}
				out := json.NewEncoder(os.Stdout)
				return c.global.runtime().Events(c.ctx, c.args[0], operation.EventsRequest{
					Interval: d, Once: once, Tell: func(e *events.Event) error { return out.Encode(e) },
				})
			})
		},
	}
}
