package pulumicloud

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Request is a call on record. Bodies are not: they hold secrets.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Query  string `json:"query,omitempty"`
	// Token is the name of the access token, or "lease" for the update's own; empty for one that is not known.
	Token  string `json:"token,omitempty"`
	Status int    `json:"status"`
}

// Requests are the calls so far.
func (c *Cloud) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// Kept is all that the double was given to keep and does not seal itself: states, the engine's events and what came with
// the updates. A secret in there has left the CLI in clear.
func (c *Cloud) Kept() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.kept())
}

func (c *Cloud) kept() []byte {
	type one struct {
		States  []apitype.UntypedDeployment
		Tags    map[apitype.StackTagName]string
		Program apitype.UpdateProgramRequest
		Events  []json.RawMessage
	}
	kept := map[string]one{}
	for id, s := range c.stacks {
		kept[id] = one{States: s.states, Tags: s.tags}
	}
	for id, u := range c.updates {
		kept[id] = one{Program: u.program, Events: u.told}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// KeepConfig makes a stack (org/project/stack) one whose configuration is kept in the cloud, in an ESC environment.
func (c *Cloud) KeepConfig(stack, environment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.stacks[stack]; s != nil {
		s.config = &apitype.StackConfig{Environment: environment}
	}
}

// adminRoutes steer a double that runs in another process.
func (c *Cloud) adminRoutes() map[string]handler {
	return map[string]handler{
		"GET /admin/ready": func(*call) (any, error) { return map[string]any{}, nil },
		"GET /admin/requests": func(*call) (any, error) {
			return append([]Request{}, c.requests...), nil
		},
		"GET /admin/kept": func(*call) (any, error) { return verbatim(c.kept()), nil },
		"POST /admin/faults": func(in *call) (any, error) {
			var f Fault
			if err := in.read(&f); err != nil {
				return nil, err
			}
			path, err := regexp.Compile(f.Path)
			if err != nil {
				return nil, refuse(http.StatusBadRequest, "the path of the fault: %v", err)
			}
			c.inject(f, path)
			return nil, nil
		},
		"DELETE /admin/faults": func(*call) (any, error) {
			c.faults = nil
			return nil, nil
		},
		"PUT /admin/tokens/{token}": func(in *call) (any, error) {
			c.tokens[in.PathValue("token")] = in.URL.Query().Get("name")
			return nil, nil
		},
		"DELETE /admin/tokens/{token}": func(in *call) (any, error) {
			delete(c.tokens, in.PathValue("token"))
			return nil, nil
		},
		"DELETE /admin/leases/{org}/{project}/{stack}": func(in *call) (any, error) {
			return map[string]any{"lost": c.loseLease(stackID(in))}, nil
		},
		"PUT /admin/environments/{org}/{project}/{name}": func(in *call) (any, error) {
			id := environmentID(in.PathValue("org"), in.PathValue("project")+"/"+in.PathValue("name"))
			if c.environments[id] == nil {
				c.environments[id] = newEnvironment()
			}
			n, err := c.revise(id, in.body)
			return map[string]any{"revision": n}, err
		},
		"PUT /admin/config/{org}/{project}/{stack}": func(in *call) (any, error) {
			s, err := c.stackOf(in)
			if err != nil {
				return nil, err
			}
			s.config = &apitype.StackConfig{Environment: strings.TrimSpace(string(in.body))}
			return nil, nil
		},
	}
}

// background is for the SDK's functions that want a context and do no I/O with it.
func background() context.Context { return context.Background() }
