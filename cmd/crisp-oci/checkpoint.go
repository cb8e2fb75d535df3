// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"crisp/oci/checkpoint"
	"crisp/oci/operation"

	"golang.org/x/sys/unix"
)

// checkpointFlags are those that checkpoint and restore share.
type checkpointFlags struct {
	options  checkpoint.Options
	emptyNS  []string
	statusFD int
}

func (f *checkpointFlags) declare(o *options) {
	q := &f.options
	o.string(&q.Work, "work-path", "", "path for saving work files and logs")
	o.bool(&q.TCPEstablished, "tcp-established", "allow open tcp connections")
	o.bool(&q.ExtUnixSk, "ext-unix-sk", "allow external unix sockets")
	o.bool(&q.ShellJob, "shell-job", "allow shell jobs")
	o.bool(&q.FileLocks, "file-locks", "handle file locks, for safety")
	o.string(&q.CgroupMode, "manage-cgroups-mode", "", "cgroups mode: soft|full|strict|ignore (default: soft)")
	o.strings(&f.emptyNS, "empty-ns", "create a namespace, but don't restore its properties")
	o.bool(&q.AutoDedup, "auto-dedup", "enable auto deduplication of memory images")
	o.bool(&q.LazyPages, "lazy-pages", "use userfaultfd to lazily restore memory pages")
}

// defaultImages is where the images are, unless --image-path says so: below the working directory.
const defaultImages = "checkpoint"

// complete checks the flags, and makes the directory of the images.
func (f *checkpointFlags) complete() error {
	for _, ns := range f.emptyNS { // criu's network namespaces are empty in any case: we do not manage interfaces
		if ns != "network" {
			return fmt.Errorf("namespace %q is not supported", ns)
		}
	}
	q := &f.options
	if q.Images == "" {
		q.Images = defaultImages
	}
	return os.MkdirAll(q.Images, 0o700)
}

// statusFile takes the descriptor that criu is to write to.
func (f *checkpointFlags) statusFile() error {
	if !f.options.LazyPages || f.statusFD == -1 {
		return nil
	}
	flags, err := unix.FcntlInt(uintptr(f.statusFD), unix.F_GETFL, 0)
	if err != nil {
		return fmt.Errorf("invalid --status-fd argument %d: %w", f.statusFD, err)
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY {
		return fmt.Errorf("invalid --status-fd argument %d: not writable", f.statusFD)
	}
	f.options.StatusFile = os.NewFile(uintptr(f.statusFD), "status-fd")
	return nil
}

func checkpointCommand() command {
	return command{
		name: "checkpoint", summary: "checkpoint a running container", args: aboutID + "\nIt is to be checkpointed.", least: 1, most: 1,
		about: "The checkpoint command saves the state of the container instance, by criu.",
		options: func(o *options) action {
			var f checkpointFlags
			q := &f.options
			o.string(&q.Images, "image-path", "", "path for saving criu image files")
			f.declare(o)
			o.string(&q.Parent, "parent-path", "", "path for previous criu image files in pre-dump")
			o.bool(&q.LeaveRunning, "leave-running", "leave the process running after checkpointing")
			o.bool(&q.TCPSkipInFlight, "tcp-skip-in-flight", "skip in-flight tcp connections")
			o.bool(&q.LinkRemap, "link-remap", "allow one to link unlinked files back when possible")
			o.int(&f.statusFD, "status-fd", -1, "criu writes \\0 to this FD once lazy-pages is ready")
			o.string(&q.PageServer, "page-server", "", "ADDRESS:PORT of the page server")
			o.bool(&q.PreDump, "pre-dump", "dump container's memory information only, leave the container running after this")
			return simple(func(c *call) error {
				c.global.warnRootless()
				if err := errors.Join(f.complete(), f.statusFile()); err != nil {
					return err
				}
				return c.global.runtime().Checkpoint(c.ctx, c.args[0], f.options)
			})
		},
	}
}

// warnRootless says that criu wants root.
func (g *global) warnRootless() {
	if os.Geteuid() != 0 || inUserNamespace() {
		g.logger.slog().Warn("checkpoint and restore are untested with rootless containers")
	}
}

func restoreCommand() command {
	return command{
		name: "restore", summary: "restore a container from a previous checkpoint", args: aboutNewID, least: 1, most: 1,
		about: "Restores the saved state of the container instance that was previously saved\n   using the checkpoint command.",
		options: func(o *options) action {
			var f checkpointFlags
			var create creation
			var q operation.RestoreRequest
			r := &create.request
			o.string(&r.ConsoleSocket, "console-socket", "", consoleSocketUsage)
			o.string(&f.options.Images, "image-path", "", "path to criu image files for restoring")
			f.declare(o)
			o.string(&create.bundle, "bundle, b", "", "path to the root of the bundle directory")
			o.bool(&q.Detach, "detach, d", "detach from the container's process")
			o.string(&r.PidFile, "pid-file", "", "specify the file to write the process id to")
			o.bool(&q.NoSubreaper, "no-subreaper", "disable the use of the subreaper used to reap reparented processes")
			o.bool(&r.NoPivot, "no-pivot", "do not use pivot root to jail process inside rootfs.  This should be used whenever the rootfs is on top of a ramdisk")
			o.string(&f.options.LSMProfile, "lsm-profile", "", "Specify an LSM profile to be used during restore in the form of TYPE:NAME.")
			o.string(&f.options.LSMMountContext, "lsm-mount-context", "", "Specify an LSM mount context to be used during restore.")
			return func(c *call) (int, error) {
				c.global.warnRootless()
				if err := f.restore(c.args[0], &create); err != nil {
					return 0, err
				}
				q.CreateRequest, q.Checkpoint = create.request, f.options
				return c.global.runtime().Restore(c.ctx, q)
			}
		},
	}
}

// restore completes the flags of restore. The directories are named from where we were called, all else from the bundle.
func (f *checkpointFlags) restore(id string, create *creation) error {
	if err := f.complete(); err != nil {
		return err
	}
	for _, path := range []*string{&f.options.Images, &f.options.Work} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return create.complete(id)
}
