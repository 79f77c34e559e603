package pulumicloud

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// stack is a stack and all its states.
type stack struct {
	org, project, name string
	tags               map[apitype.StackTagName]string
	// states are by version; the first is that of a new stack.
	states []apitype.UntypedDeployment
	// active is the update that holds the stack; empty for none.
	active string
	// updates are the ids of those that count as versions, the oldest first.
	updates []string
	// config makes it a stack whose configuration is kept in the cloud.
	config *apitype.StackConfig
}

func (s *stack) state() *apitype.UntypedDeployment { return &s.states[len(s.states)-1] }

// id is how the double's maps and its log know the stack.
func (s *stack) id() string { return s.org + "/" + s.project + "/" + s.name }

func stackID(in *call) string {
	return in.PathValue("org") + "/" + in.PathValue("project") + "/" + in.PathValue("stack")
}

// stackOf finds the stack that a call is about.
func (c *Cloud) stackOf(in *call) (*stack, error) {
	found, ok := c.stacks[stackID(in)]
	if !ok {
		return nil, refuse(http.StatusNotFound, "Not Found: Stack '%s' not found", stackID(in))
	}
	return found, nil
}

// stackAnd finds the stack that a call is about, and reads what it brings.
func (c *Cloud) stackAnd(in *call, into any) (*stack, error) {
	found, err := c.stackOf(in)
	if err == nil {
		err = in.read(into)
	}
	return found, err
}

func (c *Cloud) listStacks(in *call) (any, error) {
	org, project := in.URL.Query().Get("organization"), in.URL.Query().Get("project")
	response := apitype.ListStacksResponse{Stacks: []apitype.StackSummary{}}
	for _, id := range slices.Sorted(maps.Keys(c.stacks)) {
		s := c.stacks[id]
		if (org == "" || org == s.org) && (project == "" || project == s.project) {
			response.Stacks = append(response.Stacks, apitype.StackSummary{OrgName: s.org, ProjectName: s.project, StackName: s.name})
		}
	}
	return response, nil
}

func (c *Cloud) projectExists(in *call) (any, error) {
	for _, s := range c.stacks {
		if s.org == in.PathValue("org") && s.project == in.PathValue("project") {
			return nil, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "Not Found: Project '%s' not found", in.PathValue("project"))
}

func (c *Cloud) createStack(in *call) (any, error) {
	var request apitype.CreateStackRequest
	if err := in.read(&request); err != nil {
		return nil, err
	}
	org := in.PathValue("org")
	if !slices.Contains(c.orgs, org) {
		return nil, refuse(http.StatusForbidden, "Forbidden: you are not a member of the organization '%s'", org)
	}
	made := &stack{
		org: org, project: in.PathValue("project"), name: request.StackName, tags: request.Tags, config: request.Config,
		states: []apitype.UntypedDeployment{{Version: 3, Deployment: json.RawMessage("null")}},
	}
	if _, ok := c.stacks[made.id()]; ok {
		return nil, refuse(http.StatusConflict, "Conflict: Stack '%s' already exists", made.id())
	}
	if request.State != nil {
		made.states = append(made.states, *request.State)
	}
	c.stacks[made.id()] = made
	return apitype.CreateStackResponse{}, nil
}

func (c *Cloud) getStack(in *call) (any, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, err
	}
	answer := apitype.Stack{
		ID: s.id(), OrgName: s.org, ProjectName: s.project, StackName: tokens.QName(s.name),
		Tags: s.tags, Version: len(s.states) - 1, Config: s.config,
	}
	if active := c.held(s); active != nil {
		answer.ActiveUpdate = active.id
		answer.CurrentOperation = &apitype.OperationStatus{Kind: active.kind, Author: User, Started: active.started.Unix()}
	} else if len(s.updates) > 0 {
		answer.ActiveUpdate = s.updates[len(s.updates)-1]
	}
	return answer, nil
}

func (c *Cloud) deleteStack(in *call) (any, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, err
	}
	if len(resources(s.state())) > 0 && in.URL.Query().Get("force") != "true" {
		return nil, refuse(http.StatusBadRequest, "Bad Request: Stack still contains resources.")
	}
	delete(c.stacks, s.id())
	return nil, nil
}

func (c *Cloud) export(in *call) (any, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, err
	}
	n := len(s.states) - 1
	if wanted := in.PathValue("n"); wanted != "" {
		if n, err = strconv.Atoi(wanted); err != nil || n < 0 || n >= len(s.states) {
			return nil, refuse(http.StatusNotFound, "Not Found: no version %s of the stack", wanted)
		}
	}
	return s.states[n], nil
}

func (c *Cloud) importState(in *call) (any, error) {
	var state apitype.UntypedDeployment
	s, err := c.stackAnd(in, &state)
	if err != nil {
		return nil, err
	}
	imported := c.newUpdate(s, apitype.StackImportUpdate)
	imported.status, imported.started, imported.ended = apitype.StatusSucceeded, c.clock(), c.clock()
	c.count(s, imported)
	*s.state() = state
	return apitype.ImportStackResponse{UpdateID: imported.id}, nil
}

func (c *Cloud) setTags(in *call) (any, error) {
	tags := map[apitype.StackTagName]string{}
	s, err := c.stackAnd(in, &tags)
	if err == nil {
		s.tags = tags
	}
	return nil, err
}

// resource is what the double reads of a resource in a state.
type resource struct {
	Type    string         `json:"type"`
	Outputs map[string]any `json:"outputs"`
}

// resources are those of a state; none if it cannot be read.
func resources(state *apitype.UntypedDeployment) []resource {
	var read struct {
		Resources []resource `json:"resources"`
	}
	if len(state.Deployment) == 0 || json.Unmarshal(state.Deployment, &read) != nil {
		return nil
	}
	return read.Resources
}
