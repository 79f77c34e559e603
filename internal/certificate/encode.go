package certificate

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret. The authorities' certificates and keys are in the same order.
const (
	keyServingCert    = corev1.TLSCertKey
	keyServingKey     = corev1.TLSPrivateKeyKey
	keyAuthorityCerts = "ca.crt"
	keyAuthorityKeys  = "ca.key"
)

const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// encode turns the material into a Secret's data.
func encode(m material) (map[string][]byte, error) {
	servingCert, servingKey, err := encodePairs(m.serving)
	if err != nil {
		return nil, err
	}
	authorityCerts, authorityKeys, err := encodePairs(m.authorities...)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		keyServingCert: servingCert, keyServingKey: servingKey,
		keyAuthorityCerts: authorityCerts, keyAuthorityKeys: authorityKeys,
	}, nil
}

func encodePairs(pairs ...pair) (certs, keys []byte, err error) {
	for _, p := range pairs {
		der, err := x509.MarshalPKCS8PrivateKey(p.key)
		if err != nil {
			return nil, nil, fmt.Errorf("encode a key: %w", err)
		}
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: p.cert.Raw})...)
		keys = append(keys, pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der})...)
	}
	return certs, keys, nil
}

// decode reads a Secret's data.
func decode(data map[string][]byte) (material, error) {
	serving, err := decodePairs(data[keyServingCert], data[keyServingKey])
	if err != nil {
		return material{}, fmt.Errorf("serving certificate: %w", err)
	}
	if len(serving) != 1 {
		return material{}, fmt.Errorf("%d serving certificates instead of one", len(serving))
	}
	authorities, err := decodePairs(data[keyAuthorityCerts], data[keyAuthorityKeys])
	if err != nil {
		return material{}, fmt.Errorf("authority: %w", err)
	}
	return material{authorities: authorities, serving: serving[0]}, nil
}

func decodePairs(certs, keys []byte) ([]pair, error) {
	var pairs []pair
	for {
		var certBlock, keyBlock *pem.Block
		certBlock, certs = pem.Decode(certs)
		keyBlock, keys = pem.Decode(keys)
		if certBlock == nil && keyBlock == nil {
			return pairs, nil
		}
		if certBlock == nil || keyBlock == nil {
			return nil, errors.New("not as many certificates as keys")
		}
		p, err := decodePair(certBlock.Bytes, keyBlock.Bytes)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
}

func decodePair(certDER, keyDER []byte) (pair, error) {
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return pair{}, fmt.Errorf("read a certificate: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		// The parser's words are not passed on: they are about a private key.
		return pair{}, errors.New("a key cannot be read")
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return pair{}, errors.New("a key cannot sign")
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return pair{}, errors.New("a key does not belong to its certificate")
	}
	return pair{cert: cert, key: key}, nil
}
