package pulumicloud

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// crypter keeps the secrets of stacks and environments, as the service's secrets manager does.
type crypter struct{ sealer cipher.AEAD }

// newCrypter has a key that dies with the double.
func newCrypter() crypter {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // The key has a length that there is.
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // The cipher has blocks of the usual size.
	}
	return crypter{sealer}
}

// Encrypt seals a value.
func (k crypter) Encrypt(_ context.Context, plaintext []byte) ([]byte, error) {
	nonce := make([]byte, k.sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return k.sealer.Seal(nonce, nonce, plaintext, nil), nil
}

// Decrypt opens what Encrypt sealed.
func (k crypter) Decrypt(_ context.Context, ciphertext []byte) ([]byte, error) {
	size := k.sealer.NonceSize()
	if len(ciphertext) < size {
		return nil, errors.New("the ciphertext is too short")
	}
	plaintext, err := k.sealer.Open(nil, ciphertext[:size], ciphertext[size:], nil)
	if err != nil {
		return nil, errors.New("the ciphertext is not of this service")
	}
	// The CLI tells an empty value from none.
	return append([]byte{}, plaintext...), nil
}

func (c *Cloud) encrypt(in *call) (any, error) {
	var request apitype.EncryptValueRequest
	if _, err := c.stackAnd(in, &request); err != nil {
		return nil, err
	}
	ciphertext, err := c.keys.Encrypt(in.Context(), request.Plaintext)
	return apitype.EncryptValueResponse{Ciphertext: ciphertext}, err
}

func (c *Cloud) decrypt(in *call) (any, error) {
	var request apitype.DecryptValueRequest
	if _, err := c.stackAnd(in, &request); err != nil {
		return nil, err
	}
	plaintext, err := c.keys.Decrypt(in.Context(), request.Ciphertext)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "Bad Request: %v", err)
	}
	return apitype.DecryptValueResponse{Plaintext: plaintext}, nil
}

func (c *Cloud) batchEncrypt(in *call) (any, error) {
	var request apitype.BatchEncryptRequest
	if _, err := c.stackAnd(in, &request); err != nil {
		return nil, err
	}
	response := apitype.BatchEncryptResponse{Ciphertexts: [][]byte{}}
	for _, plaintext := range request.Plaintexts {
		ciphertext, err := c.keys.Encrypt(in.Context(), plaintext)
		if err != nil {
			return nil, err
		}
		response.Ciphertexts = append(response.Ciphertexts, ciphertext)
	}
	return response, nil
}

func (c *Cloud) batchDecrypt(in *call) (any, error) {
	var request apitype.BatchDecryptRequest
	if _, err := c.stackAnd(in, &request); err != nil {
		return nil, err
	}
	response := apitype.BatchDecryptResponse{Plaintexts: map[string][]byte{}}
	for _, ciphertext := range request.Ciphertexts {
		plaintext, err := c.keys.Decrypt(in.Context(), ciphertext)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "Bad Request: %v", err)
		}
		response.Plaintexts[base64.StdEncoding.EncodeToString(ciphertext)] = plaintext
	}
	return response, nil
}
