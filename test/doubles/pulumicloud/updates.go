package pulumicloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// update is one operation on a stack.
type update struct {
	id      string
	kind    apitype.UpdateKind
	program apitype.UpdateProgramRequest
	status  apitype.UpdateStatus
	version int
	started time.Time
	ended   time.Time
	changes map[apitype.OpType]int
	// lease is the token of who runs it; expires is when it is free for others.
	lease   string
	expires time.Time
	// by is who asked for it.
	by string
	// told are the engine's events.
	told []json.RawMessage
}

// leaseFor is how long a lease lives that nobody renews.
const leaseFor = 5 * time.Minute

func (c *Cloud) newID() string {
	c.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", c.ids)
}

func (c *Cloud) newUpdate(s *stack, kind apitype.UpdateKind) *update {
	made := &update{id: c.newID(), kind: kind, by: User, status: apitype.StatusNotStarted, version: len(s.states) - 1}
	c.updates[made.id] = made
	return made
}

// count makes an update a version of the stack.
func (c *Cloud) count(s *stack, u *update) {
	s.states = append(s.states, *s.state())
	u.version = len(s.states) - 1
	s.updates = append(s.updates, u.id)
}

// held is the update that holds the stack; nil for none.
func (c *Cloud) held(s *stack) *update {
	if active := c.updates[s.active]; active != nil && active.status == apitype.StatusRunning && active.expires.After(c.clock()) {
		return active
	}
	return nil
}

func (c *Cloud) createUpdate(in *call) (any, error) {
	kind := apitype.UpdateKind(in.PathValue("kind"))
	if !slices.Contains([]apitype.UpdateKind{
		apitype.UpdateUpdate, apitype.PreviewUpdate, apitype.RefreshUpdate, apitype.DestroyUpdate,
	}, kind) {
		return nil, refuse(http.StatusNotFound, "Not Found")
	}
	var request apitype.UpdateProgramRequest
	s, err := c.stackAnd(in, &request)
	if err != nil {
		return nil, err
	}
	made := c.newUpdate(s, kind)
	made.program = request
	return apitype.UpdateProgramResponse{UpdateID: made.id}, nil
}

// updateOf finds the update that a call is about, and its stack.
func (c *Cloud) updateOf(in *call) (*stack, *update, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, nil, err
	}
	u, ok := c.updates[in.PathValue("id")]
	if !ok {
		return nil, nil, refuse(http.StatusNotFound, "Not Found: Update not found")
	}
	return s, u, nil
}

// startUpdate gives the stack to an update. It never agrees to a journal: the double keeps whole checkpoints.
func (c *Cloud) startUpdate(in *call) (any, error) {
	var request apitype.StartUpdateRequest
	s, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	if err := in.read(&request); err != nil {
		return nil, err
	}
	if request.Tags != nil {
		s.tags = request.Tags
	}
	dry := u.kind == apitype.PreviewUpdate || u.program.Options.DryRun
	if !dry {
		if c.held(s) != nil {
			return nil, refuse(http.StatusConflict, "Conflict: Another update is currently in progress.")
		}
		c.count(s, u)
		s.active = u.id
	}
	u.status, u.started, u.expires = apitype.StatusRunning, c.clock(), c.clock().Add(leaseFor)
	u.lease = "lease-" + c.newID()
	c.leases[u.lease] = u.id
	return apitype.StartUpdateResponse{Version: u.version, Token: u.lease, TokenExpiration: u.expires.Unix()}, nil
}

func (c *Cloud) updateResult(in *call) (any, error) {
	_, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	return apitype.UpdateResults{Status: u.status, Events: []apitype.UpdateEvent{}}, nil
}

func (c *Cloud) checkpoint(in *call) (any, error) {
	var request apitype.PatchUpdateCheckpointRequest
	s, _, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	if err := in.read(&request); err != nil {
		return nil, err
	}
	*s.state() = apitype.UntypedDeployment{
		Version: request.Version, Features: request.Features, Deployment: request.Deployment,
	}
	return nil, nil
}

func (c *Cloud) events(in *call) (any, error) {
	var request struct {
		Events []json.RawMessage `json:"events"`
	}
	_, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	if err := in.read(&request); err != nil {
		return nil, err
	}
	for _, raw := range request.Events {
		var event apitype.EngineEvent
		if json.Unmarshal(raw, &event) == nil && event.SummaryEvent != nil {
			u.changes = event.SummaryEvent.ResourceChanges
		}
	}
	u.told = append(u.told, request.Events...)
	return nil, nil
}

func (c *Cloud) renewLease(in *call) (any, error) {
	_, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	u.expires = c.clock().Add(leaseFor)
	return apitype.RenewUpdateLeaseResponse{Token: u.lease, TokenExpiration: u.expires.Unix()}, nil
}

func (c *Cloud) complete(in *call) (any, error) {
	var request apitype.CompleteUpdateRequest
	s, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	if err := in.read(&request); err != nil {
		return nil, err
	}
	c.end(s, u, request.Status)
	return map[string]any{"version": u.version}, nil
}

func (c *Cloud) cancel(in *call) (any, error) {
	s, u, err := c.updateOf(in)
	if err != nil {
		return nil, err
	}
	if u.status != apitype.StatusRunning {
		return nil, refuse(http.StatusConflict, "Conflict: The Update has already completed")
	}
	c.end(s, u, apitype.UpdateStatus("cancelled"))
	return nil, nil
}

// end takes the stack from an update.
func (c *Cloud) end(s *stack, u *update, status apitype.UpdateStatus) {
	u.status, u.ended = status, c.clock()
	delete(c.leases, u.lease)
	if s.active == u.id {
		s.active = ""
	}
}

// info is an update as the history tells of it.
func (u *update) info() apitype.UpdateInfo {
	results := map[apitype.UpdateStatus]apitype.UpdateResult{
		apitype.StatusSucceeded: apitype.SucceededResult, apitype.StatusRunning: apitype.InProgressResult,
		apitype.StatusNotStarted: apitype.NotStartedResult,
	}
	result, ok := results[u.status]
	if !ok {
		result = apitype.FailedResult
	}
	return apitype.UpdateInfo{
		Kind: u.kind, StartTime: u.started.Unix(), EndTime: u.ended.Unix(), Message: u.program.Metadata.Message,
		Environment: u.program.Metadata.Environment, Config: u.program.Config, Result: result, Version: u.version,
		ResourceChanges: u.changes,
	}
}

func (c *Cloud) history(in *call) (any, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, err
	}
	if in.URL.Query().Get("output-type") == "service" {
		return c.fullHistory(in, s)
	}
	response := apitype.GetHistoryResponse{Updates: []apitype.UpdateInfo{}}
	for _, id := range slices.Backward(s.updates) {
		response.Updates = append(response.Updates, c.updates[id].info())
	}
	return response, nil
}

// fullHistory tells more of each update than the CLI asks for, one page of them.
func (c *Cloud) fullHistory(in *call, s *stack) (any, error) {
	size, err := strconv.Atoi(in.URL.Query().Get("pageSize"))
	if err != nil || size < 1 {
		return nil, refuse(http.StatusBadRequest, "Bad Request: pageSize")
	}
	page := []any{}
	for _, id := range slices.Backward(s.updates) {
		if len(page) < size {
			u := c.updates[id]
			page = append(page, map[string]any{
				"info": u.info(), "updateID": u.id, "version": u.version, "latestVersion": len(s.states) - 1,
				"requestedBy": map[string]any{"name": u.by, "githubLogin": u.by},
			})
		}
	}
	return map[string]any{"updates": page, "itemsPerPage": size, "total": len(s.updates)}, nil
}

func (c *Cloud) latest(in *call) (any, error) {
	s, err := c.stackOf(in)
	if err != nil {
		return nil, err
	}
	if len(s.updates) == 0 {
		return nil, refuse(http.StatusNotFound, "Not Found: the stack has no update")
	}
	return map[string]any{"info": c.updates[s.updates[len(s.updates)-1]].info()}, nil
}
