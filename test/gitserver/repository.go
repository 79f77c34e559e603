package gitserver

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// File is an entry of a repository. Files are made by Text, Executable, Symlink, Submodule, Tree and Gone.
type File struct {
	mode, content string
}

// Files are entries by their path.
type Files map[string]File

// Text is an ordinary file.
func Text(content string) File { return File{mode: "100644", content: content} }

// Executable is a file that may be run.
func Executable(content string) File { return File{mode: "100755", content: content} }

// Symlink is a symbolic link.
func Symlink(target string) File { return File{mode: "120000", content: target} }

// Submodule is the place of another repository's commit; .gitmodules is a file like another.
func Submodule(commit string) File { return File{mode: "160000", content: commit} }

// Tree is a directory by the id of its object; only CommitRaw takes it.
func Tree(id string) File { return File{mode: "40000", content: id} }

// Gone removes an entry.
func Gone() File { return File{} }

// Repository is a bare repository of a Server.
type Repository struct {
	// Name is its path without .git.
	Name string
	// URL over HTTPS.
	URL string
	// Dir is where it is.
	Dir string

	server *Server
}

// Create makes an empty repository such as team/app, whose default branch is main.
func (s *Server) Create(name string) *Repository {
	s.owner.Helper()
	r := &Repository{Name: name, URL: s.URL + "/" + name + ".git", Dir: filepath.Join(s.root, name+".git"), server: s}
	if _, err := git(s.owner.Context(), "/", nil, "init", "--quiet", "--bare", "--initial-branch=main", r.Dir); err != nil {
		s.owner.Fatalf("make a repository: %v", err)
	}
	return r
}

// Git runs a command in the repository, such as tag, and gives what it printed.
func (r *Repository) Git(args ...string) string {
	r.server.owner.Helper()
	out, err := git(r.server.owner.Context(), r.Dir, nil, args...)
	if err != nil {
		r.server.owner.Fatalf("%v", err)
	}
	return out
}

// Commit changes some files on a branch, which is made if it does not exist, and gives the commit's id.
func (r *Repository) Commit(branch string, files Files) string {
	r.server.owner.Helper()
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit refs/heads/%s\ncommitter Author <author@example.com> 1767225600 +0000\ndata 6\nchange\n", branch)
	if _, err := git(r.server.owner.Context(), r.Dir, nil, "rev-parse", "--verify", "--quiet", "refs/heads/"+branch); err == nil {
		fmt.Fprintf(&in, "from refs/heads/%s^0\n", branch)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		switch file := files[path]; file.mode {
		case "":
			fmt.Fprintf(&in, "D %s\n", quote(path))
		case "160000":
			fmt.Fprintf(&in, "M 160000 %s %s\n", file.content, quote(path))
		default:
			fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", file.mode, quote(path), len(file.content), file.content)
		}
	}
	if _, err := git(r.server.owner.Context(), r.Dir, in.Bytes(), "fast-import", "--quiet", "--force"); err != nil {
		r.server.owner.Fatalf("commit: %v", err)
	}
	return r.Git("rev-parse", "refs/heads/"+branch)
}

// Branch lets a branch begin at a commit.
func (r *Repository) Branch(name, commit string) {
	r.server.owner.Helper()
	r.Git("update-ref", "refs/heads/"+name, commit)
}

// Tag names a commit; with a message the tag is an object of its own, whose id differs from the commit's.
func (r *Repository) Tag(name, commit, message string) {
	r.server.owner.Helper()
	if message == "" {
		r.Git("tag", name, commit)
		return
	}
	r.Git("tag", "--annotate", "--message", message, name, commit)
}

// CommitRaw commits a tree whose entries git itself would refuse to make, and puts the branch there.
func (r *Repository) CommitRaw(branch string, files Files) string {
	r.server.owner.Helper()
	var tree bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		id := files[name].content
		if mode := files[name].mode; mode != "160000" && mode != "40000" {
			id = r.object("blob", []byte(id))
		}
		raw, err := hex.DecodeString(id)
		if err != nil {
			r.server.owner.Fatalf("not an object's id: %q", id)
		}
		fmt.Fprintf(&tree, "%s %s\x00%s", files[name].mode, name, raw)
	}
	commit := r.Git("commit-tree", "-m", "change", r.object("tree", tree.Bytes()))
	r.Branch(branch, commit)
	return commit
}

// object writes an object without a look at its content.
func (r *Repository) object(kind string, content []byte) string {
	r.server.owner.Helper()
	id, err := git(r.server.owner.Context(), r.Dir, content, "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	if err != nil {
		r.server.owner.Fatalf("%v", err)
	}
	return id
}

// quote writes a path as fast-import reads any.
func quote(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// String is the content of a file.
func (f File) String() string { return f.content }
