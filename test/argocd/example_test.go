package argocd

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// exampleAccess is what the public documentation of PKO has in the second wave.
const exampleAccess = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, annotations: {argocd.argoproj.io/sync-wave: "2"}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "NAME:system:auth-delegator", annotations: {argocd.argoproj.io/sync-wave: "2"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}
subjects: [{kind: ServiceAccount, name: NAME, namespace: NAME}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "NAME:cluster-admin", annotations: {argocd.argoproj.io/sync-wave: "2"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: NAME, namespace: NAME}]
`

// exampleStack is its Stack, in the third wave; the last three fields are of this story.
const exampleStack = `
metadata:
  annotations:
    argocd.argoproj.io/sync-wave: "3"
    pulumi.com/reconciliation-request: before-first-update
    link.argocd.argoproj.io/external-link: https://app.pulumi.com/org/project/dev
spec:
  serviceAccountName: NAME
  projectRepo: REPOSITORY
  repoDir: infrastructure
  branch: main
  refresh: true
  resyncFrequencySeconds: 120
  destroyOnFinalize: true
  programRef: null
  gitAuthSecret: git-access
  workspaceTemplate: {spec: {image: "` + image + `"}}
`

// exampleOfPKO: the example of PKO's public documentation works as it does there. Its Stack's program is in git too.
func exampleOfPKO(s *story) {
	host, err := s.StartGitHost(s.Ctx, "git")
	s.Must(err)
	s.Must(host.Create("infrastructure"))
	s.Must(host.Protect("infrastructure", gitserver.Auth{Password: "a-token-of-the-story"}))
	project := func(shade string) gitserver.Files {
		text := "name: project\nruntime: yaml\n" + strings.ReplaceAll(painted("made"), "light", shade)
		return gitserver.Files{"infrastructure/Pulumi.yaml": gitserver.Text(text)}
	}
	_, err = host.Commit("infrastructure", "main", project("light"))
	s.Must(err)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "git-access"},
		StringData: map[string]string{"ca.crt": host.CA, "accessToken": "a-token-of-the-story"}}))

	named := strings.NewReplacer("NAME", s.Name, "REPOSITORY", host.URLOf("infrastructure"))
	manifest := s.stackFile("app", "none", 3, named.Replace(exampleStack))
	a := s.deploy(background, map[string]string{"access.yaml": named.Replace(exampleAccess), "stack.yaml": manifest})
	s.T.Cleanup(s.revokeExample)
	s.Must(s.Patch(s.Ctx, a.object, `{spec: {syncPolicy: {automated: {prune: true, selfHeal: null}}}}`))
	first := a.repository.Git("rev-parse", "main")
	a.untilDone(first)
	stack, made := s.Stack("app"), s.configMap("made")
	s.stays(stack, 1)
	a.quiet(first)
	s.stays(stack, 1)

	commit, err := host.Commit("infrastructure", "main", project("dark"))
	s.Must(err)
	second := a.commit(map[string]string{"stack.yaml": strings.Replace(manifest, "before-first-update", "second", 1)})
	s.Await(stack, "to have run the new commit", func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.LastSuccessfulCommit == commit
	})
	a.untilDone(second)
	if !s.exists(made) || made.Data["shade"] != "dark" {
		s.T.Errorf("the new commit of the program made %v", made.Data)
	}

	s.Must(s.Client.Delete(s.Ctx, a.object))
	s.AwaitGone(a.object, "to be gone")
	s.AwaitGone(stack, "to be gone")
	if s.exists(made) {
		s.T.Error("the Application is gone, what its Stack made is not")
	}
}

// revokeExample removes what the example grants to the whole cluster.
func (s *story) revokeExample() {
	ctx, cancel := cleanup()
	defer cancel()
	for _, role := range []string{"system:auth-delegator", "cluster-admin"} {
		binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: s.Name + ":" + role}}
		if err := client.IgnoreNotFound(s.Client.Delete(ctx, binding)); err != nil {
			s.T.Error(err)
		}
	}
}
