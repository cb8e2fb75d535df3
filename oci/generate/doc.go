// SPDX-License-Identifier: Apache-2.0

// Package generate writes config.json files for people who have none yet.
//
// # Terms
//
//   - The default is what `runc spec` writes, of runtime-spec 1.3: a shell with a terminal, three capabilities and a read-only root.
//   - A setting is one change of it, with a name, a text for the help and a function that applies a value.
//
// Settings are applied in the order in which they are given: "--cap-drop ALL --cap-add CAP_KILL" leaves one capability. Where
// oci-runtime-tool has a name of its own for the same, it is another name here.
//
// # Worked example
//
//	s := generate.Default(unified)
//	err := generate.Apply(s, []generate.Given{{"args", "/bin/app"}, {"memory", "64m"}, {"mounts", "/srv:/data:bind:rbind,ro"}})
//
// makes of process.args ["/bin/app"], of linux.resources.memory.limit 67108864, and adds to mounts
// {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]}.
//
//	default.go                                  the default, and what makes it one for users other than root
//	settings.go                                 the table, and how it is applied
//	process.go mounts.go linux.go limits.go security.go hooks.go    the settings
package generate
