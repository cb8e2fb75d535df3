// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the test program does instead of testing, when it is called by these words: it prepares itself and executes the engine.
const (
	keyringArg  = "with-key"      // a key in the session keyring
	terminalArg = "with-terminal" // a controlling terminal
	userArg     = "as-user"       // the user rootlessUser, who is not root
)

// under is what stands between the test and the engine.
func under(what string, words []string) {
	var err error
	switch what {
	case launchArg:
		launch(words)
	case keyringArg:
		if _, err = unix.KeyctlJoinSessionKeyring("crisp-security"); err == nil {
			_, err = unix.AddKey("user", "crisp-secret", []byte("of the host"), unix.KEY_SPEC_SESSION_KEYRING)
		}
	case userArg:
		err = becomeUser()
	case terminalArg:
		err = takeTerminal()
	default:
		return
	}
	if err == nil {
		err = syscall.Exec(words[0], words, os.Environ())
	}
	fmt.Fprintln(os.Stderr, what, err)
	os.Exit(70)
}

// takeTerminal makes a new terminal the controlling one of a new session. Its master stays open over the exec.
func takeTerminal() error {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	slave, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if e != 0 {
		return e
	}
	if _, err := unix.Setsid(); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(slave), unix.TIOCSCTTY, 0)
}
