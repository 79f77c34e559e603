package docs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// pauseImage runs in the place of the other operator. The embedded cluster has it.
const pauseImage = "localhost/pause:gantry"

// pko makes a Deployment by the name that the quickstart of the Pulumi Kubernetes Operator gives its own.
func (s *session) pko(t *testing.T, n *stage.Namespace) {
	t.Helper()
	name, labels := metav1.ObjectMeta{Namespace: "pulumi-kubernetes-operator", Name: "controller-manager"}, map[string]string{"app": "pko"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name.Namespace}}
	if err := n.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	deployment := &appsv1.Deployment{ObjectMeta: name, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: pauseImage}}},
		},
	}}
	if err := n.Client.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
}

// hooks starts what lets git hosts in: it ends TLS for the public name, and calls the manager that leads over TLS.
func (s *session) hooks(t *testing.T, n *stage.Namespace) {
	t.Helper()
	ingress := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		manager, err := webhooks(r.Context(), n.Stage)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		manager.ServeHTTP(w, r)
	}))
	t.Cleanup(ingress.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ingress.Certificate().Raw})
	s.write(t, ".hooks.crt", string(authority))
	s.write(t, ".curlrc", fmt.Sprintf("cacert = %q\nconnect-to = \"hooks.example.com:443:%s\"\n", filepath.Join(s.folder, ".hooks.crt"), ingress.Listener.Addr()))
}

// webhooks leads to the manager's webhooks while ctx lasts.
func webhooks(ctx context.Context, s *stage.Stage) (http.Handler, error) {
	leader, err := s.Leader(ctx)
	if err != nil {
		return nil, err
	}
	addresses, err := s.Forward(ctx, leader, 9445)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Manager.Namespace, Name: "gantry-hub-tls"}, secret); err != nil {
		return nil, err
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(secret.Data["ca.crt"])
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: addresses[0]}) },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			RootCAs: authority, ServerName: "gantry-webhook." + s.Manager.Namespace + ".svc", MinVersion: tls.VersionTLS13,
		}},
	}, nil
}
