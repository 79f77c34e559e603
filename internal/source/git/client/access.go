package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// access is what a command needs to reach a host: files that only the manager can read, in a directory that goes with
// the command.
type access struct {
	dir    string
	env    []string
	redact redactor
}

// close takes everything away.
func (a *access) close() { os.RemoveAll(a.dir) }

// open prepares the files for a repository.
func (c *Client) open(ctx context.Context, u URL, credential Credential) (*access, error) {
	credential, err := c.withToken(ctx, u, credential)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Join(c.options.Dir, accessDir), "")
	if err != nil {
		return nil, fmt.Errorf("make a directory for credentials: %w", err)
	}
	secrets := append(credential.secrets(), c.proxySecrets()...)
	a := &access{dir: dir, redact: newRedactor(append(secrets, dir))}
	a.env = append(c.environment(a.path("config")), "GIT_ALLOW_PROTOCOL=https:http:ssh", "GIT_SSH_VARIANT=ssh")
	a.env = append(a.env, c.proxies()...)
	var config strings.Builder
	fmt.Fprintf(&config, "%s[remote \"origin\"]\nurl = %s\n", c.config, quoted(u.String()))
	err = c.trust(a, &config, credential)
	if u.SSH() {
		err = errors.Join(err, c.openSSH(a, u, credential))
	} else {
		err = errors.Join(err, openHTTP(a, &config, u, credential))
	}
	if err = errors.Join(err, a.write("config", config.String())); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *access) path(name string) string { return filepath.Join(a.dir, name) }

func (a *access) write(name, content string) error {
	if err := os.WriteFile(a.path(name), []byte(content), 0o600); err != nil {
		return fmt.Errorf("write a file for git: %w", err)
	}
	return nil
}

// trust writes which authorities are trusted, also for files in LFS of a repository over SSH.
func (c *Client) trust(a *access, config *strings.Builder, credential Credential) error {
	authorities := c.options.Authorities
	if credential.CABundle != "" {
		system, err := os.ReadFile(authorities)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("read the certificate authorities: %w", err)
		}
		authorities = a.path("authorities")
		if err := a.write("authorities", string(system)+"\n"+credential.CABundle+"\n"); err != nil {
			return err
		}
	}
	if authorities != "" {
		fmt.Fprintf(config, "[http]\nsslCAInfo = %s\n", quoted(authorities))
	}
	return nil
}

// openHTTP gives git the password or token for the one host, and whom to trust.
func openHTTP(a *access, config *strings.Builder, u URL, credential Credential) error {
	origin := u.scheme + "://" + u.Host()
	switch {
	case credential.Password != "":
		line := url.URL{Scheme: u.scheme, User: url.UserPassword(credential.user(), credential.Password), Host: u.Host()}
		if err := a.write("credentials", line.String()+"\n"); err != nil {
			return err
		}
		fmt.Fprintf(config, "[credential %s]\nhelper = %s\n", quoted(origin), quoted("store --file="+shellQuoted(a.path("credentials"))))
	case credential.BearerToken != "":
		if strings.ContainsAny(credential.BearerToken, "\r\n\x00") {
			return NewError(Denied, "the bearer token has a line break in it", nil)
		}
		// Whoever a request is redirected to would be sent the header too.
		fmt.Fprintf(config, "[http %s]\nextraHeader = %s\nfollowRedirects = false\n", quoted(origin+"/"), quoted("Authorization: Bearer "+credential.BearerToken))
	}
	return nil
}

// openSSH gives ssh the key, and the host keys to trust. It reads no other configuration and asks nobody.
func (c *Client) openSSH(a *access, u URL, credential Credential) error {
	if credential.SSHPrivateKey == "" {
		return NewError(Denied, fmt.Sprintf("%s is had over SSH, and there is no SSH private key for it: "+
			"give sshPrivateKey in gitAuthSecret or gitAuth.sshAuth, or use the https URL", u), nil)
	}
	key, err := decrypt(credential)
	if err != nil {
		return err
	}
	idle := max(1, int(c.options.Limits.IdleTime.Seconds())/2)
	config := []string{
		"IdentityFile " + quoted(a.path("key")), "IdentitiesOnly yes", "IdentityAgent none", "BatchMode yes",
		"StrictHostKeyChecking yes", "UserKnownHostsFile " + quoted(a.path("known_hosts")), "GlobalKnownHostsFile " + quoted(c.options.KnownHosts),
		"UpdateHostKeys no", "ConnectTimeout 20", fmt.Sprintf("ServerAliveInterval %d", idle), "ServerAliveCountMax 2",
		"ClearAllForwardings yes", "ForwardAgent no", "PermitLocalCommand no", "ControlMaster no", "ControlPath none", "LogLevel ERROR",
		"PreferredAuthentications publickey", "",
	}
	if c.options.KnownHosts == "" {
		config[6] = "GlobalKnownHostsFile /dev/null"
	}
	a.env = append(a.env, "GIT_SSH_COMMAND=ssh -F "+shellQuoted(a.path("ssh")))
	return errors.Join(
		a.write("key", key),
		a.write("known_hosts", strings.TrimSpace(credential.KnownHosts)+"\n"),
		a.write("ssh", strings.Join(config, "\n")),
	)
}

// decrypt gives the SSH key as ssh reads it without a passphrase.
func decrypt(credential Credential) (string, error) {
	text := strings.TrimSpace(strings.ReplaceAll(credential.SSHPrivateKey, "\r\n", "\n")) + "\n"
	_, err := ssh.ParseRawPrivateKey([]byte(text))
	var encrypted *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return text, nil
	case !errors.As(err, &encrypted):
		return "", NewError(Denied, "the SSH private key cannot be read: it must be a whole PEM or OpenSSH key", nil)
	case credential.SSHPassphrase == "":
		return "", NewError(Denied, "the SSH private key is encrypted, and there is no passphrase for it", nil)
	}
	key, err := ssh.ParseRawPrivateKeyWithPassphrase([]byte(text), []byte(credential.SSHPassphrase))
	if err != nil {
		return "", NewError(Denied, "the passphrase does not decrypt the SSH private key", nil)
	}
	return marshal(key)
}

// shellQuoted writes a word as a shell reads it.
func shellQuoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
