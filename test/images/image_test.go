package main

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// entries lists an archive's names, with the owner where it is not root.
func entries(t *testing.T, path string) []tar.Header {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []tar.Header
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, *header)
	}
}

func names(headers []tar.Header) []string {
	var found []string
	for _, header := range headers {
		found = append(found, header.Name)
	}
	return found
}

func TestFilesLayerHasFoldersOnceAndIsRoots(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "one"), "1", 0o755)
	write(t, filepath.Join(folder, "two"), "2", 0o644)
	out := filepath.Join(folder, "layers", "out.tar")
	err := run([]string{"files", out, filepath.Join(folder, "one") + "=/usr/bin/one", filepath.Join(folder, "two") + "=/usr/bin/two"})
	if err != nil {
		t.Fatal(err)
	}
	headers := entries(t, out)
	if want := []string{"usr/", "usr/bin/", "usr/bin/one", "usr/bin/two"}; !slices.Equal(names(headers), want) {
		t.Errorf("entries are %v, want %v", names(headers), want)
	}
	for _, header := range headers {
		if header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 0 {
			t.Errorf("%s belongs to %d:%d, of %v", header.Name, header.Uid, header.Gid, header.ModTime)
		}
	}
	if headers[2].Mode != 0o755 || headers[3].Mode != 0o644 {
		t.Errorf("modes are %o and %o", headers[2].Mode, headers[3].Mode)
	}
}

func TestTreeLayerKeepsLinksAndGivesPathsAway(t *testing.T) {
	folder := t.TempDir()
	root := filepath.Join(folder, "root")
	write(t, filepath.Join(root, "home", "user", "file"), "x", 0o600)
	if err := os.Symlink("home", filepath.Join(root, "alias")); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(folder, "out.tar")
	if err := run([]string{"tree", out, root, "/home/user=1000:1001:700"}); err != nil {
		t.Fatal(err)
	}
	headers := entries(t, out)
	if want := []string{"alias", "home/", "home/user/", "home/user/file"}; !slices.Equal(names(headers), want) {
		t.Fatalf("entries are %v, want %v", names(headers), want)
	}
	if headers[0].Linkname != "home" {
		t.Errorf("alias links to %q", headers[0].Linkname)
	}
	if user := headers[2]; user.Uid != 1000 || user.Gid != 1001 || user.Mode != 0o700 {
		t.Errorf("home/user belongs to %d:%d with mode %o", user.Uid, user.Gid, user.Mode)
	}
}

// checkBlobs fails when a stored part is not what its name says.
func checkBlobs(t *testing.T, folder string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(folder, "blobs", "sha256", "*"))
	if err != nil || len(blobs) != 3 { // manifest, configuration, layer
		t.Fatalf("parts are %v: %v", blobs, err)
	}
	for _, blob := range blobs {
		content, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(content)); sum != filepath.Base(blob) {
			t.Errorf("%s has the hash %s", blob, sum)
		}
	}
}

func TestImageIsValidAndTheSameEveryTime(t *testing.T) {
	folder := t.TempDir()
	layerFile, out := filepath.Join(folder, "layer.tar"), filepath.Join(folder, "image")
	build := func(content string) string {
		write(t, filepath.Join(folder, "program"), content, 0o755)
		if err := run([]string{"files", layerFile, filepath.Join(folder, "program") + "=/program"}); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{"image", out, "--name", "localhost/x:dev", "--user", "1:2", "--entrypoint", "/program", "--layer", layerFile}); err != nil {
			t.Fatal(err)
		}
		index, err := layout.ImageIndexFromPath(out)
		if err != nil {
			t.Fatal(err)
		}
		checkBlobs(t, out)
		manifest, err := index.IndexManifest()
		if err != nil || len(manifest.Manifests) != 1 {
			t.Fatalf("index %v: %v", manifest, err)
		}
		if name := manifest.Manifests[0].Annotations["io.containerd.image.name"]; name != "localhost/x:dev" {
			t.Errorf("the image is called %q", name)
		}
		return manifest.Manifests[0].Digest.String()
	}
	first, again, other := build("one"), build("one"), build("two")
	if first != again {
		t.Errorf("the same content gave %s and %s", first, again)
	}
	if first == other {
		t.Error("another content gave the same image")
	}
	if left, err := filepath.Glob(filepath.Join(folder, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
