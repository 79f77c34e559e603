package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// server is the one API server of this package's tests; nil if there are no binaries to start one.
var server *rest.Config

func TestMain(m *testing.M) {
	code, err := runWithServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// runWithServer runs the tests beside an API server with our definitions, where there is one to be had.
func runWithServer(m *testing.M) (int, error) {
	if _, err := os.Stat(filepath.Join(assets(), "kube-apiserver")); err != nil {
		if os.Getenv("CI") == "true" {
			return 1, fmt.Errorf("there is no API server to test with: %w", err)
		}
		return m.Run(), nil
	}
	environment := ourDefinitions()
	config, err := environment.Start()
	if err != nil {
		return 1, errors.Join(fmt.Errorf("start the API server: %w", err), environment.Stop())
	}
	config.QPS = -1 // the client's own limit would be what takes the time
	server = config
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	if err := environment.Stop(); err != nil {
		return 1, fmt.Errorf("stop the API server: %w", err)
	}
	return code, nil
}

// assets is the directory of the API server's binaries.
func assets() string {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join(repository, "bin/envtest")
}

// ourDefinitions is an API server with our definitions, to be started.
func ourDefinitions() *envtest.Environment {
	return &envtest.Environment{
		BinaryAssetsDirectory: assets(),
		CRDDirectoryPaths:     []string{filepath.Join(repository, "config/crd/bases")},
		ErrorIfCRDPathMissing: true,
	}
}

// needsServer skips a test where there is no API server to be had.
func needsServer(t *testing.T) {
	t.Helper()
	if server == nil {
		t.Skipf("NOT PROVEN: there is no kube-apiserver in %s, so nothing is tested against one", assets())
	}
}

// connect gives a client that refuses unknown fields, as kubectl does, and a new namespace.
func connect(t *testing.T) (client.Client, string) {
	t.Helper()
	needsServer(t)
	scheme := newScheme(t)
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "compat-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return client.WithFieldValidation(c, metav1.FieldValidationStrict), namespace.Name
}

// object is a manifest as an object of the namespace.
func object(t *testing.T, namespace, manifest string) *unstructured.Unstructured {
	t.Helper()
	all, err := objects(strings.NewReader(manifest))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d objects, error %v in:\n%s", len(all), err, manifest)
	}
	all[0].SetNamespace(namespace)
	return all[0]
}

// objects reads a stream of manifests.
func objects(from io.Reader) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(from, 4096)
	var all []*unstructured.Unstructured
	for {
		fields := map[string]any{}
		if err := decoder.Decode(&fields); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if len(fields) > 0 {
			data, err := json.Marshal(fields)
			if err != nil {
				return nil, err
			}
			one := &unstructured.Unstructured{}
			if err := one.UnmarshalJSON(data); err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
}

// create creates the object and reads it again: the answer to a create does not show all defaults.
func create(ctx context.Context, t *testing.T, c client.Client, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	if err := c.Create(ctx, o); err != nil {
		t.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return reread(ctx, t, c, o)
}

func reread(ctx context.Context, t *testing.T, c client.Client, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	read := &unstructured.Unstructured{}
	read.SetGroupVersionKind(o.GroupVersionKind())
	if err := c.Get(ctx, client.ObjectKeyFromObject(o), read); err != nil {
		t.Fatalf("get %s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return read
}

// refused fails the test unless err is the server's refusal, with these words.
func refused(t *testing.T, err error, words string) {
	t.Helper()
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("error is %v, want a refusal", err)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("error %q lacks %q", err, words)
	}
}

// encoded is a value's JSON with sorted keys.
func encoded(t *testing.T, value any) string {
	t.Helper()
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(buffer.String())
}
