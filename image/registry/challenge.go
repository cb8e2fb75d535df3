// SPDX-License-Identifier: Apache-2.0

package registry

import "strings"

// challenge is one way to log in that a WWW-Authenticate header offers.
type challenge struct {
	scheme string            // lower case: "basic", "bearer"
	params map[string]string // names in lower case
}

// maxChallenges bounds what one answer may offer.
const maxChallenges = 16

// parseChallenges reads the values of WWW-Authenticate (RFC 9110, 11.6.1):
//
//	challenge  = scheme [ 1*SP ( token68 / #auth-param ) ]
//	auth-param = token BWS "=" BWS ( token / quoted-string )
//
// and any number of them in one value, separated by commas, as the parameters are among themselves: what follows a comma is
// a parameter if it has a "=" after its first token, else a new challenge. What makes no sense ends its value.
func parseChallenges(values []string) []challenge {
	var out []challenge
	for _, v := range values {
		p := &headerParser{s: v}
		for !p.done() && len(out) < maxChallenges {
			c, ok := p.challenge()
			if !ok {
				break
			}
			out = append(out, c)
		}
	}
	return out
}

type headerParser struct{ s string }

func (p *headerParser) done() bool {
	p.s = strings.TrimLeft(p.s, " \t,")
	return p.s == ""
}

func (p *headerParser) challenge() (challenge, bool) {
	scheme := p.token()
	if scheme == "" {
		return challenge{}, false
	}
	c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
	for !p.done() {
		before := p.s
		name := p.token()
		if name == "" {
			return c, true
		}
		p.s = strings.TrimLeft(p.s, " \t")
		if !strings.HasPrefix(p.s, "=") {
			p.s = before // the next challenge's scheme
			return c, true
		}
		p.s = strings.TrimLeft(p.s[1:], " \t")
		value, ok := p.value()
		if !ok {
			p.s = ""
			return c, true
		}
		name = strings.ToLower(name)
		if _, twice := c.params[name]; !twice {
			c.params[name] = value
		}
	}
	return c, true
}

func (p *headerParser) token() string {
	n := 0
	for n < len(p.s) && isTokenByte(p.s[n]) {
		n++
	}
	t := p.s[:n]
	p.s = p.s[n:]
	return t
}

func (p *headerParser) value() (string, bool) {
	if !strings.HasPrefix(p.s, `"`) {
		return p.token(), true
	}
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch p.s[i] {
		case '"':
			p.s = p.s[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.s) {
				return "", false
			}
		}
		b.WriteByte(p.s[i])
	}
	return "", false
}

// isTokenByte: RFC 9110, 5.6.2.
func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
