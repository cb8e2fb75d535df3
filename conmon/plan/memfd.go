// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Memfd encodes the plan into a sealed memfd, the form in which it travels. The caller closes it.
func (p *Plan) Memfd() (*os.File, error) {
	b, err := p.Encode()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("plan", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd of the plan: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, fmt.Errorf("memfd of the plan: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal the plan: %w", err)
	}
	return f, nil
}
