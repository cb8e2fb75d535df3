// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"

	"crisp/image/registry"
)

// Credential is how the node logs in to a repository at a host: the most exact entry of the auth file, or what a credential helper that
// it names says; none if there is none.
func (r *Registries) Credential(host, repository string) (registry.Credential, error) {
	return r.credentialIn(r.config.AuthFile, host, repository)
}

// Namespace returns the credentials of a Kubernetes namespace for an image, as CRI-O's credential providers leave them, and those of
// the node where there are none: DIR/NAMESPACE-SHA256(image).json, image as the pod names it.
func (r *Registries) Namespace(namespace, image string) func(host, repository string) (registry.Credential, error) {
	if r.config.NamespaceAuthDir == "" || namespace == "" || !filepath.IsLocal(namespace) {
		return r.Credential
	}
	sum := sha256.Sum256([]byte(image))
	file := filepath.Join(r.config.NamespaceAuthDir, namespace+"-"+hex.EncodeToString(sum[:])+".json")
	return func(host, repository string) (registry.Credential, error) {
		there, err := exists(file)
		if err != nil {
			return registry.Credential{}, err
		}
		if !there {
			return r.Credential(host, repository)
		}
		return r.credentialIn(file, host, repository)
	}
}

func (r *Registries) credentialIn(file, host, repository string) (registry.Credential, error) {
	system, err := r.system()
	if err != nil {
		return registry.Credential{}, err
	}
	if file == "" {
		return registry.Credential{}, nil
	}
	if there, err := exists(file); err != nil || !there {
		return registry.Credential{}, err
	}
	system.AuthFilePath = file
	found, err := config.GetCredentials(system, host+"/"+repository)
	if err != nil {
		return registry.Credential{}, fmt.Errorf("%s: %w", file, err)
	}
	return credential(found), nil
}

func credential(a types.DockerAuthConfig) registry.Credential {
	if a.IdentityToken != "" {
		return registry.Credential{IdentityToken: a.IdentityToken}
	}
	return registry.Credential{Username: a.Username, Password: a.Password}
}
