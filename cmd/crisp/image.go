// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"crisp/image"
	"crisp/server/admin"
	"crisp/server/config"
	"crisp/server/daemon"
)

// adminSocket is the daemon's, in the state directory.
const adminSocket = "admin.sock"

// imageCommand is one of `crisp image`'s.
type imageCommand struct {
	name, args, summary string
	run                 func(ctx context.Context, c *imageCall) error
}

func imageCommands() []imageCommand {
	return []imageCommand{
		{"ls", "", "list images", listImages},
		{"pull", "REF…", "pull images", pullImages},
		{"rm", "REF…", "remove images with all their names", removeImages},
		{"inspect", "REF…", "print all that is known of images, as JSON", inspectImages},
		{"history", "REF", "print how an image came to be, newest first", imageHistory},
		{"pulls", "", "list the pulls under way", listPulls},
		{"explain", "REF", "print what a pull would ask, and whom, without pulling", explainImage},
		{"tags", "REPOSITORY", "list a repository's tags", listTags},
	}
}

// imageCall is a command line.
type imageCall struct {
	args   []string
	format string // text or json
	config config.Config
	out    io.Writer
}

// images is `crisp image`.
func images(args []string, out io.Writer) error {
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	for _, c := range imageCommands() {
		if c.name == name {
			return c.call(args, out)
		}
	}
	if name != "help" && name != "-h" && name != "-help" && name != "--help" {
		fmt.Fprintf(os.Stderr, "crisp image: no command %q\n", name)
		return errUsage
	}
	fmt.Fprint(out, "Usage: crisp image COMMAND [flags] [arguments]\n\n")
	for _, c := range imageCommands() {
		fmt.Fprintf(out, "  %-20s  %s\n", c.name+" "+c.args, c.summary)
	}
	return nil
}

func (c *imageCommand) call(args []string, out io.Writer) error {
	call := &imageCall{out: out}
	var flags config.Flags
	fs := flag.NewFlagSet("crisp image "+c.name, flag.ContinueOnError)
	flags.Register(fs)
	fs.StringVar(&call.format, "format", "text", "`form` of the output: text or json")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	call.args = fs.Args()
	if wrong := c.wrong(call); wrong != "" {
		fmt.Fprintf(fs.Output(), "%s: %s\n", fs.Name(), wrong)
		return errUsage
	}
	var err error
	if call.config, err = flags.Load(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.run(ctx, call)
}

// wrong says what is wrong with a command line.
func (c *imageCommand) wrong(call *imageCall) string {
	n := len(call.args)
	switch {
	case call.format != "text" && call.format != "json":
		return fmt.Sprintf("--format %q is neither text nor json", call.format)
	case c.args == "" && n > 0:
		return fmt.Sprintf("unexpected argument %q", call.args[0])
	case c.args != "" && n == 0:
		return "missing " + c.args
	case n > 1 && c.args != "REF…":
		return fmt.Sprintf("unexpected argument %q", call.args[1])
	}
	return ""
}

// open reaches the images by the daemon, or opens the store itself where there is none.
func (c *imageCall) open(ctx context.Context) (admin.Images, func() error, error) {
	client := admin.Dial(filepath.Join(c.config.State, adminSocket))
	_, err := client.UnderWay(ctx)
	if err == nil {
		return client, client.Close, nil
	}
	if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil, err
	}
	if err := os.MkdirAll(c.config.Root, 0o711); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(c.config.State, 0o711); err != nil {
		return nil, nil, err
	}
	locks, err := daemon.Acquire(c.config.Root, c.config.State)
	if err != nil {
		return nil, nil, err
	}
	store, err := image.Open(ctx, imageConfig(&c.config))
	if err != nil {
		return nil, nil, errors.Join(err, locks.Close())
	}
	return store, func() error { return errors.Join(store.Close(), locks.Close()) }, nil
}

// with calls do with the images.
func (c *imageCall) with(ctx context.Context, do func(admin.Images) error) error {
	images, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(images), done())
}

// json prints v if JSON is wanted, and says whether it did.
func (c *imageCall) json(v any) (bool, error) {
	if c.format != "json" {
		return false, nil
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return true, e.Encode(v)
}
