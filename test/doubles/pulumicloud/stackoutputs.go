package pulumicloud

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/esc"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
)

// stackOutputs is the provider pulumi-stacks: an environment reads the outputs of other stacks with it.
type stackOutputs world

// Schema takes anything: Open looks at it.
func (stackOutputs) Schema() (inputs, outputs *schema.Schema) {
	return schema.Always(), schema.Always()
}

// Open gives the outputs of {stacks: {NAME: {stack: project/stack}}} by NAME.
func (p stackOutputs) Open(_ context.Context, inputs map[string]esc.Value, _ esc.EnvExecContext) (esc.Value, error) {
	wanted, ok := inputs["stacks"].Value.(map[string]esc.Value)
	if !ok {
		return esc.Value{}, fmt.Errorf("pulumi-stacks: stacks is not an object")
	}
	all := map[string]esc.Value{}
	for name, one := range wanted {
		fields, _ := one.Value.(map[string]esc.Value)  //nolint:errcheck // what is no object has no fields
		reference, _ := fields["stack"].Value.(string) //nolint:errcheck // nor is what is no string a name
		outputs, err := p.outputs(p.org + "/" + reference)
		if err != nil {
			return esc.Value{}, fmt.Errorf("pulumi-stacks: %w", err)
		}
		all[name] = outputs
	}
	return esc.NewValue(all), nil
}

func (p stackOutputs) outputs(id string) (esc.Value, error) {
	s := p.cloud.stacks[id]
	if s == nil {
		return esc.Value{}, fmt.Errorf("there is no stack %s", id)
	}
	for _, r := range resources(s.state()) {
		if r.Type == "pulumi:pulumi:Stack" {
			return p.value(r.Outputs)
		}
	}
	return esc.NewValue(map[string]esc.Value{}), nil
}

// value is a value of a state, in which secrets are sealed.
func (p stackOutputs) value(raw any) (esc.Value, error) {
	switch raw := raw.(type) {
	case map[string]any:
		if raw[sig.Key] == sig.Secret {
			return p.unseal(raw["ciphertext"])
		}
		fields := map[string]esc.Value{}
		for name, one := range raw {
			value, err := p.value(one)
			if err != nil {
				return esc.Value{}, err
			}
			fields[name] = value
		}
		return esc.NewValue(fields), nil
	case []any:
		values := make([]esc.Value, len(raw))
		for i, one := range raw {
			value, err := p.value(one)
			if err != nil {
				return esc.Value{}, err
			}
			values[i] = value
		}
		return esc.NewValue(values), nil
	case float64:
		text, err := json.Marshal(raw)
		return esc.NewValue(json.Number(text)), err
	default:
		return esc.FromJSON(raw)
	}
}

// unseal opens a secret of a state: a JSON text.
func (p stackOutputs) unseal(ciphertext any) (esc.Value, error) {
	sealed, err := base64.StdEncoding.DecodeString(fmt.Sprint(ciphertext))
	if err != nil {
		return esc.Value{}, fmt.Errorf("a secret output: %w", err)
	}
	text, err := p.cloud.keys.Decrypt(background(), sealed)
	if err != nil {
		return esc.Value{}, fmt.Errorf("a secret output: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return esc.Value{}, fmt.Errorf("a secret output is not JSON: %w", err)
	}
	value, err := esc.FromJSON(plain)
	return secret(value), err
}

// secret marks a value and all that is in it.
func secret(value esc.Value) esc.Value {
	switch inner := value.Value.(type) {
	case map[string]esc.Value:
		return esc.NewSecret(inner)
	case []esc.Value:
		return esc.NewSecret(inner)
	default:
		value.Secret = true
		return value
	}
}
