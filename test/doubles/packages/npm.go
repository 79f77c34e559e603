package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// registry is an npm registry of packages by name.
type registry map[string]*document

// document is what npm calls a packument: all versions of a package.
type document struct {
	Name     string                    `json:"name"`
	Tags     map[string]string         `json:"dist-tags"`
	Versions map[string]map[string]any `json:"versions"`
	// archives are the files by the archives' names, integrity their sums.
	archives, integrity map[string]string
}

// readRegistry reads a folder of archives.
func readRegistry(dir string) (registry, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return nil, fmt.Errorf("look for packages in %s: %w", dir, err)
	}
	r := registry{}
	for _, file := range files {
		if err := r.add(file); err != nil {
			return nil, fmt.Errorf("read the package %s: %w", file, err)
		}
	}
	return r, nil
}

func (r registry) add(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	manifest, err := manifestOf(content)
	if err != nil {
		return err
	}
	name, _ := manifest["name"].(string)       //nolint:errcheck // without one it is not asked for
	version, _ := manifest["version"].(string) //nolint:errcheck // likewise
	if r[name] == nil {
		r[name] = &document{
			Name: name, Tags: map[string]string{}, Versions: map[string]map[string]any{},
			archives: map[string]string{}, integrity: map[string]string{},
		}
	}
	sum := sha512.Sum512(content)
	r[name].Tags["latest"] = version
	r[name].Versions[version] = manifest
	r[name].archives[r[name].archive(version)] = file
	r[name].integrity[version] = "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
	return nil
}

// manifestOf is the package.json of an archive, which is one folder below its root, whatever that is called.
func manifestOf(archive []byte) (map[string]any, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for entries := tar.NewReader(unzipped); ; {
		header, err := entries.Next()
		if err != nil {
			return nil, fmt.Errorf("find its package.json: %w", err)
		}
		if _, below, _ := strings.Cut(path.Clean(header.Name), "/"); below != "package.json" {
			continue
		}
		text, err := io.ReadAll(entries)
		if err != nil {
			return nil, err
		}
		manifest := map[string]any{}
		return manifest, json.Unmarshal(text, &manifest)
	}
}

// ServeHTTP answers for /NAME and /NAME/-/ARCHIVE.
func (r registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	name, archive, isArchive := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/-/")
	found, ok := r[name]
	if !ok {
		http.Error(w, `{"error":"Not found"}`, http.StatusNotFound)
		return
	}
	if isArchive {
		file, ok := found.archives[archive]
		if !ok {
			http.NotFound(w, request)
			return
		}
		http.ServeFile(w, request, file)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found.at("http://" + request.Host + "/npm/")) //nolint:errcheck,errchkjson // whoever asked has gone
}

// archive is what a version's archive is called.
func (d *document) archive(version string) string { return path.Base(d.Name) + "-" + version + ".tgz" }

// at is the document with the addresses of the archives below base.
func (d *document) at(base string) *document {
	there := &document{Name: d.Name, Tags: d.Tags, Versions: map[string]map[string]any{}}
	for version, manifest := range d.Versions {
		whole := maps.Clone(manifest)
		whole["dist"] = map[string]any{
			"integrity": d.integrity[version], "tarball": base + d.Name + "/-/" + d.archive(version),
		}
		there.Versions[version] = whole
	}
	return there
}
