// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"crisp/test/build"
	"crisp/test/lane"

	"golang.org/x/sys/unix"
)

// patience bounds the life of a container.
const patience = 30 * time.Second

// A runtime makes containers.
type runtime struct{ name, path string }

// ours is the runtime that the others are compared with.
const ours = "crisp"

// peers are the runtimes whose behaviour the lists are about: where Debian 12 installs them, and what they call themselves.
var peers = []struct{ runtime, version string }{
	{"/usr/sbin/runc", "runc version 1.1.5+ds1"},
	{"/usr/bin/crun", "crun version 1.8.1"},
}

// runtimes are crisp-oci and its peers, in this order. Without one of these versions there is nothing to compare.
func runtimes(t *testing.T) []runtime {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
	path, err := build.OCIRuntime()
	if err != nil {
		t.Skip(err)
	}
	all := []runtime{{ours, path}}
	for _, p := range peers {
		out, err := exec.Command(p.runtime, "--version").Output()
		if err != nil {
			t.Skipf("%s is not installed: %v", filepath.Base(p.runtime), err)
		}
		if version, _, _ := strings.Cut(string(out), "\n"); version != p.version {
			t.Skipf("here is %q, the lists are of %q", version, p.version)
		}
		t.Log(p.version)
		all = append(all, runtime{filepath.Base(p.runtime), p.runtime})
	}
	return all
}

// probe is the program of all containers.
func probe(t *testing.T) string {
	t.Helper()
	path, err := build.OCIProbe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A call is a container to run.
type call struct {
	runtime  runtime
	scratch  string // the bundle is below it
	terminal bool
	files    int // further descriptors for it
}

const containerID = "snapshot"

// run runs a container to its end and returns what it printed, or the runtime's complaint.
func (c call) run() (out string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"run", "--detach", "--bundle", filepath.Join(c.scratch, "bundle"), "--pid-file", filepath.Join(c.scratch, "pid")}
	var console *console
	if c.terminal {
		if console, err = listen(filepath.Join(c.scratch, "console")); err != nil {
			return "", err
		}
		defer console.listener.Close()
		args = append(args, "--console-socket", console.listener.Addr().String())
	}
	if c.files > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(c.files))
	}
	defer func() { err = errors.Join(err, c.delete()) }()
	output, err := c.start(ctx, append(args, containerID))
	if err != nil {
		return "", err
	}
	defer output.Close()
	if console != nil {
		return console.output(ctx)
	}
	if err := output.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	text, err := io.ReadAll(output)
	return string(text), err
}

// start runs the runtime; what it returns is the end of the container's output.
func (c call) start(ctx context.Context, args []string) (_ *os.File, err error) {
	if err := os.Chown(os.DevNull, 0, 0); err != nil { // our own, which crun has given away
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := os.Remove(filepath.Join(c.scratch, "errors")); err != nil && !errors.Is(err, fs.ErrNotExist) { // whose it has become
		return nil, err
	}
	errs, err := os.Create(filepath.Join(c.scratch, "errors"))
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	defer errs.Close()
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = w, errs
	for range c.files {
		cmd.ExtraFiles = append(cmd.ExtraFiles, errs)
	}
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(errs.Name())
		return nil, errors.Join(&complaint{string(text)}, err, r.Close())
	}
	return r, nil
}

// complaint is why a runtime has made no container.
type complaint struct{ text string }

func (c *complaint) Error() string { return c.text }

func (c call) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.runtime.path, append([]string{"--root", filepath.Join(c.scratch, "state")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	return cmd
}

// delete ends and reaps the container's process, and removes the container and its cgroup.
func (c call) delete() error {
	if text, err := os.ReadFile(filepath.Join(c.scratch, "pid")); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return err
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		out, err := c.command(context.Background(), "delete", "--force", containerID).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s delete: %w\n%s", c.runtime.name, err, out)
		}
	}
	return lane.RemoveCgroups(testCgroup)
}

// console receives the master of a terminal.
type console struct{ listener *net.UnixListener }

func listen(path string) (*console, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	return &console{l}, err
}

// output is all that is written to the terminal.
func (c *console) output(ctx context.Context) (string, error) {
	end, _ := ctx.Deadline()
	if err := c.listener.SetDeadline(end); err != nil {
		return "", err
	}
	conn, err := c.listener.AcceptUnix()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	data, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(data, oob)
	if err != nil {
		return "", err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return "", fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return "", fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	master := os.NewFile(uintptr(fds[0]), "terminal")
	defer master.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, master); err != nil && !errors.Is(err, unix.EIO) { // EIO: the last slave was closed
		return "", err
	}
	return strings.ReplaceAll(text.String(), "\r\n", "\n"), nil
}
