package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	hubCertificate = "gantry-hub-tls"
	sessionPort    = 9443
	artifactPort   = 9444
)

// door is the manager's two listeners, as seen from this machine.
type door struct {
	session, artifacts string
	tls                *tls.Config
}

// door opens the way to the leading manager's listeners.
func (s *story) door() door {
	s.T.Helper()
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	addresses, err := s.Forward(s.Ctx, leader, sessionPort, artifactPort)
	s.Must(err)
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, client.ObjectKey{Namespace: s.Manager.Namespace, Name: hubCertificate}, secret))
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		s.T.Fatalf("Secret %s has no certificate under ca.crt", hubCertificate)
	}
	return door{session: addresses[0], artifacts: addresses[1], tls: &tls.Config{
		RootCAs: pool, ServerName: s.HubService().Name + "." + s.Manager.Namespace + ".svc", MinVersion: tls.VersionTLS12,
	}}
}

// token asks for a token of the default ServiceAccount, bound to a pod if there is one.
func (s *story) token(audience string, pod *corev1.Pod) string {
	s.T.Helper()
	request := &authenticationv1.TokenRequest{}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	request, err := s.Kube.CoreV1().ServiceAccounts(s.Name).CreateToken(s.Ctx, "default", request, metav1.CreateOptions{})
	s.Must(err)
	return request.Status.Token
}

// enter opens a session as an agent does, and returns the code with which it is refused, or OK.
func (d door) enter(ctx context.Context, token string) (codes.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	connection, err := grpc.NewClient(d.session, grpc.WithTransportCredentials(credentials.NewTLS(d.tls)))
	if err != nil {
		return codes.Unknown, err
	}
	defer connection.Close()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	session, err := operation.NewHubClient(connection).Session(ctx)
	if err != nil {
		return status.Code(err), nil
	}
	// A refusal shows when something is read; until then writing may work.
	_ = session.Send(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: &operation.Hello{
		Protocol: operation.Protocol, AgentVersion: "story", PulumiVersion: "3.258.0",
	}}})
	message, err := session.Recv()
	if err != nil {
		return status.Code(err), nil
	}
	if message.GetWelcome() == nil {
		return codes.Unknown, fmt.Errorf("the hub's first word is not Welcome: %v", message)
	}
	return codes.OK, nil
}

// fetch asks for an artifact and returns the HTTP status.
func (d door) fetch(ctx context.Context, digest, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+d.artifacts+"/artifacts/"+digest, http.NoBody)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: d.tls}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// handMade is a pod that somebody made to look like the one of a Workspace.
func (s *story) handMade(name string, owner *autov1alpha1.Workspace) *corev1.Pod {
	s.T.Helper()
	yes, no, user := true, false, int64(65532)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name, Labels: map[string]string{
			autov1alpha1.LabelComponent: "workspace", autov1alpha1.LabelWorkspaceName: "real",
		}},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "pulumi", Image: image, Command: []string{"sleep", "3600"},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
	if owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, autov1alpha1.GroupVersion.WithKind("Workspace"))}
	}
	s.Must(s.Client.Create(s.Ctx, pod))
	return pod
}

func TestStrangersGetNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "strangers")
	s.program("greeting", greeting)
	s.program("other", strings.ReplaceAll(greeting, "hello", "good day"))
	s.AwaitReady(s.stack("real", "greeting"))
	s.AwaitReady(s.stack("other", "other"))
	own, other, workspace, otherWorkspace := s.Pod("real"), s.Pod("other"), s.Workspace("real"), s.Workspace("other")
	for _, object := range []client.Object{own, other, workspace, otherWorkspace} {
		s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(object), object))
	}
	if workspace.Spec.Flux == nil || otherWorkspace.Spec.Flux == nil || workspace.Spec.Flux.Digest == otherWorkspace.Spec.Flux.Digest {
		t.Fatalf("the two Workspaces have the sources %+v and %+v", workspace.Spec.Flux, otherWorkspace.Spec.Flux)
	}
	digest := workspace.Spec.Flux.Digest
	door := s.door()
	outsider := s.token(autov1alpha1.TokenAudience, other)

	cases := map[string]struct {
		token    string
		mayEnter bool
	}{
		"NoToken":            {token: ""},
		"Nonsense":           {token: "nonsense"},
		"APIServersAudience": {token: s.token("", own)},
		"BoundToNoPod":       {token: s.token(autov1alpha1.TokenAudience, nil)},
		"LabelledByHand":     {token: s.token(autov1alpha1.TokenAudience, s.handMade("labelled", nil))},
		"OwnedByHand":        {token: s.token(autov1alpha1.TokenAudience, s.handMade("owned", workspace))},
		"AnotherWorkspaces":  {token: outsider, mayEnter: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, door, digest, c.token, c.mayEnter)
		})
	}
	t.Run("TheRightPodGetsBoth", func(t *testing.T) {
		token := s.token(autov1alpha1.TokenAudience, own)
		if got, err := door.fetch(t.Context(), digest, token); err != nil || got != http.StatusOK {
			t.Errorf("the artifact: status %d, %v", got, err)
		}
		if code, err := door.enter(t.Context(), token); err != nil || code != codes.OK {
			t.Errorf("the session: %s, %v", code, err)
		}
	})
	t.Run("WithoutTheManagersCertificate", func(t *testing.T) {
		stranger := door
		stranger.tls = &tls.Config{ServerName: door.tls.ServerName, MinVersion: tls.VersionTLS12}
		var unknown x509.UnknownAuthorityError
		if _, err := stranger.fetch(t.Context(), digest, outsider); !errors.As(err, &unknown) {
			t.Errorf("a client that trusts others only: %v", err)
		}
	})
}

func checkRefused(t *testing.T, d door, digest, token string, mayEnter bool) {
	t.Helper()
	got, err := d.fetch(t.Context(), digest, token)
	if err != nil {
		t.Fatal(err)
	}
	if got != http.StatusUnauthorized && got != http.StatusForbidden && got != http.StatusNotFound {
		t.Errorf("the artifact: status %d", got)
	}
	if mayEnter {
		return
	}
	code, err := d.enter(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if code != codes.Unauthenticated && code != codes.PermissionDenied {
		t.Errorf("the session: %s", code)
	}
}

// TestAnImpostorPodIsRefused runs the agent itself, with all that the real pod has, in a pod that no
// Workspace controls.
func TestAnImpostorPodIsRefused(t *testing.T) {
	t.Parallel()
	s := begin(t, "impostor")
	s.program("greeting", greeting)
	stack := s.stack("real", "greeting")
	s.AwaitReady(stack)
	own := s.Pod("real")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(own), own))

	impostor := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "impostor", Labels: own.Labels, Annotations: own.Annotations}}
	impostor.Spec = *own.Spec.DeepCopy()
	impostor.Spec.NodeName = ""
	s.Must(s.Client.Create(s.Ctx, impostor))
	s.Await(impostor, "to run", func() bool { return running(impostor) })
	log := s.untilLogged(impostor, func(log string) bool {
		return strings.Contains(log, "PermissionDenied") || strings.Contains(log, "Unauthenticated")
	})
	s.request(stack, "go")
	update := s.updates("real", 2)
	for _, u := range update {
		if u.Status.PodUID != string(own.UID) {
			t.Errorf("Update %s was given to pod %s, not to %s", u.Name, u.Status.PodUID, own.UID)
		}
	}
	if strings.Contains(log, "running pulumi up") {
		t.Errorf("the impostor ran something:\n%s", log)
	}
}

// untilLogged follows a pod's log until it has what is wanted.
func (s *story) untilLogged(pod *corev1.Pod, wanted func(string) bool) string {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.Ctx, patience)
	defer cancel()
	log, err := s.Follow(ctx, pod, stage.PulumiContainer, wanted)
	s.Must(err)
	return log
}
