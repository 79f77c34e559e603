package operator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

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
		"Grace": {
			"a pod has time for a canceled operation", Options{AgentImage: "agent:1", CancelGrace: time.Hour}, nil,
			pod.Settings{AgentImage: "agent:1", CancelGrace: time.Hour}, "",
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
