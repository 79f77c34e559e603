package artifact

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// digestOfHello is the digest of "hello".
const digestOfHello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := NewStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *Store, content string) string {
	t.Helper()
	digest, err := s.Put(t.Context(), []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// read reads an archive whole.
func read(s *Store, digest string) (string, error) {
	archive, err := s.Open(digest)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	content, err := io.ReadAll(archive)
	return string(content), err
}

// files are the names in the store's directory.
func files(t *testing.T, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestStore(t *testing.T) {
	s := newStore(t)
	if s.Has(digestOfHello) {
		t.Error("an empty store has it")
	}
	if got := put(t, s, "hello"); got != digestOfHello {
		t.Errorf("digest %s", got)
	}
	put(t, s, "hello")
	if got := files(t, s); len(got) != 1 {
		t.Errorf("files %v, want one", got)
	}
	archive, err := s.Open(digestOfHello)
	if err != nil || archive.Size() != 5 {
		t.Fatalf("error %v", err)
	}
	defer archive.Close()
	content, err := io.ReadAll(archive)
	if string(content) != "hello" || err != nil {
		t.Errorf("content %q, error %v", content, err)
	}
	again, err := NewStore(s.dir)
	if err != nil || !again.Has(digestOfHello) {
		t.Errorf("after a restart: error %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(canceled, []byte("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestStoreDigests(t *testing.T) {
	s := newStore(t)
	put(t, s, "hello")
	outside := filepath.Join(filepath.Dir(s.dir), "secret.tar.gz")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		digest string
		want   error
	}{
		"Good":       {digestOfHello, nil},
		"Missing":    {"sha256:" + strings.Repeat("0", 64), fs.ErrNotExist},
		"Empty":      {"", ErrInvalidDigest},
		"NoPrefix":   {digestOfHello[7:], ErrInvalidDigest},
		"Algorithm":  {"md5:" + digestOfHello[7:], ErrInvalidDigest},
		"Capitals":   {"sha256:" + strings.ToUpper(digestOfHello[7:]), ErrInvalidDigest},
		"Short":      {digestOfHello[:70], ErrInvalidDigest},
		"Long":       {digestOfHello + "0", ErrInvalidDigest},
		"Traversal":  {"sha256:../secret", ErrInvalidDigest},
		"Padded":     {"sha256:" + strings.Repeat("../", 19) + "/secret", ErrInvalidDigest},
		"NotHex":     {"sha256:" + strings.Repeat("g", 64), ErrInvalidDigest},
		"NullByte":   {"sha256:" + strings.Repeat("\x00", 64), ErrInvalidDigest},
		"LineBreak":  {digestOfHello + "\n", ErrInvalidDigest},
		"WhiteSpace": {" " + digestOfHello, ErrInvalidDigest},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			archive, err := s.Open(tc.digest)
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if err == nil {
				archive.Close()
			}
			if got := s.Has(tc.digest); got != (tc.want == nil) {
				t.Errorf("Has is %v", got)
			}
		})
	}
}

func TestStoreDamage(t *testing.T) {
	cases := map[string]string{"Changed": "jello", "CutShort": "hel", "Empty": "", "Longer": "hello!"}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			put(t, s, "hello")
			if err := os.WriteFile(filepath.Join(s.dir, files(t, s)[0]), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if content, err := read(s, digestOfHello); !errors.Is(err, fs.ErrNotExist) || content != "" {
				t.Errorf("read %q, error %v", content, err)
			}
			if s.Has(digestOfHello) || len(files(t, s)) != 0 {
				t.Errorf("the damaged file is still there: %v", files(t, s))
			}
			put(t, s, "hello")
			if content, err := read(s, digestOfHello); content != "hello" || err != nil {
				t.Fatalf("stored anew: %q, %v", content, err)
			}
		})
	}
	t.Run("PutMends", func(t *testing.T) {
		s := newStore(t)
		put(t, s, "hello")
		if err := os.WriteFile(filepath.Join(s.dir, files(t, s)[0]), []byte("jello"), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, s, "hello")
		if content, err := read(s, digestOfHello); content != "hello" || err != nil {
			t.Errorf("read %q, error %v", content, err)
		}
	})
}

func TestStoreConcurrently(t *testing.T) {
	s := newStore(t)
	content := strings.Repeat("x", 1<<20)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			digest, err := s.Put(t.Context(), []byte(content))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := read(s, digest); err != nil || got != content {
				t.Errorf("read %d bytes, error %v", len(got), err)
			}
		})
	}
	all.Wait()
	if got := files(t, s); len(got) != 1 {
		t.Errorf("files %v", got)
	}
}
