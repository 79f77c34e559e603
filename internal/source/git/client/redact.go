package client

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// masked is put where a secret was.
	masked = "***"
	// shortest is how long a secret is at least that is looked for: shorter ones are in every other word.
	shortest = 4
	// maxWords is how much of what git says is repeated.
	maxWords = 1000
)

// redactor takes secrets out of what git says.
type redactor struct {
	secrets  *strings.Replacer
	userinfo *regexp.Regexp
}

// newRedactor makes a redactor of some secrets, in all the forms in which git or a server may repeat them.
func newRedactor(secrets []string) redactor {
	var forms []string
	for _, secret := range secrets {
		if len(secret) < shortest {
			continue
		}
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)))
	}
	// What contains another secret goes first.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, masked)
	}
	return redactor{
		secrets:  strings.NewReplacer(pairs...),
		userinfo: regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://)[^/\s'"@]*(?:@[^/\s'"@]*)*@`),
	}
}

// clean gives text without secrets, users and passwords of URLs, and control characters.
func (r redactor) clean(text string) string {
	text = strings.ToValidUTF8(text, "")
	text = r.secrets.Replace(text)
	text = r.userinfo.ReplaceAllString(text, "$1")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\r' || c == '\t':
			return ' '
		case unicode.IsControl(c) || unicode.Is(unicode.Cf, c):
			return -1
		}
		return c
	}, text)
}

// words are the few lines of what git said that tell a person what is wrong, in one.
func words(said string) string {
	var kept []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "hint:") || strings.HasPrefix(line, "warning:") || strings.Trim(line, "@ ") == "" {
			continue
		}
		if line = strings.TrimPrefix(line, "fatal: "); !slices.Contains(kept, line) {
			kept = append(kept, line)
		}
	}
	text := []rune(strings.Join(kept, "; "))
	if len(text) > maxWords {
		// The last words are git's own, the first ones often the server's.
		text = append([]rune("…"), text[len(text)-maxWords:]...)
	}
	return string(text)
}
