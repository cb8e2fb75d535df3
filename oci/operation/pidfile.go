// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"os"
	"path/filepath"
	"strconv"
)

// pidFile writes a pid aside and puts it in place: who waits for the file finds all of it. "" is no file.
func pidFile(path string, pid int) error {
	if path == "" {
		return nil
	}
	aside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(pid))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		os.Remove(aside)
	}
	return err
}
