package engine

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Outputs are the stack's outputs as the events have them. A secret one has no value there.
func (t *Tracker) Outputs() (outputs map[string]*operation.Output, known bool, err error) {
	if t.outputs == nil {
		return nil, false, nil
	}
	outputs = make(map[string]*operation.Output, len(t.outputs))
	for name, value := range t.outputs {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, true, fmt.Errorf("write the output %s: %w", name, err)
		}
		outputs[name] = &operation.Output{Json: text, Secret: hidden(value)}
	}
	return outputs, true, nil
}

// HasSecrets says that an output has to be read in clear.
func HasSecrets(outputs map[string]*operation.Output) bool {
	for _, output := range outputs {
		if output.GetSecret() {
			return true
		}
	}
	return false
}

// Reveal gives the outputs that `stack output --json --show-secrets` prints, marking those as secret that the events
// hide. An output that the events do not have is taken as secret: nothing says that it is not.
func Reveal(events map[string]*operation.Output, printed string) (map[string]*operation.Output, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(printed), &values); err != nil {
		// The text may be a secret and the error may quote it.
		return nil, fmt.Errorf("the outputs that pulumi printed are not JSON (%d bytes)", len(printed))
	}
	outputs := make(map[string]*operation.Output, len(values))
	for name, value := range values {
		known, ok := events[name]
		compact, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("the output %s that pulumi printed is not JSON", name)
		}
		outputs[name] = &operation.Output{Json: compact, Secret: !ok || known.GetSecret()}
	}
	return outputs, nil
}

// hidden says whether a value holds a secret, at any depth. The engine writes a secret as an object with a signature
// and, in place of the ciphertext, a word; older engines write the word alone.
func hidden(value any) bool {
	switch value := value.(type) {
	case string:
		return value == hiddenWord
	case []any:
		for _, item := range value {
			if hidden(item) {
				return true
			}
		}
	case map[string]any:
		if value[sig.Key] == sig.Secret {
			return true
		}
		for _, item := range value {
			if hidden(item) {
				return true
			}
		}
	}
	return false
}

// hiddenWord stands for a secret in what people read.
const hiddenWord = "[secret]"
