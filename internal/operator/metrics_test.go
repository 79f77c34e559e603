package operator

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// metricsURL is where docs/metrics.md has Prometheus look.
const metricsURL = "https://gantry-hub.gantry-system.svc:8443/metrics"

// Without metrics of each Stack, a fleet of any size has the same series.
func TestMetricsOfAllStacksTogether(t *testing.T) {
	stacks := make([]pulumiv1.Stack, 1000)
	for i := range stacks {
		stacks[i].Namespace, stacks[i].Name = "team", fmt.Sprint(i)
	}
	read := func(list client.ObjectList) error {
		if all, ok := list.(*pulumiv1.StackList); ok {
			all.Items = stacks
		}
		return nil
	}
	for perStack, most := range map[bool]int{false: 60, true: 1 << 20} {
		m := &objectMetrics{store: &artifact.Store{}, git: &git.Tracker{}, perStack: perStack}
		series := 0
		for _, collector := range m.collectors(read) {
			series += testutil.CollectAndCount(collector)
		}
		if named := series > 4000; named != perStack || series > most {
			t.Errorf("per Stack %v: %d series of 1000 Stacks", perStack, series)
		}
	}
}

// metrics waits until a manager tells all that is wanted. What an agent's coming and going changes is told a moment later.
func (a *caller) metrics(r *replica, token string, want ...string) {
	a.t.Helper()
	for _, one := range want {
		eventually(a.t, "metrics of "+r.name+" have "+one, func() bool {
			code, page := a.get(r.metrics, metricsURL, token)
			return code == http.StatusOK && strings.Contains(page, "\n"+one)
		})
	}
}

// metricsReader is the token of who may read metrics, by the role that is shipped for that.
func (c *cluster) metricsReader() string {
	c.t.Helper()
	c.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "monitoring", Name: "default"}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "monitoring"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "gantry-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "monitoring", Name: "default"}},
		},
	)
	return c.token("monitoring", "", nil)
}

// refusesMetrics checks who may not read metrics: nobody without a token, with one for another purpose, or without the role.
func (c *cluster) refusesMetrics(a *caller, r *replica, agentToken string) {
	c.t.Helper()
	for token, want := range map[string]int{
		"": http.StatusUnauthorized, agentToken: http.StatusUnauthorized, c.token("team", "", nil): http.StatusForbidden,
	} {
		if code, page := a.get(r.metrics, metricsURL, token); code != want || strings.Contains(page, "stacks_active") {
			c.t.Errorf("metrics are answered with %d, want %d", code, want)
		}
	}
}
