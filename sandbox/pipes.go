// SPDX-License-Identifier: Apache-2.0

package sandbox

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

// drainTime is how long output is awaited after the process that was run has ended. All that it wrote itself is in the pipe by then;
// only what it left in the background can hold the pipe open, for ever if it likes (containerd#7255 hangs there).
const drainTime = 100 * time.Millisecond

// pipe is one of a process's streams. Its ends are nil when the stream is absent.
type pipe struct{ r, w *os.File }

func newPipe() (p pipe, err error) {
	p.r, p.w, err = os.Pipe()
	return p, err
}

// pipes are the streams of a process whose other ends are ours.
type pipes struct {
	in, out, err pipe
}

func newPipes(in, out, errs bool) (*pipes, error) {
	p := &pipes{}
	for _, s := range []struct {
		want bool
		p    *pipe
	}{{in, &p.in}, {out, &p.out}, {errs, &p.err}} {
		if !s.want {
			continue
		}
		var err error
		if *s.p, err = newPipe(); err != nil {
			p.close()
			return nil, fmt.Errorf("pipe: %w", err)
		}
	}
	return p, nil
}

func (p *pipes) close() {
	for _, f := range []*os.File{p.in.r, p.in.w, p.out.r, p.out.w, p.err.r, p.err.w} {
		if f != nil {
			f.Close()
		}
	}
}

// closeRemote closes the process's ends, which it has its own descriptors of.
func (p *pipes) closeRemote() {
	for _, f := range []*os.File{p.in.r, p.out.w, p.err.w} {
		if f != nil {
			f.Close()
		}
	}
}

// feed copies stdin until it ends or the process does not read it any more.
func (p *pipes) feed(stdin io.Reader) {
	if stdin == nil {
		return
	}
	w := p.in.w
	go func() {
		io.Copy(w, stdin)
		w.Close()
	}()
}

// collect copies the output; the channel is closed when all of it ended.
func (p *pipes) collect(stdout, stderr io.Writer) <-chan struct{} {
	var wg sync.WaitGroup
	for _, s := range []struct {
		from *os.File
		to   io.Writer
	}{{p.out.r, stdout}, {p.err.r, stderr}} {
		if s.from != nil {
			wg.Go(func() { copyOut(s.to, s.from) })
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// copyOut copies to a writer that may fail; what it does not take is dropped, so that the process is not held up by a client that
// is gone.
func copyOut(to io.Writer, from io.Reader) {
	to = writerOrDiscard(to)
	if _, err := io.Copy(to, from); err != nil {
		io.Copy(io.Discard, from)
	}
}

func writerOrDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// drain waits for the rest of the output, with a bound.
func (p *pipes) drain(copied <-chan struct{}) { drainFile(copied, p.out.r, p.err.r) }

// drainFile waits until the copies have ended, after drainTime by ending them.
func drainFile(copied <-chan struct{}, files ...*os.File) {
	timer := time.NewTimer(drainTime)
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

// pollable returns a second file of f whose reads end with Close or a deadline.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate terminal: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	return os.NewFile(uintptr(fd), "console"), nil
}
