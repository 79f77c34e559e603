package client

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// entry is one of a commit's tree.
type entry struct {
	mode, kind, id, path string
	// size of a file, once it is known.
	size int64
}

// listed is what a selection comes to.
type listed struct {
	// content identifies it.
	content string
	// files are the files and symbolic links, in order; links are the places of submodules.
	files, modules []entry
	// others are files that say something of the selected ones, by their path: .gitmodules, .lfsconfig and .gitattributes.
	others map[string]entry
	// pointers are those of the files that stand for one in LFS, once they are written.
	pointers []pointer
}

// list reads a commit's tree.
func (r *repository) list(ctx context.Context, w wanted) (*listed, error) {
	paths, err := cleaned(w.selection.Paths)
	if err != nil {
		return nil, err
	}
	args := []string{"ls-tree", "-r", "-t", "-z", "--full-tree", w.commit, "--"}
	if len(paths) > 0 {
		args = append(append(args, paths...), about(paths)...)
	}
	l, seen := &listed{others: map[string]entry{}}, map[string]entry{}
	most := r.client.options.Limits.Files
	read := func(out io.Reader) error {
		return entries(out, func(e entry) error {
			if slices.Contains(paths, e.path) {
				seen[e.path] = e
			}
			return l.add(e, paths, most)
		})
	}
	if err := r.local(ctx, args, func(c *command) { c.out = read }); err != nil {
		return nil, err
	}
	for _, p := range paths {
		if _, has := seen[p]; has {
			continue
		}
		if seen[p], err = r.moduleOf(ctx, w, p); err != nil {
			return nil, err
		}
		if !slices.Contains(l.modules, seen[p]) {
			l.modules = append(l.modules, seen[p])
		}
	}
	l.content = r.identify(w, paths, seen)
	return l, nil
}

// moduleOf finds the submodule that a path lies in, if there is no such path in the repository itself.
func (r *repository) moduleOf(ctx context.Context, w wanted, p string) (entry, error) {
	var found entry
	for at := path.Dir(p); at != "." && found.path == ""; at = path.Dir(at) {
		err := r.local(ctx, []string{"ls-tree", "-z", "--full-tree", w.commit, "--", at}, func(c *command) {
			c.out = func(out io.Reader) error {
				return entries(out, func(e entry) error {
					if e.kind == "commit" && e.path == at {
						found = e
					}
					return nil
				})
			}
		})
		if err != nil {
			return entry{}, err
		}
	}
	if found.path == "" {
		return entry{}, NewError(NotFound, fmt.Sprintf("there is no %q in commit %s of %s", clip(p), w.commit, w.url), nil)
	}
	return found, nil
}

// add takes one entry of the tree.
func (l *listed) add(e entry, paths []string, most int) error {
	if err := checkPath(e.path); err != nil {
		return err
	}
	name := path.Base(e.path)
	if e.kind == "blob" && (e.path == ".gitmodules" || e.path == ".lfsconfig" || name == ".gitattributes") {
		l.others[e.path] = e
	}
	if len(paths) > 0 && !slices.ContainsFunc(paths, func(p string) bool { return below(e.path, p) }) {
		return nil
	}
	switch e.kind {
	case "commit":
		l.modules = append(l.modules, e)
	case "blob":
		l.files = append(l.files, e)
	}
	if len(l.files) > most {
		return NewError(TooLarge, fmt.Sprintf("the checkout has more than %d files: %s", most, narrow), nil)
	}
	return nil
}

// identify gives what is the same as long as the selected files are.
func (r *repository) identify(w wanted, paths []string, seen map[string]entry) string {
	if len(paths) == 0 {
		return r.commits[w.commit]
	}
	sum := sha256.New()
	for _, p := range paths {
		fmt.Fprintf(sum, "%s %s %s\x00", seen[p].mode, seen[p].id, seen[p].path)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// entries reads what git ls-tree prints.
func entries(out io.Reader, each func(entry) error) error {
	reader := bufio.NewReader(out)
	for {
		record, err := reader.ReadString(0)
		if errors.Is(err, io.EOF) && record == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a tree: %w", err)
		}
		about, name, ok := strings.Cut(strings.TrimSuffix(record, "\x00"), "\t")
		fields := strings.Fields(about)
		if !ok || len(fields) != 3 {
			return errors.New("read a tree: git ls-tree prints something else")
		}
		if err := each(entry{mode: fields[0], kind: fields[1], id: fields[2], path: name}); err != nil {
			return err
		}
	}
}

// cleaned gives paths of a selection as git writes them, each once and none below another. None means everything.
func cleaned(paths []string) ([]string, error) {
	var clean []string
	for _, p := range paths {
		if strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f }) || !utf8.ValidString(p) {
			return nil, NewError(Invalid, fmt.Sprintf("the path %q has control characters", clip(p)), nil)
		}
		for part := range strings.SplitSeq(p, "/") {
			if part == ".." {
				return nil, NewError(Invalid, fmt.Sprintf("the path %q leads out of the repository", clip(p)), nil)
			}
		}
		p = strings.TrimPrefix(path.Clean("/"+p), "/")
		if p == "" {
			return nil, nil
		}
		clean = append(clean, p)
	}
	slices.Sort(clean)
	var kept []string
	for _, p := range slices.Compact(clean) {
		if !slices.ContainsFunc(kept, func(k string) bool { return below(p, k) }) {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

// below tells whether a path is another one or in it.
func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// about are the files that say something of others: where submodules are, and which files are in LFS and where.
func about(paths []string) []string {
	found := []string{".gitmodules", ".lfsconfig", ".gitattributes"}
	for _, p := range paths {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			found = append(found, dir+"/.gitattributes")
		}
	}
	return found
}

// checkPath refuses paths that mean something else to a file system or to git. The host checks none of them.
func checkPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return NewError(Invalid, fmt.Sprintf("the repository has a file whose path %q cannot be used", clip(p)), nil)
		}
	}
	return nil
}
