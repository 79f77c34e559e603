package client

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// tokenSpare is how long a token must still last to be used: a fetch may take a while.
	tokenSpare = 10 * time.Minute
	// apiTimeout is how long GitHub may take.
	apiTimeout = 30 * time.Second
	// maxAnswer is how much of GitHub's answer is read.
	maxAnswer = 64 << 10
)

// token is one of an installation of a GitHub App. One request at a time asks for it.
type token struct {
	mu      sync.Mutex
	text    string
	expires time.Time
}

// withToken gives a credential with a token in place of a GitHub App.
func (c *Client) withToken(ctx context.Context, u URL, credential Credential) (Credential, error) {
	if credential.GitHubApp == nil || u.SSH() {
		return credential, nil
	}
	t := c.tokenOf(u, credential)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text == "" || !c.options.Clock.Now().Add(tokenSpare).Before(t.expires) {
		text, expires, err := c.requestToken(ctx, u, credential)
		if err != nil {
			return Credential{}, err
		}
		t.text, t.expires = text, expires
	}
	credential.Username, credential.Password = "x-access-token", t.text
	return credential, nil
}

// tokenOf is the place of the token.
func (c *Client) tokenOf(u URL, credential Credential) *token {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := u.Host() + " " + credential.Fingerprint(c.key[:])
	if c.tokens[key] == nil {
		c.tokens[key] = &token{}
	}
	return c.tokens[key]
}

// forgetToken drops a token that the host no longer takes.
func (c *Client) forgetToken(u URL, credential Credential, err error) {
	var failed *failure
	if credential.GitHubApp == nil || !errors.As(err, &failed) || kindOf(failed.said) != Denied {
		return
	}
	t := c.tokenOf(u, credential)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = ""
}

// requestToken asks GitHub.
func (c *Client) requestToken(ctx context.Context, u URL, credential Credential) (text string, expires time.Time, err error) {
	app := credential.GitHubApp
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(app.PrivateKey))
	if err != nil {
		return "", time.Time{}, NewError(Denied, "the GitHub App's private key cannot be read: it must be a whole RSA key in PEM", nil)
	}
	for _, id := range []string{app.AppID, app.InstallationID} {
		if id == "" || strings.ContainsAny(id, "/?#% \r\n") {
			return "", time.Time{}, NewError(Denied, "the GitHub App's id and the installation's id must be as GitHub shows them", nil)
		}
	}
	assertion, err := c.assertion(app.AppID, key)
	if err != nil {
		return "", time.Time{}, err
	}
	answer, err := c.post(ctx, u, credential, assertion)
	if err != nil {
		return "", time.Time{}, err
	}
	if answer.Token == "" || strings.ContainsAny(answer.Token, "\r\n\x00") {
		return "", time.Time{}, NewError(Unreachable, fmt.Sprintf("GitHub's API at %s answered without a token", apiBase(u)), nil)
	}
	return answer.Token, answer.Expires, nil
}

// assertion is how an app proves who it is. It is dated back a little: clocks differ.
func (c *Client) assertion(appID string, key *rsa.PrivateKey) (string, error) {
	now := c.options.Clock.Now()
	claims := jwt.RegisteredClaims{
		Issuer: appID, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(9 * time.Minute)),
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign as a GitHub App: %w", err)
	}
	return text, nil
}

// apiBase is where the API of a host is.
func apiBase(u URL) string {
	if u.Host() == "github.com" {
		return "https://api.github.com"
	}
	return "https://" + u.Host() + "/api/v3"
}

// appAnswer is what GitHub answers.
type appAnswer struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires_at"` //nolint:tagliatelle // GitHub's
	Message string    `json:"message"`
}

// post sends the request, and says what is wrong where there is no token.
func (c *Client) post(ctx context.Context, u URL, credential Credential, assertion string) (appAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	base, app := apiBase(u), credential.GitHubApp
	unreachable := func(err error) error {
		return NewError(Unreachable, fmt.Sprintf("a token of the GitHub App %s cannot be had from %s: %v", app.AppID, base, err), nil)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/app/installations/"+app.InstallationID+"/access_tokens", http.NoBody)
	if err != nil {
		return appAnswer{}, unreachable(err)
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	request.Header.Set("Authorization", "Bearer "+assertion)
	transport := c.http
	if credential.CABundle != "" {
		if transport, err = c.transport(credential.CABundle); err != nil {
			return appAnswer{}, err
		}
	}
	// A redirect would take the proof elsewhere.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return appAnswer{}, c.certain(err, unreachable)
	}
	defer response.Body.Close()
	var answer appAnswer
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return appAnswer{}, unreachable(err)
	}
	parsed := json.Unmarshal(body, &answer)
	switch status := response.StatusCode; {
	case status == http.StatusCreated && parsed == nil:
		return answer, nil
	case status == http.StatusTooManyRequests || status >= 500 || response.Header.Get("X-Ratelimit-Remaining") == "0" || response.Header.Get("Retry-After") != "":
		return appAnswer{}, unreachable(errors.New(response.Status))
	}
	said := newRedactor(append(credential.secrets(), assertion)).clean(answer.Message)
	return appAnswer{}, NewError(Denied, fmt.Sprintf("%s gives the GitHub App %s no token for the installation %s: %s %s. "+
		"Check the three values, and that the app is installed", base, app.AppID, app.InstallationID, response.Status, words(said)), nil)
}
