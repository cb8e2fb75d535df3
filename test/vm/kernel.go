// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A source is where a kernel comes from.
type source struct {
	pkg   string // a meta package
	suite string // of Debian's archive; "": what this machine's apt is set up for
}

// sources of kernels by the name that Config has for them, tried in turn: the first that can be had is taken.
var sources = map[string][]source{
	"":     {{pkg: "linux-image-6.12-cloud-amd64"}, {pkg: "linux-image-cloud-amd64"}},
	"5.10": {{"linux-image-cloud-amd64", "bullseye"}},
}

// name is that of the kernel's directory.
func (s source) name() string { return strings.TrimSuffix(s.pkg+"-"+s.suite, "-") }

// bootModules are what the initramfs needs; the other modules come over virtiofs.
var bootModules = []string{"virtio_pci", "virtiofs", "virtio_console", "virtio_blk", "overlay", "ext4"}

// A kernel is prepared in a directory:
//
//	vmlinux     the ELF file of the package's bzImage: decompressing it is slow on an emulated processor
//	modules/VERSION/…  decompressed, with modules.dep
//	initramfs   guest/init.sh, busybox and bootModules
type kernel struct{ dir string }

func (k kernel) vmlinux() string   { return filepath.Join(k.dir, "vmlinux") }
func (k kernel) modules() string   { return filepath.Join(k.dir, "modules") }
func (k kernel) initramfs() string { return filepath.Join(k.dir, "initramfs") }

// prepareKernel fetches and unpacks the first of a kernel's sources that can be had, once.
func prepareKernel(ctx context.Context, cache, version string) (kernel, error) {
	from, ok := sources[version]
	if !ok {
		return kernel{}, fmt.Errorf("no kernel %q, but %q", version, slices.Sorted(maps.Keys(sources)))
	}
	key, err := initKey()
	if err != nil {
		return kernel{}, err
	}
	for _, s := range from {
		if k := (kernel{filepath.Join(cache, s.name()+"-"+key)}); exists(k.initramfs()) {
			return k, nil
		}
	}
	var errs []error
	for _, s := range from {
		k := kernel{filepath.Join(cache, s.name()+"-"+key)}
		err := k.make(ctx, s)
		if err == nil {
			return k, nil
		}
		errs = append(errs, err)
	}
	return kernel{}, fmt.Errorf("%w: no kernel: %w", ErrUnavailable, errors.Join(errs...))
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// make builds the directory aside and moves it into place.
func (k kernel) make(ctx context.Context, from source) error {
	part, err := os.MkdirTemp(filepath.Dir(k.dir), "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	unpacked := filepath.Join(part, "package")
	if err := from.unpack(ctx, part, unpacked); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(unpacked, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return fmt.Errorf("package %s: %d kernels, not one (%v)", from.pkg, len(images), err)
	}
	n := kernel{part}
	if err := extract(ctx, images[0], n.vmlinux()); err != nil {
		return err
	}
	version := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	if err := n.addModules(ctx, filepath.Join(unpacked, "lib", "modules", version)); err != nil {
		return err
	}
	if err := n.writeInitramfs(version); err != nil {
		return err
	}
	if err := os.RemoveAll(unpacked); err != nil {
		return err
	}
	_ = os.RemoveAll(k.dir) // the rename says what is wrong with it
	return os.Rename(part, k.dir)
}

// apt is the options for apt to use the archive of a suite, without changing how this machine is set up; its files are below dir.
func (s source) apt(dir string) ([]string, error) {
	if s.suite == "" {
		return nil, nil
	}
	list := filepath.Join(dir, "sources.list")
	line := "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian " + s.suite + " main\n"
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "lists", "partial"), 0o755), os.WriteFile(list, []byte(line), 0o644))
	return []string{
		"-o", "Dir::Etc::sourcelist=" + list, "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::State::lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache=" + dir, "-o", "Acquire::Languages=none",
	}, err
}

// unpack downloads the package that the meta package depends on.
func (s source) unpack(ctx context.Context, dir, to string) error {
	meta := s.pkg
	own := filepath.Join(dir, "apt")
	defer os.RemoveAll(own)
	options, err := s.apt(own)
	if err != nil {
		return err
	}
	apt := func(dir, name string, args ...string) *exec.Cmd {
		return command(ctx, dir, name, append(slices.Clone(options), args...)...)
	}
	depends := func() string {
		out, _ := apt("", "apt-cache", "depends", meta).Output()
		return imageOf(string(out))
	}
	pkg := depends()
	if pkg == "" {
		if out, err := apt("", "apt-get", "update", "-q").CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get update: %w: %s", err, lastLine(out))
		}
		if pkg = depends(); pkg == "" {
			return fmt.Errorf("the archive has no package %s", meta)
		}
	}
	if out, err := apt(dir, "apt-get", "download", "-q", pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get download %s: %w: %s", pkg, err, lastLine(out))
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download %s: %d files, not one (%v)", pkg, len(debs), err)
	}
	defer os.Remove(debs[0])
	if out, err := command(ctx, "", "dpkg-deb", "-x", debs[0], to).CombinedOutput(); err != nil {
		return fmt.Errorf("dpkg-deb -x %s: %w: %s", debs[0], err, lastLine(out))
	}
	return nil
}

func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	return cmd
}

// imageOf finds the kernel's package in the answer of `apt-cache depends META`:
//
//	linux-image-cloud-amd64
//	  Depends: linux-image-6.1.0-51-cloud-amd64
func imageOf(depends string) string {
	for line := range strings.Lines(depends) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-")
		if ok && name != "" && name[0] >= '0' && name[0] <= '9' {
			return "linux-image-" + name
		}
	}
	return ""
}

// extract writes the ELF kernel inside a bzImage, which QEMU starts by its PVH entry point.
func extract(ctx context.Context, image, to string) error {
	data, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	payload, program, err := findPayload(data)
	if err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := command(ctx, "", program, "-dcq")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(payload), out, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("decompress %s: %w: %s", image, err, lastLine(stderr.Bytes()))
	}
	return out.Close()
}

// findPayload finds the compressed kernel in a bzImage (Documentation/arch/x86/boot.rst): setup_sects at 0x1f1, the offset and length
// of the payload, counted from the protected-mode code, at 0x248 and 0x24c. The length includes 4 bytes with the size, unpacked.
func findPayload(image []byte) (payload []byte, program string, err error) {
	if len(image) < 0x250 || string(image[0x202:0x206]) != "HdrS" {
		return nil, "", errors.New("not a bzImage")
	}
	start := (int64(image[0x1f1])+1)*512 + int64(binary.LittleEndian.Uint32(image[0x248:]))
	length := int64(binary.LittleEndian.Uint32(image[0x24c:])) - 4
	if length <= 0 || start+length > int64(len(image)) {
		return nil, "", fmt.Errorf("payload of %d bytes at %d, in a file of %d", length, start, len(image))
	}
	payload = image[start : start+length]
	switch {
	case bytes.HasPrefix(payload, []byte("\xfd7zXZ")):
		return payload, "xz", nil
	case bytes.HasPrefix(payload, []byte("\x28\xb5\x2f\xfd")):
		return payload, "zstd", nil
	case bytes.HasPrefix(payload, []byte("\x02\x21\x4c\x18")): // the format of lz4 -l, as Linux 5.10 of Debian has it
		return payload, "lz4", nil
	}
	return nil, "", fmt.Errorf("compression unknown: %x", payload[:min(4, len(payload))])
}

// addModules moves the modules in and decompresses them, which busybox's modprobe would do slowly.
func (k kernel) addModules(ctx context.Context, from string) error {
	to := filepath.Join(k.modules(), filepath.Base(from))
	if err := os.MkdirAll(k.modules(), 0o755); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	var packed []string
	err := filepath.WalkDir(to, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".ko.xz") {
			packed = append(packed, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(packed, 256) {
		if out, err := command(ctx, "", "xz", append([]string{"-dq"}, batch...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("xz -d modules: %w: %s", err, lastLine(out))
		}
	}
	// depmod looks below BASE/lib/modules.
	base := filepath.Join(k.dir, "base")
	if err := os.MkdirAll(filepath.Join(base, "lib"), 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(base)
	if err := os.Symlink(k.modules(), filepath.Join(base, "lib", "modules")); err != nil {
		return err
	}
	if out, err := command(ctx, "", "/bin/busybox", "depmod", "-b", base, filepath.Base(to)).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod: %w: %s", err, lastLine(out))
	}
	return nil
}

// moduleFiles returns the files of the modules and of all that they depend on, from the text of modules.dep:
//
//	kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko
//
// What is built into the kernel is not there.
func moduleFiles(dep string, names []string) []string {
	var files []string
	for line := range strings.Lines(dep) {
		file, others, ok := strings.Cut(strings.TrimSpace(line), ":")
		if name, isModule := strings.CutSuffix(path.Base(file), ".ko"); ok && isModule && slices.Contains(names, name) {
			files = append(append(files, file), strings.Fields(others)...)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
