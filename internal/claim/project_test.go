package claim

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantry-operator/gantry/internal/artifact/pack"
)

// packed is an archive of files.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if err := pack.Dir(context.Background(), &archive, dir, pack.Limits{Bytes: 1 << 20, Files: 100}); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

type opened struct{ *bytes.Reader }

func (opened) Close() {}

func TestProject(t *testing.T) {
	archives := map[string][]byte{
		"one": packed(t, map[string]string{
			"Pulumi.yaml": "name: root\nruntime: go\n", "infra/Pulumi.yml": "name: infra\nbackend: {url: s3://own}\n", "infra/sub/Pulumi.yaml": "name: sub\n",
			"json/Pulumi.json": `{"name": "json"}`, "odd/Pulumi.yaml": "name: [1]\n", "bad/Pulumi.yaml": "{{{", "stack/Pulumi.dev.yaml": "name: dev\n",
		}),
		"junk": []byte("no archive"),
	}
	opens := 0
	projects := NewProjects(func(digest string) (Archive, error) {
		opens++
		if archive, ok := archives[digest]; ok {
			return opened{bytes.NewReader(archive)}, nil
		}
		return nil, fs.ErrNotExist
	})
	cases := map[string]struct {
		digest, dir string
		want        Project
		fails       bool
	}{
		"Root":       {"one", "", Project{Name: "root"}, false},
		"Dot":        {"one", ".", Project{Name: "root"}, false},
		"Directory":  {"one", "./infra/", Project{Name: "infra", Backend: "s3://own"}, false},
		"Deeper":     {"one", "infra/sub", Project{Name: "sub"}, false},
		"JSON":       {"one", "json", Project{Name: "json"}, false},
		"NoName":     {"one", "odd", Project{}, false},
		"NoYAML":     {"one", "bad", Project{}, false},
		"OnlyStack":  {"one", "stack", Project{}, false},
		"NoneThere":  {"one", "nowhere", Project{}, false},
		"NoArchive":  {"junk", "", Project{}, true},
		"NotInStore": {"gone", "", Project{}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				got, err := projects.Project(tc.digest, tc.dir)
				if got != tc.want || (err != nil) != tc.fails {
					t.Errorf("%+v, %v; want %+v", got, err, tc.want)
				}
			}
		})
	}
	if want := len(cases) + 2; opens != want {
		t.Errorf("archives were opened %d times, want %d: once for each directory that could be looked for, and each time where it could not", opens, want)
	}
}
