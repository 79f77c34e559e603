package settings

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// local encrypts for stacks whose secrets are protected by a passphrase that the pod has. The SDK can do that alone, so
// twenty secrets do not take twenty processes.
type local struct {
	salt, passphrase string
	crypter          config.Crypter
}

// localFor gives the crypter of a stack; nil where only the CLI can encrypt. Deriving the key takes a while, so the last
// one is kept.
func (w *Writer) localFor(ctx context.Context, stack *workspace.ProjectStack, r Request) config.Crypter {
	if r.Passphrase == nil || stack.EncryptionSalt == "" || isCloud(stack.SecretsProvider) {
		return nil
	}
	passphrase, ok := r.Passphrase()
	if !ok {
		return nil
	}
	if w.local.salt != stack.EncryptionSalt || w.local.passphrase != passphrase {
		w.local = local{stack.EncryptionSalt, passphrase, derive(ctx, stack.EncryptionSalt, passphrase)}
	}
	return w.local.crypter
}

// derive makes the crypter, and checks it with the word that the CLI encrypted beside the salt: "v1:<salt>:<ciphertext>".
// With a wrong passphrase there is none, and the CLI says so in its own words.
func derive(ctx context.Context, state, passphrase string) config.Crypter {
	parts := strings.SplitN(state, ":", 3)
	if len(parts) != 3 || parts[0] != "v1" {
		return nil
	}
	salt, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	crypter := config.NewSymmetricCrypterFromPassphrase(passphrase, salt)
	if word, err := crypter.DecryptValue(ctx, parts[2]); err != nil || word != "pulumi" {
		return nil
	}
	return crypter
}

// isCloud says that a key service protects the stack's secrets.
func isCloud(provider string) bool {
	return provider != "" && provider != "default" && provider != "passphrase"
}
