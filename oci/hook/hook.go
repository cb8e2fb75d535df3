// SPDX-License-Identifier: Apache-2.0

package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Kind is the name of a list in config.json.
type Kind string

// The kinds, in the order of a container's life.
const (
	Prestart        Kind = "prestart"
	CreateRuntime   Kind = "createRuntime"
	CreateContainer Kind = "createContainer"
	StartContainer  Kind = "startContainer"
	Poststart       Kind = "poststart"
	Poststop        Kind = "poststop"
)

// Kinds are all of them, in that order.
var Kinds = []Kind{Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop}

// Of returns the hooks of a kind.
func Of(h *specs.Hooks, k Kind) List {
	l := List{Kind: k}
	if h == nil {
		return l
	}
	switch k {
	case Prestart:
		//lint:ignore SA1019 deprecated, but still in use
		l.Hooks = h.Prestart
	case CreateRuntime:
		l.Hooks = h.CreateRuntime
	case CreateContainer:
		l.Hooks = h.CreateContainer
	case StartContainer:
		l.Hooks = h.StartContainer
	case Poststart:
		l.Hooks = h.Poststart
	case Poststop:
		l.Hooks = h.Poststop
	}
	return l
}

// BeforePivot says whether there is a hook that wants the container halted before its root is entered.
func BeforePivot(h *specs.Hooks) bool {
	//lint:ignore SA1019 deprecated, but still in use
	return h != nil && len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer) > 0
}

// List is the hooks of one kind.
type List struct {
	Kind  Kind
	Hooks []specs.Hook
}

// A Runner runs one hook to its end with the given stdin. It ends the hook, and what that left in its process group, when ctx
// ends; the error is an *ExitError where the hook itself failed.
type Runner func(ctx context.Context, h *specs.Hook, stdin []byte) error

// Run runs the hooks one after the other, up to the first that fails: its error is an *Error.
func (l List) Run(ctx context.Context, state specs.State, run Runner) error {
	for i := range l.Hooks {
		if err := l.one(ctx, i, state, run); err != nil {
			return err
		}
	}
	return nil
}

// RunAll runs all hooks whatever becomes of each, as poststop wants it, and returns all errors.
func (l List) RunAll(ctx context.Context, state specs.State, run Runner) error {
	var errs []error
	for i := range l.Hooks {
		errs = append(errs, l.one(ctx, i, state, run))
	}
	return errors.Join(errs...)
}

func (l List) one(ctx context.Context, i int, state specs.State, run Runner) error {
	h := &l.Hooks[i]
	stdin, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if h.Timeout != nil {
		var cancel context.CancelFunc
		d := time.Duration(*h.Timeout) * time.Second
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("%w of %s", ErrTimeout, d))
		defer cancel()
	}
	if err := run(ctx, h, stdin); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrTimeout) {
			err = withOutput(cause, err)
		}
		return &Error{Kind: l.Kind, Index: i, Path: h.Path, Err: err}
	}
	return nil
}

// Args are the arguments of a hook; without any, its path alone.
func Args(h *specs.Hook) []string {
	if len(h.Args) == 0 {
		return []string{h.Path}
	}
	return h.Args
}

// ErrTimeout: a hook ran longer than it may, and was killed.
var ErrTimeout = errors.New("killed after its timeout")

// Error says which hook failed.
type Error struct {
	Kind  Kind
	Index int
	Path  string
	Err   error
}

// Error returns "hooks.createRuntime[1]: /usr/bin/x: exit status 2: its last words".
func (e *Error) Error() string {
	return fmt.Sprintf("hooks.%s[%d]: %s: %v", e.Kind, e.Index, e.Path, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ExitError is how a hook ended that did not end well.
type ExitError struct {
	Status string // "exit status 2", "signal: killed"
	Output string // what it said
}

// Error returns the status and the output.
func (e *ExitError) Error() string {
	if out := strings.TrimSpace(e.Output); out != "" {
		return e.Status + ": " + out
	}
	return e.Status
}

// withOutput gives a cause the words of the hook that it ended.
func withOutput(cause, err error) error {
	var x *ExitError
	if errors.As(err, &x) && strings.TrimSpace(x.Output) != "" {
		return fmt.Errorf("%w: %s", cause, strings.TrimSpace(x.Output))
	}
	return cause
}
