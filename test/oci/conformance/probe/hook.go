// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// hookReport is a line of a hook's log; the tests have the same type.
type hookReport struct {
	Name       string
	Args       []string
	Env        []string
	Cwd        string
	State      json.RawMessage   // what stdin held
	Namespaces map[string]string // its own
	Container  map[string]string // of the process that the state names
	Root       []string          // names in its /
	Mounts     string            // its mountinfo
	FDs        int
}

func logHook(name, log string) error {
	state, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err != nil {
		return err
	}
	if len(state) == 0 { // the container's own process
		state = []byte("null")
	}
	r := hookReport{Name: name, Args: os.Args, Env: os.Environ(), State: state, Namespaces: namespaces("self")}
	r.Cwd, _ = os.Getwd()
	var s struct{ Pid json.Number }
	if json.Unmarshal(state, &s) == nil && s.Pid != "" {
		r.Container = namespaces(string(s.Pid))
	}
	entries, _ := os.ReadDir("/")
	for _, e := range entries {
		r.Root = append(r.Root, e.Name())
	}
	text, _ := os.ReadFile("/proc/self/mountinfo")
	r.Mounts = string(text)
	open, _ := filepath.Glob("/proc/self/fd/*")
	r.FDs = len(open)
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n'))
	return err
}

func namespaces(pid string) map[string]string {
	all := map[string]string{}
	links, _ := filepath.Glob("/proc/" + pid + "/ns/*")
	for _, l := range links {
		if name := filepath.Base(l); !strings.HasSuffix(name, "_for_children") {
			all[name], _ = os.Readlink(l)
		}
	}
	return all
}
