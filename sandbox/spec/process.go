// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultPath is PATH where neither the image nor the pod sets one.
const DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// processArgs merges the CRI's command and args with the image's entrypoint and cmd: a command replaces both, args alone replace
// the cmd.
func processArgs(in ContainerInput) ([]string, error) {
	c := in.Config
	args := slices.Concat(c.GetCommand(), c.GetArgs())
	if len(c.GetCommand()) == 0 {
		args = slices.Concat(in.Image.Entrypoint, c.GetArgs())
		if len(c.GetArgs()) == 0 {
			args = slices.Concat(in.Image.Entrypoint, in.Image.Cmd)
		}
	}
	if len(args) == 0 || args[0] == "" {
		return nil, invalid("command", "neither the container nor the image names one")
	}
	for _, a := range args {
		if strings.ContainsRune(a, 0) {
			return nil, invalid("command", fmt.Sprintf("%q has a NUL byte", a))
		}
	}
	return args, nil
}

// processEnv is the image's environment, overridden key by key by the CRI's, whose values are bytes and need not be UTF-8.
func processEnv(in ContainerInput) ([]string, error) {
	env := envList{index: map[string]int{}}
	env.set(DefaultPath)
	if in.Hostname != "" {
		env.set("HOSTNAME=" + in.Hostname)
	}
	if in.Config.GetTty() {
		env.set("TERM=xterm")
	}
	for _, kv := range in.Image.Env {
		env.set(kv)
	}
	for _, kv := range in.Config.GetEnvs() {
		if kv.GetKey() == "" || strings.ContainsAny(kv.GetKey(), "=\x00") || bytes.IndexByte(kv.GetValue(), 0) >= 0 {
			return nil, invalid("envs", fmt.Sprintf("%q cannot be an environment variable", kv.GetKey()))
		}
		env.set(kv.GetKey() + "=" + string(kv.GetValue()))
	}
	return env.list, nil
}

// envList keeps the order of first appearance and finds a key in constant time: thousands of variables are common (service links).
type envList struct {
	list  []string
	index map[string]int
}

func (e *envList) set(kv string) {
	key, _, _ := strings.Cut(kv, "=")
	if i, ok := e.index[key]; ok {
		e.list[i] = kv
		return
	}
	e.index[key] = len(e.list)
	e.list = append(e.list, kv)
}

// process builds the container's process but for its security.
func process(in ContainerInput, u User) (*specs.Process, error) {
	args, err := processArgs(in)
	if err != nil {
		return nil, err
	}
	env, err := processEnv(in)
	if err != nil {
		return nil, err
	}
	p := &specs.Process{Terminal: in.Config.GetTty(), Args: args, Env: env, Cwd: workingDir(in), User: ociUser(u)}
	if r := in.Config.GetLinux().GetResources(); r != nil {
		adj := int(r.GetOomScoreAdj())
		if adj < -1000 || adj > 1000 {
			return nil, invalid("oom_score_adj", fmt.Sprintf("%d is not in -1000..1000", adj))
		}
		p.OOMScoreAdj = &adj
	}
	return p, nil
}

func ociUser(u User) specs.User {
	out := specs.User{UID: u.UID, GID: u.GID}
	for _, g := range u.Groups {
		if g != u.GID {
			out.AdditionalGids = append(out.AdditionalGids, g)
		}
	}
	return out
}

func workingDir(in ContainerInput) string {
	for _, d := range []string{in.Config.GetWorkingDir(), in.Image.WorkingDir} {
		if d != "" {
			return cleanAbs(d)
		}
	}
	return "/"
}

// ExecProcess is the process of an exec in a container: the container's own with other arguments.
func ExecProcess(container *specs.Process, cmd []string, tty bool) (*specs.Process, error) {
	if len(cmd) == 0 || cmd[0] == "" {
		return nil, invalid("cmd", "is empty")
	}
	p := *container
	p.Args, p.Terminal, p.ConsoleSize = cmd, tty, nil
	if tty && !slices.ContainsFunc(p.Env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		p.Env = append(slices.Clone(p.Env), "TERM=xterm")
	}
	return &p, nil
}
