package prometheus

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"
)

const (
	alertsFile    = "../../config/prometheus/alerts.yaml"
	dashboardFile = "../../config/prometheus/dashboard.json"
	metricsPage   = "../../docs/metrics.md"
	runbookPage   = "../../docs/runbook.md"
)

// rule is an alert.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// alerts are those that are shipped.
func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(read(t, alertsFile), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d alerts: the file was not read", len(all))
	}
	return all
}

// panel is one of the dashboard.
type panel struct {
	Type, Title string
	Targets     []struct{ Expr string }
	GridPos     struct{ H, W, X, Y int }
}

// panels are those of the dashboard, but for the headings.
func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(read(t, dashboardFile), &dashboard); err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(dashboard.Panels, func(p panel) bool { return p.Type == "row" })
	if len(all) < 20 {
		t.Fatalf("only %d panels: the file was not read", len(all))
	}
	return all
}

// documented are the metrics of the product's own table, each with its type and labels. A test of internal/metrics keeps
// the table equal to what the manager serves.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram) \\| ([a-z, ]+) \\|")
	all := map[string][]string{}
	for _, match := range row.FindAllStringSubmatch(string(read(t, metricsPage)), -1) {
		labels := strings.Split(match[3], ", ")
		if match[3] == "none" {
			labels = nil
		}
		if match[2] == "histogram" {
			all[match[1]+"_bucket"] = append(slices.Clone(labels), "le")
			continue
		}
		all[match[1]] = labels
	}
	if len(all) < 20 {
		t.Fatalf("only %d metrics are documented: the table was not found", len(all))
	}
	return all
}

// ofLibraries are the metrics of the libraries that are used, with the labels of theirs that are.
func ofLibraries() map[string][]string {
	return map[string][]string{
		"controller_runtime_reconcile_total":        {"controller", "result"},
		"controller_runtime_reconcile_errors_total": {"controller"},
		"controller_runtime_reconcile_panics_total": {"controller"},
		"workqueue_depth":                           {"name", "controller", "priority"},
		"rest_client_requests_total":                {"code", "method", "host"},
		"process_resident_memory_bytes":             nil,
		"process_cpu_seconds_total":                 nil,
	}
}

// used are the metrics that an expression asks for, with the labels that it selects by.
func used(t *testing.T, expression string) map[string][]string {
	t.Helper()
	expression = strings.ReplaceAll(expression, "$__rate_interval", "5m")
	parsed, err := parser.ParseExpr(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	all := map[string][]string{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != "__name__" && matcher.Name != "job" {
				all[selector.Name] = append(all[selector.Name], matcher.Name)
			}
		}
		if _, found := all[selector.Name]; !found {
			all[selector.Name] = nil
		}
		return nil
	})
	return all
}

// expressions are all that is asked of Prometheus, by who asks.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, alert := range alerts(t) {
		all[alert.Alert] = append(all[alert.Alert], alert.Expr)
	}
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			all[panel.Title] = append(all[panel.Title], target.Expr)
		}
	}
	return all
}

func TestOnlyMetricsThatThereAre(t *testing.T) {
	there := documented(t)
	maps.Copy(there, ofLibraries())
	for who, all := range expressions(t) {
		for _, expression := range all {
			for name, labels := range used(t, expression) {
				known, found := there[name]
				if !found {
					t.Errorf("%s asks for %s, which is not served", who, name)
					continue
				}
				for _, label := range labels {
					if !slices.Contains(known, label) {
						t.Errorf("%s selects %s by %s, which it does not have", who, name, label)
					}
				}
			}
		}
	}
}

func TestEveryMetricIsUsedOrSaidNotToBe(t *testing.T) {
	page := string(read(t, metricsPage))
	asked := map[string]bool{}
	for _, all := range expressions(t) {
		for _, expression := range all {
			for name := range used(t, expression) {
				asked[name] = true
			}
		}
	}
	for name := range documented(t) {
		reading := strings.Contains(page, "`"+strings.TrimSuffix(name, "_bucket")+"` is for reading only")
		if asked[name] == reading {
			t.Errorf("%s: used %v, said to be for reading only %v; want one of them", name, asked[name], reading)
		}
	}
	for name := range ofLibraries() {
		if !asked[name] || !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s: used %v; want it used, and named in docs/metrics.md", name, asked[name])
		}
	}
}

func TestEveryAlertHasALineInTheRunbook(t *testing.T) {
	_, section, found := strings.Cut(string(read(t, runbookPage)), "\n## Alerts\n")
	if !found {
		t.Fatal("the runbook has no section Alerts")
	}
	lines := regexp.MustCompile(`(?m)^\| (Gantry\w+) \| (\w+) \|`).FindAllStringSubmatch(section, -1)
	documented := map[string]string{}
	for _, line := range lines {
		documented[line[1]] = line[2]
	}
	for _, alert := range alerts(t) {
		severity := alert.Labels["severity"]
		if !slices.Contains([]string{"info", "warning", "critical"}, severity) || documented[alert.Alert] != severity {
			t.Errorf("%s has the severity %q, and %q in the runbook", alert.Alert, severity, documented[alert.Alert])
		}
		delete(documented, alert.Alert)
		if !strings.HasSuffix(alert.Annotations["runbook_url"], "/docs/runbook.md#alerts") {
			t.Errorf("%s has the runbook %q", alert.Alert, alert.Annotations["runbook_url"])
		}
		for _, annotation := range []string{"summary", "description"} {
			if alert.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", alert.Alert, annotation)
			}
		}
	}
	for name := range documented {
		t.Errorf("the runbook has a line of %s, which is no alert", name)
	}
}

// promtool runs Debian's.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "promtool", args...)
	command.Dir = "../../config/prometheus"
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", "alerts.yaml")
	promtool(t, "test", "rules", "alerts_test.yaml")
}

// Each alert is seen to fire by a test of promtool; that none fires where all is well is the first of them.
func TestEveryAlertIsTested(t *testing.T) {
	text := string(read(t, "../../config/prometheus/alerts_test.yaml"))
	for _, alert := range alerts(t) {
		if !strings.Contains(text, `'ALERTS{alertname="`+alert.Alert+`", alertstate="firing"`) {
			t.Errorf("no test sees %s fire", alert.Alert)
		}
	}
}

// Panels lie beside each other and within the width that Grafana has.
func TestPanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range panels(t) {
		if p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("%s ends at column %d and asks %d things", p.Title, p.GridPos.X+p.GridPos.W, len(p.Targets))
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
