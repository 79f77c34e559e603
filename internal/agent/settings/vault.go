package settings

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// vault remembers the ciphertexts of secret values by a keyed hash, so that a value is encrypted once and no value is
// kept in clear.
type vault struct {
	key    [32]byte
	sealed map[sealedKey]sealed
}

// sealedKey is where a ciphertext belongs.
type sealedKey struct {
	stack, file, key string
}

type sealed struct {
	// hash is that of the value; identity that of the encryption.
	hash       [sha256.Size]byte
	identity   string
	ciphertext string
}

// newVault has a key that dies with the process.
func newVault() *vault {
	v := &vault{sealed: map[sealedKey]sealed{}}
	// The reader of crypto/rand never fails.
	_, _ = rand.Read(v.key[:])
	return v
}

// get gives the ciphertext of the value if it is the one that was put.
func (v *vault) get(at sealedKey, identity, value string) (string, bool) {
	known, ok := v.sealed[at]
	if !ok || known.identity != identity || known.hash != v.hash(value) {
		return "", false
	}
	return known.ciphertext, true
}

// put remembers a ciphertext.
func (v *vault) put(at sealedKey, identity, value, ciphertext string) {
	v.sealed[at] = sealed{hash: v.hash(value), identity: identity, ciphertext: ciphertext}
}

func (v *vault) hash(value string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, v.key[:])
	_, _ = mac.Write([]byte(value))
	return [sha256.Size]byte(mac.Sum(nil))
}
