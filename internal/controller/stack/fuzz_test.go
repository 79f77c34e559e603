package stack

import (
	"encoding/json"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// FuzzTemplates: whatever the templates of a Stack hold, a Workspace and an Update come of them, or an error that says
// where the problem is; and the stack of the Stack is in the Workspace as it is.
func FuzzTemplates(f *testing.F) {
	for _, seed := range [][2]string{
		{`{}`, `{}`}, {`{"spec":{}}`, `{"spec":{"message":"m"}}`}, {`null`, `null`},
		{`{"spec":{"env":[{"name":"A","value":"1"}],"stacks":[{"name":"other","config":[{"key":"k","value":{"a":1}}]}]}}`, `{"metadata":{"labels":{"a":"b"}}}`},
		{`{"spec":{"podTemplate":{"spec":{"containers":[{"name":"pulumi","$patch":"delete"}]}}}}`, `{"spec":{"type":"nope"}}`},
		{`{"spec":{"podTemplate":{"spec":{"$patch":"replace","containers":[]}}}}`, `{"spec":{"target":["urn:pulumi:a::b::c::d"]}}`},
		{`{"spec":{"podTemplate":{"spec":{"containers":null,"volumes":[null],"initContainers":[{"name":"fetch"}]}}}}`, `{"spec":{"parallel":1e30}}`},
		{`{"spec":{"podTemplate":{"spec":[]},"stacks":[{"name":"dev"}]}}`, `{"spec":{"workspaceName":""}}`},
		{`{"spec":{"podTemplate":{"spec":{"volumes":[{"name":"secret-s","emptyDir":{}}],"containers":[{"name":"pulumi","volumeMounts":[{"mountPath":"/a","name":"x"}]}]}}}}`, `{"spec":{"ttlAfterCompleted":""}}`},
		{`{"spec":{"resources":{"limits":{"cpu":"1e1.5"}},"securityProfile":"x","image":" "}}`, `{"spec":null}`},
		{`{"spec":{"podTemplate":{"metadata":{"labels":{"":""}},"spec":{"$retainKeys":["a"],"$setElementOrder/containers":[{"name":"b"}]}}}}`, `{"status":[]}`},
		{`{"spec":{"envFrom":[{}],"flux":{},"git":{"auth":{"githubApp":{}}},"local":{},"projectInfo":{},"kubeconfig":{}}}`, `{"metadata":null}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, workspaceJSON, updateJSON []byte) {
		raw, err := json.Marshal(map[string]json.RawMessage{"workspaceTemplate": workspaceJSON, "updateTemplate": updateJSON})
		if err != nil {
			return // no API server keeps it
		}
		stack := demo()
		if err := json.Unmarshal(raw, &stack.Spec); err != nil || stack.Spec.Unreadable != "" {
			return // told as unreadable
		}
		stack.Spec.Stack, stack.Spec.Config = "dev", &apiextensionsv1.JSON{Raw: []byte(`{"k":1}`)}
		stack.Spec.SecretsRef = map[string]pulumiv1.ResourceRef{"s": {SelectorType: "Secret", SecretRef: &pulumiv1.SecretSelector{Name: "s", Key: "k"}}}
		refused := func(err error) bool {
			if err == nil {
				return false
			}
			if _, ok := failure.AsTerminal(err); !ok || !strings.Contains(err.Error(), "spec.") {
				t.Errorf("the error does not say where: %v", err)
			}
			return true
		}
		if refused(invalidSpec(stack)) {
			return
		}
		workspace, err := buildWorkspace(stack, Source{})
		if refused(err) {
			return
		}
		last := workspace.Spec.Stacks[len(workspace.Spec.Stacks)-1]
		if last.Name != "dev" || len(last.Config) != 2 || workspace.Name != stack.Name || workspace.OwnerReferences[0].UID != stack.UID {
			t.Errorf("the Workspace is %s of %v, its stack %+v", workspace.Name, workspace.OwnerReferences, last)
		}
		update, err := buildUpdate(Observed{Stack: stack}, Step{Type: "up", Message: "m"}, workspace)
		if refused(err) {
			return
		}
		if update.Name == "" || len(update.Finalizers) != 2 {
			t.Errorf("the Update is %+v", update)
		}
	})
}
