package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// job is one checkout, with its submodules.
type job struct {
	client *Client
	// follower is the repository that somebody follows; submodules are kept for it.
	follower Remote
	// root is the directory that everything is put into; nothing is written outside of it.
	root   *os.Root
	budget budget
}

// maxDepth is how deep submodules may lie in each other.
const maxDepth = 8

// Checkout puts the files of a commit into a directory, which is empty, and tells what identifies them. The host is asked
// once for a commit, whatever is selected of it; files that were not selected before are fetched all at once.
func (c *Client) Checkout(ctx context.Context, r Remote, commit string, s Selection, dir string) (content string, err error) {
	u, err := parse(r.URL)
	if err != nil {
		return "", err
	}
	commit = strings.ToLower(commit)
	if !isCommit(commit) {
		return "", NewError(Invalid, fmt.Sprintf("%q is not the whole id of a commit", clip(commit)), nil)
	}
	limit := c.options.Limits.CheckoutTime
	ctx, cancel := context.WithTimeoutCause(ctx, limit,
		NewError(Unreachable, fmt.Sprintf("fetching commit %s of %s takes longer than %s", commit, u, limit), nil))
	defer cancel()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("open the directory for a checkout: %w", err)
	}
	defer root.Close()
	j := &job{client: c, follower: r, root: root, budget: budget{limits: c.options.Limits}}
	wanted := wanted{url: u, credential: r.Credential, commit: commit, selection: s}
	content, err = j.check(ctx, wanted, ".")
	if err == nil {
		err = j.checkLinks()
	}
	return content, err
}

// wanted is a commit of one repository.
type wanted struct {
	url        URL
	credential Credential
	commit     string
	selection  Selection
	depth      int
}

// check puts one repository's files into a directory below the root, and then those of its submodules.
func (j *job) check(ctx context.Context, w wanted, dir string) (content string, err error) {
	content, modules, err := j.client.checkOne(ctx, j, w, dir)
	if err != nil {
		return "", err
	}
	for _, module := range modules {
		if err := j.module(ctx, w, module, dir); err != nil {
			return "", err
		}
	}
	return content, nil
}

// checkOne does what needs the repository's lock. Submodules come after it: a repository may be its own.
func (c *Client) checkOne(ctx context.Context, j *job, w wanted, dir string) (content string, modules []module, err error) {
	repository, err := c.acquire(ctx, w, j.follower)
	if err != nil {
		return "", nil, err
	}
	defer repository.release()
	defer func() {
		if err != nil {
			repository.recover(err)
		}
	}()
	listed, err := repository.prepare(ctx, w)
	if err != nil {
		return "", nil, err
	}
	if err := j.budget.count(listed.files); err != nil {
		return "", nil, err
	}
	if err := j.budget.weigh(listed.files); err != nil {
		return "", nil, err
	}
	if err := repository.write(ctx, j, listed, dir); err != nil {
		return "", nil, err
	}
	if err := repository.fetchLFS(ctx, w, j, listed, dir); err != nil {
		return "", nil, err
	}
	if w.selection.Submodules {
		modules, err = repository.modules(ctx, listed)
	}
	return listed.content, modules, err
}

// prepare has all that is wanted of a commit in the repository. If there is no place for it beside what older commits
// needed, these go.
func (r *repository) prepare(ctx context.Context, w wanted) (l *listed, err error) {
	for first := true; ; first = false {
		older := len(r.commits) > 0
		if err = r.fetch(ctx, w); err == nil {
			if l, err = r.list(ctx, w); err != nil {
				return nil, err
			}
			err = r.complete(ctx, w, l)
		}
		var known *Error
		if !first || !older || !errors.As(err, &known) || known.Kind != TooLarge {
			return l, err
		}
		r.begin()
	}
}

// checkLinks refuses links that lead out of the checkout, by whatever way.
func (j *job) checkLinks() error {
	for _, link := range j.budget.links {
		_, err := j.root.Stat(link)
		var failed *os.PathError
		if err == nil || errors.Is(err, os.ErrNotExist) || !errors.As(err, &failed) || failed.Err.Error() != escapes {
			continue
		}
		return outside(link)
	}
	return nil
}

// escapes is what os.Root says of a path that leaves it; it has no other name.
const escapes = "path escapes from parent"

func outside(link string) error {
	return NewError(Invalid, fmt.Sprintf("the symbolic link %q leads out of the repository: remove it, or name only the directories "+
		"that the program needs in spec.repoPaths", clip(link)), nil)
}

// clip shortens text of a repository for a message.
func clip(text string) string {
	const most = 200
	text = newRedactor(nil).clean(strings.ReplaceAll(text, "\n", " "))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
