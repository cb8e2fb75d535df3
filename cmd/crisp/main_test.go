// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crisp/server/config"
)

func TestHelpListsEveryCommand(t *testing.T) {
	var out bytes.Buffer
	if err := printHelp(nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		if !strings.Contains(out.String(), c.summary) {
			t.Errorf("%s is missing in\n%s", c.name, out.String())
		}
	}
}

func TestExitCodes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.toml")
	for _, test := range []struct {
		args []string
		want int
	}{
		{nil, 0},
		{[]string{"--help"}, 0},
		{[]string{"version", "--json"}, 0},
		{[]string{"serve", "-h"}, 0},
		{[]string{"serv"}, 2},
		{[]string{"version", "extra"}, 2},
		{[]string{"config", "--no-such-flag"}, 2},
		{[]string{"config", "--config", missing}, 1},
	} {
		if got := run(test.args); got != test.want {
			t.Errorf("crisp %s: exit code %d, want %d", strings.Join(test.args, " "), got, test.want)
		}
	}
}

func TestVersionAsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printVersion([]string{"--json"}, &out); err != nil {
		t.Fatal(err)
	}
	var b build
	if err := json.Unmarshal(out.Bytes(), &b); err != nil || b.Version != version || b.GoVersion == "" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestPrintedConfigurationHasFlagsAndReadsBack(t *testing.T) {
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "empty.toml") // the machine's own does not count
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := printConfig([]string{"--config", path, "--state", "/run/two", "--log-level", "debug"}, &out); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	if err := c.Merge(path, out.Bytes()); err != nil {
		t.Fatal(err)
	}
	if c.State != "/run/two" || c.Server.Listen != "/run/two/crisp.sock" || c.Log.Level != "debug" {
		t.Errorf("%+v", c)
	}
}

func TestHelpFlagIsNoError(t *testing.T) {
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	fs.SetOutput(&bytes.Buffer{})
	if err := parse(fs, []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("%v", err)
	}
}
