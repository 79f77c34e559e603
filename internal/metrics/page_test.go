package metrics_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/operation"
)

// everything is a registry with a series of each metric.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	recorder, err := metrics.NewRecorder(registry)
	if err != nil {
		t.Fatal(err)
	}
	recorder.Offered(autov1alpha1.UpUpdate, 0)
	recorder.Ended(autov1alpha1.UpUpdate, result(operation.Outcome_FAILED, phase(operation.PhaseFetch, 0)), 0)
	recorder.Offered("made-up", 0)
	recorder.EndedWithoutResult("made-up", "made-up")
	recorder.GitRequested("poll", "success", 0)
	recorder.WebhookReceived("github", "polled")
	now := metav1.NewTime(time.Unix(1700000000, 0))
	read := readFrom(t, cluster(t,
		stack("a", pulumiv1.StackStatus{
			LastUpdate: &pulumiv1.LastUpdate{State: pulumiv1.SucceededStackState, LastResyncTime: now},
			Conditions: conditions.Merge(nil, conditions.Reconciling("StackProcessing", "").Conditions(1), now),
		}),
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Name: "p"}},
		anUpdate("waiting", autov1alpha1.UpdateStatus{}), anUpdate("running", autov1alpha1.UpdateStatus{PodUID: "pod", StartTime: &now}),
		aWorkspace("w", conditions.Stalled("made-up", "")), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "w-workspace-0"}},
	))
	for _, collector := range []prometheus.Collector{
		metrics.NewObjects(read), metrics.NewFleet(read), metrics.NewWork(read),
		metrics.NewArtifacts(func() artifact.Usage { return artifact.Usage{} }), metrics.NewSources(func() (int, int) { return 3, 1 }),
		metrics.NewCertificates(func() (time.Time, time.Time) { return now.Time, now.Time }),
	} {
		registry.MustRegister(collector)
	}
	return registry
}

func readFrom(t *testing.T, c client.Client) metrics.Read {
	t.Helper()
	return func(list client.ObjectList) error { return c.List(t.Context(), list) }
}

func gather(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	families, err := everything(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(everything(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// rows are those of the table of metrics in docs/metrics.md, by the metrics' names.
func rows(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| metric | type | labels | meaning |\n|---|---|---|---|\n")
	if !found {
		t.Fatal("docs/metrics.md has no table of metrics")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]string{}
	for line := range strings.Lines(table) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |")
		if !ok {
			t.Fatalf("docs/metrics.md has a row without a metric: %s", line)
		}
		rows[name] = line
	}
	return rows
}

func TestThePageHasEveryMetricAndNoOther(t *testing.T) {
	documented, served := rows(t), map[string]bool{}
	for _, family := range gather(t) {
		served[family.GetName()] = true
		row, found := documented[family.GetName()]
		if !found {
			t.Errorf("%s has no row in docs/metrics.md", family.GetName())
		}
		if kind := strings.ToLower(family.GetType().String()); !strings.Contains(row, "` | "+kind+" |") {
			t.Errorf("the row of %s in docs/metrics.md does not say that it is a %s", family.GetName(), kind)
		}
		for _, label := range family.GetMetric()[0].GetLabel() {
			if !strings.Contains(row, label.GetName()) {
				t.Errorf("the row of %s in docs/metrics.md does not tell of the label %s", family.GetName(), label.GetName())
			}
		}
	}
	for name := range documented {
		if !served[name] {
			t.Errorf("docs/metrics.md has a row of %s, which is not served", name)
		}
	}
}

// Every label has values that can be counted, whatever objects and pods say of themselves; but for the names of Stacks
// and Programs, which --metrics-per-stack=false leaves out.
func TestLabelsAreBounded(t *testing.T) {
	bounded := map[string][]string{
		"type":        {"up", "preview", "refresh", "destroy", "other"},
		"outcome":     {"succeeded", "failed", "canceled", "interrupted"},
		"state":       {"ready", "reconciling", "stalled", "new", "waiting", "running", "ok", "failing"},
		"phase":       {"fetch", "install", "configure", "operation", "pending", "running", "ending", "ended"},
		"operation":   {"poll", "fetch"},
		"result":      {"success", "polled"},
		"form":        {"github"},
		"certificate": {"serving", "authority"},
		"reason":      {"other"},
	}
	perObject := []string{
		metrics.NameStacksFailing, metrics.NameStacksReconciling, metrics.NameStackStalled, metrics.NameStackSuccess, metrics.NameResourceCreated,
	}
	seen := map[string]bool{}
	for _, family := range gather(t) {
		if slices.Contains(perObject, family.GetName()) {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				seen[label.GetName()] = true
				if !slices.Contains(bounded[label.GetName()], label.GetValue()) {
					t.Errorf("%s has a label %s=%q, which is none of %v", family.GetName(), label.GetName(), label.GetValue(), bounded[label.GetName()])
				}
			}
		}
	}
	for label := range bounded {
		if !seen[label] {
			t.Errorf("no metric has the label %s", label)
		}
	}
}

// The reasons of Workspaces that are told of are those of the runbook, one for one.
func TestReasonsOfWorkspaces(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(runbook), "\n## Workspace\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var reasons []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !slices.Contains([]string{"Ready=True", "Reconciling", "Stalled"}, strings.TrimSpace(cells[1])) {
			continue
		}
		reasons = append(reasons, strings.TrimSpace(cells[2]))
	}
	if len(reasons) < 15 {
		t.Fatalf("the runbook has %d reasons of Workspaces: the search is broken", len(reasons))
	}
	var objects []client.Object
	want := map[string]float64{}
	for _, reason := range reasons {
		objects = append(objects, aWorkspace(strings.ToLower(reason), conditions.Reconciling(reason, "")))
		want["reconciling/"+reason] = 1
	}
	objects = append(objects, aWorkspace("strange", conditions.Reconciling("Strange", "")))
	want["reconciling/other"] = 1
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.NewWork(readFrom(t, cluster(t, objects...))))
	if diff := cmp.Diff(want, values(t, registry, metrics.NameWorkspaces, "state", "reason")); diff != "" {
		t.Errorf("Workspaces by reason (-want +got):\n%s", diff)
	}
}

// values are those of a metric, by the values of its labels.
func values(t *testing.T, from prometheus.Gatherer, name string, labels ...string) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			key := make([]string, len(labels))
			for _, label := range metric.GetLabel() {
				key[slices.Index(labels, label.GetName())] = label.GetValue()
			}
			all[strings.Join(key, "/")] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	return all
}
