// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crisp/test/build"
)

//go:embed guest/boot.sh
var bootScript string

//go:embed guest/job.sh
var jobScript string

// A Machine is what it takes to run jobs, each in a virtual machine of its own.
type Machine struct {
	kernel  kernel
	scratch string // an ext4 image that is never written: each guest has a copy on write
	accel   string // "kvm" or "tcg"
}

// A Job is a command for a guest.
type Job struct {
	Args     []string
	Dir      string        // "" is this process's
	Env      []string      // in addition to this process's
	Writable []string      // directories of the host that the guest may write
	Drive    string        // what QEMU takes for a disk's file: the guest's /dev/vdb; "" for none
	Systemd  bool          // boot systemd, and run the command as its service
	Kernel   string        // more arguments for the kernel: "security=selinux selinux=1"
	MemoryMB int           // 0: 2048
	CPUs     int           // 0: 2
	Timeout  time.Duration // 0: 10 minutes
	Stdout   io.Writer
	Stderr   io.Writer
}

// ErrTimeout means that the command had not ended in time.
var ErrTimeout = errors.New("the virtual machine's time is over")

// New is NewOf with the newest kernel there is.
func New(ctx context.Context) (*Machine, error) { return NewOf(ctx, "") }

// NewOf installs and fetches what is missing, which takes a minute the first time. Its error wraps ErrUnavailable where this host cannot
// have virtual machines. A kernel is "", or "5.10": Debian 11's, the oldest that crisp is for.
func NewOf(ctx context.Context, kernel string) (*Machine, error) {
	if err := install(ctx); err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	m := &Machine{scratch: filepath.Join(cache, "scratch.ext4")}
	if m.kernel, err = prepareKernel(ctx, cache, kernel); err != nil {
		return nil, err
	}
	if err := makeScratch(ctx, m.scratch); err != nil {
		return nil, err
	}
	m.accel, err = m.accelerator(ctx, cache)
	return m, err
}

func cacheDir() (string, error) {
	root, err := build.Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "test", ".cache", "vm")
	return dir, os.MkdirAll(dir, 0o755)
}

// lock waits for other processes that prepare the same.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

// scratchSize of the sparse image.
const scratchSize = 8 << 30

func makeScratch(ctx context.Context, name string) error {
	if exists(name) {
		return nil
	}
	part := name + ".part"
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(part, scratchSize); err != nil {
		return err
	}
	if out, err := command(ctx, "", "mkfs.ext4", "-qF", "-O", "^has_journal", part).CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, lastLine(out))
	}
	return os.Rename(part, name)
}

// Accel is "kvm", or "tcg" for emulation.
func (m *Machine) Accel() string { return m.accel }

// Run boots a guest and returns the exit code of the job's command. An error is one of the machine's.
func (m *Machine) Run(ctx context.Context, job Job) (code int, err error) {
	if job.Timeout == 0 {
		job.Timeout = 10 * time.Minute
	}
	code, started, err := m.boot(ctx, job, m.accel)
	if err != nil && !started && ctx.Err() == nil { // the command has not begun: one more try
		code, _, err = m.boot(ctx, job, m.accel)
	}
	return code, err
}

// boot runs one guest. started says whether the command began.
func (m *Machine) boot(ctx context.Context, job Job, accel string) (code int, started bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, job.Timeout, ErrTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "crisp-vm-")
	if err != nil {
		return 0, false, err
	}
	defer os.RemoveAll(dir)
	if err := m.writeJob(dir, job); err != nil {
		return 0, false, err
	}
	files, err := serveFiles(ctx, dir, job.Writable)
	if err != nil {
		return 0, false, err
	}
	defer files.stop()
	runErr := m.qemu(ctx, dir, job, accel)
	started = exists(filepath.Join(dir, "started"))
	if text, err := os.ReadFile(filepath.Join(dir, "code")); err == nil && len(text) > 0 {
		code, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return code, true, err
	}
	if err := context.Cause(ctx); err != nil {
		return 0, started, fmt.Errorf("%w (%v)\n%s", err, job.Timeout, tail(dir))
	}
	return 0, started, fmt.Errorf("the virtual machine ended without an exit code: %w\n%s", errors.Join(runErr, files.err()), tail(dir))
}

// tail is the end of what the machine's parts had to say.
func tail(dir string) string {
	var b strings.Builder
	for _, name := range []string{"qemu", "virtiofsd", "console"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		fmt.Fprintf(&b, "%s: %s\n", name, strings.TrimSpace(string(text[max(0, len(text)-1500):])))
	}
	return b.String()
}

// writeJob writes what the guest sources.
func (m *Machine) writeJob(dir string, job Job) error {
	var err error
	if job.Dir == "" {
		if job.Dir, err = os.Getwd(); err != nil {
			return err
		}
	}
	var writable []string
	for _, d := range job.Writable {
		if strings.ContainsAny(d, " \t\n") || !filepath.IsAbs(d) {
			return fmt.Errorf("writable directory %q: an absolute path without spaces is needed", d)
		}
		writable = append(writable, d)
	}
	systemd := ""
	if job.Systemd {
		systemd = "1"
	}
	boot := fmt.Sprintf("CRISP_MODULES=%s CRISP_WRITABLE=%s CRISP_SYSTEMD=%s\n", quote(m.kernel.modules()), quote(strings.Join(writable, " ")), systemd)
	var run strings.Builder
	for _, e := range append(os.Environ(), job.Env...) {
		if key, value, _ := strings.Cut(e, "="); isName(key) && key != "TMPDIR" && key != "HOME" {
			fmt.Fprintf(&run, "export %s=%s\n", key, quote(value))
		}
	}
	var args []string
	for _, a := range job.Args {
		args = append(args, quote(a))
	}
	fmt.Fprintf(&run, "export HOME=/root TMPDIR=/scratch/tmp CRISP_VM=1 PATH=\"$PATH:/usr/local/sbin:/usr/sbin:/sbin\"\ncd %s\njob() { /usr/bin/env -- %s; }\n",
		quote(job.Dir), strings.Join(args, " "))
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "boot.sh"), []byte(boot+bootScript), 0o644),
		os.WriteFile(filepath.Join(dir, "job.sh"), []byte(run.String()+jobScript), 0o644),
	)
}

// quote makes one word of a shell's.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// isName says whether a shell can export it.
func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// A fileServer is virtiofsd, serving the host's root.
type fileServer struct {
	cmd    *exec.Cmd
	exited chan struct{}
	result error // set when exited is closed
}

// serveScript: what the guest's daemon sees of the host is read-only, but for the directories named.
const serveScript = `for d; do mount --bind "$d" "$d" || exit; done
mount -t tmpfs run /run && mount -o remount,bind,ro / && cd / && exec "$0" --socket-path="$1/files" -o source=/ -o sandbox=chroot -o cache=always`

func serveFiles(ctx context.Context, dir string, writable []string) (*fileServer, error) {
	log, err := os.Create(filepath.Join(dir, "virtiofsd"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", serveScript, virtiofsdPath(), dir}, writable...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &fileServer{cmd: cmd, exited: make(chan struct{})}
	go func() {
		s.result = cmd.Wait()
		close(s.exited)
	}()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if exists(filepath.Join(dir, "files")) {
			tick.Stop()
			return s, nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return nil, fmt.Errorf("virtiofsd: %w\n%s", errors.Join(s.result, context.Cause(ctx)), tail(dir))
		}
	}
}

// err is why it ended, when it did by itself.
func (s *fileServer) err() error {
	select {
	case <-s.exited:
		return s.result
	default:
		return nil
	}
}

func (s *fileServer) stop() {
	_ = s.cmd.Process.Kill() // it ends by itself with QEMU's connection
	<-s.exited
}
