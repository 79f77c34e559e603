package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// proof tells whether a request with that body was sent by somebody who knows the secret. It compares values of one
// length in constant time.
type proof func(body []byte, s Secret) bool

// Secret is one that may sign. It never shows what it is.
type Secret struct {
	value []byte
	// digest is the value's, for senders that do not sign but send the secret itself.
	digest [sha256.Size]byte
	// standard is the key by the Standard Webhooks specification, "whsec_" and base64; nil if the value is none.
	standard []byte
}

// standardPrefix is what a secret begins with that is written as the Standard Webhooks specification has it.
const standardPrefix = "whsec_"

// maxSignatures is how many signatures of a request are looked at; more than one are there while a sender rotates its key.
const maxSignatures = 4

// NewSecret makes a Secret; false of nothing, which is no secret. A line's end, as an editor leaves it, is not part of it.
func NewSecret(value []byte) (Secret, bool) {
	value = bytes.TrimRight(bytes.Clone(value), "\r\n")
	s := Secret{value: value, digest: sha256.Sum256(value)}
	if encoded, ok := strings.CutPrefix(string(value), standardPrefix); ok {
		if key, err := base64.StdEncoding.DecodeString(encoded); err == nil && len(key) > 0 {
			s.standard = key
		}
	}
	return s, len(value) > 0
}

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// signed is for a header with the body's HMAC-SHA256 in hexadecimal.
func signed(name, prefix string) func(http.Header) (proof, bool) {
	return func(header http.Header) (proof, bool) {
		value, ok := only(header, name)
		digits, found := strings.CutPrefix(value, prefix)
		claim, err := hex.DecodeString(digits)
		if !ok || !found || err != nil || len(claim) != sha256.Size {
			return nil, false
		}
		return func(body []byte, s Secret) bool { return hmac.Equal(claim, mac(s.value, body)) }, true
	}
}

// either is the first one if its header is right, else the other.
func either(first, second func(http.Header) (proof, bool)) func(http.Header) (proof, bool) {
	return func(header http.Header) (proof, bool) {
		if p, ok := first(header); ok {
			return p, true
		}
		return second(header)
	}
}

// gitlab is for GitLab, which signs if it was given a signing token, and else sends its secret token as it is.
func gitlab(header http.Header) (proof, bool) {
	if len(header.Values("Webhook-Signature")) > 0 {
		return standard(header)
	}
	token, ok := only(header, "X-Gitlab-Token")
	if !ok || token == "" {
		return nil, false
	}
	claim := sha256.Sum256([]byte(token))
	return func(_ []byte, s Secret) bool { return subtle.ConstantTimeCompare(claim[:], s.digest[:]) == 1 }, true
}

// standard is for signatures by the Standard Webhooks specification: over the request's ID, its time and its body. The
// time is not looked at: a request that is sent again does no more than have the repository polled again.
func standard(header http.Header) (proof, bool) {
	id, idOK := only(header, "Webhook-Id")
	timestamp, timeOK := only(header, "Webhook-Timestamp")
	claims := claimsOf(header)
	if !idOK || !timeOK || len(claims) == 0 {
		return nil, false
	}
	return func(body []byte, s Secret) bool {
		if s.standard == nil {
			return false
		}
		want, proven := mac(s.standard, []byte(id), []byte("."), []byte(timestamp), []byte("."), body), false
		for _, claim := range claims {
			if hmac.Equal(claim, want) {
				proven = true
			}
		}
		return proven
	}, true
}

// claimsOf are the signatures of a request by the Standard Webhooks specification, of the one version that is known.
func claimsOf(header http.Header) [][]byte {
	signatures, ok := only(header, "Webhook-Signature")
	if !ok {
		return nil
	}
	var claims [][]byte
	for signature := range strings.FieldsSeq(signatures) {
		encoded, known := strings.CutPrefix(signature, "v1,")
		claim, err := base64.StdEncoding.DecodeString(encoded)
		if known && err == nil && len(claim) == sha256.Size && len(claims) < maxSignatures {
			claims = append(claims, claim)
		}
	}
	return claims
}

// only is the value of a header that is there once.
func only(header http.Header, name string) (string, bool) {
	values := header.Values(name)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// mac is the HMAC-SHA256 of the parts together.
func mac(key []byte, parts ...[]byte) []byte {
	hash := hmac.New(sha256.New, key)
	for _, part := range parts {
		hash.Write(part)
	}
	return hash.Sum(nil)
}
