package client

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxURL is how long a URL may be.
const maxURL = 2048

// URL is where a repository is, checked. It has no credentials.
type URL struct {
	scheme string // https, http or ssh
	user   string // for ssh
	host   string
	port   string // "" is the scheme's own
	path   string // as it was written; without the first slash if scp
	scp    bool   // user@host:path
}

// ParseURL reads the URL of a repository: https, http, ssh, or user@host:path. What could be taken for something else by
// git or ssh is refused: other transports, options, control characters; and so are credentials, which belong into a Secret.
func ParseURL(text string) (URL, error) {
	if err := checkWord("URL", text, maxURL); err != nil {
		return URL{}, err
	}
	var u URL
	var err error
	if strings.Contains(text, "://") {
		u, err = parseFull(text)
	} else {
		u, err = parseSCP(text)
	}
	if err != nil {
		return URL{}, err
	}
	return u, u.check()
}

// parseFull reads scheme://user@host:port/path. Nothing of the URL is in its errors: there may be a password in it.
func parseFull(text string) (URL, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return URL{}, errors.New("the URL is not one")
	}
	u := URL{
		scheme: strings.ToLower(parsed.Scheme), host: strings.ToLower(parsed.Hostname()), port: parsed.Port(), path: parsed.EscapedPath(),
	}
	if _, has := parsed.User.Password(); has {
		return URL{}, errors.New("the URL has a password in it: put it into a Secret")
	}
	switch {
	case u.defaultPort() == "":
		return URL{}, fmt.Errorf("a repository cannot be had over %q: only https, http, ssh and user@host:path", u.scheme)
	case strings.ContainsAny(text, "?#") || parsed.Opaque != "":
		return URL{}, errors.New("the URL has more than a host and a path")
	}
	if u.scheme == "ssh" {
		u.user = parsed.User.Username()
	}
	// Of https the user is dropped: some hosts write it into the URLs that they offer, and the Secret says who it is.
	if u.port == u.defaultPort() {
		u.port = ""
	}
	return u, nil
}

// parseSCP reads user@host:path.
func parseSCP(text string) (URL, error) {
	if strings.Contains(text, "::") && !strings.Contains(text, "[") {
		return URL{}, errors.New("the URL names a program to fetch with: only https, http, ssh and user@host:path")
	}
	u := URL{scheme: "ssh", scp: true}
	user, rest, has := strings.Cut(text, "@")
	if has {
		if user == "" {
			return URL{}, errors.New("the URL's user is not one")
		}
		u.user = user
	} else {
		rest = text
	}
	var found bool
	if inner, after, isBracket := strings.Cut(strings.TrimPrefix(rest, "["), "]:"); isBracket && strings.HasPrefix(rest, "[") {
		u.host, u.path, found = strings.ToLower(inner), after, true
	} else {
		u.host, u.path, found = strings.Cut(rest, ":")
		u.host = strings.ToLower(u.host)
	}
	if !found {
		return URL{}, errors.New("the URL is neither https://…, ssh://… nor user@host:path")
	}
	return u, nil
}

// check refuses what git, ssh or a shell could take for something else.
func (u URL) check() error {
	port, err := strconv.Atoi(u.port)
	switch {
	case !isHost(u.host):
		return errors.New("the URL's host is not one")
	case u.port != "" && (err != nil || port < 1 || port > 65535):
		return errors.New("the URL's port is not one")
	case u.user != "" && !isUser(u.user):
		return errors.New("the URL's user is not one")
	}
	return u.checkPath()
}

// checkPath refuses paths that lead elsewhere.
func (u URL) checkPath() error {
	path, err := url.PathUnescape(u.path)
	if err != nil || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) {
		return errors.New("the URL's path is not one")
	}
	if strings.Trim(path, "/") == "" {
		return errors.New("the URL has no path")
	}
	if strings.HasPrefix(strings.TrimLeft(path, "/"), "-") || strings.ContainsAny(path, "\\") {
		return errors.New("the URL's path begins like an option or has a backslash in it")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." || part == "." {
			return errors.New("the URL's path has dots for directories")
		}
	}
	return nil
}

// Compiled once: each look at a Stack asks.
var (
	hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?\.?$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
)

func isHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	return hostName.MatchString(host) && !strings.Contains(host, "..")
}

func isUser(user string) bool {
	return userName.MatchString(user)
}

func (u URL) defaultPort() string {
	return map[string]string{"https": "443", "http": "80", "ssh": "22"}[u.scheme]
}

// Host is the host, with the port unless it is the scheme's own.
func (u URL) Host() string {
	host := u.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.port != "" {
		host += ":" + u.port
	}
	return host
}

// SSH tells whether the repository is had over SSH.
func (u URL) SSH() bool { return u.scheme == "ssh" }

// String is what git is given. Over SSH the user is git if there is none.
func (u URL) String() string {
	if !u.SSH() {
		return u.scheme + "://" + u.Host() + u.path
	}
	user := u.user
	if user == "" {
		user = "git"
	}
	if u.scp {
		return user + "@" + u.Host() + ":" + u.path
	}
	return "ssh://" + user + "@" + u.Host() + u.path
}

// Key is the same for all forms of one repository's URL: the host in small letters, and the path without .git. SSH's port
// is left out, since that of the web differs from it.
func (u URL) Key() string {
	path, err := url.PathUnescape(u.path)
	if err != nil {
		path = u.path
	}
	if u.SSH() {
		u.port = ""
	}
	return u.Host() + "/" + strings.TrimSuffix(strings.Trim(path, "/"), ".git")
}

// relative is the URL that a relative one such as ../library.git leads to, as git reads it in .gitmodules.
func (u URL) relative(text string) (URL, error) {
	base := strings.Split(strings.Trim(u.path, "/"), "/")
	for {
		if rest, isHere := strings.CutPrefix(text, "./"); isHere {
			text = rest
			continue
		}
		rest, isUp := strings.CutPrefix(text, "../")
		if !isUp {
			break
		}
		if len(base) == 0 {
			return URL{}, errors.New("the URL leads out of its host")
		}
		text, base = rest, base[:len(base)-1]
	}
	leading := ""
	if strings.HasPrefix(u.path, "/") {
		leading = "/"
	}
	u.path = leading + strings.Join(append(base, strings.TrimSuffix(text, "/")), "/")
	return u, u.check()
}
