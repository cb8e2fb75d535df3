// SPDX-License-Identifier: Apache-2.0

// Command serve makes the test images and serves them until SIGINT or SIGTERM, for a runtime that is driven by hand.
//
//	go run ./test/images/serve [-addr 127.0.0.1:5000] [-hosts DIR]   serve; write DIR/HOST/hosts.toml for each registry
//	go run ./test/images/serve -list                                 the table of images
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"crisp/test/build"
	"crisp/test/images"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:5000", "address to listen on")
	hosts := flag.String("hosts", "", "directory for hosts.toml files that send every registry to this one")
	list := flag.Bool("list", false, "print the table of images")
	flag.Parse()
	run := func() error { return serve(*addr, *hosts) }
	if *list {
		run = func() error { return images.Table(os.Stdout) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func serve(addr, hosts string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	programs, err := build.ImagePrograms(ctx)
	if err != nil {
		return err
	}
	registry, err := images.Catalogue(programs)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if hosts != "" {
		if err := images.WriteMirrors(hosts, l.Addr().String()); err != nil {
			return err
		}
	}
	fmt.Printf("%d references at http://%s\n", len(images.References()), l.Addr())
	server := &http.Server{Handler: registry}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
