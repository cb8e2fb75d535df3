// SPDX-License-Identifier: Apache-2.0

// Package policy decides by containers-policy.json(5) whether an image may be used: always, never, or if it is signed, by GPG keys
// (signedBy) or as cosign does (sigstoreSigned). Signatures come from the registry, as attachments, or from a lookaside
// (containers-registries.d(5)). containers/image fetches and verifies them.
//
//	p := policy.New(policy.Config{File: "/etc/containers/policy.json", RegistriesDir: "/etc/containers/registries.d"})
//	err := p.Check(ctx, policy.Image{Name: ref, Digest: d})     // errors.Is(err, policy.ErrRejected)
//
// A policy that asks for no signature costs no request. Without a policy file everything may be used. A file that cannot be read
// lets nothing be used: a policy that was mistyped must not become none.
//
// Without the build tag containers_image_openpgp there is no OpenPGP, and containers/image does not build without C: then only
// policies that ask for no signature are understood.
package policy
