package packages_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/doubles/packages"
)

// archived is a package as `npm pack` makes it.
func archived(t *testing.T, manifest string) []byte {
	t.Helper()
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	entries := tar.NewWriter(zipped)
	err := entries.WriteHeader(&tar.Header{Name: "package/package.json", Mode: 0o644, Size: int64(len(manifest)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = entries.Write([]byte(manifest))
	}
	if err := errors.Join(err, entries.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// serve starts registries of two versions of a package and of one module.
func serve(t *testing.T) (s *packages.Server, url string) {
	t.Helper()
	npm, modules := t.TempDir(), t.TempDir()
	for path, content := range map[string][]byte{
		filepath.Join(npm, "one.tgz"):                     archived(t, `{"name": "@scope/a", "version": "1.0.0", "dependencies": {"b": "^2"}}`),
		filepath.Join(npm, "two.tgz"):                     archived(t, `{"name": "@scope/a", "version": "1.1.0"}`),
		filepath.Join(modules, "example.com/m/@v/v1.mod"): []byte("module example.com/m\n"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := packages.New(packages.Options{NPM: npm, Go: modules, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// get asks for a path, with a token.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestRegistries(t *testing.T) {
	s, url := serve(t)
	cases := map[string]struct {
		path, token string
		status      int
		want        []string
	}{
		"Package": {"/npm/@scope%2fa", "secret", http.StatusOK, []string{
			`"1.0.0"`, `"dependencies":{"b":"^2"}`, `"integrity":"sha512-`, `"tarball":"` + url + `/npm/@scope/a/-/a-1.1.0.tgz"`,
		}},
		"Archive":    {"/npm/@scope/a/-/a-1.0.0.tgz", "secret", http.StatusOK, nil},
		"NoToken":    {"/npm/@scope/a", "", http.StatusUnauthorized, []string{"a token is needed"}},
		"NoPackage":  {"/npm/b", "secret", http.StatusNotFound, nil},
		"NoArchive":  {"/npm/@scope/a/-/a-2.0.0.tgz", "secret", http.StatusNotFound, nil},
		"Module":     {"/go/example.com/m/@v/v1.mod", "", http.StatusOK, []string{"module example.com/m"}},
		"NoModule":   {"/go/example.com/n/@v/v1.mod", "", http.StatusNotFound, nil},
		"NotCounted": {"/admin/ready", "", http.StatusOK, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := len(s.Requests())
			status, body := get(t, url+tc.path, tc.token)
			if status != tc.status {
				t.Errorf("status %d, want %d: %s", status, tc.status, body)
			}
			for _, want := range tc.want {
				if !strings.Contains(body, want) {
					t.Errorf("%q is missing in %s", want, body)
				}
			}
			counted := 1
			if name == "NotCounted" {
				counted = 0
			}
			if n := len(s.Requests()) - before; n != counted {
				t.Errorf("%d requests are on record, want %d", n, counted)
			}
		})
	}
	_, told := get(t, url+"/admin/requests", "")
	if diff := cmp.Diff(len(cases)-1, strings.Count(told, `"/`)); diff != "" {
		t.Errorf("requests told (-want +got):\n%s\n%s", diff, told)
	}
}

func TestFolderOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tgz"), []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := packages.New(packages.Options{NPM: dir}); err == nil || !strings.Contains(err.Error(), "a.tgz") {
		t.Errorf("error %v, want one that names the file", err)
	}
}
