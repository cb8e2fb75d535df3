// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificate is a certificate of 127.0.0.1 that signs itself.
type Certificate struct {
	CA, Key string // files
	private *ecdsa.PrivateKey
	der     []byte
}

// NewCertificate writes DIR/cert.pem and DIR/key.pem.
func NewCertificate(dir string) (c Certificate, err error) {
	if c.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crisp test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if c.der, err = x509.CreateCertificate(rand.Reader, template, template, c.private.Public(), c.private); err != nil {
		return c, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.private)
	if err != nil {
		return c, err
	}
	c.CA, c.Key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{c.CA: {Type: "CERTIFICATE", Bytes: c.der}, c.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return c, fmt.Errorf("write %s: %w", path, err)
		}
	}
	return c, nil
}
