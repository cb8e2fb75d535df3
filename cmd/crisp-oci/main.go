// SPDX-License-Identifier: Apache-2.0

// The Go runtime would keep files of its cgroup open and look at them again and again. They change nothing for a program of one thread.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command crisp-oci runs containers from OCI bundles. It takes runc's place on the command line of containerd, CRI-O, podman, docker
// and buildah: the same commands, flags, exit codes and words.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"crisp/oci/operation"

	"golang.org/x/sys/unix"
)

// Set by the Makefile.
var (
	version = "unknown"
	commit  = ""
)

func main() {
	growStack()
	os.Exit(run(os.Args[1:]))
}

// growStack has this goroutine's stack grow to the size that commands want while there is next to nothing on it. To move a stack the Go
// runtime looks up tables of each function that is on it: later, several times, that made a sixth of the memory of `run`.
//
//go:noinline
func growStack() byte {
	var room [20 << 10]byte
	return room[len(os.Args)]
}

// run returns the exit code.
func run(args []string) int {
	closeInherited()
	g, args, err := parseGlobal(args)
	if err != nil {
		return usageError(os.Stdout, err, printHelp)
	}
	switch {
	case g.version:
		printVersion(os.Stdout)
		return 0
	case g.help || len(args) == 0:
		printHelp(os.Stdout)
		return 0
	}
	if err := g.setUp(); err != nil {
		return g.fail(err)
	}
	name, args := args[0], args[1:]
	c := find(name)
	if c == nil {
		fmt.Fprintf(os.Stderr, "No help topic for '%s'\n", name) // urfave's words
		return exitNoCommand
	}
	return g.command(c, args)
}

// closeInherited keeps what the caller left open from the hooks, which are executed by this process (CVE-2024-21626). What
// --preserve-fds names still reaches the container: it is passed on by message.
func closeInherited() {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd") // before Linux 5.11
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// Exit codes. Those of run and exec are their processes', when there was one.
const (
	exitFailure    = 1
	exitNoCommand  = 3
	exitExecFailed = 255
)

// global is what stands before the command.
type global struct {
	debug, systemd, version, help  bool
	log, logFormat, root, rootless string

	rootGiven bool
	logger    *logger
}

// parseGlobal reads the global flags; what is left begins with the command.
func parseGlobal(args []string) (*global, []string, error) {
	g := &global{logger: newLogger(os.Stderr)}
	o := g.options()
	rest, set, err := o.parse(args, true)
	if errors.Is(err, errHelp) {
		g.help, err = true, nil
	}
	g.rootGiven = set["root"]
	return g, rest, err
}

func (g *global) options() *options {
	o := newOptions()
	o.bool(&g.debug, "debug", "enable debug logging")
	o.string(&g.log, "log", "", "set the log file to write crisp-oci logs to (default is '/dev/stderr')")
	o.string(&g.logFormat, "log-format", "text", "set the log format ('text' (default), or 'json')")
	o.string(&g.root, "root", defaultRoot(), "root directory for storage of container state (this should be located in tmpfs)")
	o.bool(&g.systemd, "systemd-cgroup", "enable systemd cgroup support, expects cgroupsPath to be of form \"slice:prefix:name\" for e.g. \"system.slice:crisp:434234\"")
	o.string(&g.rootless, "rootless", "auto", "ignore cgroup permission errors ('true', 'false', or 'auto')")
	var criu string
	o.string(&criu, "criu", "", "(ignored; criu is searched for in $PATH)")
	o.bool(&g.version, "version, v", "print the version")
	return o
}

// setUp makes the flags effective.
func (g *global) setUp() error {
	if err := g.setLog(); err != nil {
		return err
	}
	if _, err := parseRootless(g.rootless); err != nil {
		return fmt.Errorf("invalid --rootless: %w", err)
	}
	if !g.rootGiven {
		return g.makeUserRoot()
	}
	root, err := filepath.Abs(g.root)
	if err != nil {
		return err
	}
	if root == "/" { // "", "." and "../.." may come to this
		//lint:ignore ST1005 runc's words, which engines look for
		return errors.New("Option --root argument should not be set to /")
	}
	g.root = root
	return nil
}

func (g *global) setLog() error {
	if g.debug {
		g.logger.level = levelDebug
	}
	switch g.logFormat {
	case "", "text":
	case "json":
		g.logger.json = true
	default:
		return errors.New("invalid log-format: " + g.logFormat)
	}
	if g.log == "" {
		return nil
	}
	f, err := os.OpenFile(g.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o644)
	if err != nil {
		return err
	}
	g.logger.out, g.logger.file = f, true
	return nil
}

// fail says what is wrong, to the log and to a person.
func (g *global) fail(err error) int { return g.failWith(err, exitFailure) }

func (g *global) failWith(err error, code int) int {
	g.logger.error(err.Error())
	if g.logger.file {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// runtime makes what carries the commands out.
func (g *global) runtime() *operation.Runtime {
	return operation.New(operation.Config{
		Root: g.root, RootGiven: g.rootGiven, Systemd: g.systemd, Log: g.logger.slog(), IgnoreCgroups: g.ignoreCgroups,
	})
}

// standBy is runtime for a command that will make a process.
func (c *call) standBy() (*operation.Runtime, error) {
	r := c.global.runtime()
	return r, r.StandBy()
}

// command runs one command.
func (g *global) command(c *command, args []string) int {
	o := newOptions()
	action := c.options(o)
	rest, set, err := o.parse(args, c.ordered)
	switch {
	case errors.Is(err, errHelp):
		printCommandHelp(os.Stdout, c)
		return 0
	case err != nil:
		return usageError(os.Stdout, err, func(w io.Writer) { printCommandHelp(w, c) })
	}
	if err := c.checkArgs(rest); err != nil {
		fmt.Fprint(os.Stdout, "Incorrect Usage.\n\n")
		printCommandHelp(os.Stdout, c)
		return g.fail(err)
	}
	if g.debug { // arguments may hold secrets
		g.logger.slog().Debug("crisp-oci "+version+": "+c.name, "root", g.root)
	}
	code, err := action(&call{ctx: context.Background(), global: g, args: rest, set: set})
	if err == nil {
		return code
	}
	if c.failure != 0 {
		return g.failWith(err, c.failure)
	}
	return g.fail(err)
}

// call is one command with its arguments.
type call struct {
	ctx    context.Context
	global *global
	args   []string
	set    map[string]bool // the flags that were given, by their first names
}

func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}
