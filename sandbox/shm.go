// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// shmSize is that of a pod's /dev/shm, as in the whole field.
const shmSize = "65536k"

// nodeShm is /dev/shm of pods in the node's ipc namespace.
const nodeShm = "/dev/shm"

// podShm is where containers find the pod's /dev/shm.
func (m *Manager) podShm(p *pod) string {
	if p.options().GetIpc() == runtime.NamespaceMode_NODE {
		return nodeShm
	}
	return filepath.Join(m.dirs.podRun(p.rec.ID), "shm")
}

// makeShm mounts the pod's /dev/shm.
func (m *Manager) makeShm(p *pod) error {
	dir := m.podShm(p)
	if dir == nodeShm {
		return nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size="+shmSize); err != nil {
		return fmt.Errorf("mount shm of pod %s: %w", p.rec.ID, err)
	}
	return nil
}

// dropShm unmounts it. The kernel keeps the file system for as long as a container has it.
func (m *Manager) dropShm(podID string) error {
	dir := filepath.Join(m.dirs.podRun(podID), "shm")
	if err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
