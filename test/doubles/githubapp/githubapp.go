// Package githubapp owns a double of what GitHub's API does for an App: it checks that a request is signed by the App's
// key, and gives tokens that a git server takes until they expire.
package githubapp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Prefix is where GitHub Enterprise has its API.
const Prefix = "/api/v3"

// lifetime of tokens, as GitHub's.
const lifetime = time.Hour

// App is an App with one installation.
type App struct {
	// ID and Installation are as GitHub shows them.
	ID, Installation string
	// PKCS1 and PKCS8 are the private key, written in two ways.
	PKCS1, PKCS8 string

	key *rsa.PrivateKey
	now func() time.Time

	mu     sync.Mutex
	tokens map[string]time.Time
	asked  int
	status int
}

// New makes an App. The time is asked from now.
func New(now func() time.Time) (*App, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return &App{
		ID: "12345", Installation: "67890", key: key, now: now, tokens: map[string]time.Time{},
		PKCS1: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		PKCS8: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
	}, nil
}

// Accept tells whether a token is one that was given and has not expired or been revoked.
func (a *App) Accept(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	expires, has := a.tokens[token]
	return has && a.now().Before(expires)
}

// Revoke makes all tokens worthless.
func (a *App) Revoke() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.tokens)
}

// Asked tells how often a token was asked for.
func (a *App) Asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// Break answers every request with a status; 0 mends it.
func (a *App) Break(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// ServeHTTP answers POST …/app/installations/{id}/access_tokens.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	status, answer := http.StatusCreated, map[string]any{}
	installation, is := strings.CutPrefix(strings.TrimPrefix(r.URL.Path, Prefix), "/app/installations/")
	installation, isTokens := strings.CutSuffix(installation, "/access_tokens")
	err := a.verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	switch {
	case a.status != 0:
		status, answer["message"] = a.status, http.StatusText(a.status)
	case !is || !isTokens || r.Method != http.MethodPost:
		status, answer["message"] = http.StatusNotFound, "Not Found"
	case err != nil:
		status, answer["message"] = http.StatusUnauthorized, err.Error()
	case installation != a.Installation:
		status, answer["message"] = http.StatusNotFound, "Not Found"
	default:
		raw := make([]byte, 20)
		rand.Read(raw)
		token, expires := "ghs_"+hex.EncodeToString(raw), a.now().Add(lifetime)
		a.tokens[token] = expires
		answer["token"], answer["expires_at"] = token, expires.UTC().Format(time.RFC3339)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		return // the client has hung up
	}
}

// verify checks a JSON web token as GitHub does.
func (a *App) verify(text string) error {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's words
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's words
		}
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
	}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &claims) != nil || header.Algorithm != "RS256" {
		return errors.New("A JSON web token could not be decoded") //nolint:staticcheck // GitHub's words
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := a.now().Unix()
	switch {
	case rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, sum[:], raw[2]) != nil:
		return errors.New("the signature is not the App's")
	case claims.Issuer != a.ID:
		return errors.New("'Issuer' claim ('iss') must be the App's id")
	case claims.Issued > now:
		return errors.New("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.Expires <= now || claims.Expires > now+600:
		return errors.New("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}
