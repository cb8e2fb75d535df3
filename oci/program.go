// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// defaultPath is where programs are searched without PATH: crisp-conmon (exec_in_path) takes the same.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// findProgram makes a missing program an error of the creation, as runc and crun do: whoever called them looks for it there. With the user's
// credentials, because they are what counts at the exec.
func (a *assembly) findProgram() {
	if !a.opts.FindProgram || a.exec != plan.NoReg {
		return
	}
	name := a.process.Args[0]
	a.about("exec %s", name)
	if strings.Contains(name, "/") {
		a.close(a.openat(plan.NoReg, name, opath, 0))
		return
	}
	dirs := strings.Split(a.searchPath(), ":")
	found := a.reg()
	var ends []int
	for i, dir := range dirs {
		if dir == "" {
			dir = "."
		}
		s := a.step(plan.OpOpenat2, opath)
		s.Str[0], s.Out = dir+"/"+name, found
		if i == len(dirs)-1 {
			break
		}
		next := a.tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES)
		ends = append(ends, a.jump(found))
		a.skipHere(next)
	}
	for _, end := range ends {
		a.skipHere(end)
	}
	a.close(found)
}

// searchPath is PATH of the process's environment: of several, the first counts.
func (a *assembly) searchPath() string {
	for _, v := range a.process.Env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			return p
		}
	}
	return defaultPath
}
