package client

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxRef is how long a ref may be.
const maxRef = 255

// CheckRef refuses what cannot be the name of a branch or tag, short or full, by git's own rules.
func CheckRef(ref string) error {
	if err := checkWord("ref", ref, maxRef); err != nil {
		return err
	}
	switch {
	case strings.ContainsAny(ref, "~^:?*[\\"):
		return fmt.Errorf("the ref %q has a character that refs do not have", ref)
	case strings.Contains(ref, "..") || strings.Contains(ref, "@{") || ref == "@":
		return fmt.Errorf("%q is an expression and not a ref", ref)
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
			return fmt.Errorf("the ref %q has a part that refs do not have", ref)
		}
	}
	return nil
}

// checkWord refuses what cannot be an argument of a program.
func checkWord(name, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("the %s is empty", name)
	case len(text) > most:
		return fmt.Errorf("the %s has more than %d characters", name, most)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("the %s has spaces or control characters", name)
	case strings.HasPrefix(text, "-"):
		return fmt.Errorf("the %s begins like an option", name)
	}
	return nil
}

// commitID is a whole id of a commit, of SHA-1 or SHA-256.
var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// isCommit tells whether the text is a whole id of a commit, of SHA-1 or SHA-256.
func isCommit(text string) bool {
	return commitID.MatchString(text)
}

// listing is what to ask a host for to find a ref: options that keep most other refs from being sent, and the names that
// the ref may have in order of precedence.
func listing(ref string) (options, names []string) {
	switch {
	case strings.HasPrefix(ref, "refs/heads/"):
		return []string{"--heads"}, []string{ref}
	case strings.HasPrefix(ref, "refs/tags/"):
		return []string{"--tags"}, []string{ref}
	case strings.HasPrefix(ref, "refs/"), ref == "HEAD":
		return nil, []string{ref}
	}
	names = []string{"refs/heads/" + ref, "refs/tags/" + ref}
	// Such as heads/main or pull/7/head; else it is not worth having all refs sent.
	first, _, _ := strings.Cut(ref, "/")
	switch first {
	case "heads", "tags", "remotes", "pull", "merge-requests", "changes":
		return nil, append(names, "refs/"+ref)
	}
	return []string{"--heads", "--tags"}, names
}

// pick finds the commit among the lines of git ls-remote. Of an annotated tag it is what the tag is of.
func pick(lines string, names []string) (commit string, found bool) {
	ids := map[string]string{}
	for line := range strings.Lines(lines) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && isCommit(id) {
			ids[name] = id
		}
	}
	for _, name := range names {
		if id, has := ids[name+"^{}"]; has {
			return id, true
		}
		if id, has := ids[name]; has {
			return id, true
		}
	}
	return "", false
}
