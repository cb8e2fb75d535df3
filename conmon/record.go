// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ReadExit reads the exit record in the exit directory of a container; ErrNoExit when there is none.
func ReadExit(dir string) (Exit, error) {
	path := filepath.Join(dir, "exit")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Exit{}, fmt.Errorf("%s: %w", path, ErrNoExit)
	}
	if err != nil {
		return Exit{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return Exit{}, err
	}
	e, err := parseExit(b)
	if err != nil { // a power cut can leave an empty file behind the rename
		return Exit{}, fmt.Errorf("%s: %w: %w", path, ErrNoExit, err)
	}
	return e, nil
}

// parseExit reads "1 CODE SIGNAL OOM_KILLS UNIX_NANOSECONDS\n".
func parseExit(b []byte) (Exit, error) {
	line, ok := bytes.CutSuffix(b, []byte("\n"))
	f := bytes.Split(line, []byte(" "))
	if !ok || len(f) != 5 || string(f[0]) != "1" {
		return Exit{}, fmt.Errorf("exit record %q: malformed", b)
	}
	var n [4]uint64
	for i, bits := range []int{8, 8, 32, 63} {
		var err error
		if n[i], err = strconv.ParseUint(string(f[i+1]), 10, bits); err != nil {
			return Exit{}, fmt.Errorf("exit record: %w", err)
		}
	}
	return Exit{Code: int(n[0]), Signal: int(n[1]), OOMKills: uint32(n[2]), Time: time.Unix(0, int64(n[3]))}, nil
}
