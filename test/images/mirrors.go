// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteMirrors writes dir/HOST/hosts.toml, containerd's form, for every host of the catalogue: pulls go to the registry
// at addr by plain HTTP, and to nowhere else.
func WriteMirrors(dir, addr string) error {
	for _, host := range Hosts() {
		text := fmt.Sprintf("server = \"http://%[1]s\"\n\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", addr)
		if err := os.MkdirAll(filepath.Join(dir, host), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, host, "hosts.toml"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
