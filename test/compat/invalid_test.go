package compat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/controller/program"
	"github.com/gantry-operator/gantry/internal/controller/stack"
	"github.com/gantry-operator/gantry/internal/controller/update"
	"github.com/gantry-operator/gantry/internal/controller/workspace"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/references"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// controllers are the real ones, called by hand, on a namespace of a real API server.
type controllers struct {
	t         *testing.T
	client    client.Client
	namespace string
	events    *events.FakeRecorder
	byKind    map[string]reconcile.Reconciler
	// change is the number of the last change of the healthy objects.
	change int
}

func newControllers(t *testing.T) *controllers {
	t.Helper()
	_, namespace := connect(t)
	scheme := newScheme(t)
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	plain, err := client.NewWithWatch(server, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	c := interceptor.NewClient(plain, interceptor.Funcs{List: indexed})
	// A pod needs an account, which no controller of this server makes.
	if err := c.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}); err != nil {
		t.Fatal(err)
	}
	measured, err := metrics.NewRecorder(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	all := &controllers{t: t, client: c, namespace: namespace, events: events.NewFakeRecorder(10000)}
	now, url := clock.RealClock{}, func(digest string) string { return "https://hub/artifacts/" + digest }
	all.byKind = map[string]reconcile.Reconciler{
		"Program": &program.Reconciler{Client: c, Clock: now, Store: archives{}, URL: url},
		"Stack": &stack.Reconciler{
			Client: c, Reader: c, Clock: now, Recorder: all.events, Artifacts: archives{}, ArtifactURL: url,
			Inputs: references.New(c, nil, nil, nil, nil), // it watches nothing before it is started
			Git:    noHosts{}, Flux: noSources{},
		},
		"Workspace": &workspace.Reconciler{
			Client: c, Reader: c, Clock: now, Recorder: all.events, Hub: noAgents{}, IdleTimeout: time.Minute,
			Pods: pod.Settings{WorkspaceImage: "pulumi", AgentImage: "gantry", HubAddress: "hub:1", CA: "bundle"},
		},
		"Update": &update.Reconciler{
			Client: c, Reader: c, Clock: now, Recorder: all.events, Hub: noAgents{}, Git: noHosts{}, Metrics: measured,
			Settings: update.Settings{CancelGrace: time.Minute, ArtifactURL: url},
		},
	}
	return all
}

// indexed answers by the manager's indexes, which an API server does not have.
func indexed(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
	options := &client.ListOptions{}
	options.ApplyOptions(opts)
	wanted := options.FieldSelector
	updates, ok := list.(*autov1alpha1.UpdateList)
	if !ok || wanted == nil {
		return c.List(ctx, list, opts...)
	}
	options.FieldSelector = nil
	if err := c.List(ctx, list, options); err != nil {
		return err
	}
	kept := updates.Items[:0]
	for _, one := range updates.Items {
		for _, name := range append(ownersOf(&one), one.Spec.WorkspaceName) {
			if requirement := wanted.Requirements()[0]; requirement.Value == name {
				kept = append(kept, one)
				break
			}
		}
	}
	updates.Items = kept
	return nil
}

func ownersOf(of *autov1alpha1.Update) []string {
	var names []string
	for _, owner := range of.OwnerReferences {
		names = append(names, owner.Name)
	}
	return names
}

// archives keeps nothing.
type archives struct{}

func (archives) Put(_ context.Context, archive []byte) (string, error) {
	sum := sha256.Sum256(archive)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

func (archives) Has(string) bool { return true }

// noHosts are git hosts that nobody asks.
type noHosts struct{}

func (noHosts) Notify(string, func(types.NamespacedName)) {}
func (noHosts) Forget(source.Consumer)                    {}
func (noHosts) Observe(source.Consumer, git.Request) (source.Revision, error) {
	return source.Revision{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "nobody asks")
}

// noSources are Flux sources that nobody looks at.
type noSources struct{ noHosts }

func (noSources) Observe(context.Context, source.Consumer, flux.Reference, map[string]string) (source.Revision, error) {
	return source.Revision{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "nobody looks")
}

// noAgents is a hub to which no agent ever connects.
type noAgents struct{}

func (noAgents) Session(types.NamespacedName) (hub.Session, bool) { return hub.Session{}, false }
func (noAgents) State(types.NamespacedName, types.UID) hub.State  { return hub.State{} }
func (noAgents) Cancel(types.NamespacedName, types.UID, string)   {}
func (noAgents) Recorded(types.NamespacedName, types.UID)         {}
func (noAgents) Retire(types.NamespacedName, types.UID) bool      { return true }
func (noAgents) Gone(types.NamespacedName, types.UID)             {}
func (noAgents) Workspaces() <-chan event.GenericEvent            { return nil }
func (noAgents) Offer(types.NamespacedName, types.UID, *operation.Operation) error {
	return fmt.Errorf("there is no agent")
}

// reconcile calls the controller of the object's kind once. An error would make it called again and again, and so would
// a short time.
func (c *controllers) reconcile(object client.Object) {
	c.t.Helper()
	kind := object.GetObjectKind().GroupVersionKind().Kind
	result, err := c.byKind[kind].Reconcile(c.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)})
	if err != nil {
		c.t.Fatalf("%s %.60s: %v", kind, object.GetName(), err)
	}
	if name := object.GetName(); !strings.HasPrefix(name, "healthy") && result.RequeueAfter > 0 && result.RequeueAfter < time.Second {
		c.t.Errorf("%s %.60s is looked at again after %s", kind, name, result.RequeueAfter)
	}
}

// states are the conditions of an object.
func (c *controllers) states(object *unstructured.Unstructured) []metav1.Condition {
	c.t.Helper()
	read := reread(c.t.Context(), c.t, c.client, object)
	list, _, err := unstructured.NestedSlice(read.Object, "status", "conditions")
	if err != nil {
		c.t.Fatal(err)
	}
	data, err := yaml.Marshal(list)
	if err != nil {
		c.t.Fatal(err)
	}
	var states []metav1.Condition
	if err := yaml.Unmarshal(data, &states); err != nil {
		c.t.Fatal(err)
	}
	return states
}

// says fails the test unless the object has the condition, True, for this reason and with all of these words; and an
// event said so, too, if it is one that asks for a person.
func (c *controllers) says(object *unstructured.Unstructured, kind, reason string, words ...string) {
	c.t.Helper()
	states := c.states(object)
	found := meta.FindStatusCondition(states, kind)
	if found == nil || found.Status != metav1.ConditionTrue || found.Reason != reason {
		c.t.Fatalf("%s has no %s with %s: %+v", object.GetKind(), kind, reason, states)
	}
	for _, word := range words {
		if !strings.Contains(found.Message, word) {
			c.t.Errorf("message %q lacks %q", found.Message, word)
		}
	}
	if len(found.Message) > conditions.MaxMessage {
		c.t.Errorf("the message has %d bytes", len(found.Message))
	}
	if strings.Contains(found.Message, "hunter2") {
		c.t.Errorf("message %q tells a secret", found.Message)
	}
	told := false
	for len(c.events.Events) > 0 {
		note := <-c.events.Events
		told = told || strings.HasPrefix(note, corev1.EventTypeWarning)
		if len(note) > conditions.MaxNote+100 {
			c.t.Errorf("an event has %d bytes", len(note))
		}
	}
	if kind == autov1alpha1.ConditionTypeStalled && object.GetKind() != "Program" && reason != update.ReasonWorkspaceStalled && !told {
		c.t.Error("no event warned of it")
	}
}

// othersGoOn changes a healthy object of every kind, and sees its controller take that up.
func (c *controllers) othersGoOn() {
	c.t.Helper()
	c.change++
	for _, manifest := range []string{
		`{apiVersion: pulumi.com/v1, kind: Program, metadata: {name: healthy}, program: {outputs: {a: NUMBER}}}`,
		`{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: healthy}, spec: {stack: dev, programRef: {name: healthy}, retryMaxBackoffDurationSeconds: NUMBER}}`,
		`{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: healthy-own}, spec: {local: {dir: /app}, pulumiLogLevel: NUMBER}}`,
		`{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: healthy-own}, spec: {workspaceName: healthy-own, stackName: dev, type: up, parallel: NUMBER}}`,
	} {
		healthy := object(c.t, c.namespace, strings.ReplaceAll(manifest, "NUMBER", fmt.Sprint(c.change)))
		if err := c.client.Apply(c.t.Context(), client.ApplyConfigurationFromUnstructured(healthy), client.FieldOwner("test")); err != nil {
			c.t.Fatal(err)
		}
		c.reconcile(healthy)
		read := reread(c.t.Context(), c.t, c.client, healthy)
		observed, _, err := unstructured.NestedInt64(read.Object, "status", "observedGeneration")
		states := c.states(healthy)
		if err != nil || observed != read.GetGeneration() || meta.IsStatusConditionTrue(states, autov1alpha1.ConditionTypeStalled) {
			c.t.Fatalf("a healthy %s does not go on: it is at generation %d, observed %d: %+v", healthy.GetKind(), read.GetGeneration(), observed, states)
		}
	}
	for _, list := range []client.ObjectList{&pulumiv1.StackList{}, &pulumiv1.ProgramList{}, &autov1alpha1.WorkspaceList{}, &autov1alpha1.UpdateList{}} {
		if err := c.client.List(c.t.Context(), list, client.InNamespace(c.namespace)); err != nil {
			c.t.Fatalf("the list cannot be read: %v", err)
		}
	}
}

// wrong is an object that cannot work.
type wrong struct {
	// fields of the object, beside its kind and name, in YAML.
	fields string
	// kind and reason of the condition; without a reason it is SpecInvalid, or what is usual for the kind.
	kind, reason string
	// words of its message: where it is, and what is wrong.
	words []string
	// refused is what the API server says, if it takes the object not at all.
	refused string
}

// large is the size of an object that does not stay.
const large = 10 << 10

// remove removes an object, whoever wants to look at it first.
func (c *controllers) remove(object *unstructured.Unstructured) {
	c.t.Helper()
	if err := c.client.Patch(c.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		c.t.Fatal(err)
	}
	if err := c.client.Delete(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

// run applies each object, has its controller called once, and looks at what is said.
func (c *controllers) run(apiVersion, kind, reason string, cases map[string]wrong) {
	t := c.t
	number := 0
	for name, w := range cases {
		number++
		t.Run(kind+"/"+name, func(t *testing.T) {
			c.t = t
			manifest := fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: %s-%d}}", apiVersion, kind, strings.ToLower(kind), number)
			bad := object(t, c.namespace, manifest)
			fields := map[string]any{}
			if err := yaml.Unmarshal([]byte(w.fields), &fields); err != nil {
				t.Fatal(err)
			}
			for key, value := range fields {
				bad.Object[key] = value
			}
			err := c.client.Create(t.Context(), bad)
			if w.refused != "" {
				refused(t, err, w.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.reconcile(bad)
			condition := w.kind
			if condition == "" {
				condition = autov1alpha1.ConditionTypeStalled
			}
			if w.reason == "" {
				w.reason = reason
			}
			c.says(bad, condition, w.reason, w.words...)
			c.reconcile(bad) // comes to rest
			c.othersGoOn()
			if len(w.fields) > large {
				c.remove(bad) // the lists of the other cases would be slow
			}
		})
	}
	c.t = t
}
