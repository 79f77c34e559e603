package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/pod"
)

func TestPodSettings(t *testing.T) {
	own := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "me"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "sidecar", Image: "sidecar:1"},
			{Name: "manager", Image: "registry/gantry@sha256:1", ImagePullPolicy: corev1.PullIfNotPresent},
		}},
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "sys", Name: "gantry-hub"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.7"}}
	headless := service.DeepCopy()
	headless.Spec.ClusterIP = "None"
	cases := map[string]struct {
		reason  string
		options Options
		objects []client.Object
		want    pod.Settings
		fails   string
	}{
		"OwnImage": {
			"the agent is in the manager's own image", Options{PodName: "me"}, []client.Object{own, service},
			pod.Settings{AgentImage: "registry/gantry@sha256:1", AgentImagePullPolicy: corev1.PullIfNotPresent, HubIP: "10.0.0.7"}, "",
		},
		"OwnImageOtherPolicy": {
			"the policy was asked for", Options{PodName: "me", AgentImagePullPolicy: corev1.PullAlways}, []client.Object{own},
			pod.Settings{AgentImage: "registry/gantry@sha256:1", AgentImagePullPolicy: corev1.PullAlways}, "",
		},
		"Given": {
			"no pod is needed", Options{AgentImage: "agent:1", WorkspaceImage: "w:1", WorkspaceImageAgentPath: "/a"}, []client.Object{headless},
			pod.Settings{AgentImage: "agent:1", WorkspaceImage: "w:1", WorkspaceImageAgentPath: "/a"}, "",
		},
		"NotGiven":  {"neither is known", Options{}, nil, pod.Settings{}, "AGENT_IMAGE is not set"},
		"PodAbsent": {"a wrong name", Options{PodName: "you"}, []client.Object{own}, pod.Settings{}, "sys/you"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.options.PodNamespace, tc.options.HubService = "sys", "gantry-hub"
			got, err := podSettings(t.Context(), tc.options, fake.NewClientBuilder().WithObjects(tc.objects...).Build())
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("%s: error %v, want one about %s", tc.reason, err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tc.want.HubAddress = "gantry-hub.sys.svc:9443"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// stored is a client that has Workspace demo, which uses the first digest, and Program p, which has the second.
func stored(t *testing.T, first, second string) client.Client {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&autov1alpha1.Workspace{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"},
			Spec:       autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: first}},
		},
		&autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "local"}},
		&pulumiv1.Program{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "p"},
			Status:     pulumiv1.ProgramStatus{Artifact: &pulumiv1.Artifact{Digest: second}},
		},
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "new"}},
	).Build()
}

func TestEntitled(t *testing.T) {
	cases := map[string]struct {
		reason, workspace, digest string
		want                      bool
	}{
		"Own":     {"its spec names it", "demo", "sha256:1", true},
		"Other":   {"nothing names it", "demo", "sha256:2", false},
		"Empty":   {"no digest", "demo", "", false},
		"Local":   {"it has no artifact", "local", "sha256:1", false},
		"Unknown": {"there is no such Workspace", "nobody", "sha256:1", false},
	}
	sessions := hub.New(logr.Discard(), clock.RealClock{}, nil, nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			may := entitled(stored(t, "sha256:1", "sha256:2"), sessions)
			if got := may(t.Context(), types.NamespacedName{Namespace: "team", Name: tc.workspace}, tc.digest); got != tc.want {
				t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
			}
		})
	}
}

func TestSweep(t *testing.T) {
	store, err := artifact.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{}
	for _, name := range []string{"workspace", "program", "unused"} {
		if digests[name], err = store.Put(t.Context(), []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	cached := stored(t, digests["workspace"], digests["program"])
	for _, phase := range []struct {
		name string
		now  time.Time
		want map[string]bool
	}{
		{"young artifacts may be in somebody's hands", time.Now(), map[string]bool{"workspace": true, "program": true, "unused": true}},
		{"old ones are kept where they are named", time.Now().Add(2 * time.Hour), map[string]bool{"workspace": true, "program": true, "unused": false}},
	} {
		s := &sweeper{cached: cached, store: store, clock: clocktesting.NewFakeClock(phase.now), log: logr.Discard()}
		if _, err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for name, digest := range digests {
			got[name] = store.Has(digest)
		}
		if diff := cmp.Diff(phase.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", phase.name, diff)
		}
	}
}
