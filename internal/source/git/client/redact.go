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

// redactor takes secrets out of what git says. The zero value knows none.
type redactor struct {
	secrets *strings.Replacer
}

// userinfo finds a user and a password in a URL, whatever characters the password has.
func userinfo() *regexp.Regexp {
	return regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://)[^/\s'"@]*(?:@[^/\s'"@]*)*@`)
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
	return redactor{secrets: strings.NewReplacer(pairs...)}
}

// clean gives text without secrets, users and passwords of URLs, and control characters.
func (r redactor) clean(text string) string {
	text = strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == '\r' || c == '\t':
			return ' '
		case unicode.IsControl(c) || unicode.Is(unicode.Cf, c):
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, ""))
	// What is taken out of the middle may bring the parts of a secret together.
	return r.mask(userinfo().ReplaceAllString(r.mask(text), "$1"))
}

func (r redactor) mask(text string) string {
	if r.secrets == nil {
		return text
	}
	return r.secrets.Replace(text)
}

// isNoise tells of a line that says nothing about what is wrong here.
func isNoise(line string) bool {
	return slices.ContainsFunc([]string{
		"hint:", "warning:", "Please make sure you have the correct access rights", "and the repository exists", "IT IS POSSIBLE THAT SOMEONE",
		"Someone could be eavesdropping", "It is also possible that a host key", "Please contact your system administrator", "Add correct host key in",
		"Offending ", "remove with:", "ssh-keygen -f",
	}, func(beginning string) bool { return strings.HasPrefix(line, beginning) })
}

// words are the few lines of what git said that tell a person what is wrong, in one.
func words(said string) string {
	var kept []string
	for line := range strings.Lines(said) {
		line = strings.TrimPrefix(strings.TrimPrefix(strings.Trim(line, " @\n"), "fatal: "), "error: ")
		if line != "" && !isNoise(line) && !slices.Contains(kept, line) {
			kept = append(kept, strings.TrimSuffix(line, "."))
		}
	}
	text := []rune(strings.Join(kept, "; "))
	if len(text) > maxWords {
		// The last words are git's own, the first ones often the server's.
		text = append([]rune("…"), text[len(text)-maxWords:]...)
	}
	return string(text)
}
