// SPDX-License-Identifier: Apache-2.0

// Gen writes the table of syscall numbers, from the constants of golang.org/x/sys/unix, which its maintainers generate from
// the kernel's own headers. It is run by "go generate ./oci/seccomp"; a test fails when the committed table is stale.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// columns are the architectures of the table in its order: the name in package seccomp, and GOARCH.
// X32 is made from amd64.
var columns = []struct{ name, goarch string }{
	{"X8664", "amd64"}, {"X86", "386"}, {"X32", ""}, {"AArch64", "arm64"}, {"ARM", "arm"},
	{"RISCV64", "riscv64"}, {"PPC64LE", "ppc64le"}, {"S390X", "s390x"}, {"LoongArch64", "loong64"},
}

// pseudo are constants that are no syscalls.
var pseudo = map[string]bool{"syscall_mask": true, "arch_specific_syscall": true}

// armPrivate are the calls of arch/arm/include/uapi/asm/unistd.h that x/sys/unix leaves out, and another name for one.
var armPrivate = map[string]int{
	"breakpoint": 0xf0001, "cacheflush": 0xf0002, "usr26": 0xf0003, "usr32": 0xf0004, "set_tls": 0xf0005, "get_tls": 0xf0006,
	"sync_file_range2": 341,
}

// socketCalls and ipcCalls are the first arguments of socketcall(2) and ipc(2), the one way to these calls before Linux
// 4.3 and 5.1 on the architectures that have them (include/uapi/linux/net.h, ipc.h).
var (
	socketCalls = map[string]int{
		"socket": 1, "bind": 2, "connect": 3, "listen": 4, "accept": 5, "getsockname": 6, "getpeername": 7, "socketpair": 8,
		"send": 9, "recv": 10, "sendto": 11, "recvfrom": 12, "shutdown": 13, "setsockopt": 14, "getsockopt": 15,
		"sendmsg": 16, "recvmsg": 17, "accept4": 18, "recvmmsg": 19, "sendmmsg": 20,
	}
	ipcCalls = map[string]int{
		"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12, "msgget": 13, "msgctl": 14,
		"shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
	}
)

// x32Bit marks the calls of the x32 ABI, which share AUDIT_ARCH_X86_64.
const x32Bit = 0x40000000

// x32Own are the calls that have a number of their own in the x32 ABI (arch/x86/entry/syscalls/syscall_64.tbl,
// the rows marked "x32", from 512 on).
var x32Own = strings.Fields(`rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace
	rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid set_robust_list
	get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv
	process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2`)

// x32None are the calls that only the 64-bit ABI has (the rows marked "64" without an x32 twin).
var x32None = strings.Fields(`uselib _sysctl create_module get_kernel_syms query_module nfsservctl set_thread_area
	get_thread_area epoll_ctl_old epoll_wait_old vserver uretprobe uprobe map_shadow_stack`)

func main() {
	log.SetFlags(0)
	out := "syscalls_gen.go"
	if len(os.Args) > 1 {
		out = os.Args[1]
	}
	src, err := generate()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(out, src, 0o644); err != nil {
		log.Fatal(err)
	}
}

func generate() ([]byte, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		return nil, fmt.Errorf("find golang.org/x/sys: %w", err)
	}
	tables := map[string]map[string]int{}
	for _, c := range columns {
		if c.goarch == "" {
			continue
		}
		file := filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+c.goarch+".go")
		if tables[c.name], err = parse(file); err != nil {
			return nil, err
		}
	}
	maps.Copy(tables["ARM"], armPrivate)
	tables["X32"] = x32(tables["X8664"])
	return render(tables)
}

// parse reads the constants SYS_NAME = number of one file.
func parse(file string) (map[string]int, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, err
	}
	numbers := map[string]int{}
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			name, ok := strings.CutPrefix(v.Names[0].Name, "SYS_")
			lit, isLit := v.Values[0].(*ast.BasicLit)
			if !ok || !isLit || pseudo[strings.ToLower(name)] {
				continue
			}
			nr, err := strconv.ParseInt(lit.Value, 0, 32)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, name, err)
			}
			numbers[strings.ToLower(name)] = int(nr)
		}
	}
	return numbers, nil
}

func x32(x8664 map[string]int) map[string]int {
	numbers := map[string]int{}
	for name, nr := range x8664 {
		if !slices.Contains(x32None, name) {
			numbers[name] = x32Bit + nr
		}
	}
	for i, name := range x32Own {
		numbers[name] = x32Bit + 512 + i
	}
	return numbers
}

func render(tables map[string]map[string]int) ([]byte, error) {
	names := map[string]bool{}
	for _, t := range tables {
		for name := range t {
			names[name] = true
		}
	}
	var b bytes.Buffer
	b.WriteString("// SPDX-License-Identifier: Apache-2.0\n\n// Code generated by oci/seccomp/internal/gen. DO NOT EDIT.\n\npackage seccomp\n\n")
	b.WriteString("// Columns of syscall.nr.\nconst (\n")
	for i, c := range columns {
		fmt.Fprintf(&b, "column%s = %d\n", c.name, i)
	}
	fmt.Fprintf(&b, "columns = %d\n", len(columns))
	b.WriteString(")\n\n// syscalls has every syscall, sorted by name.\nvar syscalls = [...]syscall{\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "{%q, [...]int32{", name)
		for i, c := range columns {
			if i > 0 {
				b.WriteString(", ")
			}
			if nr, ok := tables[c.name][name]; ok {
				fmt.Fprintf(&b, "%d", nr)
			} else {
				b.WriteString("-1")
			}
		}
		fmt.Fprintf(&b, "}, %d, %d},\n", socketCalls[name], ipcCalls[name])
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}
