package project

import (
	"crypto"
	_ "crypto/sha256" // digests of the manager's store, and most others
	_ "crypto/sha512" // what Flux can be told to use instead, with sha384
	"encoding/hex"
	"fmt"
	"strings"
)

// digest is the sum of an archive, as "<algorithm>:<hex>".
type digest struct {
	algorithm crypto.Hash
	name, hex string
}

// parseDigest reads a digest of one of the algorithms that Flux uses and the standard library has.
func parseDigest(text string) (digest, error) {
	name, sum, _ := strings.Cut(text, ":")
	d := digest{name: name, hex: sum}
	switch name {
	case "sha256":
		d.algorithm = crypto.SHA256
	case "sha384":
		d.algorithm = crypto.SHA384
	case "sha512":
		d.algorithm = crypto.SHA512
	default:
		return digest{}, fmt.Errorf("the artifact's digest %q is neither a sha256 nor a sha384 or sha512 digest", text)
	}
	if bytes, err := hex.DecodeString(sum); err != nil || len(bytes) != d.algorithm.Size() || sum != strings.ToLower(sum) {
		return digest{}, fmt.Errorf("the artifact's digest %q is not a %s digest, %d hexadecimal digits in lower case",
			text, name, hex.EncodedLen(d.algorithm.Size()))
	}
	return d, nil
}

// of is the digest of the same algorithm with another sum.
func (d digest) of(sum []byte) digest {
	d.hex = hex.EncodeToString(sum)
	return d
}

// String is the digest as it is written.
func (d digest) String() string { return d.name + ":" + d.hex }
