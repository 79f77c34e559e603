// Package pending owns what the agent reads of an exported state: the operations that were interrupted and left in it, and
// the snapshot that the manager keeps before any of it is changed.
package pending

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gantry-operator/gantry/internal/operation"
)

// State is what matters here of a stack's state.
type State struct {
	// Operations that are pending, each once.
	Operations []*operation.PendingOperation

	path      string
	resources map[string]bool
	root      string
	rest      rest
}

// export is what `pulumi stack export` writes.
type export struct {
	Version    json.RawMessage `json:"version"`
	Deployment struct {
		rest
		Resources []resource `json:"resources"`
	} `json:"deployment"`
}

// rest is a deployment without its resources.
type rest struct {
	Manifest         json.RawMessage   `json:"manifest,omitempty"`
	SecretsProviders json.RawMessage   `json:"secrets_providers,omitempty"`
	Pending          []json.RawMessage `json:"pending_operations,omitempty"`
}

type resource struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
}

// Read reads the state that was exported into a file. What cannot be read is never quoted: a state holds secrets.
func Read(path string) (*State, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the exported state: %w", err)
	}
	defer func() { _ = file.Close() }()
	var from export
	if err := json.NewDecoder(file).Decode(&from); err != nil {
		return nil, errors.New("the exported state is no JSON of a deployment")
	}
	state := &State{path: path, resources: map[string]bool{}, rest: from.Deployment.rest}
	for _, resource := range from.Deployment.Resources {
		state.resources[resource.URN] = true
		if resource.Type == stackType {
			state.root = resource.URN
		}
	}
	seen := map[string]bool{}
	for _, raw := range from.Deployment.Pending {
		var one struct {
			Type     string   `json:"type"`
			Resource resource `json:"resource"`
		}
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, errors.New("the exported state has a pending operation that cannot be read")
		}
		if key := one.Type + " " + one.Resource.URN; !seen[key] {
			seen[key] = true
			state.Operations = append(state.Operations, &operation.PendingOperation{Type: one.Type, Urn: one.Resource.URN})
		}
	}
	return state, nil
}

// Has tells whether an operation on the resource is pending.
func (s *State) Has(urn string) bool {
	if s == nil {
		return false
	}
	for _, one := range s.Operations {
		if one.GetUrn() == urn {
			return true
		}
	}
	return false
}

// Targets are what is to be refreshed where all else is to be left alone: the resources of pending operations that the
// state has, or where it has none of these the stack's own, of which a refresh finds nothing.
func (s *State) Targets() []string {
	var urns []string
	seen := map[string]bool{}
	for _, one := range s.Operations {
		if urn := one.GetUrn(); s.resources[urn] && !seen[urn] {
			seen[urn] = true
			urns = append(urns, urn)
		}
	}
	if len(urns) == 0 && s.root != "" {
		urns = []string{s.root}
	}
	return urns
}

// Snapshot is what the manager is to keep, in at most limit bytes: the whole state or, where that is too large, what a
// refresh would drop from it.
func (s *State) Snapshot(limit int) (*operation.Snapshot, error) {
	snapshot := &operation.Snapshot{Count: int32(len(s.Operations)), Pending: s.Operations[:min(len(s.Operations), maxListed)]}
	file, err := os.Open(s.path)
	if err != nil {
		return nil, fmt.Errorf("read the exported state: %w", err)
	}
	defer func() { _ = file.Close() }()
	if snapshot.Deployment, err = compressed(file, limit); !errors.Is(err, errTooLarge) {
		return snapshot, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the exported state: %w", err)
	}
	text, err := json.Marshal(map[string]any{"version": deploymentVersion, "deployment": s.rest})
	if err != nil {
		return nil, errors.New("the pending operations cannot be written")
	}
	large := fmt.Sprintf("the state has %d bytes, which are more than %d when compressed", info.Size(), limit)
	snapshot.Partial = large + ", so that only its pending operations are kept"
	if snapshot.Deployment, err = compressed(bytes.NewReader(text), limit); errors.Is(err, errTooLarge) {
		snapshot.Deployment, err = nil, nil
		snapshot.Partial = large + ", and so are its pending operations alone"
	}
	return snapshot, err
}

// errTooLarge is a text that is over the limit when it is compressed.
var errTooLarge = errors.New("too large")

// compressed is a text in gzip's format, of at most limit bytes.
func compressed(from io.Reader, limit int) ([]byte, error) {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&bounded{to: &buffer, left: limit})
	_, err := io.Copy(writer, from)
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress the exported state: %w", err)
	}
	return buffer.Bytes(), nil
}

// bounded takes so many bytes and no more.
type bounded struct {
	to   io.Writer
	left int
}

// Write takes all of it or nothing.
func (b *bounded) Write(piece []byte) (int, error) {
	if b.left -= len(piece); b.left < 0 {
		return 0, errTooLarge
	}
	return b.to.Write(piece)
}

const (
	// maxListed is how many pending operations are told of one by one.
	maxListed         = 20
	deploymentVersion = 3
	stackType         = "pulumi:pulumi:Stack"
)
