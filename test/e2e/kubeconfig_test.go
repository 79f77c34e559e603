package e2e

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

const (
	tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	caPath    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// mayManageNamespaces lets the default ServiceAccount manage namespaces and what is in them.
func (s *story) mayManageNamespaces() {
	s.T.Helper()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces", "configmaps"}, Verbs: []string{"*"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.Name, Name: "default"}},
	}
	s.own(role)
	s.own(binding)
}

// own makes an object that is in no namespace, and removes it with the story.
func (s *story) own(object client.Object) {
	s.T.Helper()
	s.Must(s.Client.Create(s.Ctx, object))
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		if err := client.IgnoreNotFound(s.Client.Delete(ctx, object)); err != nil {
			s.T.Error(err)
		}
	})
}

// exported is what a stack's state says of its Kubernetes provider.
type exported struct {
	text       string
	kubeconfig string
}

// export reads a stack's state as its user would.
func (s *story) export(stack string) exported {
	s.T.Helper()
	text, err := s.Shell(s.Ctx, stack, "pulumi stack export --stack "+stack)
	s.Must(err)
	var state struct {
		Deployment struct {
			Resources []struct {
				Type   string         `json:"type"`
				Inputs map[string]any `json:"inputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	s.Must(json.Unmarshal([]byte(text), &state))
	for _, resource := range state.Deployment.Resources {
		if resource.Type == "pulumi:providers:kubernetes" {
			kubeconfig, _ := resource.Inputs["kubeconfig"].(string)
			return exported{text: text, kubeconfig: kubeconfig}
		}
	}
	s.T.Fatalf("the state of %s has no Kubernetes provider", stack)
	return exported{}
}

func TestGeneratedKubeconfig(t *testing.T) {
	t.Parallel()
	s := begin(t, "kubeconfig")
	s.mayManageNamespaces()
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Name + "-made"}}
	s.program("space", `
resources:
  space:
    type: kubernetes:core/v1:Namespace
    properties: {metadata: {name: `+made.Name+`}}
  settings:
    type: kubernetes:core/v1:ConfigMap
    properties:
      metadata: {name: settings, namespace: "${space.metadata.name}"}
      data: {colour: blue}
`)
	s.program("settings", settings)
	t.Cleanup(func() { s.dropNamespace(made.Name) })
	s.AwaitReady(s.stack("one", "space", onImage))
	s.Await(made, "to be made", func() bool { return true })
	inside := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: made.Name, Name: "settings"}}
	s.Await(inside, "to be made", func() bool { return inside.Data["colour"] == "blue" })
	s.AwaitReady(s.stack("two", "settings", onImage))

	one, two := s.export("one"), s.export("two")
	if one.kubeconfig == "" || one.kubeconfig != two.kubeconfig {
		t.Errorf("the kubeconfigs of two stacks of a namespace differ:\n%s\n%s", one.kubeconfig, two.kubeconfig)
	}
	if !strings.Contains(one.kubeconfig, tokenPath) || !strings.Contains(one.kubeconfig, caPath) {
		t.Errorf("the kubeconfig does not name the token and the certificate by path:\n%s", one.kubeconfig)
	}
	s.holdsNoCredentials("one", one)
	s.holdsNoCredentials("two", two)
}

// holdsNoCredentials checks a state for the pod's token and for certificates, in any dress.
func (s *story) holdsNoCredentials(stack string, state exported) {
	s.T.Helper()
	token, err := s.Shell(s.Ctx, stack, "cat "+tokenPath)
	s.Must(err)
	certificate, err := s.Shell(s.Ctx, stack, "cat "+caPath)
	s.Must(err)
	signature := token[strings.LastIndex(token, ".")+1:]
	if signature == "" || certificate == "" {
		s.T.Fatal("the pod has no token or no certificate to look for")
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(certificate))
	for what, text := range map[string]string{
		"the token": signature, "CA data": "certificate-authority-data", "a certificate": "BEGIN CERTIFICATE",
		"the encoded certificate": encoded[:60],
	} {
		if strings.Contains(state.text, text) {
			s.T.Errorf("the state of %s holds %s", stack, what)
		}
	}
}

func (s *story) dropNamespace(name string) {
	ctx, cancel := cleanup()
	defer cancel()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := client.IgnoreNotFound(s.Client.Delete(ctx, namespace)); err != nil {
		s.T.Error(err)
	}
}

func TestForbiddenIsToldInTheServersWords(t *testing.T) {
	t.Parallel()
	s := begin(t, "forbidden")
	s.program("settings", settings)
	stack := s.stack("forbidden", "settings", onImage)
	s.Await(stack, "to have failed", func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
	})
	words := []string{"forbidden", "system:serviceaccount:" + s.Name + ":default", `"configmaps"`}
	if !says(stack, words) {
		t.Errorf("the Stack says %q, want it to say %q", said(stack), words)
	}
	t.Log("with the rights it recovers, at the next try")
	s.mayManageConfigMaps()
	s.request(stack, "allowed")
}

func TestOwnKubeconfigIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := begin(t, "own")
	s.program("settings", settings)
	own := `{apiVersion: v1, kind: Config, current-context: own, contexts: [{name: own, context: {cluster: own, user: own}}],` +
		` clusters: [{name: own, cluster: {server: "https://own.example.invalid"}}], users: [{name: own, user: {}}]}`
	config, err := json.Marshal(map[string]any{"spec": map[string]any{"config": map[string]any{"kubernetes:kubeconfig": own}}})
	s.Must(err)
	stack := s.stack("own", "settings", onImage, string(config))
	s.Await(stack, "to have failed", func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
	})
	if !strings.Contains(stack.Status.LastUpdate.Message, "own.example.invalid") {
		t.Errorf("the provider did not go where the stack's own kubeconfig points: %s", stack.Status.LastUpdate.Message)
	}
	if got := s.export("own").kubeconfig; got != own {
		t.Errorf("the provider got another kubeconfig:\n%s", got)
	}
}
