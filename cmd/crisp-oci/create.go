// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"crisp/oci/operation"
)

const (
	aboutNewID = `<container-id>

Where "<container-id>" is your name for the instance of the container that you
are starting. The name you provide for the container instance must be unique on
your host.`
	aboutCreate = `The create command creates an instance of a container for a bundle. The bundle
   is a directory with a specification file named "config.json" and a root
   filesystem.`
	consoleSocketUsage = "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal"
	pidfdSocketUsage   = "path to an AF_UNIX socket which will receive a file descriptor referencing the init process"
	preserveUsage      = "Pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)"
)

// creation is the flags that create and run share.
type creation struct {
	bundle  string
	request operation.CreateRequest
}

func (f *creation) declare(o *options) {
	q := &f.request
	o.string(&f.bundle, "bundle, b", "", "path to the root of the bundle directory, defaults to the current directory")
	o.string(&q.ConsoleSocket, "console-socket", "", consoleSocketUsage)
	o.string(&q.PidfdSocket, "pidfd-socket", "", pidfdSocketUsage)
	o.string(&q.PidFile, "pid-file", "", "specify the file to write the process id to")
	o.bool(&q.NoPivot, "no-pivot", "do not use pivot root to jail process inside rootfs.  This should be used whenever the rootfs is on top of a ramdisk")
	o.bool(&q.NoNewKeyring, "no-new-keyring", "do not create a new session keyring for the container.  This will cause the container to inherit the calling processes session key")
	o.int(&q.PreserveFDs, "preserve-fds", 0, preserveUsage)
}

// complete reads the bundle.
func (f *creation) complete(id string) error {
	q := &f.request
	q.ID = id
	if err := operation.ValidateID(id); err != nil {
		return err
	}
	var err error
	if q.PidFile, err = absolute(q.PidFile); err != nil {
		return err
	}
	if f.bundle != "" {
		if err := os.Chdir(f.bundle); err != nil { // relative paths start there; sockets' too, as with runc
			return err
		}
	}
	if q.Bundle, err = os.Getwd(); err != nil {
		return err
	}
	q.Config, err = operation.LoadConfig(q.Bundle)
	return err
}

// absolute makes a path, if there is one, independent of the working directory.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

func createCommand() command {
	return command{
		name: "create", summary: "create a container", args: aboutNewID, about: aboutCreate, least: 1, most: 1,
		options: func(o *options) action {
			var f creation
			f.declare(o)
			return simple(func(c *call) error {
				r, err := c.standBy()
				if err != nil {
					return failed("create", err)
				}
				defer r.Close()
				if err = f.complete(c.args[0]); err == nil {
					err = r.Create(c.ctx, f.request)
				}
				return failed("create", err)
			})
		},
	}
}

// failed says what failed.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("crisp-oci %s failed: %w", what, err)
}

func runCommand() command {
	return command{
		name: "run", summary: "create and run a container", args: aboutNewID, least: 1, most: 1,
		about: "The run command creates an instance of a container for a bundle, starts it, and waits for its end.",
		options: func(o *options) action {
			var f creation
			var q operation.RunRequest
			f.declare(o)
			o.bool(&q.Detach, "detach, d", "detach from the container's process")
			o.bool(&q.Keep, "keep", "do not delete the container after it exits")
			o.bool(&q.NoSubreaper, "no-subreaper", "disable the use of the subreaper used to reap reparented processes")
			return func(c *call) (int, error) {
				r, err := c.standBy()
				if err != nil {
					return 0, failed("run", err)
				}
				defer r.Close()
				if err := f.complete(c.args[0]); err != nil {
					return 0, failed("run", err)
				}
				q.CreateRequest = f.request
				code, err := r.Run(c.ctx, q)
				return code, failed("run", err)
			}
		},
	}
}
