// SPDX-License-Identifier: Apache-2.0

// Command check prints what crisp left on this machine between two moments.
//
//	go run ./test/leak/check -dirs /run/crisp,/var/lib/crisp/pods snapshot > before.json
//	go run ./test/leak/check -dirs /run/crisp,/var/lib/crisp/pods diff before.json     exit 1 when something is left
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"crisp/test/leak"
)

func main() {
	dirs := flag.String("dirs", "", "directories whose files count, separated by commas")
	daemon := flag.Int("daemon", 0, "pid of a daemon whose open files count")
	wait := flag.Duration("wait", 5*time.Second, "how long things may still disappear")
	flag.Parse()
	scope := leak.Scope{Daemon: *daemon}
	if *dirs != "" {
		scope.Dirs = strings.Split(*dirs, ",")
	}
	var err error
	switch {
	case flag.NArg() == 1 && flag.Arg(0) == "snapshot":
		err = snapshot(scope)
	case flag.NArg() == 2 && flag.Arg(0) == "diff":
		err = diff(scope, flag.Arg(1), *wait)
	default:
		err = fmt.Errorf("usage: check [flags] snapshot | diff FILE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func snapshot(scope leak.Scope) error {
	s, err := leak.Take(scope)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func diff(scope leak.Scope, file string, wait time.Duration) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var before leak.Snapshot
	if err := json.Unmarshal(data, &before); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	left, err := leak.Wait(ctx, scope, before)
	if err != nil || len(left) == 0 {
		return err
	}
	return fmt.Errorf("left behind:\n%s", strings.Join(left, "\n"))
}
