package stack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
