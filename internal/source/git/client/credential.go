package client

import (
	"slices"
	"strings"
)

// secrets are the parts of the credential that must not be seen.
func (c Credential) secrets() []string {
	secrets := []string{c.Password, c.BearerToken, c.SSHPassphrase}
	if c.Password != "" {
		secrets = append(secrets, c.user()+":"+c.Password) // as it is sent, encoded
	}
	keys := c.SSHPrivateKey
	if c.GitHubApp != nil {
		keys += "\n" + c.GitHubApp.PrivateKey
	}
	// Of a key every line is one.
	for line := range strings.Lines(keys) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			secrets = append(secrets, line)
		}
	}
	return slices.DeleteFunc(secrets, func(secret string) bool { return secret == "" })
}

// user is that of the password: git for a token.
func (c Credential) user() string {
	if c.Username == "" {
		return "git"
	}
	return c.Username
}

// trustOnly is what may be used towards another host: whom to trust, and nothing to be trusted by.
func (c Credential) trustOnly() Credential {
	return Credential{KnownHosts: c.KnownHosts, CABundle: c.CABundle}
}
