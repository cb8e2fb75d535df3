// SPDX-License-Identifier: Apache-2.0

package registry

// HostExplanation is a host that would be asked, without any secret.
type HostExplanation struct {
	URL        string // "https://mirror.example:5000/v2/library/busybox"
	Mirror     bool
	Tags       bool   // it may say what a tag means
	Content    bool   // it may be asked for manifests by digest, and for blobs
	TLS        string // "none", "not verified", "the system's authorities", "authorities of its own"
	ClientCert bool   // it is shown a certificate of ours
	Credential string // "none", "user NAME", "identity token", "registry token", or what was wrong
}

// Explain lists the hosts of the repository in the order in which they are asked.
func (r *Repository) Explain() []HostExplanation {
	var all []HostExplanation
	for i, h := range r.hosts {
		e := HostExplanation{
			URL: h.config.url.String() + "/" + h.path(r.ref), Mirror: i < len(r.hosts)-1,
			Tags: h.config.resolve, Content: h.config.pull, TLS: h.explainTLS(),
			ClientCert: len(h.tlsConfig().Certificates) > 0,
		}
		c, err := r.credential(h)
		if e.Credential = c.explain(); err != nil {
			e.Credential = err.Error()
		}
		all = append(all, e)
	}
	return all
}

func (h *host) explainTLS() string {
	t := h.tlsConfig()
	switch {
	case h.config.url.Scheme == "http":
		return "none"
	case t.InsecureSkipVerify:
		return "not verified"
	case t.RootCAs != nil:
		return "authorities of its own"
	}
	return "the system's authorities"
}

func (c Credential) explain() string {
	switch {
	case c.RegistryToken != "":
		return "registry token"
	case c.IdentityToken != "":
		return "identity token"
	case c.Username != "":
		return "user " + printable(c.Username)
	}
	return "none"
}
