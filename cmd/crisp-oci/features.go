// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"

	"crisp/oci"
)

func featuresCommand() command {
	return command{
		name: "features", summary: "show the enabled features",
		about: "Show the enabled features as JSON (runtime-spec features.md). They depend on this program, and hardly on the host.",
		options: none(func(c *call) error {
			f := oci.Features()
			f.Annotations = map[string]string{"io.crisp.version": version, "io.crisp.commit": commit}
			e := json.NewEncoder(os.Stdout)
			e.SetIndent("", "    ")
			return e.Encode(f)
		}),
	}
}
