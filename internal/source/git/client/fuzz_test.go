package client

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
)

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{
		"https://github.com/a/b.git", "ssh://git@example.com:22/a", "git@example.com:a/b", "ext::sh -c x", "file:///x", "-oProxyCommand=x:y",
		"https://u:p@example.com/x", "git@[::1]:x", "https://example.com/%2e%2e/x", "a:b", "[a:b]:c", "https://[::1%25eth0]/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil {
			return
		}
		given := u.String()
		again, err := ParseURL(given)
		if err != nil || again.Key() != u.Key() || again.Host() != u.Host() || again.String() != given {
			t.Errorf("%q is %q, and that is %q: %v", text, given, again, err)
		}
		if strings.HasPrefix(given, "-") || strings.HasPrefix(u.host, "-") || strings.Contains(given, "::") && !strings.Contains(given, "[") {
			t.Errorf("%q is taken as %q", text, given)
		}
		if strings.ContainsFunc(given, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
			t.Errorf("%q is taken as %q", text, given)
		}
		if !u.SSH() {
			parsed, err := url.Parse(given)
			if err != nil || parsed.User != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.RawQuery != "" {
				t.Errorf("%q is taken as %q: %v", text, given, err)
			}
		}
		for _, relative := range []string{"../x", "./x", "../../x"} {
			if r, err := u.relative(relative); err == nil && r.Host() != u.Host() {
				t.Errorf("%s of %q is at %q", relative, given, r.Host())
			}
		}
	})
}

func FuzzCheckRef(f *testing.F) {
	for _, seed := range []string{"main", "refs/heads/x", "-x", "a..b", "a.lock", "a\x00", "@{u}", "v1^{}", "HEAD"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if CheckRef(ref) != nil {
			return
		}
		if strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " ~^:?*[\\\x00\n\r\x7f") || strings.Contains(ref, "..") || len(ref) > maxRef {
			t.Errorf("%q is taken", ref)
		}
		_, names := listing(ref)
		for _, name := range names {
			line := strings.Repeat("1", 40) + "\t" + name + "\n"
			if commit, found := pick(line, names); !found || commit != strings.Repeat("1", 40) {
				t.Errorf("%q is not found in %q", ref, line)
			}
		}
	})
}

// Whatever git says: secrets do not get through, and the words are fit for a condition.
func FuzzRedact(f *testing.F) {
	f.Add("fatal: Authentication failed for 'https://u:hunter2@example.com/'", "hunter2")
	f.Add("aaaaaaaa", "aaaa")
	f.Add("\x1b[31m***", "****")
	f.Add("hun\x00ter2", "hunter2")
	f.Add("xx***yy", "xx**")
	f.Fuzz(func(t *testing.T, said, secret string) {
		if len(secret) < shortest || strings.ContainsAny(secret, "*;. ") || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
			return
		}
		clean := words(newRedactor([]string{secret}).clean(said + secret + said))
		if strings.Contains(clean, secret) {
			t.Errorf("%q gets through: %q", secret, clean)
		}
		if strings.ContainsFunc(clean, unicode.IsControl) || len([]rune(clean)) > maxWords+1 {
			t.Errorf("not fit for a condition: %q", clean)
		}
		kindOf(said)
	})
}
