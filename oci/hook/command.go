// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// patience is how long a hook's output is waited for after its end: a service that it started may hold the pipe for ever.
const patience = 200 * time.Millisecond

// Command runs a hook in our own namespaces, with dir as its working directory. A hook without env gets ours, as runc has it: the
// runtime spec would give it none, but hooks in use rely on PATH.
func Command(dir string) Runner {
	return func(ctx context.Context, h *specs.Hook, stdin []byte) error {
		var output Tail
		cmd := exec.Cmd{
			Path: h.Path, Args: Args(h), Env: h.Env, Dir: dir,
			Stdin: bytes.NewReader(stdin), Stdout: &output, Stderr: &output, WaitDelay: patience,
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		// Not exec.CommandContext, which kills the process alone.
		kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		over := make(chan struct{})
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			select {
			case <-ctx.Done():
				kill()
			case <-over:
			}
		}()
		err := cmd.Wait()
		close(over)
		<-killed
		return ended(ctx, err, &output)
	}
}

// ended turns what Wait says into the error of a hook.
func ended(ctx context.Context, err error, output *Tail) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.As(err, &exit):
		x := &ExitError{Status: exit.Error(), Output: output.String()}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), x)
		}
		return x
	}
	return err
}
