package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/loopback"
)

// TestPrometheus has a real Prometheus collect from the manager as docs/metrics.md says: over TLS, with a token that is
// bound to its ServiceAccount, which has the shipped role. The shipped alert for a Stack that fails fires, but for its
// patience, and is over when the Stack is mended.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	s := begin(t, "seen")
	prometheus := s.prometheus()
	s.program("disk", broken)
	stack := s.stack("failing", "disk", onImage)
	s.Await(stack, "to have a failed update on record", func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
	})
	firing := fmt.Sprintf(`ALERTS{alertname="GantryStackFailing", alertstate="firing", namespace=%q, name="failing", severity="warning"}`, s.Name)
	prometheus.until(firing, 1)
	prometheus.until(`up{job="gantry"}`, 1)
	prometheus.until(`ALERTS{alertname="GantryNoManagerLeads"}`, 0)
	prometheus.until(`ALERTS{alertname="GantryCertificateExpires"}`, 0)

	t.Log("the alert is over when the Stack is mended")
	s.program("disk", mended)
	s.AwaitReady(stack)
	prometheus.until(firing, 0)
	prometheus.until(fmt.Sprintf(`time() - gantry_stack_last_success_timestamp_seconds{namespace=%q, name="failing"} < 600`, s.Name), 1)

	t.Log("what the alerts and the dashboard ask for is served")
	served := prometheus.names()
	for _, name := range asked(t) {
		if !slices.Contains(served, name) {
			t.Errorf("the manager does not serve %s", name)
		}
	}
}

// asked are the metrics that the alerts and the dashboard ask for, but for those that are told only while, or after,
// something happened that need not have happened here.
func asked(t *testing.T) []string {
	t.Helper()
	name := regexp.MustCompile(`\b(gantry|stacks|programs|controller_runtime|workqueue|rest_client|process)_[a-z_]+[a-z]\b`)
	var all []string
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("../../config/prometheus", file))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name.FindAllString(string(text), -1)...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) < 20 {
		t.Fatalf("the alerts and the dashboard ask for %d metrics only: %v", len(all), all)
	}
	happening := []string{"gantry_git_requests_total", "gantry_webhook_requests_total"}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(happening, name) || strings.Contains(name, "_oldest_") })
}

// prometheus is one that runs on this machine.
type prometheus struct {
	s       *story
	address string
}

// prometheus starts one, which ends with the story.
func (s *story) prometheus() *prometheus {
	s.T.Helper()
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	forwarded, err := s.Forward(s.Ctx, leader, 8443)
	s.Must(err)
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, client.ObjectKey{Namespace: s.Manager.Namespace, Name: "gantry-hub-tls"}, secret))
	rules, err := os.ReadFile("../../config/prometheus/alerts.yaml")
	s.Must(err)

	folder, address := s.T.TempDir(), loopback.FreeAddress(s.T)
	for name, text := range map[string]string{
		"token": s.metricsToken(), "ca.crt": string(secret.Data["ca.crt"]),
		"alerts.yaml": regexp.MustCompile(`(?m)^    for: .*$`).ReplaceAllString(string(rules), "    for: 1s"),
		"prometheus.yaml": fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml]
scrape_configs:
- job_name: gantry
  scheme: https
  authorization: {credentials_file: token}
  tls_config: {ca_file: ca.crt, server_name: gantry-hub.%s.svc}
  static_configs: [{targets: [%q]}]
`, s.Manager.Namespace, forwarded[0]),
	} {
		s.Must(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	command := exec.CommandContext(s.Ctx, "prometheus", "--config.file="+filepath.Join(folder, "prometheus.yaml"), //nolint:gosec // Debian's
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address, "--log.level=warn")
	command.Stdout, command.Stderr = s.T.Output(), s.T.Output()
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	s.Must(command.Start())
	s.T.Cleanup(func() {
		var exited *exec.ExitError
		if err := command.Wait(); err != nil && !errors.As(err, &exited) && !errors.Is(err, context.Canceled) {
			s.T.Errorf("Prometheus ended: %v", err)
		}
	})
	return &prometheus{s, address}
}

// metricsToken is a token of a ServiceAccount that may read metrics, by the role that is shipped for that.
func (s *story) metricsToken() string {
	s.T.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.Name + "-metrics"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "gantry-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.Name, Name: "prometheus"}},
	}
	s.Must(s.Client.Create(s.Ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "prometheus"}}))
	s.Must(s.Client.Create(s.Ctx, binding))
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		if err := s.Client.Delete(ctx, binding); err != nil {
			s.T.Errorf("cleaning up: %v", err)
		}
	})
	token, err := s.Kube.CoreV1().ServiceAccounts(s.Name).CreateToken(s.Ctx, "prometheus", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	s.Must(err)
	return token.Status.Token
}

// until waits until a query has as many series as wanted.
func (p *prometheus) until(query string, want int) {
	p.s.T.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) { // scrapes are no events
		var answer struct {
			Data struct {
				Result []json.RawMessage `json:"result"`
			} `json:"data"`
		}
		err := p.get("/api/v1/query?query="+url.QueryEscape(query), &answer)
		if err == nil && len(answer.Data.Result) == want {
			return
		}
		got = fmt.Sprintf("%d series: %s, error %v", len(answer.Data.Result), answer.Data.Result, err)
	}
	p.s.T.Fatalf("%s has %s; want %d", query, got, want)
}

// names are those of all metrics that were collected.
func (p *prometheus) names() []string {
	p.s.T.Helper()
	var answer struct {
		Data []string `json:"data"`
	}
	p.s.Must(p.get("/api/v1/label/__name__/values", &answer))
	return answer.Data
}

func (p *prometheus) get(path string, answer any) error {
	request, err := http.NewRequestWithContext(p.s.Ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
