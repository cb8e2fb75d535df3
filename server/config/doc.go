// SPDX-License-Identifier: Apache-2.0

// Package config reads crisp's configuration: TOML files over defaults, flags over both.
//
//	defaults  <  /etc/crisp/crisp.toml  <  /etc/crisp/crisp.d/*.toml in lexical order  <  flags
//
// Every key has a default, so no file is needed. A later file replaces single keys, never whole tables; an array is
// replaced as a whole. A key that crisp does not know is an error that names its file, line and column, because a
// misspelt key that is ignored shows weeks later as a limit that was never there:
//
//	/etc/crisp/crisp.d/50-site.toml:3:1: server.stream_adress: unknown key
//
// The worked example is what "crisp serve" does:
//
//	var flags config.Flags
//	flags.Register(flagSet)
//	flagSet.Parse(args)
//	c, err := flags.Load()
//
// The effective configuration of a Config is its Encode: "crisp config" prints it, and it reads back to the same value.
package config
