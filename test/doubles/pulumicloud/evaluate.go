package pulumicloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/esc"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/eval"
	"github.com/pulumi/pulumi/sdk/v3/go/common/esc/syntax"
)

// world is what an environment of an organization can see while it is evaluated.
type world struct {
	cloud *Cloud
	org   string
}

// LoadEnvironment finds an imported environment, by project/name@version.
func (w world) LoadEnvironment(_ context.Context, name string) ([]byte, eval.Decrypter, error) {
	bare, version, _ := strings.Cut(name, "@")
	found := w.cloud.environments[environmentID(w.org, bare)]
	if found == nil {
		return nil, nil, fmt.Errorf("[404] Not Found: Environment '%s' not found", bare)
	}
	text, err := found.revision(version)
	return text, w.cloud.keys, err
}

// AuthorizeImport allows all imports.
func (world) AuthorizeImport(context.Context, string, string, bool) error { return nil }

// LoadProvider knows the one provider that needs nothing but the double.
func (w world) LoadProvider(_ context.Context, name string) (esc.Provider, error) {
	if name == "pulumi-stacks" {
		return stackOutputs(w), nil
	}
	return nil, fmt.Errorf("the double of Pulumi Cloud has no provider %q", name)
}

// LoadRotator knows none.
func (world) LoadRotator(_ context.Context, name string) (esc.Rotator, error) {
	return nil, fmt.Errorf("the double of Pulumi Cloud has no rotator %q", name)
}

// how is whether an environment is opened or only checked.
type how int

const (
	opening how = iota
	checking
	checkingWithSecrets
)

// evaluate evaluates the text of an environment.
func (c *Cloud) evaluate(ctx context.Context, org, name string, text []byte, as how) ([]byte, error) {
	decl, diagnostics, err := eval.LoadYAMLBytes(name, text)
	if err != nil || diagnostics.HasErrors() {
		return nil, invalid(diagnostics, err)
	}
	seen, err := esc.NewExecContext(map[string]esc.Value{
		"pulumi": esc.NewValue(map[string]esc.Value{"user": esc.NewValue(map[string]esc.Value{"id": esc.NewValue(User)})}),
	})
	if err != nil {
		return nil, err
	}
	w := world{cloud: c, org: org}
	var out *esc.Environment
	if as == opening {
		out, diagnostics = eval.EvalEnvironment(ctx, name, decl, c.keys, w, w, seen, eval.EvalOptions{})
	} else {
		out, diagnostics = eval.CheckEnvironment(ctx, name, decl, c.keys, w, w, seen, as == checkingWithSecrets, eval.EvalOptions{})
	}
	if diagnostics.HasErrors() {
		return nil, invalid(diagnostics, nil)
	}
	return json.Marshal(out)
}

// invalid is what is wrong with an environment.
func invalid(diagnostics syntax.Diagnostics, err error) error {
	refused := &refusal{Code: http.StatusBadRequest, Message: "Bad Request: The environment is invalid."}
	for _, d := range diagnostics {
		refused.Diagnostics = append(refused.Diagnostics, diagnostic{Summary: d.Summary, Detail: d.Detail})
	}
	if err != nil {
		refused.Diagnostics = append(refused.Diagnostics, diagnostic{Summary: err.Error()})
	}
	return refused
}

func (c *Cloud) checkYAML(in *call) (any, error) {
	as := checking
	if in.URL.Query().Get("showSecrets") == "true" {
		as = checkingWithSecrets
	}
	text, err := c.evaluate(in.Context(), in.PathValue("org"), esc.AnonymousEnvironmentName, in.body, as)
	return json.RawMessage(text), err
}

func (c *Cloud) openYAML(in *call) (any, error) {
	return c.open(in, esc.AnonymousEnvironmentName, in.body)
}

func (c *Cloud) openEnvironment(in *call) (any, error) {
	id, found, err := c.environmentOf(in)
	if err != nil {
		return nil, err
	}
	return c.open(in, strings.TrimPrefix(id, in.PathValue("org")+"/"), found.revisions[len(found.revisions)-1])
}

func (c *Cloud) open(in *call, name string, text []byte) (any, error) {
	out, err := c.evaluate(in.Context(), in.PathValue("org"), name, text, opening)
	if err != nil {
		return nil, err
	}
	id := c.newID()
	c.opened[id] = out
	return map[string]any{"id": id}, nil
}

func (c *Cloud) openResult(in *call) (any, error) {
	out, ok := c.opened[in.PathValue("id")]
	if !ok {
		return nil, refuse(http.StatusNotFound, "Not Found: the environment is not open")
	}
	return json.RawMessage(out), nil
}
