// SPDX-License-Identifier: Apache-2.0

// Package lane is what the lanes share: an isolated place (package isolate), a registry with the test images on
// 127.0.0.1, scratch directories, and daemons of crisp in them.
package lane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"crisp/test/build"
	"crisp/test/daemon"
	"crisp/test/images"
	"crisp/test/isolate"
	"crisp/test/leak"
)

// Lane is a registry and a scratch directory.
type Lane struct {
	Dir      string
	Registry string // HOST:PORT
	Crisp    string // the binary
	server   *http.Server
}

// Tool makes a program of package build, or finds it made.
type Tool func(context.Context) (string, error)

// Run calls inner inside new namespaces with an open lane and returns the exit code. Before that, with the machine's network still
// there, it makes what the images need and the tools.
func Run(ctx context.Context, inner func(*Lane) int, tools ...Tool) int {
	prepare := func() error {
		if _, err := build.Crisp(); err != nil {
			return err
		}
		for _, tool := range tools {
			if _, err := tool(ctx); err != nil {
				return err
			}
		}
		_, err := build.ImagePrograms(ctx)
		return err
	}
	return isolate.Run(prepare, func() int {
		l, err := open(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := inner(l)
		if err := l.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(code, 1)
		}
		return code
	})
}

func open(ctx context.Context) (*Lane, error) {
	crisp, err := build.Crisp()
	if err != nil {
		return nil, err
	}
	programs, err := build.ImagePrograms(ctx)
	if err != nil {
		return nil, err
	}
	registry, err := images.Catalogue(programs)
	if err != nil {
		return nil, err
	}
	// Short: the paths of sockets below it must fit into 107 bytes.
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l := &Lane{Dir: dir, Registry: listener.Addr().String(), Crisp: crisp, server: &http.Server{Handler: registry}}
	l.server.SetKeepAlivesEnabled(false) // a daemon's idle connections would look like leaks
	go l.server.Serve(listener)          //nolint:errcheck // ends by Close
	return l, nil
}

func (l *Lane) close() error { return errors.Join(l.server.Close(), os.RemoveAll(l.Dir)) }

// NewDir makes a directory for one daemon.
func (l *Lane) NewDir() (string, error) { return os.MkdirTemp(l.Dir, "") }

// Start starts a daemon in dir.
func (l *Lane) Start(ctx context.Context, dir string, args ...string) (*daemon.Daemon, error) {
	return daemon.Start(ctx, daemon.Config{Binary: l.Crisp, Dir: dir, Registry: l.Registry, Args: args})
}

// Scope is where a daemon in dir may leave something. What outlives every pod by design is not in it: the images, the
// embedded network's bridge and tables, empty directories of the state.
func (l *Lane) Scope(dir string) leak.Scope {
	cgroup := daemon.CgroupParent(dir)
	return leak.Scope{
		Ancestor: isolate.Outer(),
		Cgroup:   cgroup,
		Dirs:     []string{filepath.Join(dir, "root", "pods"), filepath.Join(dir, "s")},
		Ignore: func(kind, name string) bool {
			switch kind {
			case "link":
				return name == "crisp0"
			case "nftable":
				return name == "inet crisp-crisp0"
			case "fd": // the daemon keeps the device filters of cgroup v2, one for each list of rules that it has met
				return name == "anon_inode:bpf-prog"
			case "cgroup":
				return filepath.Base(name) == filepath.Base(cgroup)
			}
			return false
		},
	}
}

// leakPatience is how long the kernel and the daemon may take to clear up behind the last call.
const leakPatience = 5 * time.Second

// Leaks is what is left in the scope since before, when the patience is over.
func Leaks(ctx context.Context, scope leak.Scope, before leak.Snapshot) error {
	ctx, cancel := context.WithTimeout(ctx, leakPatience)
	defer cancel()
	left, err := leak.Wait(ctx, scope, before)
	if err != nil {
		return err
	}
	var errs []error
	for _, line := range left {
		errs = append(errs, errors.New("left behind: "+line))
	}
	return errors.Join(errs...)
}

// Clear removes what a daemon in dir leaves by design when it is gone for good, its cgroup parent and the directory, and what a
// failed test left in them.
func (l *Lane) Clear(dir string) error {
	return errors.Join(RemoveCgroups(daemon.CgroupParent(dir)), UnmountBelow(dir), os.RemoveAll(dir))
}
