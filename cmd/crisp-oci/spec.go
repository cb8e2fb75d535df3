// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"crisp/oci"
	"crisp/oci/generate"

	"golang.org/x/sys/unix"
)

const aboutSpec = `The spec command writes the new specification file "config.json" for the
   bundle: a shell with a terminal, changed by the settings in the order in which
   they are given. It does not overwrite a file.`

// specFlags are those of spec.
type specFlags struct {
	bundle, output string
	rootless       bool
	given          []generate.Given
}

func specCommand() command {
	return command{
		name: "spec", summary: "create a new specification file", about: aboutSpec,
		options: func(o *options) action {
			var f specFlags
			o.string(&f.bundle, "bundle, b", "", "path to the root of the bundle directory")
			o.bool(&f.rootless, "rootless", "generate a configuration for a rootless container")
			o.string(&f.output, "output", "", "file to write instead of config.json; \"-\" for standard output")
			for _, s := range generate.Settings() {
				placeholder := " value"
				if s.Flag {
					placeholder = ""
				}
				o.add(&settingValue{&f.given, s.Names[0]}, strings.Join(s.Names, ", "), placeholder, s.Usage).isFlag = s.Flag
			}
			return simple(func(*call) error { return f.run() })
		},
	}
}

// settingValue collects settings in the order of the command line.
type settingValue struct {
	list *[]generate.Given
	name string
}

func (v *settingValue) Set(s string) error {
	*v.list = append(*v.list, generate.Given{Name: v.name, Value: s})
	return nil
}

func (f *specFlags) run() error {
	var st unix.Statfs_t
	unified := unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
	s := generate.Default(unified)
	if f.rootless {
		generate.Rootless(s)
	}
	if err := generate.Apply(s, f.given); err != nil {
		return err
	}
	if err := oci.Check(s).Errors(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return f.write(b)
}

// write writes the file, which must not be there yet.
func (f *specFlags) write(b []byte) error {
	if f.output == "-" {
		_, err := fmt.Println(string(b))
		return err
	}
	name := filepath.Join(f.bundle, "config.json")
	if f.output != "" {
		name = f.output
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, os.ErrExist) {
		//lint:ignore ST1005 runc's words, which engines look for
		return fmt.Errorf("File %s exists. Remove it first", name)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	return errors.Join(err, file.Close())
}
