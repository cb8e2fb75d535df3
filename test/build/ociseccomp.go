// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"path/filepath"
)

// SeccompProbe is the program that the containers of test/oci/seccomp run.
func SeccompProbe(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(root, "test", "oci", "seccomp", "probe", "*.*"))
	if err != nil {
		return "", err
	}
	sum, err := hash(sources...)
	if err != nil {
		return "", err
	}
	p := program{dir: root, args: []string{"build", "./test/oci/seccomp/probe"}}
	return p.make(ctx, filepath.Join(root, "test", ".cache", "seccomp-probe-"+sum))
}
