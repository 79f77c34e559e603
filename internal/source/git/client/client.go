package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Options are what a Client is made with.
type Options struct {
	// Dir is the Client's own: what is found in it is removed.
	Dir string
	// KnownHosts is a file of SSH host keys to trust; there may be none.
	KnownHosts string
	// Authorities is the file of certificate authorities to trust.
	Authorities string
	// Environment is that of the manager, of which the search path and the proxies are used.
	Environment []string
	Limits      Limits
	Clock       clock.PassiveClock
}

// Limits bound what a repository may cost.
type Limits struct {
	// RepositoryBytes is what the objects of one repository may take on the disk.
	RepositoryBytes int64
	// CheckoutBytes, FileBytes and Files are how much all files, one file, and how many files a checkout may have.
	CheckoutBytes, FileBytes int64
	Files                    int
	// MemoryBytes is how much one process of git may have.
	MemoryBytes int64
	// ResolveTime and CheckoutTime are how long these may take, and IdleTime how long a host may send nothing.
	ResolveTime, CheckoutTime, IdleTime time.Duration
}

// DefaultLimits are generous for programs.
func DefaultLimits() Limits {
	const mebi = 1 << 20
	return Limits{
		RepositoryBytes: 2048 * mebi, CheckoutBytes: 1024 * mebi, FileBytes: 256 * mebi, Files: 100_000, MemoryBytes: 512 * mebi,
		ResolveTime: time.Minute, CheckoutTime: 10 * time.Minute, IdleTime: 30 * time.Second,
	}
}

// Client drives the system's git. It is safe for concurrent use.
type Client struct {
	options Options
	// config is git's configuration.
	config string
	// key of the fingerprints of credentials.
	key [32]byte
	// path to look for programs in, and whether git-lfs is there.
	path string
	lfs  bool
	http http.RoundTripper

	mu           sync.Mutex
	repositories map[string]*repository
	tokens       map[string]*token
}

// NewClient makes a Client, and cleans its directory of what another one left.
func NewClient(options Options) (*Client, error) {
	if _, err := os.Stat(options.Authorities); err != nil {
		options.Authorities = "" // git knows where the system's are
	}
	c := &Client{options: options, repositories: map[string]*repository{}, tokens: map[string]*token{}}
	rand.Read(c.key[:])
	c.path = lookup(options.Environment, "PATH")
	if _, err := c.look("git"); err != nil {
		return nil, fmt.Errorf("git is needed for sources in git: %w", err)
	}
	_, err := c.look("git-lfs")
	c.lfs = err == nil
	for _, name := range []string{homeDir, accessDir, repositoriesDir} {
		dir := filepath.Join(options.Dir, name)
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			return nil, fmt.Errorf("clean the directory for git: %w", err)
		}
	}
	c.config = configuration(options.Limits)
	if err := os.WriteFile(filepath.Join(options.Dir, configFile), []byte(c.config), 0o600); err != nil {
		return nil, fmt.Errorf("configure git: %w", err)
	}
	if c.http, err = c.transport(""); err != nil {
		return nil, err
	}
	return c, nil
}

const (
	homeDir         = "home"
	accessDir       = "access"
	repositoriesDir = "repositories"
	configFile      = "config"
)

// look finds a program on the manager's path.
func (c *Client) look(program string) (string, error) {
	for _, dir := range filepath.SplitList(c.path) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil && filepath.IsAbs(dir) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not on the path %q", program, c.path)
}

// lookup finds a variable of an environment; the last one counts.
func lookup(environment []string, name string) string {
	value := ""
	for _, pair := range environment {
		if v, is := strings.CutPrefix(pair, name+"="); is {
			value = v
		}
	}
	return value
}
