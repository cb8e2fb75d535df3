// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// tree is a copy of the repository. The test program is one for all.
type tree struct{ dir, test, engine string }

// copyTrees makes copies of the repository, with the C program in each, for proofs at the same time.
func copyTrees(ctx context.Context, root, dir string, n int) ([]*tree, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var trees []*tree
	for i := range n {
		base := filepath.Join(dir, fmt.Sprint(i))
		t := &tree{dir: filepath.Join(base, "tree"), engine: filepath.Join(base, "crisp-oci"), test: filepath.Join(dir, "security.test")}
		for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
			if err := copyFile(filepath.Join(root, name), filepath.Join(t.dir, name)); err != nil {
				return nil, err
			}
		}
		if err := t.makeConmon(ctx); err != nil {
			return nil, err
		}
		trees = append(trees, t)
	}
	return trees, nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) { // deleted, and not committed yet
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

func (t *tree) command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = t.dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (t *tree) must(ctx context.Context, name string, args ...string) error {
	if out, err := t.command(ctx, name, args...); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func (t *tree) makeConmon(ctx context.Context) error {
	return t.must(ctx, "make", "-s", "-C", "conmon", "bin/crisp-conmon")
}

// buildTest builds the test program once, from the tree as it is.
func (t *tree) buildTest(ctx context.Context) error {
	return t.must(ctx, "go", "test", "-c", "-o", t.test, "./test/security")
}

// build makes the engine.
func (t *tree) build(ctx context.Context) error {
	if err := t.makeConmon(ctx); err != nil {
		return err
	}
	return t.must(ctx, "go", "build", "-o", t.engine, "./cmd/crisp-oci")
}

// apply writes the weakened files; what it returns takes that back.
func (t *tree) apply(w *weakening) (undo func() error, err error) {
	whole := map[string]string{}
	undo = func() error {
		var errs []error
		for path, text := range whole {
			errs = append(errs, os.WriteFile(path, []byte(text), 0o644))
		}
		return errors.Join(errs...)
	}
	for _, h := range w.hunks {
		path := filepath.Join(t.dir, h.file)
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, errors.Join(err, undo())
		}
		if _, again := whole[path]; !again {
			whole[path] = string(data)
		}
		text, err := h.apply(string(data))
		if err != nil {
			return nil, errors.Join(err, undo())
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, errors.Join(err, undo())
		}
	}
	return undo, nil
}

// try builds what the test needs and runs it.
func (t *tree) try(ctx context.Context, w *weakening) (string, error) {
	if w.pkg != "./test/security" {
		if err := t.makeConmon(ctx); err != nil {
			return "", err
		}
		out, _ := t.command(ctx, "go", "test", "-count=1", "-v", "-timeout=5m", "-run=^"+w.test+"$", w.pkg)
		return out, nil
	}
	if err := t.build(ctx); err != nil {
		return "", err
	}
	return t.attack(ctx, "^"+w.test+"$"), nil
}

// attack runs tests of package security against the engine that was built last.
func (t *tree) attack(ctx context.Context, pattern string) string {
	cmd := exec.CommandContext(ctx, t.test, "-test.v", "-test.count=1", "-test.timeout=5m", "-test.run="+pattern)
	cmd.Dir = filepath.Join(t.dir, "test/security")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SECURITY_RUNTIME="+t.engine)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

var verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\w+)`)

// passing runs every test that a weakening is about against the tree as it is, and tells how each ended.
func (t *tree) passing(ctx context.Context, all []weakening) (map[string]string, error) {
	tests := map[string][]string{}
	for _, w := range all {
		if !slices.Contains(tests[w.pkg], w.test) {
			tests[w.pkg] = append(tests[w.pkg], w.test)
		}
	}
	results := map[string]string{}
	for pkg, names := range tests {
		for _, n := range names {
			results[n] = "not run"
		}
		out, err := t.try(ctx, &weakening{pkg: pkg, test: "(" + strings.Join(names, "|") + ")"})
		if err != nil {
			return nil, err
		}
		for _, m := range verdict.FindAllStringSubmatch(out, -1) {
			if results[m[2]] = m[1]; m[1] != "PASS" {
				fmt.Printf("%s %s as it is:\n%s\n", m[2], m[1], section(out, m[2]))
				results[m[2]] += ": " + tail(section(out, m[2]))
			}
		}
	}
	return results, nil
}

// section is what one test said.
func section(out, test string) string {
	_, after, _ := strings.Cut(out, "=== RUN   "+test+"\n")
	if i := strings.Index(after, "\n=== RUN   Test"); i >= 0 && !strings.HasPrefix(after[i:], "\n=== RUN   "+test+"/") {
		return after[:i]
	}
	return after
}
