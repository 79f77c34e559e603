package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/tracing"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// collectorManifests are a collector of traces in a pod, and its Service.
const collectorManifests = `
apiVersion: v1
kind: Pod
metadata: {name: collector, labels: {app: collector}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: collector
    image: ` + image + `
    command: [/usr/local/bin/collector, --certificate=/tls/tls.crt, --key=/tls/tls.key]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {tcpSocket: {port: 4317}, periodSeconds: 1}
    volumeMounts: [{name: tls, mountPath: /tls}]
  volumes:
  - {name: tls, secret: {secretName: collector}}
---
apiVersion: v1
kind: Service
metadata: {name: collector}
spec:
  selector: {app: collector}
  ports: [{name: grpc, port: 4317}]
`

// exporting are the settings of docs/guides/observability.md with which a manager exports to it.
const exporting = `
patches:
- target: {kind: Deployment, name: gantry-manager}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "https://%s:4317"}}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: OTEL_EXPORTER_OTLP_PROTOCOL, value: grpc}}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /collector/ca.crt}}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: OTEL_RESOURCE_ATTRIBUTES, value: deployment.environment.name=story}}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: OTEL_BSP_SCHEDULE_DELAY, value: "100"}}
    - {op: add, path: /spec/template/spec/containers/0/volumeMounts/-, value: {name: collector, mountPath: /collector}}
    - {op: add, path: /spec/template/spec/volumes/-, value: {name: collector, configMap: {name: collector}}}
`

// hushed is a program with a secret.
const hushed = `
outputs:
  hush: {"fn::secret": ` + hidden + `}
`

// collector is a double of an OpenTelemetry collector, in a pod.
type collector struct {
	s            *story
	pod          *corev1.Pod
	host, bundle string
}

// collector starts one.
func (s *story) collector() *collector {
	s.T.Helper()
	c := &collector{s: s, pod: &corev1.Pod{}, host: "collector." + s.Name + ".svc"}
	certificate, key, err := cert.GenerateSelfSignedCertKey(c.host, nil, nil)
	s.Must(err)
	c.bundle = string(certificate)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "collector"}, Data: map[string][]byte{"tls.crt": certificate, "tls.key": key},
	}))
	s.Must(s.Make(s.Ctx, collectorManifests, c.pod, &corev1.Service{}))
	s.Await(c.pod, "to take traces", func() bool { return stage.PodReady(c.pod) })
	return c
}

// span is one that the collector was sent.
type span struct {
	*tracev1.Span
	resource []*commonv1.KeyValue
	// path is its name below the names of those that it is part of.
	path string
}

// of are the spans of the trace of an Update, once the Update's own has come, and the log that they are from.
func (c *collector) of(update *autov1alpha1.Update) ([]span, string) {
	c.s.T.Helper()
	ctx, cancel := context.WithTimeout(c.s.Ctx, patience)
	defer cancel()
	var spans []span
	log, err := c.s.Follow(ctx, c.pod, "collector", func(log string) bool {
		spans = c.read(log, string(update.UID))
		return slices.ContainsFunc(spans, func(s span) bool { return s.path == tracing.SpanUpdate })
	})
	c.s.Must(err)
	return spans, log
}

// read finds the spans of a trace in the collector's log.
func (c *collector) read(log, uid string) []span {
	c.s.T.Helper()
	var spans []span
	byID := map[string]*tracev1.Span{}
	for line := range strings.Lines(log) {
		var sent tracev1.ResourceSpans
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		c.s.Must(protojson.Unmarshal([]byte(line), &sent))
		one := sent.GetScopeSpans()[0].GetSpans()[0]
		if hex.EncodeToString(one.GetTraceId()) == tracing.TraceID(uid).String() {
			byID[string(one.GetSpanId())] = one
			spans = append(spans, span{Span: one, resource: sent.GetResource().GetAttributes()})
		}
	}
	for i := range spans {
		spans[i].path = spans[i].GetName()
		for at := byID[string(spans[i].GetParentSpanId())]; at != nil; at = byID[string(at.GetParentSpanId())] {
			spans[i].path = at.GetName() + "/" + spans[i].path
		}
	}
	return spans
}

// told are attributes by their keys.
func told(attributes []*commonv1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, attribute := range attributes {
		all[attribute.GetKey()] = attribute.GetValue().GetStringValue()
	}
	return all
}

// TestTraces has a collector of OpenTelemetry take the traces of a manager over gRPC and TLS, set as
// docs/guides/observability.md says: an update is one trace, from the reconcile that decided on it to its record.
func TestTraces(t *testing.T) {
	s := begin(t, "traced")
	collector := s.collector()
	s.program("hushed", hushed)
	s.AwaitReady(s.stack("before", "hushed", onImage))
	s.deployWith(fmt.Sprintf(exporting, collector.host), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Manager.Namespace, Name: "collector"}, Data: map[string]string{"ca.crt": collector.bundle},
	})
	s.AwaitReady(s.stack("after", "hushed", onImage))
	update := &s.updates("after", 1)[0]
	spans, log := collector.of(update)

	var paths []string
	attributes := map[string]string{}
	for _, span := range spans {
		paths = append(paths, span.path)
		for key, value := range told(span.GetAttributes()) {
			attributes[key] = value
		}
		if span.GetStartTimeUnixNano() > span.GetEndTimeUnixNano() || span.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR {
			t.Errorf("a span of a success is %v", span)
		}
		if says := told(span.resource); says["service.name"] != "gantry" || says["deployment.environment.name"] != "story" {
			t.Errorf("the resource is %v", says)
		}
	}
	slices.Sort(paths)
	want := []string{
		"update", "update/decide", "update/offer", "update/record", "update/run", "update/run/configure", "update/run/fetch", "update/run/install", "update/run/operation",
		"update/wait for pod", "update/wait for pod/start pod",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	wantAttributes := map[string]string{
		"k8s.namespace.name": s.Name, "k8s.pod.name": s.Pod("after").Name, tracing.KeyStack: "after", tracing.KeyUpdate: update.Name, tracing.KeyWorkspace: "after",
		tracing.KeyUID: string(update.UID), tracing.KeyType: "up", tracing.KeyOutcome: "succeeded", tracing.KeyReason: "UpdateSucceeded",
	}
	if diff := cmp.Diff(wantAttributes, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if strings.Contains(log, hidden) {
		t.Error("a secret of a program is in a trace")
	}
	if spans := collector.read(log, string(s.updates("before", 1)[0].UID)); len(spans) > 0 {
		t.Errorf("of an update before the manager was set to export there are the spans %v", spans)
	}
}
