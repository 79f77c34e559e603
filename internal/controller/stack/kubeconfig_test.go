package stack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

const farText = `{"clusters":[{"cluster":{"server":"https://far"},"name":"far"}],"contexts":[{"context":{"cluster":"far"},"name":"far"}]}`

// quoted is a text as a string output.
func quoted(text string) []byte {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestKubeconfigText(t *testing.T) {
	cases := map[string]struct {
		output []byte
		want   string
	}{
		"Text":         {quoted(farText), farText},
		"YAML":         {quoted("clusters: [{name: a, cluster: {server: s}}]\ncontexts: [{name: a, context: {cluster: a}}]\n"), "clusters: [{name: a, cluster: {server: s}}]\ncontexts: [{name: a, context: {cluster: a}}]\n"},
		"Object":       {[]byte(farText), farText},
		"OtherText":    {quoted("hunter2"), ""},
		"Empty":        {quoted(""), ""},
		"NoClusters":   {[]byte(`{"contexts": [{"name":"far","context":{"cluster":"far"}}]}`), ""},
		"NoContexts":   {[]byte(`{"clusters": [{"name":"far","cluster":{"server":"s"}}]}`), ""},
		"Number":       {[]byte(`42`), ""},
		"List":         {[]byte(`[1]`), ""},
		"Null":         {[]byte(`null`), ""},
		"NotJSON":      {[]byte(`hunter2`), ""},
		"NotOfTheForm": {[]byte(`{"clusters": "hunter2", "contexts": "hunter2"}`), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := kubeconfigText(tc.output)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, error %v; want %q", got, err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the output: %v", err)
			}
		})
	}
}

func fromCluster(s *pulumiv1.Stack) {
	s.Spec.Kubeconfig = &pulumiv1.KubeconfigSource{
		Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: "cluster", Output: "kubeconfig"},
	}
}

// giver is the Stack "cluster", which succeeded an hour ago and has the output, unless it is nil.
func giver(output []byte, changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	s := world().Stack
	s.Name, s.UID, s.Generation = "cluster", "cluster-uid", 2
	s.Status.LastUpdate.Name = "cluster-7"
	s.Status.LastUpdate.LastResyncTime = metav1.NewTime(noon.Add(-time.Hour))
	if output != nil {
		s.Status.Outputs = map[string]apiextensionsv1.JSON{"kubeconfig": {Raw: output}}
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

func outputsOf(update string, output []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: autov1alpha1.OutputsSecretName(update), Annotations: map[string]string{autov1alpha1.AnnotationSecrets: `["kubeconfig"]`}},
		Data:       map[string][]byte{"kubeconfig": output},
	}
}

func copyOf(text, update string, changes ...func(*corev1.Secret)) *corev1.Secret {
	secret := buildCopy(demo(fromCluster), originOf(demo(fromCluster).Spec.Kubeconfig.StackRef, update), text)
	for _, change := range changes {
		change(secret)
	}
	return secret
}

func TestPlanKubeconfig(t *testing.T) {
	hidden := []byte(masked)
	failedLast := func(s *pulumiv1.Stack) { s.Status.LastUpdate.State = pulumiv1.FailedStackState }
	previews := func(s *pulumiv1.Stack) { s.Status.LastUpdate.Type = autov1alpha1.PreviewUpdate }
	asked := func(age time.Duration) func(*pulumiv1.Stack) {
		return func(s *pulumiv1.Stack) {
			s.Status.LastUpdate.ReconcileRequest = "after-cluster-6"
			s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "after-cluster-6"}
			s.Status.LastUpdate.LastResyncTime = metav1.NewTime(noon.Add(-age))
		}
	}
	going := func(s *pulumiv1.Stack) { now := metav1.NewTime(noon); s.DeletionTimestamp = &now }
	ends := func(s *corev1.Secret) { now := metav1.NewTime(noon); s.DeletionTimestamp = &now }
	of := func(uid types.UID, name string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.OwnerReferences[0].UID, s.OwnerReferences[0].Name = uid, name }
	}
	other := strings.ReplaceAll(farText, "far", "other")
	cases := map[string]struct {
		reason  string
		k       Kubeconfig
		going   bool
		keep    string // the text to keep
		drop    bool
		touch   string
		waits   string // what is waited for
		invalid string // what a person has to mend
	}{
		"Given":        {reason: "a plain output is copied", k: Kubeconfig{Giver: giver(quoted(farText))}, keep: farText, waits: "taking the kubeconfig"},
		"GivenObject":  {reason: "so is an object", k: Kubeconfig{Giver: giver([]byte(farText))}, keep: farText, waits: "taking the kubeconfig"},
		"GivenSecret":  {reason: "so is a secret one", k: Kubeconfig{Giver: giver(hidden), Outputs: outputsOf("cluster-7", quoted(farText))}, keep: farText, waits: "taking the kubeconfig"},
		"Kept":         {reason: "the copy serves", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: copyOf(farText, "")}},
		"KeptSecret":   {reason: "of a secret one too, and nothing is read", k: Kubeconfig{Giver: giver(hidden), Copy: copyOf(farText, "cluster-7")}},
		"Changed":      {reason: "another value is copied", k: Kubeconfig{Giver: giver(quoted(other)), Copy: copyOf(farText, "")}, keep: other, waits: "taking the kubeconfig"},
		"UpdatedAgain": {reason: "a secret is copied after each update", k: Kubeconfig{Giver: giver(hidden), Outputs: outputsOf("cluster-7", quoted(other)), Copy: copyOf(farText, "cluster-6")}, keep: other, waits: "taking the kubeconfig"},
		"Tampered":     {reason: "the copy is what was given", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: copyOf("", "")}, keep: farText, waits: "taking the kubeconfig"},

		"NoStack":    {reason: "it is waited for", waits: `output "kubeconfig" of Stack "cluster": there is no such Stack`},
		"NeverRan":   {reason: "it is waited for", k: Kubeconfig{Giver: giver(nil, func(s *pulumiv1.Stack) { s.Status.LastUpdate = nil })}, waits: "has not run yet"},
		"NoOutput":   {reason: "it may come with another update", k: Kubeconfig{Giver: giver(nil)}, waits: "has no such output"},
		"Failed":     {reason: "a plain output outlives a failure", k: Kubeconfig{Giver: giver(quoted(farText), failedLast)}, keep: farText, waits: "taking the kubeconfig"},
		"SecretLost": {reason: "who failed is not asked: it tries again by itself", k: Kubeconfig{Giver: giver(hidden, failedLast)}, waits: "after the next update of that Stack that succeeds"},
		"Previews":   {reason: "a preview gives nothing", k: Kubeconfig{Giver: giver(hidden, previews)}, waits: "after the next update of that Stack that succeeds"},

		"Expired":      {reason: "the other Stack is asked once", k: Kubeconfig{Giver: giver(hidden)}, touch: "after-cluster-7", waits: "cluster-7-stack-outputs with its value is gone"},
		"ExpiredKept":  {reason: "meanwhile the older copy serves", k: Kubeconfig{Giver: giver(hidden), Copy: copyOf(farText, "cluster-6")}, touch: "after-cluster-7"},
		"AskedInVain":  {reason: "whose outputs do not last is not asked for ever", k: Kubeconfig{Giver: giver(hidden, asked(time.Hour))}, waits: "is gone"},
		"AskedBefore":  {reason: "after a day it is asked again", k: Kubeconfig{Giver: giver(hidden, asked(25*time.Hour))}, touch: "after-cluster-7", waits: "is gone"},
		"ExpiredGoing": {reason: "who goes is not asked", k: Kubeconfig{Giver: giver(hidden, going)}, waits: "is gone"},
		"ExpiredAsked": {reason: "who is asked is not asked again", k: Kubeconfig{Giver: giver(hidden, func(s *pulumiv1.Stack) {
			s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "after-cluster-7"}
		})}, waits: "is gone"},

		"Invalid":       {reason: "what is no kubeconfig is not used", k: Kubeconfig{Giver: giver(quoted("x"))}, invalid: `output "kubeconfig" of Stack "cluster" is not a kubeconfig`},
		"InvalidLater":  {reason: "not even where there was one", k: Kubeconfig{Giver: giver(quoted("x")), Copy: copyOf(farText, "")}, invalid: "is not a kubeconfig"},
		"InvalidGoing":  {reason: "but the destroy takes the last good one", k: Kubeconfig{Giver: giver(quoted("x")), Copy: copyOf(farText, "")}, going: true},
		"GoneGiver":     {reason: "the copy serves when the other Stack is gone", k: Kubeconfig{Copy: copyOf(farText, "")}},
		"GoneBoth":      {reason: "for the destroy too, even if the copy is on its way", k: Kubeconfig{Copy: copyOf(farText, "", ends)}, going: true},
		"NothingAtAll":  {reason: "a destroy without a cluster waits", going: true, waits: "there is no such Stack"},
		"OtherOutput":   {reason: "a copy of another output does not serve", k: Kubeconfig{Copy: copyOf(farText, "", func(s *corev1.Secret) { s.Annotations[annotationOrigin] = "cluster/other@" })}, waits: "there is no such Stack"},
		"Foreign":       {reason: "a user's Secret is not touched", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "demo-kubeconfig"}}}, invalid: `Secret "demo-kubeconfig"`},
		"ForeignStack":  {reason: "nor another Stack's", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: copyOf(farText, "", of("stack-uid", "else"))}, invalid: "not the Stack's own"},
		"OfANamesake":   {reason: "that of a Stack before makes room", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: copyOf(farText, "", of("old-uid", "demo"))}, drop: true, waits: "to be gone"},
		"DeletedByHand": {reason: "one that is deleted is made again", k: Kubeconfig{Giver: giver(quoted(farText)), Copy: copyOf(farText, "", ends)}, drop: true, waits: "to be gone"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := world(func(o *Observed) {
				fromCluster(o.Stack)
				o.Kubeconfig = &tc.k
				if tc.going {
					goes(o)
				}
			})
			plan := planKubeconfig(o, noon)
			keep, touch, waits, invalid := "", "", "", ""
			if plan.keep != nil {
				keep = string(plan.keep.Data[kubeconfigKey])
			}
			if plan.touch != nil {
				touch = plan.touch.Request
			}
			if w, ok := failure.AsWaiting(plan.err); ok {
				waits = w.Error()
			}
			if e, ok := failure.AsTerminal(plan.err); ok {
				invalid = e.Error()
			}
			if keep != tc.keep || plan.drop != tc.drop || touch != tc.touch {
				t.Errorf("%s: keep %q, drop %t, touch %q; want %q, %t, %q", tc.reason, keep, plan.drop, touch, tc.keep, tc.drop, tc.touch)
			}
			if (waits == "") != (tc.waits == "") || !strings.Contains(waits, tc.waits) || (invalid == "") != (tc.invalid == "") || !strings.Contains(invalid, tc.invalid) {
				t.Errorf("%s: waits %q, invalid %q; want %q, %q", tc.reason, waits, invalid, tc.waits, tc.invalid)
			}
		})
	}
}

func TestKubeconfigThatCannotWork(t *testing.T) {
	secretKey := &autov1alpha1.SecretKey{Name: "a", Key: "b"}
	cases := map[string]struct {
		source pulumiv1.KubeconfigSource
		want   string
	}{
		"NoStackRef":      {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput}, "spec.kubeconfig.stackRef: is needed"},
		"StackRefBeside":  {pulumiv1.KubeconfigSource{Type: "None", StackRef: &pulumiv1.StackOutput{Name: "a", Output: "b"}}, "spec.kubeconfig.stackRef: is needed"},
		"NoSecretRef":     {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigSecret}, "spec.kubeconfig.secretRef: is needed"},
		"SecretRefBeside": {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput, SecretRef: secretKey, StackRef: &pulumiv1.StackOutput{Name: "a", Output: "b"}}, "spec.kubeconfig.secretRef: is needed"},
		"Own":             {pulumiv1.KubeconfigSource{Type: pulumiv1.KubeconfigStackOutput, StackRef: &pulumiv1.StackOutput{Name: "demo", Output: "b"}}, "cannot take its own output"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(func(s *pulumiv1.Stack) { s.Spec.Kubeconfig = &tc.source }), programOf(greeting))
			c.reconcile()
			if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/SpecInvalid " || !strings.Contains(c.said(), tc.want) {
				t.Errorf("conditions %s: %s", got, c.said())
			}
		})
	}
}

// said is the Stack's own message.
func (c *cluster) said() string {
	c.t.Helper()
	for _, condition := range c.stack().Status.Conditions {
		if condition.Type != autov1alpha1.ConditionTypeReady {
			return condition.Message
		}
	}
	return ""
}

// give makes the Stack "cluster" succeed with an output, in an update of that name.
func (c *cluster) give(update string, output []byte, hide bool) {
	c.t.Helper()
	shown := output
	if hide {
		shown = []byte(masked)
		if err := c.client.Create(c.t.Context(), outputsOf(update, output)); err != nil {
			c.t.Fatal(err)
		}
	}
	other := giver(shown)
	other.Status.LastUpdate.Name = update
	other.ResourceVersion = ""
	if err := c.client.Delete(c.t.Context(), other.DeepCopy()); client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	existing := &pulumiv1.Stack{}
	if c.client.Get(c.t.Context(), client.ObjectKeyFromObject(other), existing) == nil { // its finalizer held it
		existing.Finalizers = nil
		if err := c.client.Update(c.t.Context(), existing); err != nil {
			c.t.Fatal(err)
		}
	}
	status := other.Status
	if err := c.client.Create(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	other.Status = status
	if err := c.client.Status().Update(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) kept() *corev1.Secret {
	c.t.Helper()
	secret := &corev1.Secret{}
	err := c.client.Get(c.t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "demo-kubeconfig"}, secret)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return secret
}

// TestKubeconfigOfAnotherStack waits, runs, runs again and destroys.
func TestKubeconfigOfAnotherStack(t *testing.T) {
	for name, hide := range map[string]bool{"Plain": false, "Secret": true} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, demo(fromCluster, func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true }), programOf(greeting))
			c.reconcile()
			if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PrerequisiteNotSatisfied " || len(c.updates()) != 0 {
				t.Fatalf("without the other Stack: %swith %d updates", got, len(c.updates()))
			}

			c.give("cluster-1", quoted(farText), hide)
			c.reconcile()
			kept := c.kept()
			if kept == nil || string(kept.Data[kubeconfigKey]) != farText || kept.OwnerReferences[0].UID != c.stack().UID {
				t.Fatalf("the copy is %v", kept)
			}
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), key, workspace); err != nil {
				t.Fatal(err)
			}
			want := &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigSecret, SecretRef: &autov1alpha1.SecretKey{Name: "demo-kubeconfig", Key: "kubeconfig"}}
			if diff := cmp.Diff(want, workspace.Spec.Kubeconfig); diff != "" {
				t.Errorf("the Workspace's kubeconfig (-want +got):\n%s", diff)
			}
			c.finish("", nil)
			c.reconcile()
			if got := len(c.updates()); got != 1 || c.state() != "Ready=True/ProcessingCompleted " {
				t.Fatalf("%d updates, conditions %s", got, c.state())
			}

			c.give("cluster-2", quoted(farText), hide)
			c.reconcile()
			if got := len(c.updates()); got != 1 {
				t.Errorf("the same value again runs %d updates", got)
			}
			c.give("cluster-3", quoted(strings.ReplaceAll(farText, "far", "other")), hide)
			c.reconcile()
			if got := len(c.updates()); got != 2 {
				t.Errorf("another value runs %d updates, want 2", got)
			}
			c.finish("", nil)
			c.reconcile()
			c.destroyWithTheCopy()
		})
	}
}

// destroyWithTheCopy deletes the other Stack first, and this one in the foreground.
func (c *cluster) destroyWithTheCopy() {
	c.t.Helper()
	other := giver(nil)
	if err := c.client.Get(c.t.Context(), client.ObjectKeyFromObject(other), other); err != nil {
		c.t.Fatal(err)
	}
	other.Finalizers = nil
	if err := c.client.Update(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	if err := c.client.Delete(c.t.Context(), other); err != nil {
		c.t.Fatal(err)
	}
	if err := c.client.Delete(c.t.Context(), c.stack()); err != nil {
		c.t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 })
	if err := c.client.Delete(c.t.Context(), c.kept()); err != nil { // as the garbage collector does
		c.t.Fatal(err)
	}
	c.reconcile()
	kept := c.kept()
	if kept == nil || kept.DeletionTimestamp.IsZero() || len(kept.Data[kubeconfigKey]) == 0 {
		c.t.Fatalf("while the destroy runs the copy is %v", kept)
	}
	if current := c.stack().Status.CurrentUpdate; current == nil {
		c.t.Fatalf("no destroy: %s", c.said())
	}
	c.finish("", nil)
	if _, err := c.r.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		c.t.Fatal(err)
	}
	if c.kept() != nil {
		c.t.Error("the copy outlives its Stack")
	}
	if err := c.client.Get(c.t.Context(), key, &pulumiv1.Stack{}); err == nil {
		c.t.Error("the Stack is still there")
	}
}

// A secret output whose value is gone makes the other Stack run again, once.
func TestExpiredOutputIsAskedForOnce(t *testing.T) {
	c := newCluster(t, demo(fromCluster), programOf(greeting), giver([]byte(masked)))
	c.reconcile()
	asked := &pulumiv1.Stack{}
	if err := c.client.Get(t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: "cluster"}, asked); err != nil {
		t.Fatal(err)
	}
	if got := asked.Annotations[pulumiv1.AnnotationReconciliationRequest]; got != "after-cluster-7" {
		t.Errorf("the other Stack's request is %q", got)
	}
	if got := c.state(); got != "Ready=False/NotReadyInProgress Reconciling=True/PrerequisiteNotSatisfied " || !strings.Contains(c.said(), `Stack "cluster"`) {
		t.Errorf("conditions %s: %s", got, c.said())
	}
}

// A Stack that takes its kubeconfig from elsewhere again keeps no copy.
func TestCopyGoesWithItsUse(t *testing.T) {
	c := newCluster(t, demo(fromCluster), programOf(greeting), giver(quoted(farText)))
	c.reconcile()
	c.give("cluster-8", quoted(strings.ReplaceAll(farText, "far", "other")), false)
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if kept := c.kept(); kept == nil || !slices.Contains(kept.Finalizers, pulumiv1.Finalizer) {
		t.Fatalf("the copy is %v", kept)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Kubeconfig, s.Generation = nil, 2 })
	c.reconcile()
	if c.kept() != nil {
		t.Error("the copy outlives its use")
	}
}

// A copy that its Stack left behind can go.
func TestCopyOfAStackThatIsGone(t *testing.T) {
	c := newCluster(t, copyOf(farText, ""))
	if err := c.client.Delete(t.Context(), c.kept()); err != nil { // as the garbage collector does
		t.Fatal(err)
	}
	c.reconcile()
	if c.kept() != nil {
		t.Error("the copy cannot go")
	}
}
