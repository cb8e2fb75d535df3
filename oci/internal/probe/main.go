// SPDX-License-Identifier: Apache-2.0

//go:debug containermaxprocs=0

// Command probe is the workload of this package's tests. It is static, needs no file, and tells what it sees from inside a container.
//
// The debug setting keeps the Go runtime from opening cgroup files, which would show up among the descriptors.
//
//	probe facts PATH...   prints facts.Facts as one line of JSON
//	probe exit CODE       ends with a code
//	probe wait            prints "ready", waits for a signal, and ends with 0 on SIGTERM
//	probe orphan          as wait, with a child in a session of its own
//	probe eat             uses memory until it is killed
//	probe chmod PATH      changes a file's mode, and ends with 1 when that fails
//	probe reopen          opens /dev/stdout, as many programs do for their logs, and writes "reopened"
//	probe save PATH       writes what comes on stdin into a file, and then what facts prints
//	probe keyring         prints the number of its session keyring, and waits as wait does if an argument follows
//	probe syscall         calls setdomainname and tells what came of it
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"crisp/oci/internal/facts"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		os.Args = append(os.Args, "facts")
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "facts":
		if err := json.NewEncoder(os.Stdout).Encode(collect(args)); err != nil {
			os.Exit(1)
		}
	case "exit":
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	case "wait":
		wait()
	case "orphan":
		child := exec.Cmd{Path: "/probe", Args: []string{"probe", "wait"}, Stdout: os.Stdout, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		wait()
	case "eat":
		eat()
	case "chmod":
		if err := os.Chmod(args[0], 0o600); err != nil {
			os.Exit(1)
		}
	case "reopen":
		f, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintln(f, "reopened")
	case "save":
		if err := save(args[0]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "keyring":
		fmt.Println(unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false))
		if len(args) > 0 {
			wait()
		}
	case "syscall":
		fmt.Println(unix.Setdomainname([]byte("x")))
	default:
		os.Exit(64)
	}
}

func save(path string) error {
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	facts, err := json.Marshal(collect(nil))
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(append(stdin, '\n'), facts...), 0o666)
}

func wait() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGTERM)
	fmt.Println("ready")
	<-c
}

func eat() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) > 1<<14 {
			os.Exit(3)
		}
	}
}

func collect(paths []string) facts.Facts {
	f := facts.Facts{
		Args: os.Args, Env: os.Environ(), Mounts: lines("/proc/self/mountinfo"), Status: map[string]string{},
		Limits: map[string]string{}, FDs: map[string]string{}, Namespaces: map[string]string{}, Paths: map[string]facts.Path{},
		OOMScoreAdj: text("/proc/self/oom_score_adj"), Cgroup: text("/proc/self/cgroup"), UIDMap: text("/proc/self/uid_map"),
		Pid: os.Getpid(),
	}
	f.Umask = unix.Umask(0)
	f.Cwd, _ = os.Getwd()
	f.Session, _ = unix.Getsid(0)
	f.Nice, _ = unix.Getpriority(unix.PRIO_PROCESS, 0)
	f.Nice = 20 - f.Nice // the system call gives 20 - nice
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		f.Hostname, f.Domainname = unix.ByteSliceToString(uts.Nodename[:]), unix.ByteSliceToString(uts.Domainname[:])
	}
	for _, l := range lines("/proc/self/status") {
		if k, v, ok := strings.Cut(l, ":"); ok {
			f.Status[k] = strings.TrimSpace(v)
		}
	}
	for _, l := range lines("/proc/self/limits") {
		if len(l) > 60 {
			f.Limits[strings.TrimSpace(l[:26])] = strings.Join(strings.Fields(l[26:])[:2], " ")
		}
	}
	readlinks("/proc/self/fd", f.FDs)
	readlinks("/proc/self/ns", f.Namespaces)
	for _, p := range paths {
		f.Paths[p] = look(p)
	}
	return f
}

func text(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

func lines(path string) []string { return strings.Split(text(path), "\n") }

// readlinks reads a directory of symlinks, without the descriptor that reads it.
func readlinks(dir string, into map[string]string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		target, err := os.Readlink(dir + "/" + n)
		if err != nil || n == strconv.Itoa(int(d.Fd())) || strings.HasPrefix(target, "anon_inode:[event") {
			continue // the Go runtime's poller
		}
		into[n] = target
	}
}

func look(path string) facts.Path {
	var p facts.Path
	st, err := os.Lstat(path)
	if err != nil {
		p.Error = err.Error()
		return p
	}
	sys := st.Sys().(*syscall.Stat_t) //nolint:errcheck // Linux
	p.Mode, p.UID, p.GID = st.Mode().String(), sys.Uid, sys.Gid
	if sys.Rdev != 0 {
		p.Rdev = fmt.Sprintf("%d:%d", unix.Major(sys.Rdev), unix.Minor(sys.Rdev))
	}
	p.Link, _ = os.Readlink(path)
	if st.IsDir() {
		lookInside(path, &p)
		return p
	}
	if st.Mode().IsRegular() || p.Rdev == "1:3" {
		lookAt(path, &p)
	}
	return p
}

func lookInside(path string, p *facts.Path) {
	entries, err := os.ReadDir(path)
	if err != nil {
		p.ReadError = err.Error()
	}
	for _, e := range entries {
		p.Content += e.Name() + " "
	}
	f, err := os.CreateTemp(path, "probe")
	if err != nil {
		p.WriteError = err.Error()
		return
	}
	f.Close()
	os.Remove(f.Name())
}

func lookAt(path string, p *facts.Path) {
	f, err := os.Open(path)
	if err != nil {
		p.ReadError = err.Error()
	} else {
		b := make([]byte, 4096)
		n, _ := f.Read(b)
		p.Content = string(b[:n])
		f.Close()
	}
	if f, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		p.WriteError = err.Error()
	} else {
		f.Close()
	}
}
