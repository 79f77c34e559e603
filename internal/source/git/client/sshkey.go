package client

import (
	"crypto"
	"crypto/ed25519"
	"encoding/pem"

	"golang.org/x/crypto/ssh"
)

// marshal writes a key without a passphrase.
func marshal(key any) (string, error) {
	if pointer, is := key.(*ed25519.PrivateKey); is {
		key = *pointer
	}
	private, is := key.(crypto.PrivateKey)
	if !is {
		return "", NewError(Denied, "the SSH private key is of a kind that is not supported", nil)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", NewError(Denied, "the SSH private key is of a kind that is not supported", nil)
	}
	return string(pem.EncodeToMemory(block)), nil
}
