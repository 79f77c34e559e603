// Package settings owns a stack's settings file, Pulumi.<stack>.yaml: what the operation configures laid over what the
// program's source carries. Plain values need no process of the CLI; a secret value needs one when it is new.
package settings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Request is what a stack's settings are to be.
type Request struct {
	// Stack is the stack's name, as the operation gives it.
	Stack string
	// ProjectFile is the path of Pulumi.yaml; Project is what it says.
	ProjectFile string
	Project     *workspace.Project
	// Items are set in their order.
	Items []Item
	// Environments are added.
	Environments []string
	// Default is set where neither the items nor the project set its key. It may be nil.
	Default *Item
	// DefaultYields says that Default is not set where environments are imported either: they may set its key, and what
	// the settings say would win over them.
	DefaultYields bool
	// Passphrase is that of the stack's secrets, if the pod has one. It may be nil.
	Passphrase func() (string, bool)
	// Encrypt makes the CLI encrypt the value under the key into the settings file at path.
	Encrypt func(ctx context.Context, path string, key config.Key, value string) error
}

// Outcome says what became of the request.
type Outcome struct {
	// DefaultSet says that Request.Default was used.
	DefaultSet bool
	// Environments are those that the stack imports now, in their order; "yaml" is one that the settings hold themselves.
	Environments []string
}

// Writer writes settings files.
type Writer struct {
	dir   string
	vault *vault
	local local
}

// NewWriter keeps what it must remember about the sources' own files under dir.
func NewWriter(dir string) *Writer { return &Writer{dir: dir, vault: newVault()} }

// Apply writes the settings. It starts from the file that the source carries each time, so an item that is gone from
// the request is gone from the file.
func (w *Writer) Apply(ctx context.Context, r Request) (Outcome, error) {
	path, err := filepath.EvalSymlinks(filepath.Dir(r.ProjectFile))
	if err != nil {
		return Outcome{}, fmt.Errorf("find the project: %w", err)
	}
	path = workspace.ProjectStackPath(filepath.Join(path, filepath.Base(r.ProjectFile)), r.Project, fileStack(r.Stack))
	pristine, err := w.pristine(path)
	if err != nil {
		return Outcome{}, err
	}
	stack, err := workspace.LoadProjectStack(nil, r.Project, pristine)
	if err != nil {
		return Outcome{}, fmt.Errorf("read %s of the source: %w", filepath.Base(path), err)
	}
	current, err := workspace.LoadProjectStack(nil, r.Project, path)
	if err != nil {
		return Outcome{}, fmt.Errorf("read %s: %w", path, err)
	}
	carry(stack, current)
	cipher := w.cipher(ctx, r, path, stack)
	if err := overlay(stack, r.Items, r.Environments, cipher); err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	if stack.Environment != nil {
		outcome.Environments = stack.Environment.Imports()
	}
	if r.Default != nil && !sets(stack, r.Project, r.Default.Key) && (!r.DefaultYields || len(outcome.Environments) == 0) {
		if err := overlay(stack, []Item{*r.Default}, nil, cipher); err != nil {
			return Outcome{}, err
		}
		outcome.DefaultSet = true
	}
	return outcome, save(path, stack)
}

// cipher encrypts what the vault does not have.
func (w *Writer) cipher(ctx context.Context, r Request, path string, stack *workspace.ProjectStack) Cipher {
	return func(item Item) (string, error) {
		at := sealedKey{stack: r.Stack, file: path, key: item.Key.String()}
		if ciphertext, ok := w.vault.get(at, identity(stack), item.Text); ok {
			return ciphertext, nil
		}
		ciphertext, err := w.encrypt(ctx, r, filepath.Base(path), stack, item)
		if err != nil {
			return "", err
		}
		w.vault.put(at, identity(stack), item.Text, ciphertext)
		return ciphertext, nil
	}
}

// encrypt encrypts one value. The CLI writes into a file of its own, which has nothing but the stack's encryption, so
// that a failure in the middle leaves the settings as they are.
func (w *Writer) encrypt(
	ctx context.Context, r Request, name string, stack *workspace.ProjectStack, item Item,
) (string, error) {
	if crypter := w.localFor(ctx, stack, r); crypter != nil {
		return crypter.EncryptValue(ctx, item.Text)
	}
	dir, err := os.MkdirTemp(w.dir, ".secret-*")
	if err != nil {
		return "", fmt.Errorf("make a place to encrypt: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, name)
	empty := &workspace.ProjectStack{}
	carry(empty, stack)
	if err := save(file, empty); err != nil {
		return "", err
	}
	key := plainKey(item)
	if err := r.Encrypt(ctx, file, key, item.Text); err != nil {
		return "", err
	}
	written, err := workspace.LoadProjectStack(nil, r.Project, file)
	if err != nil {
		return "", fmt.Errorf("read what pulumi encrypted: %w", err)
	}
	carry(stack, written)
	value, ok := written.Config[key]
	if !ok || !value.Secure() {
		return "", errors.New("pulumi did not encrypt the value")
	}
	ciphertext, err := value.Value(config.NopDecrypter)
	if err != nil {
		return "", fmt.Errorf("read what pulumi encrypted: %w", err)
	}
	return ciphertext, nil
}

// plainKey is the key to encrypt under: of a path only its first part, since where the value goes is not the CLI's
// business here.
func plainKey(item Item) config.Key {
	name := item.Key.Name()
	if at := strings.IndexAny(name, "[."); item.Path && at > 0 {
		name = name[:at]
	}
	return config.MustMakeKey(item.Key.Namespace(), name)
}

// sets says whether the settings, or the project for all its stacks, give the key a value.
func sets(stack *workspace.ProjectStack, project *workspace.Project, key config.Key) bool {
	if _, ok := stack.Config[key]; ok {
		return true
	}
	value, ok := project.Config[key.String()]
	return ok && (value.Value != nil || value.Default != nil)
}
