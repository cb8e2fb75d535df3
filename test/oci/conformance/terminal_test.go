// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestTerminal(t *testing.T) { verifyTables(t, "terminal") }

func terminalTables() []table {
	return []table{{name: "terminal", rows: []row{
		{
			id: "process.terminal", of: "6.1 process.terminal",
			fields: []string{"process.terminal", "process.consoleSize.height", "process.consoleSize.width"},
			run: func(b *bench) {
				k := b.bundle()
				k.Process.Terminal, k.Process.ConsoleSize = true, &specs.Box{Height: 33, Width: 123}
				k.verifyTerminal([]sight{
					{"terminal", "33 123"}, {"fd 0", "/dev/pts/0"}, {"fd 1", "/dev/pts/0"}, {"fd 2", "/dev/pts/0"}, {"session", "leader in the foreground"},
					{"stat /dev/console", "~^c 136:0 06[02]0 0:5$"}, {"open /dev/console rw", "ok"}, {"open /dev/tty rw", "ok"}, {"fds", "0 1 2"},
				})
			},
		}, {
			id: "process.terminal.user", of: "6.1 process.terminal", // it is the user's
			run: func(b *bench) {
				k := b.bundle()
				asUser(k)
				k.Process.Terminal = true
				k.verifyTerminal([]sight{{"stat /dev/pts/0", "~^c 136:0 0620 1000:5$"}, {"open /dev/tty rw", "ok"}, {"open /dev/console rw", "ok"}})
			},
		}, {
			id: "process.terminal.exec", of: "6.1 process.terminal",
			run: func(b *bench) {
				k := b.bundle()
				c := k.create()
				c.start()
				p := &specs.Process{Terminal: true, ConsoleSize: &specs.Box{Height: 22, Width: 77}, Env: k.Process.Env, Capabilities: k.Process.Capabilities}
				file := c.processFile(p, "terminal", "fd 0")
				text := k.console(func(socket string) result {
					return c.command("exec", "--process", file, "--console-socket", socket, "--detach", c.id)
				})
				a := b.answers(text)
				if a["terminal"] != "22 77" || !strings.HasPrefix(a["fd 0"], "/dev/pts/") {
					b.errorf("%q", a)
				}
				c.stop()
				c.delete()
			},
		}, {
			id: "process.terminal.noSocket", of: "6.1 process.terminal", // create cannot keep one
			run: func(b *bench) {
				k := b.bundle()
				k.Process.Terminal = true
				id := k.id()
				k.save(id, "ask")
				b.fails(k.args("create", id)...)
				b.fails("state", id)
			},
		}, {
			id: "process.terminal.not", of: "6.1 process.terminal", alone: true,
			sees: []sight{{"terminal", "ENOTTY"}, {"stat /dev/console", "ENOENT"}, {"open /dev/tty rw", "ENXIO"}, {"session", "leader without a terminal"}},
		},
	}}}
}

// verifyTerminal asks a container with a terminal.
func (k *bundle) verifyTerminal(sees []sight) {
	r := row{sees: sees}
	for _, s := range sees {
		k.asks = append(k.asks, s.ask)
	}
	id := k.id()
	k.save(id, "ask")
	text := k.console(func(socket string) result {
		made := k.command("create", "--bundle", k.dir, "--console-socket", socket, id)
		if made.code == 0 {
			k.ok("start", id)
		}
		return made
	})
	r.judge(k.bench, k.answers(text))
	k.becomes(id, specs.StateStopped)
	k.ok("delete", id)
}

// console takes the terminal that a command sends and reads a line from it.
func (k *bundle) console(command func(socket string) result) string {
	dir, err := os.MkdirTemp("", "s") // short enough for a socket's path
	k.must(err)
	defer os.RemoveAll(dir)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
	k.must(err)
	defer listener.Close()
	k.must(listener.SetDeadline(time.Now().Add(patience)))
	master := make(chan *os.File, 1)
	go func() {
		defer close(master)
		conn, err := listener.AcceptUnix()
		if err != nil {
			return
		}
		defer conn.Close()
		name, oob := make([]byte, 4096), make([]byte, 1024)
		_, n, _, _, err := conn.ReadMsgUnix(name, oob)
		if err != nil {
			return
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil || len(messages) != 1 {
			return
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			return
		}
		master <- os.NewFile(uintptr(fds[0]), "master")
	}()
	if r := command(dir + "/s"); r.code != 0 {
		k.fatalf("with a console socket: %v", r)
	}
	f := <-master
	if f == nil {
		k.fatalf("no terminal came")
	}
	defer f.Close()
	var text []byte
	buffer := make([]byte, 4096)
	for !strings.Contains(string(text), "\n") {
		n, err := f.Read(buffer)
		text = append(text, buffer[:n]...)
		if err != nil {
			break
		}
	}
	return string(text)
}
