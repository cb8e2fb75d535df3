// SPDX-License-Identifier: Apache-2.0

//go:build containers_image_openpgp

package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	containersref "go.podman.io/image/v5/docker/reference"
	containersimage "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// Check returns nil if the image may be used. ErrRejected if the policy says that it may not; other errors mean that nobody can
// tell, so that it may not either.
func (p *Policy) Check(ctx context.Context, im Image) error {
	rules, err := p.rules(im.Namespace)
	if err != nil || rules == nil {
		return err
	}
	context, err := signature.NewPolicyContext(rules)
	if err != nil {
		return fmt.Errorf("signature policy: %w", err)
	}
	defer context.Destroy() //nolint:errcheck // it holds nothing
	name, err := named(im)
	if err != nil {
		return err
	}
	if decided, err := withoutSignatures(ctx, context, name); decided {
		return err
	}
	var failed []error
	for _, d := range im.Digests {
		if err = p.verify(ctx, context, im, name, d); err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		return fmt.Errorf("%w: a signature is asked for, and there is no digest that could be signed", ErrRejected)
	}
	return errors.Join(failed...)
}

// Explain says what the policy wants of an image, by its name alone.
func (p *Policy) Explain(ctx context.Context, im Image) string {
	rules, err := p.rules(im.Namespace)
	if err != nil {
		return err.Error()
	}
	if rules == nil {
		return "accepted: there is no policy"
	}
	policy, err := signature.NewPolicyContext(rules)
	if err != nil {
		return err.Error()
	}
	defer policy.Destroy() //nolint:errcheck // it holds nothing
	name, err := named(im)
	if err != nil {
		return err.Error()
	}
	decided, err := withoutSignatures(ctx, policy, name)
	switch {
	case !decided:
		return "signatures are asked for"
	case err != nil:
		return err.Error()
	}
	return "accepted"
}

// rules reads the policy that counts for a namespace; nil if there is none.
func (p *Policy) rules(namespace string) (*signature.Policy, error) {
	var files []string
	if p.config.NamespaceDir != "" && namespace != "" && filepath.IsLocal(namespace) {
		files = append(files, filepath.Join(p.config.NamespaceDir, namespace+".json"))
	}
	if p.config.File != "" {
		files = append(files, p.config.File)
	}
	for _, file := range files {
		rules, err := signature.NewPolicyFromFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("signature policy %s: %w", file, err)
		}
		return rules, nil
	}
	return nil, nil
}

// named is the name in containers/image's terms.
func named(im Image) (types.ImageReference, error) {
	name := im.Name.Canonical()
	if name == "" {
		name = im.Name.Name() + ":" + im.Name.Tag
	}
	parsed, err := containersref.ParseNamed(name)
	if err != nil {
		return nil, fmt.Errorf("signature policy: %w", err)
	}
	return docker.NewReference(parsed)
}

// withoutSignatures asks for the verdict on an image of which nothing is known. decided: nobody looked at it, so that is the verdict.
func withoutSignatures(ctx context.Context, policy *signature.PolicyContext, name types.ImageReference) (decided bool, err error) {
	probe := &probe{name: name}
	_, err = policy.IsRunningImageAllowed(ctx, probe)
	return !probe.touched, rejected(err)
}

// rejected tells verdicts from other errors.
func rejected(err error) error {
	if _, ok := errors.AsType[signature.PolicyRequirementError](err); ok {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return err
}

// probe is an image that tells whether somebody has looked at it.
type probe struct {
	name    types.ImageReference
	touched bool
}

var errProbe = errors.New("of this image nothing is known")

func (p *probe) Reference() types.ImageReference { return p.name }

func (p *probe) Manifest(context.Context) ([]byte, string, error) {
	p.touched = true
	return nil, "", errProbe
}

func (p *probe) Signatures(context.Context) ([][]byte, error) {
	p.touched = true
	return nil, errProbe
}

// verify fetches what has the digest, with its signatures, and asks for the verdict on it under the image's name.
func (p *Policy) verify(ctx context.Context, policy *signature.PolicyContext, im Image, name types.ImageReference, d digest.Digest) error {
	system, err := p.system(im)
	if err != nil {
		return err
	}
	parsed, err := containersref.ParseNamed(im.Name.WithDigest(d))
	if err != nil {
		return err
	}
	ref, err := docker.NewReference(parsed)
	if err != nil {
		return err
	}
	source, err := ref.NewImageSource(ctx, system)
	if err != nil {
		return fmt.Errorf("signatures of %s: %w", parsed, err)
	}
	defer source.Close()
	image := containersimage.UnparsedInstanceWithReference(containersimage.UnparsedInstance(source, nil), name)
	_, err = policy.IsRunningImageAllowed(ctx, image)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	return err
}

func (p *Policy) system(im Image) (*types.SystemContext, error) {
	system := &types.SystemContext{}
	if p.config.System != nil {
		var err error
		if system, err = p.config.System(); err != nil {
			return nil, err
		}
	}
	system.RegistriesDirPath = p.config.RegistriesDir
	if system.RegistriesDirPath == "" {
		system.RegistriesDirPath = "/nonexistent"
	}
	if c := im.Credential; c.Username != "" || c.IdentityToken != "" {
		system.DockerAuthConfig = &types.DockerAuthConfig{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}
	}
	system.DockerBearerRegistryToken = im.Credential.RegistryToken
	if host, _, err := net.SplitHostPort(im.Name.Domain); err == nil && net.ParseIP(host).IsLoopback() {
		system.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue // plain HTTP, as for pulls
	}
	return system, nil
}
