package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMedian(t *testing.T) {
	cases := map[string]struct {
		values []float64
		want   float64
	}{
		"None": {nil, 0},
		"Odd":  {[]float64{3, 1, 2}, 2},
		"Even": {[]float64{4, 1, 2, 3}, 2.5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := median(c.values); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func sample() raw {
	return raw{
		PodStart: []float64{1}, BareInit: []float64{0.5}, BareFirstUp: []float64{0.5}, BareUp: []float64{0.5},
		Cold: []float64{3}, Warm: []float64{1}, Fleet: 20, ManagerMB: 70, IdleAgentsMB: 0,
		ColdProcesses: []float64{2, 3}, WarmProcesses: []float64{1, 1},
		ColdGit: []float64{9.1, 3.1, 4.3}, BesideGit: []float64{3, 3, 4.2}, ListsPerInterval: 10, Fetches: []float64{2, 1},
	}
}

func many() options { return options{fleet: 20, followers: 500, repositories: 10} }

func TestFiguresAreRatiosToTheFloor(t *testing.T) {
	got := map[string]float64{}
	for _, figure := range sample().figures(many()) {
		got[figure.key] = figure.value
	}
	want := map[string]float64{
		"cold_ratio": 1.5, "warm_ratio": 2, "fleet_ratio": 2, "cli_cold": 3, "cli_warm": 1, "idle_agent_mb": 0, "manager_mb": 70,
		"git_cold_ratio": 0.2, "polls_per_interval": 10,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

func TestWhatIsOverItsTargetIsNamed(t *testing.T) {
	figures := sample().figures(many())
	if diff := cmp.Diff([]string{"warm_ratio"}, figures.missed()); diff != "" {
		t.Errorf("missed (-want +got):\n%s", diff)
	}
	if table := figures.table(sample()); strings.Count(table, "over\n") != 1 || strings.Count(table, "OK\n") != 8 {
		t.Errorf("the table does not tell what is over:\n%s", table)
	}
}

func TestWhatWasNotMeasuredIsNoFigure(t *testing.T) {
	figures := raw{ListsPerInterval: 10, Fetches: []float64{1}}.figures(many())
	if len(figures) != 1 || figures[0].key != "polls_per_interval" || len(figures.missed()) > 0 {
		t.Errorf("figures: %v", figures)
	}
}

func TestTheRecordHasTheKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := sample().figures(many()).write(path, sample()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := map[string]any{}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"cold_ratio", "warm_ratio", "fleet_ratio", "cli_cold", "cli_warm", "idle_agent_mb", "manager_mb", "git_cold_ratio", "polls_per_interval", "raw"} {
		if _, found := record[key]; !found {
			t.Errorf("no %s in the record", key)
		}
	}
}
