// SPDX-License-Identifier: Apache-2.0

// Command actor plays, inside the test images, the programs that critest expects and that busybox lacks. The name it
// is called by picks the role:
//
//	nginx            a master and a worker process, HTTP on the ports of /etc/nginx/conf.d/default.conf, /var/run/nginx.pid
//	httpd-foreground HTTP on port 80, a line with "httpd" in its log, stops on SIGWINCH
//	nnp              prints "Effective uid: N" (installed setuid root)
//	pause            sleeps, reaps orphans, exits on SIGINT and SIGTERM
//	pgrep, ipcs      as the usual programs, one form of the call
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	name, _, _ := strings.Cut(filepath.Base(os.Args[0]), ":") // "nginx: master process ..."
	roles := map[string]func() error{
		"nginx": nginx, "httpd-foreground": httpd, "pause": pause, "pgrep": pgrep, "ipcs": ipcs,
		"nnp": func() error { fmt.Printf("Effective uid: %d\n", os.Geteuid()); return nil },
	}
	play, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "actor: no role %q\n", name)
		os.Exit(2)
	}
	if err := play(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
