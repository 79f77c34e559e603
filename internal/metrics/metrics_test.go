package metrics_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/types/known/durationpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/operation"
)

func cluster(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(pulumiv1.AddToScheme(scheme), autov1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func stack(name string, status pulumiv1.StackStatus) *pulumiv1.Stack {
	return &pulumiv1.Stack{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1700000000, 0))}, Status: status,
	}
}

func TestObjects(t *testing.T) {
	failed := &pulumiv1.LastUpdate{State: pulumiv1.FailedStackState}
	recovering := &pulumiv1.LastUpdate{State: pulumiv1.FailedStackState, LastSuccessTime: metav1.NewTime(time.Unix(1700100000, 0))}
	going := stack("going", pulumiv1.StackStatus{LastUpdate: &pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState}})
	c := cluster(t, going,
		stack("new", pulumiv1.StackStatus{ObservedGeneration: -1}),
		stack("failing", pulumiv1.StackStatus{LastUpdate: recovering, Conditions: conditions.Reconciling("RetryingAfterFailure", "").Conditions(1)}),
		stack("stalled", pulumiv1.StackStatus{LastUpdate: failed, Conditions: conditions.Stalled("UpdateFailed", "").Conditions(1)}),
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "p", CreationTimestamp: metav1.NewTime(time.Unix(1600000000, 0))}},
	)
	objects := metrics.NewObjects(func(list client.ObjectList) error { return c.List(t.Context(), list) })
	if err := c.Delete(t.Context(), going); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP gantry_stack_last_success_timestamp_seconds When the Stack's last success was recorded, in seconds since 1970.
# TYPE gantry_stack_last_success_timestamp_seconds gauge
gantry_stack_last_success_timestamp_seconds{name="failing",namespace="team"} 1.7001e+09
# HELP gantry_stack_stalled 1 if the Stack is Stalled, else 0.
# TYPE gantry_stack_stalled gauge
gantry_stack_stalled{name="failing",namespace="team"} 0
gantry_stack_stalled{name="new",namespace="team"} 0
gantry_stack_stalled{name="stalled",namespace="team"} 1
# HELP resource_created_at_seconds When the object was created, in seconds since 1970.
# TYPE resource_created_at_seconds gauge
resource_created_at_seconds{group="pulumi.com",kind="Program",name="p",namespace="team",version="v1"} 1.6e+09
resource_created_at_seconds{group="pulumi.com",kind="Stack",name="failing",namespace="team",version="v1"} 1.7e+09
resource_created_at_seconds{group="pulumi.com",kind="Stack",name="new",namespace="team",version="v1"} 1.7e+09
resource_created_at_seconds{group="pulumi.com",kind="Stack",name="stalled",namespace="team",version="v1"} 1.7e+09
# HELP stacks_failing 1 if the Stack's last update failed, else 0.
# TYPE stacks_failing gauge
stacks_failing{name="failing",namespace="team"} 1
stacks_failing{name="new",namespace="team"} 0
stacks_failing{name="stalled",namespace="team"} 1
# HELP stacks_reconciling 1 if the Stack is Reconciling, else 0.
# TYPE stacks_reconciling gauge
stacks_reconciling{name="failing",namespace="team"} 1
stacks_reconciling{name="new",namespace="team"} 0
stacks_reconciling{name="stalled",namespace="team"} 0
`
	if err := testutil.CollectAndCompare(objects, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestObjectsThatCannotBeReadAreNotToldOf(t *testing.T) {
	unread := func(client.ObjectList) error { return errors.New("no cache") }
	for _, collector := range []prometheus.Collector{metrics.NewObjects(unread), metrics.NewFleet(unread), metrics.NewWork(unread)} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(collector)
		if _, err := registry.Gather(); err == nil {
			t.Errorf("%T tells of objects that cannot be read", collector)
		}
	}
}

func result(outcome operation.Outcome, phases ...*operation.Phase) *operation.Result {
	return &operation.Result{Outcome: outcome, Phases: phases}
}

func phase(name string, took time.Duration) *operation.Phase {
	return &operation.Phase{Name: name, Duration: durationpb.New(took)}
}

// counts are the number of observations and their sum in seconds, by labels.
func counts(t *testing.T, from prometheus.Gatherer, name string) map[string][2]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			h := metric.GetHistogram()
			all[strings.Join(labels, "/")] = [2]float64{float64(h.GetSampleCount()), h.GetSampleSum()}
		}
	}
	return all
}

func TestRecorder(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	recorder, err := metrics.NewRecorder(registry)
	if err != nil {
		t.Fatal(err)
	}
	recorder.Offered(autov1alpha1.UpUpdate, 2*time.Second)
	recorder.Offered(autov1alpha1.UpUpdate, -time.Second) // clocks differ
	recorder.PodStarted(5 * time.Second)
	hour := time.Hour
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome_SUCCEEDED,
		phase(operation.PhaseFetch, time.Second), phase(operation.PhaseInstall, 0),
		phase(operation.PhaseConfigure, 2*time.Second), phase(operation.PhaseOperation, 30*time.Minute)), hour)
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome_SUCCEEDED, phase(operation.PhaseFetch, 3*time.Second)), hour)
	recorder.Ended(autov1alpha1.DestroyUpdate, result(operation.Outcome_CANCELED, phase(operation.PhaseOperation, time.Minute)), hour)
	recorder.Ended(autov1alpha1.PreviewUpdate, result(operation.Outcome_INTERRUPTED), hour)

	want := map[string]map[string][2]float64{
		metrics.NameQueue:    {"up": {2, 2}},
		metrics.NamePodStart: {"": {1, 5}},
		metrics.NamePhase: {
			"succeeded/fetch/up": {2, 4}, "succeeded/install/up": {1, 0}, "succeeded/configure/up": {1, 2}, "succeeded/operation/up": {1, 1800},
			"canceled/operation/destroy": {1, 60},
		},
	}
	for name, observations := range want {
		if diff := cmp.Diff(observations, counts(t, registry, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What a pod says of itself can make neither series without end nor figures that cannot be.
func TestPhasesOfAPodThatLies(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	recorder, err := metrics.NewRecorder(registry)
	if err != nil {
		t.Fatal(err)
	}
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome(99),
		phase("made-up", time.Second), phase(operation.PhaseFetch, -time.Second), phase(operation.PhaseConfigure, 1000*time.Hour),
		&operation.Phase{Name: operation.PhaseOperation, Duration: &durationpb.Duration{Seconds: 1, Nanos: -1}},
		phase(operation.PhaseInstall, time.Second), phase(operation.PhaseInstall, time.Second)), time.Minute)
	if diff := cmp.Diff(map[string][2]float64{"failed/install/up": {1, 1}}, counts(t, registry, metrics.NamePhase)); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

func TestSources(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	recorder, err := metrics.NewRecorder(registry)
	if err != nil {
		t.Fatal(err)
	}
	recorder.GitRequested("poll", "success", time.Second)
	recorder.GitRequested("poll", "success", time.Second)
	recorder.GitRequested("poll", "denied", time.Second)
	recorder.GitRequested("fetch", "success", 3*time.Second)
	recorder.GitRequested("fetch", "unreachable", time.Minute)
	recorder.WebhookReceived("github", "polled")
	recorder.WebhookReceived("github", "polled")
	recorder.WebhookReceived("gitea", "unauthenticated")
	if diff := cmp.Diff(map[string][2]float64{"": {1, 3}}, counts(t, registry, metrics.NameGitFetch)); diff != "" {
		t.Errorf("fetches (-want +got):\n%s", diff)
	}
	registry.MustRegister(metrics.NewSources(func() (int, int) { return 3, 1 }))
	want := `
# HELP gantry_git_remotes Refs of git repositories that are polled, by how the last poll went.
# TYPE gantry_git_remotes gauge
gantry_git_remotes{state="failing"} 1
gantry_git_remotes{state="ok"} 2
# HELP gantry_git_requests_total Polls of refs and fetches of commits, by what came of them.
# TYPE gantry_git_requests_total counter
gantry_git_requests_total{operation="fetch",result="success"} 1
gantry_git_requests_total{operation="fetch",result="unreachable"} 1
gantry_git_requests_total{operation="poll",result="denied"} 1
gantry_git_requests_total{operation="poll",result="success"} 2
# HELP gantry_webhook_requests_total Requests of git hosts that tell of pushes, by what came of them.
# TYPE gantry_webhook_requests_total counter
gantry_webhook_requests_total{form="gitea",result="unauthenticated"} 1
gantry_webhook_requests_total{form="github",result="polled"} 2
`
	names := []string{metrics.NameGitRemotes, metrics.NameGitRequests, metrics.NameWebhookRequests}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestRegisteredTwice(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	_, first := metrics.NewRecorder(registry)
	_, second := metrics.NewRecorder(registry)
	if again := (prometheus.AlreadyRegisteredError{}); first != nil || !errors.As(second, &again) {
		t.Errorf("errors are %v and %v", first, second)
	}
}

func TestArtifacts(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.NewArtifacts(func() artifact.Usage { return artifact.Usage{Archives: 3, Bytes: 30, Bound: 20, Evicted: 4} }))
	const want = `# HELP gantry_artifact_evictions_total Number of archives that were evicted because nothing named or used them.
# TYPE gantry_artifact_evictions_total counter
gantry_artifact_evictions_total 4
# HELP gantry_artifact_store_bytes Bytes that the archives in the artifact store have together.
# TYPE gantry_artifact_store_bytes gauge
gantry_artifact_store_bytes 30
# HELP gantry_artifact_store_limit_bytes Bytes that the artifact store should have at most.
# TYPE gantry_artifact_store_limit_bytes gauge
gantry_artifact_store_limit_bytes 20
# HELP gantry_artifacts Number of archives in the artifact store.
# TYPE gantry_artifacts gauge
gantry_artifacts 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
