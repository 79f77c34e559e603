package certificate

import (
	"crypto/x509"
	"slices"
	"time"
)

// material is all that the Secret holds: the authorities, the oldest first, and the serving certificate.
type material struct {
	authorities []pair
	serving     pair
}

// renew returns what the material should be now, and whether that is other than what it is.
//
// A new authority is made when two thirds of the last one's life are over, and trusted from then on; but the old one
// goes on signing as long as it lives longer than what it signs, because pods that started before know only the old one.
func renew(m material, names []string, now time.Time) (renewed material, changed bool, err error) {
	renewed = material{serving: m.serving}
	for _, authority := range m.authorities {
		if now.Before(authority.cert.NotAfter) {
			renewed.authorities = append(renewed.authorities, authority)
		}
	}
	changed = len(renewed.authorities) != len(m.authorities)
	if n := len(renewed.authorities); n == 0 || due(renewed.authorities[n-1].cert, now) {
		authority, err := newAuthority(now)
		if err != nil {
			return m, false, err
		}
		renewed.authorities = append(renewed.authorities, authority)
		changed = true
	}
	if renewed.serves(names, now) {
		return renewed, changed, nil
	}
	renewed.serving, err = newServing(renewed.signer(now), names, now)
	if err != nil {
		return m, false, err
	}
	return renewed, true, nil
}

// signer is the oldest authority that outlives what it would sign now.
func (m material) signer(now time.Time) pair {
	for _, authority := range m.authorities {
		if authority.cert.NotAfter.After(now.Add(servingLife)) {
			return authority
		}
	}
	return m.authorities[len(m.authorities)-1]
}

// serves tells whether the serving certificate is good for the names and not due.
func (m material) serves(names []string, now time.Time) bool {
	cert := m.serving.cert
	if cert == nil || due(cert, now) || !slices.Equal(cert.DNSNames, names) {
		return false
	}
	roots := x509.NewCertPool()
	for _, authority := range m.authorities {
		roots.AddCert(authority.cert)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err == nil
}
