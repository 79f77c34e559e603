package client

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// verdict is what a phrase of git or ssh means.
type verdict struct {
	kind    Kind
	phrases []string
}

// verdicts are asked in this order; the phrases are in small letters. What none of them knows is taken for an outage:
// it is seen in the condition, and tried again.
func verdicts() []verdict {
	return []verdict{
		{HostKey, []string{
			"host key verification failed", "remote host identification has changed", "no matching host key type found",
			"server certificate verification failed", "ssl certificate problem", "certificate verify failed", "server verification failed",
			"no alternative certificate subject name matches", "x509: certificate", "signer not found", "certificate has expired",
		}},
		{TooLarge, []string{
			"signal 25", "file too large", "file size limit exceeded", "out of memory", "cannot allocate memory", "pack exceeds maximum allowed size",
		}},
		{Denied, []string{
			"authentication failed", "could not read username", "could not read password", "terminal prompts disabled",
			"returned error: 401", "returned error: 403", "permission denied (", "http basic: access denied", "invalid credentials",
			"too many authentication failures", "authentication required", "authorization error", "load key \"",
		}},
		{NotFound, []string{
			"returned error: 404", "repository not found", "' not found", "not our ref", "does not appear to be a git repository",
			"couldn't find remote ref", "unadvertised object", "no such repository", "could not be found or you don't have permission",
			"tf401019", "repository does not exist", "no such remote ref", "remote error: not found", "object does not exist",
		}},
		{Invalid, []string{
			"error in packed object", "fsck error", "' not allowed", "not a valid object name", "is not a tree",
			"sha1 collision", "unable to update url base from redirection", "returned error: 30", "dumb http transport",
			"mismatched algorithms", "bad line length", "invalid server response", "not valid: is this a git repository",
		}},
	}
}

// kindOf tells from git's last words what is the matter.
func kindOf(said string) Kind {
	said = strings.ToLower(said)
	// The host may say more with an answer that passes: that it is overloaded, or broken.
	if regexp.MustCompile(`returned error: (408|425|429|5\d\d)`).MatchString(said) {
		return Unreachable
	}
	for _, v := range verdicts() {
		for _, phrase := range v.phrases {
			if strings.Contains(said, phrase) {
				return v.kind
			}
		}
	}
	return Unreachable
}

// explain makes an Error of how a command failed; others stay what they are.
func (c *Client) explain(u URL, credential Credential, doing string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var failed *failure
	if !errors.As(err, &failed) {
		return err
	}
	if errors.Is(failed.err, context.Canceled) {
		return fmt.Errorf("%s at %s: %w", doing, u, context.Canceled)
	}
	kind := kindOf(failed.said)
	message := fmt.Sprintf("%s at %s failed: %s", doing, u, words(failed.said))
	if failed.said == "" {
		message = fmt.Sprintf("%s at %s failed: %v", doing, u, failed.err)
	}
	if advice := c.advice(kind, u, credential, failed.said); advice != "" {
		message += ". " + advice
	}
	return NewError(kind, message, nil)
}

// advice is what to do about a failure.
func (c *Client) advice(kind Kind, u URL, credential Credential, said string) string {
	switch {
	case kind == HostKey && strings.Contains(strings.ToLower(said), "host key"):
		return fmt.Sprintf("Put the line of %s for a known_hosts file (ssh-keyscan prints it; compare it with what the host publishes) "+
			"into the key known_hosts of gitAuthSecret or into gitAuth.sshAuth.knownHosts", u.Host())
	case kind == HostKey:
		return "Put the certificate of the host's authority into the key ca.crt of gitAuthSecret or into gitAuth.caBundle"
	case kind == Denied && credential.empty():
		return "No credentials were given: see gitAuth and gitAuthSecret"
	case kind == Denied:
		return "Check what gitAuth or gitAuthSecret gives, and that it may read the repository"
	case kind == NotFound:
		return "Check the URL, the commit, and that the credentials may read the repository: hosts hide what they do not show"
	case kind == Invalid && strings.Contains(said, "fsck"):
		return "The repository has content that git itself refuses as harmful or broken"
	case kind == TooLarge:
		return c.tooLargeAdvice()
	}
	return ""
}

func (c *Client) tooLargeAdvice() string {
	limits := c.options.Limits
	return fmt.Sprintf("A repository may take %s on the disk and git %s of memory. Name the directories that the program needs in spec.repoPaths, "+
		"or ask the administrator for more", size(limits.RepositoryBytes), size(limits.MemoryBytes))
}

// empty tells whether nothing is shown to a host.
func (c Credential) empty() bool {
	return c.Password == "" && c.BearerToken == "" && c.SSHPrivateKey == "" && c.GitHubApp == nil
}

// within bounds how long something may take.
func (c *Client) within(ctx context.Context, u URL, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, NewError(Unreachable, fmt.Sprintf("%s did not answer within %s", u.Host(), limit), nil))
}
