// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DrainTime is how long output is awaited after the process that was run has ended. All that it wrote itself is in the pipe by then;
// only what it left in the background can hold the pipe open, for ever if it likes (containerd has the option drain_exec_sync_io_timeout
// for that).
const DrainTime = 100 * time.Millisecond

// Pipe is one of a process's streams. Its ends are nil when the stream is absent.
type Pipe struct{ R, W *os.File }

func newPipe() (p Pipe, err error) {
	p.R, p.W, err = os.Pipe()
	return p, err
}

// Pipes are the streams of a process whose other ends are ours.
type Pipes struct {
	In, Out, Err Pipe
}

// New makes pipes for the streams that are wanted.
func New(in, out, errs bool) (*Pipes, error) {
	p := &Pipes{}
	for _, s := range []struct {
		want bool
		p    *Pipe
	}{{in, &p.In}, {out, &p.Out}, {errs, &p.Err}} {
		if !s.want {
			continue
		}
		var err error
		if *s.p, err = newPipe(); err != nil {
			p.Close()
			return nil, fmt.Errorf("pipe: %w", err)
		}
	}
	return p, nil
}

// Close closes all that is open.
func (p *Pipes) Close() {
	for _, f := range []*os.File{p.In.R, p.In.W, p.Out.R, p.Out.W, p.Err.R, p.Err.W} {
		if f != nil {
			f.Close()
		}
	}
}

// CloseRemote closes the process's ends, which it has its own descriptors of.
func (p *Pipes) CloseRemote() {
	for _, f := range []*os.File{p.In.R, p.Out.W, p.Err.W} {
		if f != nil {
			f.Close()
		}
	}
}

// Feed copies stdin until it ends or the process does not read it any more.
func (p *Pipes) Feed(stdin io.Reader) {
	if stdin == nil {
		return
	}
	w := p.In.W
	go func() {
		io.Copy(w, stdin)
		w.Close()
	}()
}

// Collect copies the output; the channel is closed when all of it ended.
func (p *Pipes) Collect(stdout, stderr io.Writer) <-chan struct{} {
	var wg sync.WaitGroup
	for _, s := range []struct {
		from *os.File
		to   io.Writer
	}{{p.Out.R, stdout}, {p.Err.R, stderr}} {
		if s.from != nil {
			wg.Go(func() { Copy(s.to, s.from) })
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// Copy copies to a writer that may fail; what it does not take is dropped, so that the process is not held up by a client that
// is gone.
func Copy(to io.Writer, from io.Reader) {
	to = OrDiscard(to)
	if _, err := io.Copy(to, from); err != nil {
		io.Copy(io.Discard, from)
	}
}

// OrDiscard is a writer that may be absent.
func OrDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// Drain waits for the rest of the output, with a bound.
func (p *Pipes) Drain(copied <-chan struct{}) { Drain(copied, p.Out.R, p.Err.R) }

// Drain waits until the copies have ended, after DrainTime by ending them.
func Drain(copied <-chan struct{}, files ...*os.File) {
	timer := time.NewTimer(DrainTime)
	defer timer.Stop()
	select {
	case <-copied:
		return
	case <-timer.C:
	}
	for _, f := range files {
		if f != nil {
			_ = f.SetReadDeadline(time.Now())
		}
	}
	<-copied
}

// Pollable returns a second file of f whose reads end with Close or a deadline.
func Pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate terminal: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	return os.NewFile(uintptr(fd), "console"), nil
}
