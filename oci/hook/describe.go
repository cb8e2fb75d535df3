// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// when says when the hooks of a kind run, and where.
func (k Kind) when() string {
	switch k {
	case Prestart, CreateRuntime:
		return "on the host, when the mounts are there and before the root file system is entered"
	case CreateContainer:
		return "in the container's namespaces, then too"
	case StartContainer:
		return "in the container, as its process, before that is executed"
	case Poststart:
		return "on the host, when the process has been executed"
	}
	return "on the host, when the container has been deleted"
}

// Describe tells a person, in the order of their calls, which programs run as hooks; "" when there are none.
func Describe(h *specs.Hooks) string {
	var b strings.Builder
	for _, k := range Kinds {
		for i, q := range Of(h, k).Hooks {
			if i == 0 {
				fmt.Fprintf(&b, "%s hooks, %s\n", k, k.when())
			}
			fmt.Fprintf(&b, "  %q argv=%q", q.Path, Args(&q))
			if q.Timeout != nil {
				fmt.Fprintf(&b, " timeout=%ds", *q.Timeout)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}
