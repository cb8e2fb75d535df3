// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// site answers every request for / with one page, and logs it as web servers do.
func site(server, page string, log io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", server)
		w.Header().Set("Content-Type", "text/html")
		status := http.StatusOK
		if r.URL.Path != "/" && r.URL.Path != "/index.html" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		fmt.Fprint(w, page)
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(log, "%s - - \"%s %s %s\" %d\n", host, r.Method, r.URL.Path, r.Proto, status)
	})
}

func httpd() error {
	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "[core:notice] AH00094: Command line: 'httpd -D FOREGROUND'")
	stop := notify(syscall.SIGWINCH, syscall.SIGTERM, syscall.SIGINT)
	go http.Serve(l, site("Apache/2.4.39 (Unix)", "<html><body><h1>It works!</h1></body></html>\n", os.Stdout))
	<-stop
	return nil
}

func notify(s ...os.Signal) <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s...)
	return c
}

// workerEnv holds the number of listeners that the worker finds as fds 3 and up.
const workerEnv = "ACTOR_LISTENERS"

// nginx becomes "nginx: master process …" first, whose command name stays "nginx"; the master starts the worker.
func nginx() error {
	if n := os.Getenv(workerEnv); n != "" {
		return nginxWorker(n)
	}
	if !strings.HasPrefix(os.Args[0], "nginx: master") {
		title := "nginx: master process " + strings.Join(os.Args, " ")
		return syscall.Exec("/usr/sbin/nginx", []string{title}, os.Environ())
	}
	listeners, err := nginxListeners()
	if err != nil {
		return err
	}
	worker := exec.Command("/usr/sbin/nginx")
	worker.Args = []string{"nginx: worker process"}
	worker.Env = append(os.Environ(), workerEnv+"="+strconv.Itoa(len(listeners)))
	worker.Stdout, worker.Stderr, worker.ExtraFiles = os.Stdout, os.Stderr, listeners
	// As nginx does, the worker drops to an unprivileged user: this needs CAP_SETUID and CAP_SETGID.
	worker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 101, Gid: 101}}
	stop := notify(syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT)
	if err := worker.Start(); err != nil {
		return err
	}
	if err := os.WriteFile("/var/run/nginx.pid", fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return err
	}
	return nginxMaster(worker, stop)
}

func nginxMaster(worker *exec.Cmd, stop <-chan os.Signal) error {
	exited := make(chan error, 1)
	go func() { exited <- worker.Wait() }()
	select {
	case s := <-stop:
		if err := worker.Process.Signal(s); err != nil {
			return err
		}
		<-exited
		return os.Remove("/var/run/nginx.pid")
	case err := <-exited:
		return fmt.Errorf("worker process exited: %w", err)
	}
}

func nginxListeners() ([]*os.File, error) {
	conf, err := os.ReadFile("/etc/nginx/conf.d/default.conf")
	if errors.Is(err, os.ErrNotExist) {
		conf = []byte("listen 80;")
	} else if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range regexp.MustCompile(`(?m)^\s*listen\s+(\d+)`).FindAllSubmatch(conf, -1) {
		l, err := net.Listen("tcp", ":"+string(m[1]))
		if err != nil {
			return nil, err
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func nginxWorker(listeners string) error {
	page, err := os.ReadFile("/usr/share/nginx/html/index.html")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(listeners)
	if err != nil {
		return err
	}
	stop := notify(syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT)
	for fd := range n {
		l, err := net.FileListener(os.NewFile(uintptr(3+fd), "listener"))
		if err != nil {
			return err
		}
		go http.Serve(l, site("nginx/1.14.2", string(page), os.Stdout))
	}
	<-stop
	return nil
}
