// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"crisp/test/images"
)

// ErrNoRepository means that the working directory is not inside crisp's repository.
var ErrNoRepository = errors.New("no directory above this one holds crisp's go.mod and test/tools: run it inside the repository")

// Root is the repository that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "test", "tools", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", ErrNoRepository
		}
	}
}

// Crisp is the daemon's binary: $CRISP, or bin/crisp, which `make build` makes.
func Crisp() (string, error) {
	if path := os.Getenv("CRISP"); path != "" {
		return filepath.Abs(path)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "crisp")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("crisp's binary: %w (run `make build`, or set CRISP)", err)
	}
	return path, nil
}

// Crictl is built from the cri-tools module.
func Crictl(ctx context.Context) (string, error) {
	return tool(ctx, "crictl", "build", "sigs.k8s.io/cri-tools/cmd/crictl")
}

// Critest is a test binary: `go tool` cannot build it, `go test -c` can.
func Critest(ctx context.Context) (string, error) {
	return tool(ctx, "critest", "test", "-c", "sigs.k8s.io/cri-tools/cmd/critest")
}

// Staticcheck is the linter.
func Staticcheck(ctx context.Context) (string, error) {
	return tool(ctx, "staticcheck", "build", "honnef.co/go/tools/cmd/staticcheck")
}

// ImagePrograms are what the test images are made of.
func ImagePrograms(ctx context.Context) (images.Programs, error) {
	busybox, err := Busybox(ctx)
	if err != nil {
		return images.Programs{}, err
	}
	actor, err := actor(ctx)
	return images.Programs{Busybox: busybox, Actor: actor}, err
}

// tool runs `go VERB … PACKAGE` in the tools module.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", "tools")
	sum, err := hash(filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	return program{dir: dir, args: args}.make(ctx, filepath.Join(root, "test", ".cache", name+"-"+sum))
}

func actor(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(root, "test", "images", "actor", "*.go"))
	if err != nil {
		return "", err
	}
	sum, err := hash(sources...)
	if err != nil {
		return "", err
	}
	p := program{dir: root, args: []string{"build", "./test/images/actor"}}
	return p.make(ctx, filepath.Join(root, "test", ".cache", "actor-"+sum))
}

// program is something that the go command makes.
type program struct {
	dir  string
	args []string // verb, flags, package
}

func (p program) make(ctx context.Context, path string) (string, error) {
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	part := fmt.Sprintf("%s.%d", path, os.Getpid())
	verb, rest := p.args[0], p.args[1:]
	args := append([]string{verb, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", part}, rest...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", p.args, err, out)
	}
	return path, os.Rename(part, path)
}

// hash of files and of the Go version, short enough for a name.
func hash(files ...string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version())
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, filepath.Base(f), len(data))
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), nil
}
