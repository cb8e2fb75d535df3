// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// read reads the config.json of a bundle: a regular file, of bounded size. A FIFO would let the reader wait for ever.
func read(bundle string) ([]byte, error) {
	path := filepath.Join(bundle, document)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return io.ReadAll(io.LimitReader(f, MaxConfig+1))
}
