// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"crisp/oci/cgroup"
	"crisp/oci/checkpoint/criu"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Container is what is to be known of one.
type Container struct {
	ID     string
	Spec   *specs.Spec
	Bundle string
	Rootfs string // absolute
	Cgroup *cgroup.Cgroup
	Pid    int // of its first process, for a dump
	Log    *slog.Logger
}

// Options are criu's, by the names of runc's flags.
type Options struct {
	Program string // of criu; "": the one in $PATH
	Images  string // made when it is missing
	Work    string // where logs go; "": as Images
	Parent  string // the images of an earlier pre-dump, relative to Images; "": none

	LeaveRunning, PreDump                                bool
	TCPEstablished, TCPSkipInFlight, ExtUnixSk           bool
	ShellJob, FileLocks, LinkRemap, AutoDedup, LazyPages bool

	PageServer      string   // ADDRESS:PORT that memory is sent to
	StatusFile      *os.File // gets a zero byte when the server of lazy pages can be asked; nil: nobody asks
	CgroupMode      string   // soft, full, strict, ignore
	LSMProfile      string   // TYPE:NAME
	LSMMountContext string

	Stdin, Stdout, Stderr *os.File // of a restored container without a terminal
}

// newestIsOld is the version of criu that all is known to work from: external PID namespaces (3.15), and the freezer of v2 (3.14).
const oldest = 31500

// verbosity is criu's: lots of debug. Only what is wrong is shown; the rest is in the log.
const verbosity = 4

// lsmVersion is that from which on criu gives restored processes another profile.
const lsmVersion = 31600

// program finds criu.
func (o *Options) program() (string, error) {
	if o.Program != "" {
		return o.Program, nil
	}
	path, err := exec.LookPath("criu")
	if err != nil {
		return "", ErrNoProgram
	}
	return path, nil
}

// a session is criu's program, asked for its version.
type session struct {
	program string
	version int
}

// open finds a criu that can do what is asked for.
func (o *Options) open(ctx context.Context) (*session, error) {
	program, err := o.program()
	if err != nil {
		return nil, err
	}
	s := &session{program: program}
	r, err := s.ask(ctx, criu.Request{Type: criu.Version})
	if err != nil {
		return nil, fmt.Errorf("CRIU version check failed: %w", err)
	}
	if s.version = r.Version; s.version < oldest {
		return nil, fmt.Errorf("%w: version %d, %d or later is needed", ErrOld, s.version, oldest)
	}
	if (o.LSMProfile != "" || o.LSMMountContext != "") && s.version < lsmVersion {
		return nil, fmt.Errorf("%w: version %d, and another LSM profile needs %d", ErrOld, s.version, lsmVersion)
	}
	return s, nil
}

// ask has a criu of its own answer a request.
func (s *session) ask(ctx context.Context, q criu.Request) (criu.Response, error) {
	p, err := criu.Start(criu.Command{Program: s.program})
	if err != nil {
		return criu.Response{}, err
	}
	r, err := p.Do(ctx, q, nil)
	_ = p.Wait() // it may be waiting for more
	return r, err
}

// check makes sure of features.
func (s *session) check(ctx context.Context, f criu.Features) error {
	if f == (criu.Features{}) {
		return nil
	}
	r, err := s.ask(ctx, criu.Request{Type: criu.FeatureCheck, Features: f})
	if err != nil {
		return fmt.Errorf("CRIU feature check failed: %w", err)
	}
	switch {
	case f.MemTrack && !r.Features.MemTrack:
		return fmt.Errorf("%w: MemTrack", ErrFeature)
	case f.LazyPages && !r.Features.LazyPages:
		return fmt.Errorf("%w: LazyPages", ErrFeature)
	}
	return nil
}

// common are the options of dumps and restores.
func (o *Options) common(c *Container) (*criu.Options, error) {
	mode, err := criu.ParseCgroupMode(o.CgroupMode)
	if err != nil {
		return nil, err
	}
	q := &criu.Options{
		LogLevel: verbosity, CgroupMode: mode, OrphanPtsMaster: true, EmptyNamespace: unix.CLONE_NEWNET, ConfigFile: c.configFile(),
		ExtUnixSk: o.ExtUnixSk, TCPEstablished: o.TCPEstablished, ShellJob: o.ShellJob, FileLocks: o.FileLocks, AutoDedup: o.AutoDedup,
		LazyPages: o.LazyPages, LSMProfile: o.LSMProfile, LSMMountContext: o.LSMMountContext,
	}
	if o.PageServer == "" {
		return q, nil
	}
	host, port, ok := cutLast(o.PageServer, ":") // by hand: package net would cost every command
	if host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); !ok || host == "" || port == "" {
		//lint:ignore ST1005 runc's words
		return nil, errors.New("Use --page-server ADDRESS:PORT to specify page server")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		//lint:ignore ST1005 runc's words
		return nil, errors.New("Invalid port number")
	}
	q.PageServerAddress, q.PageServerPort = host, int(n)
	return q, nil
}

func cutLast(s, separator string) (before, after string, ok bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// Annotations and files of settings for criu, which overrule what it is told here.
const (
	configAnnotation  = "org.criu.config"
	defaultConfigFile = "/etc/criu/runc.conf"
)

// configFile is a file of further settings: the annotation's, none when that is empty, else runc's.
func (c *Container) configFile() string {
	if file, ok := c.Spec.Annotations[configAnnotation]; ok {
		return file
	}
	return defaultConfigFile
}
