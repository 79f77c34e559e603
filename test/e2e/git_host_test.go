package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// gitHost starts a git host in the story's namespace.
func (s *story) gitHost() *stage.GitHost {
	s.T.Helper()
	host, err := s.StartGitHost(s.Ctx, "git")
	s.Must(err)
	return host
}

// clone is a pod that clones what its command says, with what the host's clients have to know.
const clone = `
apiVersion: v1
kind: Pod
metadata: {name: clone}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: clone
    image: ` + image + `
    env:
    - {name: GIT_SSL_CAINFO, value: /host/ca.crt}
    - {name: GIT_SSH_COMMAND, value: ssh -i /host/key -o UserKnownHostsFile=/host/known_hosts -o StrictHostKeyChecking=yes}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: host, mountPath: /host}]
  volumes: [{name: host, secret: {secretName: host, defaultMode: 0400}}]
`

// TestGitHostServesTheCluster shows that what other stories fetch from is there.
func TestGitHostServesTheCluster(t *testing.T) {
	t.Parallel()
	s := begin(t, "githost")
	host := s.gitHost()
	s.Must(host.Create("team/app"))
	commit, err := host.Commit("team/app", "main", gitserver.Files{"Pulumi.yaml": gitserver.Text("name: app\n")})
	s.Must(err)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "host"},
		StringData: map[string]string{"ca.crt": host.CA, "key": host.SSH.Key, "known_hosts": host.SSH.KnownHosts},
	}))
	pod := &corev1.Pod{}
	s.Must(yaml.UnmarshalStrict([]byte(clone), pod))
	pod.Namespace = s.Name
	pod.Spec.Containers[0].Command = []string{
		"sh", "-ec", "git ls-remote " + host.URLOf("team/app") + " main; git ls-remote " + host.SSH.URL("team/app") + " main",
	}
	s.Must(s.Client.Create(s.Ctx, pod))
	s.Await(pod, "to have asked", func() bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	log, err := s.Log(s.Ctx, pod, "clone", 0)
	s.Must(err)
	if strings.Count(log, commit) != 2 {
		t.Errorf("over HTTPS and SSH it said:\n%s", log)
	}
	if n, err := host.Count("team/app", gitserver.List); err != nil || n != 1 {
		t.Errorf("%d lists over HTTPS are on record, %v", n, err)
	}
}
