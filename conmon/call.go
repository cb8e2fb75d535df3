// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// sendTimeout bounds how long a message may wait for a monitor that does not read.
const sendTimeout = 10 * time.Second

// request is a message on its way out. Files are borrowed.
type request struct {
	message
	files []*os.File
}

// reply is the answer to a request. Its files are the receiver's.
type reply struct {
	message
	files  []*os.File
	states []State
}

func (r *reply) close() {
	for _, f := range r.files {
		f.Close()
	}
	for _, s := range r.states {
		if s.Pidfd != nil {
			s.Pidfd.Close()
		}
	}
}

// call is a request that waits for its answer.
type call struct {
	answer chan reply // has room for one
	states []State    // of LIST, so far
	id     string     // of a Create or Exec whose caller has gone: what to kill and forget
}

// do sends a request and waits for its answer; an ERR is returned as an error.
func (c *Client) do(ctx context.Context, r request) (reply, error) {
	if err := ctx.Err(); err != nil { // nobody is there to take the answer, which might come before that is seen
		return reply{}, err
	}
	k := &call{answer: make(chan reply, 1)}
	seq, err := c.enter(k)
	if err != nil {
		return reply{}, err
	}
	r.Seq, r.Nfds = seq, uint32(len(r.files))
	if err := c.send(ctx, &r); err != nil {
		c.leave(seq, k)
		return reply{}, err
	}
	select {
	case a := <-k.answer:
		return a, a.err()
	case <-c.ended:
		select {
		case a := <-k.answer: // both were there
			return a, a.err()
		default:
			return reply{}, c.Err()
		}
	case <-ctx.Done():
		c.abandon(ctx, &r, k)
		return reply{}, ctx.Err()
	}
}

// simple is do for a message of which only the success matters.
func (c *Client) simple(ctx context.Context, m message, files []*os.File) error {
	r, err := c.do(ctx, request{message: m, files: files})
	r.close()
	return err
}

func (c *Client) enter(k *call) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.seq++
	c.calls[c.seq] = k
	return c.seq, nil
}

// leave takes a call back. An answer that has come meanwhile is dropped.
func (c *Client) leave(seq uint32, k *call) {
	c.mu.Lock()
	delete(c.calls, seq)
	c.mu.Unlock()
	select {
	case a := <-k.answer:
		a.close()
	default:
	}
}

// abandon ends a call whose caller has gone. What Create or Exec made, or will make, is killed and forgotten.
func (c *Client) abandon(ctx context.Context, r *request, k *call) {
	if r.Type != msgCreate && r.Type != msgExec {
		c.leave(r.Seq, k)
		return
	}
	id := r.id()
	c.mu.Lock()
	late := len(k.answer) > 0
	k.id = id
	c.dropped[id] = true
	c.mu.Unlock()
	if late {
		a := <-k.answer
		a.close()
		if a.Type == msgErr || c.undropExited(id) {
			c.undrop(id)
			return
		}
	}
	kill := request{message: message{Type: msgSignal, Code: int32(unix.SIGKILL)}}
	kill.setID(id)
	_ = c.send(context.WithoutCancel(ctx), &kill) // nobody waits for its answer
}

// undropExited tells whether the exit of an abandoned container or exec was here before it was abandoned.
func (c *Client) undropExited(id string) bool {
	c.mu.Lock()
	exited := c.execs[id] == nil && c.plans[id] == nil
	c.mu.Unlock()
	if exited {
		c.forgetDropped(id) // an exec is unknown by now, which does no harm
	}
	return exited
}

func (c *Client) undrop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.dropped, id)
}

// send writes one message with its files.
func (c *Client) send(ctx context.Context, r *request) error {
	oob, err := r.rights()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(sendTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.conn.setWriteDeadline(deadline)
	err = c.conn.write(r.bytes(), oob)
	runtime.KeepAlive(r.files)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		return ErrGone
	}
	return fmt.Errorf("message to the monitor: %w", err)
}

// rights makes the control message that the files travel in.
func (r *request) rights() ([]byte, error) {
	if len(r.files) == 0 {
		return nil, nil
	}
	fds := make([]int, len(r.files))
	for i, f := range r.files {
		fd, err := rawFD(f)
		if err != nil {
			return nil, err
		}
		fds[i] = fd
	}
	return unix.UnixRights(fds...), nil
}

// rawFD gives the number of a file's descriptor, and leaves its mode alone, as Fd does not.
func rawFD(f *os.File) (int, error) {
	if f == nil {
		return -1, fmt.Errorf("file for the monitor: %w", os.ErrInvalid)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	if err := raw.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		return -1, fmt.Errorf("file %s for the monitor: %w", f.Name(), err)
	}
	return n, nil
}

// read takes messages until the connection ends.
func (c *Client) read() {
	oob := make([]byte, unix.CmsgSpace(8*4))
	var err error
	for err == nil {
		var m message
		n, oobn, readErr := c.conn.read(m.bytes(), oob)
		switch {
		case readErr != nil && !errors.Is(readErr, unix.ECONNRESET):
			err = readErr
		case readErr != nil || n == 0:
			err = ErrGone
		default:
			files, filesErr := takeFiles(oob[:oobn])
			if n != len(m.bytes()) || filesErr != nil || int(m.Nfds) != len(files) {
				err = ErrProtocol
			}
			r := reply{message: m, files: files}
			if err != nil {
				r.close()
			} else {
				c.dispatch(r)
			}
		}
	}
	c.end(err)
}

// end tells everybody that nothing comes any more.
func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		err = ErrClosed
	}
	c.err = err
	for id, e := range c.execs {
		delete(c.execs, id)
		e.finish(Exit{}, err)
	}
	close(c.ended)
}

func takeFiles(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	var files []*os.File
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "monitor's"))
		}
	}
	return files, nil
}

// dispatch hands a message to whom it concerns.
func (c *Client) dispatch(r reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Type == msgEventExit {
		c.exit(r.id(), r.Flags&fExec != 0, r.exit())
		return
	}
	k := c.calls[r.Seq]
	switch {
	case k == nil:
		r.close()
	case r.Type == msgState:
		k.states = append(k.states, r.state())
	case k.id != "": // abandoned
		delete(c.calls, r.Seq)
		if r.Type == msgErr {
			delete(c.dropped, k.id)
		}
		r.close()
	default:
		delete(c.calls, r.Seq)
		r.states = k.states
		k.answer <- r
	}
}

// exit handles an EVENT_EXIT, with mu held.
func (c *Client) exit(id string, exec bool, x Exit) {
	dropped := c.dropped[id]
	delete(c.plans, id)
	delete(c.dropped, id)
	if e := c.execs[id]; e != nil {
		delete(c.execs, id)
		e.finish(x, nil)
		return
	}
	if dropped {
		if !exec {
			c.running.Go(func() { c.forgetDropped(id) }) // not here: it writes
		}
		return
	}
	if exec {
		return
	}
	c.queue = append(c.queue, EventExit{ID: id, Exit: x})
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Client) forgetDropped(id string) {
	r := request{message: message{Type: msgForget}}
	r.setID(id)
	_ = c.send(context.Background(), &r)
}

// bytes is the message as it travels.
func (m *message) bytes() []byte { return (*[unsafe.Sizeof(*m)]byte)(unsafe.Pointer(m))[:] }

func (m *message) id() string { return unix.ByteSliceToString(m.Id[:]) }

func (m *message) setID(id string) { copy(m.Id[:len(m.Id)-1], id) }

func (m *message) exit() Exit {
	return Exit{Code: int(m.Code), Signal: int(m.Sig), OOMKills: m.Oom, Time: time.Unix(0, int64(m.Time))}
}

// err gives the error of an ERR, nil for others.
func (r *reply) err() error {
	if r.Type != msgErr {
		return nil
	}
	errno := unix.Errno(r.Err)
	switch {
	case r.Step >= 0:
		return &StepError{Index: int(r.Step), Op: plan.Op(r.Op), Errno: errno}
	case r.Op == atUnknownId:
		return ErrUnknownID
	case r.Op == atState:
		return fmt.Errorf("%w: %w", ErrState, errno)
	}
	return &StepError{Index: -1, Errno: errno, At: at(r.Op), Signal: unix.Signal(r.Sig)}
}

// at names the place of a failure without a step.
func at(op int32) string {
	switch op {
	case atRequest:
		return "request"
	case atPlan:
		return "plan"
	case atJoin:
		return "join namespaces"
	case atClone:
		return "clone"
	case atIdmap:
		return "write id maps"
	case atChildDied:
		return "child died"
	case atMemory:
		return "memory"
	}
	return fmt.Sprintf("place %d", op)
}
