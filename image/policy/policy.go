// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"

	"crisp/image/reference"
	"crisp/image/registry"
)

// ErrRejected: the policy does not let the image be used. The kubelet knows it as SignatureValidationFailed.
var ErrRejected = errors.New("image is rejected by the signature policy")

// Config says where the files are. "" means none.
type Config struct {
	File string // policy.json
	// NamespaceDir has NAMESPACE.json, the policies of Kubernetes namespaces, which count instead of File.
	NamespaceDir string
	// RegistriesDir says where signatures are (registries.d).
	RegistriesDir string
	// System is how containers/image reaches registries: registries.conf, certificates.
	System func() (*types.SystemContext, error)
}

// Policy is safe for concurrent use. The files are read each time: they are small, and a policy should count at once.
type Policy struct{ config Config }

// New makes a Policy.
func New(c Config) *Policy { return &Policy{config: c} }

// Image is what is to be used.
type Image struct {
	// Name is what the image is called by who wants it: signatures are for names.
	Name reference.Reference
	// Digests are those of the manifest and of the index that names it; a signature of either will do, for the index names
	// the manifest by its digest.
	Digests    []digest.Digest
	Namespace  string
	Credential registry.Credential
}
