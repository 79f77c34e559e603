package settings

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Cipher gives the ciphertext of a secret item.
type Cipher func(Item) (string, error)

// overlay sets the items, one after the other, and adds the environments that are not there yet.
func overlay(stack *workspace.ProjectStack, items []Item, environments []string, cipher Cipher) error {
	if stack.Config == nil {
		stack.Config = config.Map{}
	}
	for _, item := range items {
		value := item.value()
		if item.Secret {
			ciphertext, err := cipher(item)
			if err != nil {
				return fmt.Errorf("config %s: %w", item.Key, err)
			}
			value = config.NewSecureValue(ciphertext)
		}
		if err := stack.Config.Set(item.Key, value, item.Path); err != nil {
			return fmt.Errorf("config %s: %w", item.Key, err)
		}
	}
	var present []string
	if stack.Environment != nil {
		present = stack.Environment.Imports()
	}
	for _, environment := range environments {
		if !slices.Contains(present, environment) {
			present = append(present, environment)
			stack.Environment = stack.Environment.Append(environment)
		}
	}
	return nil
}

// carry takes over what the CLI wrote about the stack's encryption: without it no secret could be read again.
func carry(to, from *workspace.ProjectStack) {
	if from.SecretsProvider == "" && from.EncryptedKey == "" && from.EncryptionSalt == "" {
		return
	}
	to.SecretsProvider, to.EncryptedKey, to.EncryptionSalt = from.SecretsProvider, from.EncryptedKey, from.EncryptionSalt
}

// identity names the key that a stack's secrets are encrypted with.
func identity(stack *workspace.ProjectStack) string {
	return stack.SecretsProvider + "\n" + stack.EncryptedKey + "\n" + stack.EncryptionSalt
}
