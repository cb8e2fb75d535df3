// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// bin holds bin/crisp-conmon when make has built it before. The folder is always there, so that this package compiles without it.
//
//go:embed all:bin
var bin embed.FS

// binary is the memfd, made once for the process.
var binary struct {
	once sync.Once
	file *os.File
	err  error
}

// Binary returns the embedded crisp-conmon as a sealed memfd that is made once: nothing that runs it can change it
// (CVE-2019-5736). Run with argv[0] "pause" it is the pause program. The caller does not close it.
func Binary() (*os.File, error) {
	binary.once.Do(func() { binary.file, binary.err = makeBinary() })
	return binary.file, binary.err
}

func makeBinary() (*os.File, error) {
	f, err := bin.Open("bin/crisp-conmon")
	if err != nil {
		return nil, ErrNoBinary
	}
	defer f.Close()
	return sealed(f)
}

// onlyWriter hides what a file can do to read from others, which looks at more than it needs.
type onlyWriter struct{ io.Writer }

// sealed puts a program into a memfd that nobody can change. In pieces: a copy in memory is what crisp-oci would have most of.
func sealed(text io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("crisp-conmon", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC came with Linux 6.3
		fd, err = unix.MemfdCreate("crisp-conmon", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd of crisp-conmon: %w", err)
	}
	f := os.NewFile(uintptr(fd), "crisp-conmon")
	if _, err := io.CopyBuffer(onlyWriter{f}, text, make([]byte, 8<<10)); err != nil {
		f.Close()
		return nil, fmt.Errorf("memfd of crisp-conmon: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal crisp-conmon: %w", err)
	}
	return f, nil
}
