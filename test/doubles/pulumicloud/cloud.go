// Package pulumicloud is a double of Pulumi Cloud: the part of its API that the Pulumi CLI speaks, with everything in
// memory, so that stacks, updates, secrets and ESC environments work with the real CLI. Tests make it fail on purpose
// (see Fault) and look at what it was asked (see Requests). It is for tests alone: whoever reaches it may steer it.
package pulumicloud

import (
	"net/http"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Cloud is the double. It is an http.Handler.
type Cloud struct {
	mux   *http.ServeMux
	keys  crypter
	clock func() time.Time

	mu     sync.Mutex
	orgs   []string
	tokens map[string]string
	leases map[string]string
	stacks map[string]*stack
	// updates are by their ids, environments by org/project/name, opened ones by their ids.
	updates      map[string]*update
	environments map[string]*environment
	opened       map[string][]byte
	faults       []*fault
	requests     []Request
	ids          int
}

// User is who all tokens belong to.
const User = "gantry-tests"

// Somebody is who holds a stack that is held (see Hold).
const Somebody = "somebody"

// Token is the access token that a new double accepts.
const Token = "pul-double-first-token"

// New makes a double with one access token, Token, whose user is in the organizations as well as in an own one.
func New(orgs ...string) *Cloud {
	c := &Cloud{
		keys: newCrypter(), clock: time.Now,
		orgs:   append([]string{User}, orgs...),
		tokens: map[string]string{Token: "first"}, leases: map[string]string{},
		stacks: map[string]*stack{}, updates: map[string]*update{},
		environments: map[string]*environment{}, opened: map[string][]byte{},
	}
	c.mux = c.routes()
	return c
}

// AllowToken makes the double accept an access token, which the log of requests calls by the name.
func (c *Cloud) AllowToken(token, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[token] = name
}

// RevokeToken makes the double refuse an access token.
func (c *Cloud) RevokeToken(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tokens, token)
}

// routes are the calls that the double knows. What it does not know it answers with 404.
func (c *Cloud) routes() *http.ServeMux {
	const stack, env = "/api/stacks/{org}/{project}/{stack}", "/api/esc/environments/{org}"
	mux := http.NewServeMux()
	for pattern, answer := range map[string]handler{
		"GET /api/user":                       c.user,
		"GET /api/user/organizations/default": c.defaultOrg,
		"GET /api/user/stacks":                c.listStacks,
		"GET /api/capabilities":               c.capabilities,
		"GET /api/cli/version":                c.cliVersion,

		"HEAD /api/stacks/{org}/{project}": c.projectExists,
		"POST /api/stacks/{org}/{project}": c.createStack,
		"GET " + stack:                     c.getStack,
		"DELETE " + stack:                  c.deleteStack,
		"GET " + stack + "/export":         c.export,
		"GET " + stack + "/export/{n}":     c.export,
		"POST " + stack + "/import":        c.importState,
		"PATCH " + stack + "/tags":         c.setTags,
		"GET " + stack + "/updates":        c.history,
		"GET " + stack + "/updates/latest": c.latest,
		"GET " + stack + "/policypacks":    c.policies,

		"POST " + stack + "/encrypt":       c.encrypt,
		"POST " + stack + "/decrypt":       c.decrypt,
		"POST " + stack + "/batch-encrypt": c.batchEncrypt,
		"POST " + stack + "/batch-decrypt": c.batchDecrypt,

		"POST " + stack + "/{kind}":                   c.createUpdate,
		"POST " + stack + "/update/{id}":              c.startUpdate,
		"GET " + stack + "/update/{id}":               c.updateResult,
		"PATCH " + stack + "/update/{id}/checkpoint":  c.checkpoint,
		"POST " + stack + "/update/{id}/events/batch": c.events,
		"POST " + stack + "/update/{id}/renew_lease":  c.renewLease,
		"POST " + stack + "/update/{id}/complete":     c.complete,
		"POST " + stack + "/update/{id}/cancel":       c.cancel,

		"POST " + env:                            c.createEnvironment,
		"GET " + env + "/{project}/{name}":       c.getEnvironment,
		"PATCH " + env + "/{project}/{name}":     c.patchEnvironment,
		"DELETE " + env + "/{project}/{name}":    c.deleteEnvironment,
		"POST " + env + "/{project}/{name}/open": c.openEnvironment,
		"POST " + env + "/yaml/check":            c.checkYAML,
		"POST " + env + "/yaml/open":             c.openYAML,
		"GET " + env + "/yaml/open/{id}":         c.openResult,
	} {
		mux.Handle(pattern, c.serve(answer))
	}
	for pattern, answer := range c.adminRoutes() {
		mux.Handle(pattern, c.serve(answer))
	}
	return mux
}

func (c *Cloud) user(*call) (any, error) {
	orgs := []any{}
	for _, org := range c.orgs {
		orgs = append(orgs, map[string]any{"githubLogin": org, "name": org})
	}
	return map[string]any{
		"id": User, "githubLogin": User, "name": User, "email": User + "@example.test", "organizations": orgs, "identities": []any{},
	}, nil
}

// defaultOrg is the first one that was given.
func (c *Cloud) defaultOrg(*call) (any, error) {
	return map[string]any{"GitHubLogin": c.orgs[len(c.orgs)-1], "Messages": []any{}}, nil
}

// capabilities are none: no journal, no deltas, no batches.
func (*Cloud) capabilities(*call) (any, error) {
	return apitype.CapabilitiesResponse{Capabilities: []apitype.APICapabilityConfig{}}, nil
}

func (*Cloud) cliVersion(*call) (any, error) {
	return map[string]any{"latestVersion": "v3.0.0", "oldestWithoutWarning": "v3.0.0"}, nil
}

func (*Cloud) policies(*call) (any, error) {
	return map[string]any{"requiredPolicies": []any{}}, nil
}
