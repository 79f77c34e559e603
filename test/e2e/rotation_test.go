package e2e

import (
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// Kubelet rotates a pod's token only when most of its lifetime of at least ten minutes is over. So that a
// story need not take that long, the pod gets its credentials, at the usual place, from a Secret: kubelet
// replaces a Secret's files in a running pod in the same way. The first token stops counting when the
// object that it is bound to is deleted, so that only a client that reads the file again goes on.
const (
	// rotating makes one object, waits longer than a client keeps a token in memory, and makes another.
	rotating = `
resources:
  before:
    type: kubernetes:core/v1:ConfigMap
    properties: {metadata: {name: before}, data: {made: "yes"}}
  pause:
    type: testing:index:Sleep
    properties: {seconds: 75, label: pause}
    options: {dependsOn: ["${before}"]}
  after:
    type: kubernetes:core/v1:ConfigMap
    properties: {metadata: {name: after}, data: {made: "yes"}}
    options: {dependsOn: ["${pause}"]}
`
	ownCredentials = `
spec:
  workspaceTemplate:
    spec:
      podTemplate:
        spec:
          volumes:
          - {name: state, persistentVolumeClaim: {claimName: state}}
          - {name: credentials, secret: {secretName: credentials}}
          containers:
          - name: pulumi
            volumeMounts:
            - {name: state, mountPath: /state}
            - {name: credentials, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}
`
)

// boundToken makes a token that counts as long as a Secret of its own is there.
func (s *story) boundToken(anchor string) string {
	s.T.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: anchor}}
	s.Must(s.Client.Create(s.Ctx, secret))
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Secret", Name: anchor, UID: secret.UID},
	}}
	request, err := s.Kube.CoreV1().ServiceAccounts(s.Name).CreateToken(s.Ctx, "default", request, metav1.CreateOptions{})
	s.Must(err)
	return request.Status.Token
}

// counts tells whether the API server accepts a token.
func (s *story) counts(token string) bool {
	s.T.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	review, err := s.Kube.AuthenticationV1().TokenReviews().Create(s.Ctx, review, metav1.CreateOptions{})
	s.Must(err)
	return review.Status.Authenticated
}

func TestRotatedTokenIsPickedUp(t *testing.T) {
	t.Parallel()
	s := begin(t, "rotate")
	s.mayManageConfigMaps()
	root := &corev1.ConfigMap{}
	s.Must(s.Client.Get(s.Ctx, s.Key("kube-root-ca.crt"), root))
	first := s.boundToken("first")
	credentials := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "credentials"},
		StringData: map[string]string{"token": first, "ca.crt": root.Data["ca.crt"], "namespace": s.Name},
	}
	s.Must(s.Client.Create(s.Ctx, credentials))
	s.program("rotating", rotating)
	stack := s.stack("rotate", "rotating", onImage, ownCredentials)
	before := s.configMap("before")
	s.Await(before, "to be made with the first token", func() bool { return true })

	second := s.boundToken("second")
	credentials.StringData = map[string]string{"token": second}
	s.Must(s.Client.Update(s.Ctx, credentials))
	s.untilMounted("rotate", second)
	s.Must(s.Client.Delete(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "first"}}))
	after := s.configMap("after")
	if err := s.Client.Get(s.Ctx, s.Key("after"), after); !apierrors.IsNotFound(err) {
		t.Fatalf("the second object was made before the token was rotated: %v", err)
	}
	after = s.configMap("after")
	s.Await(after, "to be made with the second token", func() bool { return true })
	if s.counts(first) || !s.counts(second) {
		t.Errorf("the first token counts: %t, the second: %t", s.counts(first), s.counts(second))
	}
	s.AwaitReady(stack)
	// The Secret is one that the Stack names, so that the Stack runs once more for it, and only then is Ready.
	again := s.updates("rotate", 2)
	if !slices.ContainsFunc(again, func(u autov1alpha1.Update) bool {
		return *u.Spec.Message == "Configuration changed: Secret credentials"
	}) {
		t.Errorf("the Updates are for %q and %q", *again[0].Spec.Message, *again[1].Spec.Message)
	}
}

// untilMounted makes kubelet look at a pod and waits until its token is the one that is wanted.
func (s *story) untilMounted(workspace, token string) {
	s.T.Helper()
	pod := s.Pod(workspace)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	// Kubelet looks at a pod's volumes when the pod changes, or once a minute or so.
	note := "seen"
	s.Must(s.Annotate(s.Ctx, pod, "story.test/look", &note))
	seen, err := s.Exec(s.Ctx, pod, stage.PulumiContainer, "sh", "-c",
		"i=0; while [ $i -lt 600 ] && ! grep -qF \"$0\" "+tokenPath+"; do i=$((i+1)); sleep 0.1; done; cat "+tokenPath, token[strings.LastIndex(token, ".")+1:])
	s.Must(err)
	if seen != token {
		s.T.Fatal("the pod does not see the second token")
	}
}
