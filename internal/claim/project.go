package claim

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Archive is an archive that is read.
type Archive interface {
	io.Reader
	Close()
}

// Project is what the project file of a program says of where its stacks are.
type Project struct {
	// Name of the project; empty where there is no project file that can be read.
	Name string
	// Backend is the URL of the backend; empty where it names none.
	Backend string
}

// Projects reads the project files of archives, and remembers what they say: an archive never changes.
type Projects struct {
	open func(digest string) (Archive, error)

	mu    sync.Mutex
	known map[string]Project
}

// NewProjects makes a reader of the archives that open opens.
func NewProjects(open func(digest string) (Archive, error)) *Projects {
	return &Projects{open: open, known: map[string]Project{}}
}

const (
	// maxKnown bounds how many projects are remembered.
	maxKnown = 10_000
	// maxProject bounds a project file, most of which is a YAML program.
	maxProject = 4 << 20
)

// Project reads the project file in a directory of an archive.
func (p *Projects) Project(digest, dir string) (Project, error) {
	key := digest + "\n" + dir
	p.mu.Lock()
	project, ok := p.known[key]
	p.mu.Unlock()
	if ok {
		return project, nil
	}
	archive, err := p.open(digest)
	if err != nil {
		return Project{}, fmt.Errorf("open the archive of a project: %w", err)
	}
	defer archive.Close()
	if project, err = projectIn(archive, dir); err != nil {
		return Project{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[key] = project
	return project, nil
}

// projectIn reads an archive up to the project file.
func projectIn(archive io.Reader, dir string) (Project, error) {
	unzipped, err := gzip.NewReader(archive)
	if err != nil {
		return Project{}, fmt.Errorf("unpack the archive of a project: %w", err)
	}
	want := path.Join("/", dir, "Pulumi.")
	for entries := tar.NewReader(unzipped); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return Project{}, nil
		}
		if err != nil {
			return Project{}, fmt.Errorf("unpack the archive of a project: %w", err)
		}
		extension, ok := strings.CutPrefix(path.Join("/", header.Name), want)
		if !ok || header.Typeflag != tar.TypeReg || (extension != "yaml" && extension != "yml" && extension != "json") {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(entries, maxProject))
		if err != nil {
			return Project{}, fmt.Errorf("read a project file: %w", err)
		}
		return parse(text), nil
	}
}

// parse reads a project file. What is wrong with one is the CLI's to say.
func parse(text []byte) Project {
	var file struct {
		Name    string `json:"name"`
		Backend struct {
			URL string `json:"url"`
		} `json:"backend"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return Project{}
	}
	return Project{Name: file.Name, Backend: file.Backend.URL}
}
