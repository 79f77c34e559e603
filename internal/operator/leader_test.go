package operator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// managerPod is a pod of the Deployment, or of another one, with or without the label of the leader.
func managerPod(namespace, name, app, leader string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/name": app}}}
	if leader != "" {
		pod.Labels["gantry.pulumi.com/leader"] = leader
	}
	return pod
}

// leaders are the labels of the leader, by namespace and pod.
func leaders(t *testing.T, c client.Client) map[string]string {
	t.Helper()
	var pods corev1.PodList
	if err := c.List(t.Context(), &pods); err != nil {
		t.Fatal(err)
	}
	labelled := map[string]string{}
	for _, pod := range pods.Items {
		if value, ok := pod.Labels["gantry.pulumi.com/leader"]; ok {
			labelled[pod.Namespace+"/"+pod.Name] = value
		}
	}
	return labelled
}

func TestLeaderLabelMoves(t *testing.T) {
	cases := map[string]struct {
		reason string
		pods   []client.Object
		want   map[string]string
		fails  string
	}{
		"First": {"nobody had it", []client.Object{managerPod("sys", "me", "gantry", ""), managerPod("sys", "you", "gantry", "")}, map[string]string{"sys/me": "true"}, ""},
		"Taken": {"from the last leader", []client.Object{managerPod("sys", "me", "gantry", ""), managerPod("sys", "you", "gantry", "true")}, map[string]string{"sys/me": "true"}, ""},
		"Has":   {"after a restart in the same pod", []client.Object{managerPod("sys", "me", "gantry", "true")}, map[string]string{"sys/me": "true"}, ""},
		"Odd":   {"somebody changed the value", []client.Object{managerPod("sys", "me", "gantry", "no"), managerPod("sys", "you", "gantry", "no")}, map[string]string{"sys/me": "true"}, ""},
		"Others": {
			"pods of other products and namespaces are left alone",
			[]client.Object{managerPod("sys", "me", "gantry", ""), managerPod("sys", "web", "web", "true"), managerPod("other", "gantry", "gantry", "true")},
			map[string]string{"sys/me": "true", "sys/web": "true", "other/gantry": "true"}, "",
		},
		"NotThere": {"the own pod cannot be found, which is said", []client.Object{managerPod("sys", "you", "gantry", "true")}, map[string]string{}, "POD_NAME"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithObjects(tc.pods...).Build()
			err := (&leaderLabel{client: c, log: logr.Discard(), namespace: "sys", pod: "me"}).move(t.Context())
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("error %v, want one about %q", err, tc.fails)
			}
			if diff := cmp.Diff(tc.want, leaders(t, c)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestLeaderLabelInsists fails the first attempts and has somebody remove the label later.
func TestLeaderLabelInsists(t *testing.T) {
	failures, attempts := 2, make(chan struct{}, 100)
	c := fake.NewClientBuilder().WithObjects(managerPod("sys", "me", "gantry", "")).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			defer func() { attempts <- struct{}{} }()
			if failures--; failures >= 0 {
				return errors.New("the API server is down")
			}
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	now := clocktesting.NewFakeClock(time.Unix(0, 0))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&leaderLabel{client: c, clock: now, log: logr.Discard(), namespace: "sys", pod: "me"}).Start(ctx)
	}()
	step := func(d time.Duration) {
		for !now.HasWaiters() {
			time.Sleep(time.Millisecond)
		}
		now.Step(d)
	}
	<-attempts
	step(labelRetry)
	<-attempts
	step(labelRetry)
	<-attempts
	if got := leaders(t, c); got["sys/me"] != "true" {
		t.Errorf("labels %v", got)
	}
	if err := c.Update(ctx, managerPod("sys", "me", "gantry", "")); err != nil {
		t.Fatal(err)
	}
	step(labelCheck)
	<-attempts
	if got := leaders(t, c); got["sys/me"] != "true" {
		t.Errorf("labels %v after somebody removed one", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
