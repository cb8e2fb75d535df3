// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// bootPatience is how long a guest may take with KVM until its command runs. It takes about 2 seconds.
const bootPatience = 20 * time.Second

// accelerator chooses: $CRISP_VM_ACCEL, or KVM where it can boot a guest, or emulation. A KVM that can be opened but hangs or aborts
// exists: nested in some other machine. The verdict is kept until the host boots anew.
func (m *Machine) accelerator(ctx context.Context, cache string) (string, error) {
	if chosen := os.Getenv("CRISP_VM_ACCEL"); chosen != "" {
		return chosen, nil
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg", nil
	}
	kvm.Close()
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	verdict := filepath.Join(cache, "accel-"+strings.TrimSpace(string(id)))
	if known, err := os.ReadFile(verdict); err == nil {
		return string(known), nil
	}
	accel := "kvm"
	code, _, err := m.boot(ctx, Job{Args: []string{"/bin/true"}, Timeout: bootPatience}, accel)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil || code != 0 {
		accel = "tcg"
	}
	return accel, os.WriteFile(verdict, []byte(accel), 0o600)
}

// qemu runs the guest until it powers off.
func (m *Machine) qemu(ctx context.Context, dir string, job Job, accel string) error {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", m.arguments(dir, job, accel)...)
	log, err := os.Create(filepath.Join(dir, "qemu"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var copying sync.WaitGroup
	for _, to := range []io.Writer{job.Stdout, job.Stderr} {
		if to == nil {
			to = io.Discard
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
		copying.Go(func() {
			defer r.Close()
			_, _ = io.Copy(to, r) // a reader that is gone is its own matter
		})
	}
	err = cmd.Start()
	for _, w := range cmd.ExtraFiles {
		w.Close()
	}
	if err == nil {
		err = cmd.Wait()
	}
	copying.Wait()
	return err
}

// kernelArgs: AppArmor on, cgroup v1 off; a guest that panics ends.
const kernelArgs = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check cryptomgr.notests init_on_alloc=0 mitigations=off " +
	"apparmor=1 security=apparmor cgroup_no_v1=all CRISP_JOB="

// arguments are QEMU's. fds 3 and 4 are the command's stdout and stderr.
func (m *Machine) arguments(dir string, job Job, accel string) []string {
	memory, cpus := max(job.MemoryMB, 0), max(job.CPUs, 0)
	if memory == 0 {
		memory = 2048
	}
	if cpus == 0 {
		cpus = 2
	}
	machine, cpu := "kvm", "host"
	if accel != "kvm" {
		// la57 makes page walks slower, erms makes copies slower, under emulation.
		machine, cpu = "tcg,thread=multi,tb-size=512", "max,la57=off,-erms"
	}
	args := []string{
		"-accel", machine, "-cpu", cpu, "-smp", fmt.Sprint(cpus), "-m", fmt.Sprintf("%dM", memory),
		"-object", fmt.Sprintf("memory-backend-memfd,id=memory,size=%dM,share=on", memory), "-numa", "node,memdev=memory", // for virtiofs
		"-display", "none", "-nodefaults", "-no-user-config", "-no-reboot",
		"-kernel", m.kernel.vmlinux(), "-initrd", m.kernel.initramfs(), "-append", kernelArgs + dir + " " + job.Kernel,
		"-serial", "file:" + filepath.Join(dir, "console"),
		"-chardev", "socket,id=files,path=" + filepath.Join(dir, "files"),
		"-device", "vhost-user-fs-pci,chardev=files,tag=host,queue-size=1024",
		"-drive", "file=" + m.scratch + ",if=virtio,format=raw,snapshot=on,cache=unsafe",
		"-device", "virtio-serial-pci",
	}
	if job.Drive != "" {
		args = append(args, "-drive", "file="+job.Drive+",if=virtio,format=raw,cache=none")
	}
	for i, name := range []string{"out", "err"} {
		args = append(args,
			"-add-fd", fmt.Sprintf("fd=%d,set=%d", 3+i, 1+i),
			"-chardev", fmt.Sprintf("file,id=%s,path=/dev/fdset/%d,append=on", name, 1+i),
			"-device", fmt.Sprintf("virtserialport,chardev=%s,name=crisp.%s", name, name))
	}
	return args
}
