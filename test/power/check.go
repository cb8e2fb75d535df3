// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"crisp/image"
	"crisp/test/power/content"

	"golang.org/x/sys/unix"
)

// want is what must be so for an image.
type want int

const (
	either want = iota // something was under way
	present
	absent
)

// expectations reads a journal, as it was at the moment of the cut.
func expectations(journal string) [content.Images]want {
	var w [content.Images]want
	for i := range w {
		w[i] = absent
	}
	for line := range strings.Lines(journal) {
		var when, verb string
		var n int
		if _, err := fmt.Sscan(line, &when, &verb, &n); err != nil || !strings.HasSuffix(line, "\n") {
			continue // cut off: nothing is known
		}
		switch {
		case when == "begin":
			w[n] = either
		case verb == "pull":
			w[n] = present
		default:
			w[n] = absent
		}
	}
	return w
}

// check mounts a disk and looks at the store on it. It returns how many images it has.
func check(ctx context.Context, disk, mountpoint string, w [content.Images]want) (found int, err error) {
	if out, err := exec.CommandContext(ctx, "mount", "-o", "loop", disk, mountpoint).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("mount the disk: %w\n%s", err, out)
	}
	defer func() { err = errors.Join(err, unix.Unmount(mountpoint, 0)) }()
	return checkStore(ctx, filepath.Join(mountpoint, "images"), w)
}

// checkStore opens a store after a cut, or after its process was killed.
func checkStore(ctx context.Context, root string, w [content.Images]want) (found int, err error) {
	var lost bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lost, &slog.HandlerOptions{Level: slog.LevelError}))
	store, err := image.Open(ctx, image.Config{Root: root, Log: log})
	if err != nil {
		return 0, err
	}
	store.Collect()
	found, err = checkImages(store, w)
	store.Close()
	if lost.Len() > 0 {
		err = errors.Join(err, fmt.Errorf("the store has lost something: %s", lost.String()))
	}
	return found, errors.Join(err, checkLeftovers(root, store))
}

func checkImages(store *image.Store, w [content.Images]want) (int, error) {
	var errs []error
	byManifest := map[string]int{}
	for n := range content.Images {
		img, err := content.Image(n)
		if err != nil {
			return 0, err
		}
		byManifest[img.Descriptor.Digest.String()] = n
	}
	var have [content.Images]bool
	all := store.List()
	for _, im := range all {
		_, manifest, _ := strings.Cut(im.RepoDigests[0], "@")
		n, ok := byManifest[manifest]
		if !ok {
			errs = append(errs, fmt.Errorf("the store lists %v, which nobody has pulled", im.RepoDigests))
			continue
		}
		have[n] = true
		if err := checkFiles(store, im.ID, content.Files(n)); err != nil {
			errs = append(errs, fmt.Errorf("image %d: %w", n, err))
		}
	}
	for n, want := range w {
		if want == present && !have[n] {
			errs = append(errs, fmt.Errorf("image %d was pulled and is gone", n))
		}
		if want == absent && have[n] {
			errs = append(errs, fmt.Errorf("image %d was removed and is there", n))
		}
	}
	return len(all), errors.Join(errs...)
}

// checkFiles compares all files of an image, as a container would see them.
func checkFiles(store *image.Store, id string, want map[string][]byte) error {
	mount, err := store.MountReadOnly(id, "")
	if err != nil {
		return err
	}
	defer mount.Close()
	root := fmt.Sprintf("/proc/self/fd/%d/", mount.Fd())
	seen := 0
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		if name := strings.TrimPrefix(path, root); !bytes.Equal(data, want[name]) {
			return fmt.Errorf("%s: %d bytes that are not those of the image", name, len(data))
		}
		return nil
	})
	if err == nil && seen != len(want) {
		err = fmt.Errorf("%d files, not %d", seen, len(want))
	}
	return err
}

// checkLeftovers looks for what nobody needs: half-made layers, trash, layers of no image.
func checkLeftovers(root string, store *image.Store) error {
	needed := map[string]bool{}
	for _, im := range store.List() {
		for _, l := range im.Layers {
			needed[strings.Replace(l.String(), ":", "-", 1)] = true
		}
	}
	var errs []error
	for _, dir := range []string{"tmp", "trash", "layers", "records"} {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			left := dir == "tmp" || dir == "trash" || dir == "layers" && !needed[e.Name()] || strings.HasSuffix(e.Name(), ".new")
			if left {
				errs = append(errs, fmt.Errorf("%s/%s was left behind", dir, e.Name()))
			}
		}
	}
	return errors.Join(errs...)
}
