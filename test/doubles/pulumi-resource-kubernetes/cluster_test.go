package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

const kubeconfigA = `{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: a, cluster: {server: "https://a.example"}}],
users: [{name: a, user: {token: one}}],
contexts: [{name: a, context: {cluster: a, user: a, namespace: team}}]}`

func configured(t *testing.T, kubeconfig string) *kubernetes {
	t.Helper()
	args, err := structpb.NewStruct(map[string]any{"kubeconfig": kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	k := newKubernetes(packageSchema)
	if _, err := k.Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: args}); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKubeconfigIsContentsOrAPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(kubeconfigA), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, kubeconfig := range map[string]string{"Contents": kubeconfigA, "Path": path} {
		t.Run(name, func(t *testing.T) {
			k := configured(t, kubeconfig)
			if k.unreachable != nil || k.cluster.namespace != "team" {
				t.Errorf("namespace %q, %v", k.cluster.namespace, k.unreachable)
			}
		})
	}
}

func TestAMissingPathIsUnreachableOnlyWhenItIsNeeded(t *testing.T) {
	k := configured(t, "/nowhere/config")
	_, err := k.Create(t.Context(), &pulumirpc.CreateRequest{Urn: "urn:pulumi:d::p::kubernetes:core/v1:ConfigMap::a"})
	if err == nil || !strings.Contains(err.Error(), "configured Kubernetes cluster is unreachable") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyAnotherClusterReplaces(t *testing.T) {
	cases := map[string]struct {
		olds, news map[string]any
		same       bool
	}{
		"OtherUser":       {map[string]any{"kubeconfig": kubeconfigA}, map[string]any{"kubeconfig": strings.ReplaceAll(kubeconfigA, "token: one", "token: two")}, true},
		"OtherServer":     {map[string]any{"kubeconfig": kubeconfigA}, map[string]any{"kubeconfig": strings.ReplaceAll(kubeconfigA, "a.example", "b.example")}, false},
		"AmbientToGiven":  {map[string]any{}, map[string]any{"kubeconfig": kubeconfigA}, true},
		"SameIdentifier":  {map[string]any{"clusterIdentifier": "x", "kubeconfig": "gone"}, map[string]any{"clusterIdentifier": "x", "kubeconfig": kubeconfigA}, true},
		"OtherIdentifier": {map[string]any{"clusterIdentifier": "x"}, map[string]any{"clusterIdentifier": "y"}, false},
		"IdentifierAdded": {map[string]any{"kubeconfig": kubeconfigA}, map[string]any{"clusterIdentifier": "y", "kubeconfig": kubeconfigA}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			same, err := sameCluster(c.olds, c.news)
			if err != nil || same != c.same {
				t.Errorf("got %v, %v", same, err)
			}
		})
	}
}

func TestNamesAreKeptFromRunToRun(t *testing.T) {
	kind, err := kindOf("urn:pulumi:d::p::kubernetes:core/v1:ConfigMap::settings")
	if err != nil {
		t.Fatal(err)
	}
	first, err := kind.complete(map[string]any{}, nil, "settings", "team")
	if err != nil {
		t.Fatal(err)
	}
	again, err := kind.complete(map[string]any{}, first, "settings", "team")
	if err != nil || kind.identity(again) != kind.identity(first) || !strings.HasPrefix(kind.identity(first), "team/settings-") {
		t.Errorf("first %q, again %q, %v", kind.identity(first), kind.identity(again), err)
	}
}

func TestKindsAreWhatTheServerCallsThem(t *testing.T) {
	for token, want := range map[string]string{
		"core/v1:Namespace": "v1 Namespace", "core/v1:ConfigMap": "v1 ConfigMap", "apps/v1:Deployment": "apps/v1 Deployment",
	} {
		kind, err := kindOf("urn:pulumi:d::p::kubernetes:" + token + "::one")
		if err != nil {
			t.Fatal(err)
		}
		object, err := kind.complete(map[string]any{}, nil, "one", "team")
		if got := provider.Text(object, "apiVersion") + " " + provider.Text(object, "kind"); err != nil || got != want {
			t.Errorf("%s is %s (%v), want %s", token, got, err, want)
		}
	}
}

func TestTheServersWordsArePassedOn(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"configmaps \"a\" is forbidden: User \"u\" cannot patch"}`))
	}))
	defer server.Close()
	k := configured(t, strings.ReplaceAll(kubeconfigA, `server: "https://a.example"`, `insecure-skip-tls-verify: true, server: "`+server.URL+`"`))
	properties, err := provider.Properties(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a", "namespace": "team"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Create(t.Context(), &pulumirpc.CreateRequest{Urn: "urn:pulumi:d::p::kubernetes:core/v1:ConfigMap::a", Properties: properties})
	if err == nil || !strings.Contains(err.Error(), `configmaps "a" is forbidden: User "u" cannot patch`) {
		t.Errorf("got %v", err)
	}
}
