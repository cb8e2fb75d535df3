// SPDX-License-Identifier: Apache-2.0

// Package registry reads manifests and blobs from registries that speak the OCI distribution protocol.
//
// A Client is made once. Of it, each pull asks for the Repository that an image name and a credential mean:
//
//	repo, err := client.Repository(ref, cred)
//	d, err := repo.Resolve(ctx, "latest")        // HEAD: which digest is that now?
//	m, err := repo.Manifest(ctx, d.String())     // verified bytes
//	body, err := repo.Blob(ctx, layer)           // resumes by itself; the caller verifies
//
// # Hosts
//
// A registry is the name in the image reference. It is served by hosts: the mirrors that the node's configuration names, in their
// order, and at last the registry's own. Each request asks host after host until one answers; the error lists what each said.
// The configuration is containerd's: DIR/NAME/hosts.toml, or DIR/_default/hosts.toml for all others; see parseHosts.
//
// # Authorization
//
// No request is made only to learn how to log in. A request goes out with what the last one to the same host and repository needed; when
// the host answers 401, its challenge says how to go on:
//
//	Basic                          user name and password with every request
//	Bearer realm, service, scope   a token from the realm: GET with the password, or POST with an identity token
//
// A registry token is itself what is sent. Credentials go to the registry's hosts and the realms that these name, and to no
// host that a redirect leads to.
package registry
