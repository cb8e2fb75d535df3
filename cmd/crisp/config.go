// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"io"

	"crisp/server/config"
)

func printConfig(args []string, out io.Writer) error {
	var flags config.Flags
	fs := flag.NewFlagSet("crisp config", flag.ContinueOnError)
	flags.Register(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	c, err := flags.Load()
	if err != nil {
		return err
	}
	text, err := c.Encode()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
