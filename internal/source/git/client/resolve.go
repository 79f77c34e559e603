package client

import (
	"context"
	"fmt"
	"strings"
)

// Resolve asks the host, once, which commit a branch or tag is at. A whole id of a commit is that commit and not asked for.
func (c *Client) Resolve(ctx context.Context, r Remote, ref string) (commit string, err error) {
	u, err := parse(r.URL)
	if err != nil {
		return "", err
	}
	if id := strings.ToLower(ref); isCommit(id) {
		return id, nil
	}
	if err := CheckRef(ref); err != nil {
		return "", NewError(Invalid, fmt.Sprintf("the ref cannot be used: %v", err), nil)
	}
	ctx, cancel := c.within(ctx, u, c.options.Limits.ResolveTime)
	defer cancel()
	a, err := c.open(ctx, u, r.Credential)
	if err != nil {
		return "", err
	}
	defer a.close()
	options, names := listing(ref)
	args := append([]string{"ls-remote", "--quiet"}, options...)
	args = append(args, "--", "origin")
	for _, name := range names {
		args = append(args, name, name+"^{}")
	}
	lines, err := c.output(ctx, command{dir: a.dir, env: a.env, args: args, redact: a.redact})
	if err != nil {
		c.forgetToken(u, r.Credential, err)
		return "", c.explain(u, r.Credential, "asking for "+ref, err)
	}
	commit, found := pick(lines, names)
	if !found {
		return "", NewError(NotFound, fmt.Sprintf("no commits found for ref %q at %s: there is no such branch or tag. "+
			"The full name, beginning with refs/, finds every other ref", ref, u), nil)
	}
	return commit, nil
}

// parse reads a repository's URL. What is wrong with it is for a person to mend.
func parse(text string) (URL, error) {
	u, err := ParseURL(text)
	if err != nil {
		return URL{}, NewError(Invalid, fmt.Sprintf("the repository's URL cannot be used: %v", err), nil)
	}
	return u, nil
}
