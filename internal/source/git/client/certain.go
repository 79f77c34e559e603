package client

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// certain tells a host that cannot prove what it is from one that cannot be reached.
func (c *Client) certain(err error, unreachable func(error) error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return NewError(HostKey, fmt.Sprintf("%v. Put the certificate of the host's authority into the key ca.crt of gitAuthSecret or into gitAuth.caBundle",
			untrusted), nil)
	}
	return unreachable(err)
}
