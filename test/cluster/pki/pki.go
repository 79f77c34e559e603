// Package pki makes the cluster's certificates: one authority of its own, the
// serving certificates it signs and a client certificate for every component.
package pki

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

const lifetime = 10 * 365 * 24 * time.Hour

// Authority signs certificates and writes them into a folder.
type Authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	now         time.Time
	// PEM is the authority's own certificate.
	PEM []byte
}

// Subject says whom a certificate is for.
type Subject struct {
	// Name is the common name: a user's name for a client certificate.
	Name string
	// Groups are the user's groups.
	Groups []string
	// Names and Addresses are what a serving certificate is valid for.
	Names     []string
	Addresses []net.IP
}

// Pair is a certificate and its key in PEM.
type Pair struct{ Certificate, Key []byte }

// NewAuthority makes an authority and writes ca.crt and ca.key into folder.
func NewAuthority(folder string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of certificates: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "gantry test cluster"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	authority := &Authority{folder: folder, certificate: template, key: key, now: now}
	certificate, err := authority.sign(template, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	if authority.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return nil, fmt.Errorf("read the authority's certificate back: %w", err)
	}
	pair, err := encode(certificate, key)
	if err != nil {
		return nil, err
	}
	authority.PEM = pair.Certificate
	return authority, authority.write("ca", pair)
}

// Issue signs a certificate for subject, writes NAME.crt and NAME.key and returns them.
func (a *Authority) Issue(file string, subject Subject) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make the key of %s: %w", file, err)
	}
	certificate, err := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: subject.Name, Organization: subject.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    subject.Names,
		IPAddresses: subject.Addresses,
	}, &key.PublicKey)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate of %s: %w", file, err)
	}
	pair, err := encode(certificate, key)
	if err != nil {
		return Pair{}, err
	}
	return pair, a.write(file, pair)
}

// SigningKey writes a key pair NAME.key and NAME.pub for service-account tokens.
func (a *Authority) SigningKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key of service accounts: %w", err)
	}
	pair, err := encode(nil, key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode the key of service accounts: %w", err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	if err := os.WriteFile(filepath.Join(a.folder, file+".pub"), block, 0o600); err != nil {
		return fmt.Errorf("write the key of service accounts: %w", err)
	}
	return os.WriteFile(filepath.Join(a.folder, file+".key"), pair.Key, 0o600)
}

func (a *Authority) sign(template *x509.Certificate, public *ecdsa.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	template.SerialNumber = serial
	// An hour back, so that a clock set back a little does not break the cluster.
	template.NotBefore, template.NotAfter = a.now.Add(-time.Hour), a.now.Add(lifetime)
	certificate, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return certificate, nil
}

func (a *Authority) write(file string, pair Pair) error {
	for suffix, content := range map[string][]byte{".crt": pair.Certificate, ".key": pair.Key} {
		if err := os.WriteFile(filepath.Join(a.folder, file+suffix), content, 0o600); err != nil {
			return fmt.Errorf("write a certificate: %w", err)
		}
	}
	return nil
}

func encode(certificate []byte, key *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	}, nil
}
