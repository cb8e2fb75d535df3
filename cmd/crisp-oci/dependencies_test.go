// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// linked is what crisp-oci may link beside packages of this module and internal ones of the standard library. Each start of the program pays
// for what a package does at its start, and for each part of the program that this touches 64 KiB of memory. Whoever adds one says here
// what it is for.
var linked = map[string]string{
	// Everywhere, or next to nothing.
	"bufio": "", "bytes": "", "cmp": "", "context": "", "embed": "", "encoding": "", "errors": "", "hash": "", "io": "", "io/fs": "", "iter": "", "maps": "",
	"math": "", "math/bits": "", "math/rand/v2": "", "os": "", "path": "", "path/filepath": "", "runtime": "", "runtime/debug": "", "slices": "",
	"sort": "", "strconv": "", "strings": "", "sync": "", "sync/atomic": "", "syscall": "", "time": "", "unicode": "", "unicode/utf16": "",
	"unicode/utf8": "", "unsafe": "",
	// Linked, and as a rule not called by the commands of a container's life.
	"fmt": "errors", "reflect": "of fmt and encoding/json", "encoding/json": "config.json that is unusual, output of state and others",
	"encoding/base64": "of encoding/json", "encoding/binary": "programs and plans",
	"log/slog": "the log", "log": "of log/slog", "log/internal": "of log/slog", "log/slog/internal": "of log/slog", "os/exec": "ps and criu", "text/tabwriter": "list",

	"golang.org/x/sys/unix":                                    "system calls",
	"github.com/opencontainers/runtime-spec/specs-go":          "config.json",
	"github.com/opencontainers/runtime-spec/specs-go/features": "features",
	"github.com/moby/sys/mountinfo":                            "cgroup v1",
	"github.com/moby/sys/capability":                           "names of capabilities",
	"github.com/moby/sys/userns":                               "whether this is the host's user namespace",
	"github.com/moby/profiles/seccomp":                         "spec --seccomp default",
}

func TestLinkedPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		first, _, _ := strings.Cut(name, "/")
		if first == "crisp" || first == "internal" || first == "vendor" || strings.Contains(name, "/internal/") && !strings.Contains(first, ".") {
			continue
		}
		if _, ok := linked[name]; !ok {
			t.Errorf("%s is linked, and not among what may be", name)
		}
	}
}

// TestNothingIsDoneAtStart: packages of this module make no maps and the like when the program starts. What is wanted seldom is made
// when it is wanted; see table in package oci.
func TestNothingIsDoneAtStart(t *testing.T) {
	const most = 256 // bytes that a package may allocate
	program := filepath.Join(t.TempDir(), "crisp-oci")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := exec.Command(program, "--version")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := c.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for s := bufio.NewScanner(bytes.NewReader(trace)); s.Scan(); {
		// init crisp/oci @2.6 ms, 0.023 ms clock, 12288 bytes, 46 allocs
		f := strings.Fields(s.Text())
		i := slices.Index(f, "bytes,")
		if len(f) < 2 || f[0] != "init" || i < 1 {
			continue
		}
		seen++
		n, err := strconv.Atoi(f[i-1])
		if err != nil || strings.HasPrefix(f[1], "crisp/") && n > most {
			t.Errorf("%s (%v)", s.Text(), err)
		}
	}
	if seen == 0 {
		t.Errorf("no trace: %s", trace)
	}
}
