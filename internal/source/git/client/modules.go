package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// module is a submodule: another repository's commit at a path.
type module struct {
	path, commit, url string
}

// modules reads which of the selected submodules are to be had. A place without a URL in .gitmodules is none: git itself
// leaves such a directory empty.
func (r *repository) modules(ctx context.Context, l *listed) ([]module, error) {
	file, has := l.others[".gitmodules"]
	if !has || len(l.modules) == 0 {
		return nil, nil
	}
	var text string
	err := r.local(ctx, []string{"config", "--blob", file.id, "--null", "--list"}, func(c *command) {
		c.out = func(out io.Reader) error {
			data, err := io.ReadAll(io.LimitReader(out, maxOutput))
			text = string(data)
			return err
		}
	})
	if err != nil {
		return nil, ended(ctx, NewError(Invalid, "the file .gitmodules cannot be read: mend it, or set spec.recurseSubmodules: false", nil))
	}
	known := parseModules(text)
	var found []module
	for _, e := range l.modules {
		if m, has := known[e.path]; has {
			found = append(found, module{path: e.path, commit: e.id, url: m})
		}
	}
	return found, nil
}

// parseModules reads what git config prints of .gitmodules, and gives the URLs by path. A submodule that says
// "update = none" is not wanted.
func parseModules(text string) map[string]string {
	paths, urls, none := map[string]string{}, map[string]string{}, map[string]bool{}
	for record := range strings.SplitSeq(text, "\x00") {
		key, value, _ := strings.Cut(record, "\n")
		name, isModule := strings.CutPrefix(key, "submodule.")
		at := strings.LastIndexByte(name, '.')
		if !isModule || at < 0 {
			continue
		}
		name, field := name[:at], name[at+1:]
		switch field {
		case "path":
			paths[name] = path.Clean(value)
		case "url":
			urls[name] = value
		case "update":
			none[name] = value == "none"
		}
	}
	found := map[string]string{}
	for name, place := range paths {
		if url, has := urls[name]; has && !none[name] {
			found[place] = url
		}
	}
	return found
}

// module puts a submodule's files into its place. Its host is given the credential only if it is the same one.
func (j *job) module(ctx context.Context, parent wanted, m module, dir string) error {
	place := path.Join(dir, m.path)
	if err := j.root.MkdirAll(place, 0o755); err != nil {
		return NewError(Invalid, fmt.Sprintf("the submodule %q cannot be put where it belongs", clip(m.path)), nil)
	}
	if parent.depth+1 > maxDepth {
		return NewError(Invalid, fmt.Sprintf("submodules lie more than %d deep in each other, at %q", maxDepth, clip(place)), nil)
	}
	u, err := moduleURL(parent.url, m.url)
	if err != nil {
		return NewError(Invalid, fmt.Sprintf("the submodule %q has a URL that cannot be used: %v. %s", clip(m.path), err, without), nil)
	}
	credential := parent.credential
	if u.Host() != parent.url.Host() {
		credential = credential.trustOnly()
	}
	_, err = j.check(ctx, wanted{
		url: u, credential: credential, commit: m.commit, selection: Selection{Submodules: true}, depth: parent.depth + 1,
	}, place)
	var known *Error
	if errors.As(err, &known) {
		return NewError(known.Kind, fmt.Sprintf("the submodule %q cannot be had: %s. %s", clip(m.path), known.Message, without), known.err)
	}
	return err
}

// without is how to do without submodules.
const without = "If the program does not need it, set spec.recurseSubmodules: false"

// moduleURL reads a submodule's URL, which may be relative to the repository's.
func moduleURL(parent URL, text string) (URL, error) {
	if strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		return parent.relative(text)
	}
	return ParseURL(text)
}
