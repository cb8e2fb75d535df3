// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestExecSeparatesItsStreamsAndReturnsTheExitCode(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("exec")
	resp, err := n.ExecSynchronously(n.ctx, id, "sh", "-c", "echo out; echo err >&2; exit 42")
	n.must(err)
	if string(resp.Stdout) != "out\n" || string(resp.Stderr) != "err\n" || resp.ExitCode != 42 {
		t.Errorf("%q, %q, %d", resp.Stdout, resp.Stderr, resp.ExitCode)
	}
}

func TestExecThatTakesTooLongIsKilledWithItsChildren(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("slow-exec")
	start := time.Now()
	_, err := n.ExecSync(n.ctx, &runtime.ExecSyncRequest{ContainerId: id, Cmd: []string{"sh", "-c", "sleep 7777 & sleep 7777"}, Timeout: 1})
	n.wantCode(err, codes.DeadlineExceeded)
	if took := time.Since(start); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v, not about 1 s", took)
	}
	n.eventually("no process of the exec is left", func() bool { return !strings.Contains(n.exec(id, "ps"), "sleep 7777") })
}

func TestExecOutputIsCutAt16MiBAndTheCommandGoesOn(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("big-exec")
	resp, err := n.ExecSynchronously(n.ctx, id, "sh", "-c", "head -c 20000000 /dev/zero; echo done > /finished; exit 5")
	n.must(err)
	if len(resp.Stdout) != 16<<20 || resp.ExitCode != 5 {
		t.Errorf("%d bytes, exit code %d", len(resp.Stdout), resp.ExitCode)
	}
	if got := n.exec(id, "cat", "/finished"); got != "done\n" {
		t.Errorf("after the output: %q", got)
	}
}

func TestExecEndsThoughABackgroundChildHoldsItsOutput(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("background")
	start := time.Now()
	// Either answer is right, waiting for ever is not.
	_, err := n.ExecSync(n.ctx, &runtime.ExecSyncRequest{ContainerId: id, Cmd: []string{"sh", "-c", "sleep 100 & echo started"}, Timeout: 3})
	if err != nil {
		n.wantCode(err, codes.DeadlineExceeded)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestExecOfAnAbsentProgramIsAnErrorThatNamesIt(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("absent-exec")
	_, err := n.ExecSynchronously(n.ctx, id, "/no/such/program")
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "/no/such/program")
}

func TestExecInAContainerThatDoesNotRunIsAnError(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("stopped-exec")
	n.must(n.Stop(n.ctx, id, 0))
	if _, err := n.ExecSynchronously(n.ctx, id, "true"); err == nil {
		t.Error("it ran")
	}
	_, err := n.ExecSynchronously(n.ctx, strings.Repeat("0", 64), "true")
	n.wantCode(err, codes.NotFound)
}

func TestExecsAtOnceDoNotDisturbEachOther(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("many-execs")
	errs := make(chan error, 40)
	for i := range cap(errs) {
		go func() {
			resp, err := n.ExecSynchronously(n.ctx, id, "echo", itoa(i))
			if err == nil && string(resp.Stdout) != itoa(i)+"\n" {
				t.Errorf("exec %d wrote %q", i, resp.Stdout)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		n.check(<-errs)
	}
}
