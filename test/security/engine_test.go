// SPDX-License-Identifier: Apache-2.0

package security

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"crisp/test/build"
	"crisp/test/isolate"
)

// engineVar names the command line of another runtime than the one that is built: "runc", "/usr/bin/crun".
const engineVar = "SECURITY_RUNTIME"

// engine is the runtime under test.
type engine struct {
	words []string // its command line
	ours  bool     // it is crisp-oci
}

// tools is where the programs are built.
var tools string

var (
	theEngine   = sync.OnceValues(makeEngine)
	theAttacker = sync.OnceValues(func() (string, error) { return compile("attacker", "./test/security/internal/attacker") })
)

func makeEngine() (engine, error) {
	words := strings.Fields(os.Getenv(engineVar))
	if len(words) == 0 {
		path, err := compile("crisp-oci", "./cmd/crisp-oci")
		return engine{[]string{path}, true}, err
	}
	if strings.HasSuffix(words[0], "crun") {
		if err := isolate.HideUnified(); err != nil {
			return engine{}, err
		}
	}
	path, err := exec.LookPath(words[0])
	words[0] = path
	return engine{words, strings.Contains(filepath.Base(path), "crisp")}, err
}

// compile builds a program of this tree.
func compile(name, pkg string) (string, error) {
	root, err := build.Root()
	if err != nil {
		return "", err
	}
	if tools == "" {
		if tools, err = os.MkdirTemp("", "crisp-security"); err != nil {
			return "", err
		}
	}
	path := filepath.Join(tools, name)
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// name is what a test says of the engine.
func (e engine) name() string { return filepath.Base(e.words[0]) }

// oursOnly skips what is no promise of other runtimes.
func (b *bench) oursOnly(why string) {
	b.Helper()
	if !b.engine.ours {
		b.Skipf("%s: %s", b.engine.name(), why)
	}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
}
