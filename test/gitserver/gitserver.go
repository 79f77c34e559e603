// Package gitserver owns the real git servers that tests and measurements fetch from: git's own http-backend behind TLS,
// with or without credentials, with faults that are switched on while it runs and with every request on record; OpenSSH's
// sshd; and a server of files in LFS.
package gitserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Owner is for whom a server works: a test, or a program that ends when something fails.
type Owner interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
	TempDir() string
	Context() context.Context
}

// Options say how a Server is reached and what it demands.
type Options struct {
	// Address to listen on; 127.0.0.1 and a free port if empty.
	Address string
	// Hosts are the names and addresses of the certificate and, the first one, of URL. The address itself if empty.
	Hosts []string
	// Auth is what every repository demands that has not been given its own.
	Auth Auth
	// OldProtocol makes the server speak version 0 only, which hands out nothing but what its refs point to.
	OldProtocol bool
	// NoFilter makes the server refuse partial clones.
	NoFilter bool
}

// Server is a git server over HTTPS.
type Server struct {
	// URL is where the repositories are: URL + "/team/app.git".
	URL string
	// CA is the certificate of the authority that signed the server's, as PEM.
	CA string

	owner   Owner
	root    string
	options Options

	mu       sync.Mutex
	access   map[string]Auth
	fault    *Fault
	changed  chan struct{}
	requests []Request
	mounts   map[string]http.Handler
}

// Start makes a server that listens until its owner has ended.
func Start(owner Owner, options Options) *Server {
	owner.Helper()
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(owner.Context(), "tcp", options.Address)
	if err != nil {
		owner.Fatalf("listen for git: %v", err)
	}
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		owner.Fatalf("listen for git: %v", err)
	}
	if len(options.Hosts) == 0 {
		options.Hosts = []string{host}
	}
	authority, config, err := certify(options.Hosts)
	if err != nil {
		owner.Fatalf("make a certificate: %v", err)
	}
	s := &Server{
		URL: "https://" + net.JoinHostPort(options.Hosts[0], port), CA: authority,
		owner: owner, root: owner.TempDir(), options: options,
		access: map[string]Auth{}, mounts: map[string]http.Handler{}, changed: make(chan struct{}),
	}
	server := &http.Server{Handler: s, TLSConfig: config, ReadHeaderTimeout: time.Minute, ErrorLog: silent()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "") //nolint:errcheck // it always ends with an error, at the latest when it is closed
	}()
	owner.Cleanup(func() {
		s.Heal()           // nothing hangs any more
		_ = server.Close() //nolint:errcheck // the test is over
		<-ended
	})
	return s
}

// Protect gives a repository its own demands.
func (s *Server) Protect(repository string, auth Auth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access[strings.TrimSuffix(repository, ".git")] = auth
}

// Mount lets another server answer below a path, such as an API that comes with the git host.
func (s *Server) Mount(prefix string, handler http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mounts[prefix] = handler
}

// mounted is who answers a path, if not git.
func (s *Server) mounted(path string) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	for prefix, handler := range s.mounts {
		if strings.HasPrefix(path, prefix) {
			return handler
		}
	}
	return nil
}

// Root is the directory of the bare repositories.
func (s *Server) Root() string { return s.root }

// Need ends a test for which a program is missing: it is skipped, but in CI, where everything is there, it fails.
func Need(tb interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}, programs ...string) {
	tb.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is missing: make packages", program)
		}
		tb.Skipf("%s is missing: make packages", program)
	}
}

// git runs git as the server's administrator.
func git(ctx context.Context, dir string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Author", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_AUTHOR_DATE=1767225600 +0000",
		"GIT_COMMITTER_NAME=Author", "GIT_COMMITTER_EMAIL=author@example.com", "GIT_COMMITTER_DATE=1767225600 +0000",
	}
	if len(stdin) > 0 {
		cmd.Stdin = strings.NewReader(string(stdin))
	}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// backend is where git keeps the program for web servers.
func backend(ctx context.Context) (string, error) {
	place, err := git(ctx, "/", nil, "--exec-path")
	return filepath.Join(place, "git-http-backend"), err
}
