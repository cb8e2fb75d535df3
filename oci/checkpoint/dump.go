// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"

	"crisp/oci/checkpoint/criu"

	"golang.org/x/sys/unix"
)

// dumpLog and restoreLog are criu's logs, in the work directory.
const (
	dumpLog    = "dump.log"
	restoreLog = "restore.log"
)

// Dump saves the processes of a container. Unless it is to be left running, or saved its memory alone, they are gone then. On an error they go on.
func (c *Container) Dump(ctx context.Context, o Options) error {
	d, err := o.openDirectories()
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	q, err := c.dumpOptions(&o, d)
	if err != nil {
		return err
	}
	if err := s.check(ctx, criu.Features{MemTrack: o.PreDump, LazyPages: o.LazyPages}); err != nil {
		return err
	}
	request := criu.Request{Type: criu.Dump, Options: q}
	if o.PreDump {
		request.Type = criu.PreDump
	} else if err := writeDescriptors(d.images, c.Pid); err != nil {
		return err
	}
	p, err := criu.Start(criu.Command{Program: s.program})
	if err != nil {
		return err
	}
	_, err = p.Do(ctx, request, o.statusReady)
	if waitErr := p.Wait(); err == nil && waitErr != nil && !o.PreDump { // after a pre-dump it waits for the dump, and we have gone
		err = fmt.Errorf("criu failed: %w", waitErr)
	}
	if err != nil {
		c.quote(d.work, dumpLog)
	}
	return err
}

// dumpOptions are what criu is told of the container.
func (c *Container) dumpOptions(o *Options, d *directories) (*criu.Options, error) {
	q, err := o.common(c)
	if err != nil {
		return nil, err
	}
	q.ImagesFD, q.WorkFD, q.LogFile = int(d.images.Fd()), int(d.work.Fd()), dumpLog
	q.Pid, q.Root = c.Pid, c.Rootfs
	q.LeaveRunning, q.TCPSkipInFlight, q.LinkRemap = o.LeaveRunning, o.TCPSkipInFlight, o.LinkRemap
	if q.External, err = c.dumpNamespaces(); err != nil {
		return nil, err
	}
	q.FreezeCgroup = c.Cgroup.Dir("freezer")
	if o.Parent != "" {
		q.ParentImage, q.TrackMem = o.Parent, true
	}
	if o.PreDump {
		return q, nil
	}
	q.ExternalMounts, err = c.dumpMounts()
	return q, err
}

// statusReady tells whoever waits for it that pages can be asked for.
func (o *Options) statusReady(n criu.Notification) error {
	closeAll(n.Files)
	if n.Name != criu.StatusReady || o.StatusFile == nil {
		return nil
	}
	_, err := o.StatusFile.Write([]byte{0})
	if closeErr := o.StatusFile.Close(); !errors.Is(err, unix.EPIPE) { // nobody waits any more
		err = errors.Join(err, closeErr)
	}
	return err
}
