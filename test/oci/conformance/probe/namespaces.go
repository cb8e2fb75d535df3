// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func hostname([]string) (string, error) { return os.Hostname() }

func domainname([]string) (string, error) {
	var u unix.Utsname
	err := unix.Uname(&u)
	return unix.ByteSliceToString(u.Domainname[:]), err
}

func namespace(a []string) (string, error) { return os.Readlink("/proc/self/ns/" + a[0]) }

// clock NAME: whole seconds.
func clock(a []string) (string, error) {
	var t unix.Timespec
	id := map[string]int32{"monotonic": unix.CLOCK_MONOTONIC, "boottime": unix.CLOCK_BOOTTIME}[a[0]]
	err := unix.ClockGettime(id, &t)
	return fmt.Sprint(t.Sec), err
}

// links: names of network devices, with a star behind those that are up.
func links([]string) (string, error) {
	all, err := net.Interfaces()
	var names []string
	for _, l := range all {
		name := l.Name
		if l.Flags&net.FlagUp != 0 {
			name += "*"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " "), err
}

// addresses LINK but for link-local ones.
func addresses(a []string) (string, error) {
	l, err := net.InterfaceByName(a[0])
	if err != nil {
		return "", err
	}
	all, err := l.Addrs()
	var texts []string
	for _, addr := range all {
		if n, ok := addr.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			texts = append(texts, addr.String())
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " "), err
}

// ping: whether a packet to 127.0.0.1 arrives.
func ping([]string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "", err
	}
	return "ok", conn.Close()
}
