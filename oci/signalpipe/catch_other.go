// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package signalpipe

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// queue is how many signals may wait.
const queue = 64

// Catch has signals come to a pipe from here on. It is called once.
func Catch() (*Pipe, error) {
	p, fd, err := open()
	if err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, queue)
	signal.Notify(signals)
	go func() {
		for s := range signals {
			if n, ok := s.(unix.Signal); ok && catchable(n) {
				_, _ = unix.Write(fd, []byte{byte(n)}) // full: lost, as with the handler
			}
		}
	}()
	return p, nil
}
