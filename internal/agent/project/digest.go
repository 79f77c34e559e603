package project

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// digest is the sum of an archive, as "<algorithm>:<hex>".
type digest struct{ algorithm, hex string }

// hash gives a hash of the digest's algorithm; nil for one that is not known. Flux can be told to use any of these.
func (d digest) hash() hash.Hash {
	switch d.algorithm {
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	default:
		return nil
	}
}

// parseDigest reads a digest that can be checked.
func parseDigest(text string) (digest, error) {
	algorithm, sum, _ := strings.Cut(text, ":")
	d := digest{algorithm, sum}
	sums := d.hash()
	if sums == nil {
		return digest{}, fmt.Errorf("the artifact's digest %q is neither a sha256 nor a sha384 or sha512 digest", text)
	}
	if bytes, err := hex.DecodeString(sum); err != nil || len(bytes) != sums.Size() || sum != strings.ToLower(sum) {
		return digest{}, fmt.Errorf("the artifact's digest %q is not a %s digest, %d hexadecimal digits in lower case",
			text, algorithm, hex.EncodedLen(sums.Size()))
	}
	return d, nil
}

// of is the digest of the same algorithm with another sum.
func (d digest) of(sum []byte) digest { return digest{d.algorithm, hex.EncodeToString(sum)} }

// String is the digest as it is written.
func (d digest) String() string { return d.algorithm + ":" + d.hex }
