// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crisp/test/images"
)

// imageCommand runs `crisp image` with the daemon's directories.
func (n *node) imageCommand(verb string, args ...string) (string, error) {
	n.t.Helper()
	all := append([]string{"image", verb}, n.daemon.Args()[1:]...)
	cmd := exec.CommandContext(n.ctx, here.Crisp, append(all, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		return errs.String(), err
	}
	return out.String(), nil
}

func (n *node) wantInImageCommand(want, verb string, args ...string) {
	n.t.Helper()
	if out, err := n.imageCommand(verb, args...); err != nil || !strings.Contains(out, want) {
		n.t.Errorf("crisp image %s %q: %v\n%s\nwithout %q", verb, args, err, out, want)
	}
}

// lookAtImages goes through the commands.
func (n *node) lookAtImages() {
	n.t.Helper()
	n.wantInImageCommand("sha256:", "pull", images.Nginx)
	n.wantInImageCommand(images.Nginx, "ls")
	n.wantInImageCommand(`"`+images.Nginx+`"`, "ls", "--format", "json")
	n.wantInImageCommand(`"created_by"`, "inspect", images.Nginx)
	n.wantInImageCommand("crisp test images", "history", images.Nginx)
	n.wantInImageCommand(here.Registry, "explain", images.Nginx)
	n.wantInImageCommand("", "pulls")
	n.wantInImageCommand(images.Nginx, "rm", images.Nginx)
	if out, err := n.imageCommand("inspect", images.Nginx); err == nil || !strings.Contains(out, "image not found") {
		n.t.Errorf("inspect of an image that was removed: %v\n%s", err, out)
	}
	if out, err := n.imageCommand("pull", "registry.k8s.io/no/such:image"); err == nil || !strings.Contains(out, "404") {
		n.t.Errorf("pull of an image that does not exist: %v\n%s", err, out)
	}
}

func TestImageCommandsAskTheDaemon(t *testing.T) {
	n := newNode(t)
	n.lookAtImages()
	n.pull(images.Nginx)
	n.wantInImageCommand(images.Nginx, "ls")
	if out, err := exec.Command("stat", "-c", "%a", filepath.Join(n.dir, "s", "admin.sock")).Output(); err != nil || strings.TrimSpace(string(out)) != "600" {
		t.Errorf("mode of the socket: %s, %v", out, err)
	}
}

func TestImageCommandsDoWithoutADaemon(t *testing.T) {
	n := newNode(t)
	n.must(n.daemon.Stop())
	n.lookAtImages()
	n.restart()
}
