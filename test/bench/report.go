package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// raw is what was measured. Times are in seconds.
type raw struct {
	PodStart    []float64 `json:"pod_start"`
	BareInit    []float64 `json:"bare_init"`
	BareFirstUp []float64 `json:"bare_first_up"`
	BareUp      []float64 `json:"bare_up"`
	Cold        []float64 `json:"cold"`
	Warm        []float64 `json:"warm"`
	Fleet       float64   `json:"fleet"`
	// ColdProcesses and WarmProcesses are how many the agent's log has for each run.
	ColdProcesses []float64 `json:"cold_processes"`
	WarmProcesses []float64 `json:"warm_processes"`
	// ColdCommands and WarmCommands are those of one run in which another count was taken, too.
	ColdCommands []string `json:"cold_commands"`
	WarmCommands []string `json:"warm_commands"`
	ManagerMB    float64  `json:"manager_mb"`
	BusyAgentsMB float64  `json:"agent_mb_before_idle"`
	IdleAgentsMB float64  `json:"agent_mb_after_idle"`
	// ColdGit are cold runs of a repository, BesideGit those of a Program each next to one of them.
	ColdGit   []float64 `json:"cold_git"`
	BesideGit []float64 `json:"cold_beside_git"`
	// ListsPerInterval is how often the git host was asked for refs in a poll interval, Fetches how many requests for
	// objects each repository cost, and FollowingMB the memory of the manager meanwhile.
	ListsPerInterval float64   `json:"lists_per_interval"`
	Fetches          []float64 `json:"fetches"`
	FollowingMB      float64   `json:"manager_mb_following"`
}

// figure is one line of the table.
type figure struct {
	key, what     string
	value, target float64
	measured      bool
}

// figures are what the targets are about.
type figures []figure

// figures works out those that were measured.
func (r raw) figures(o options) figures {
	bareCold := median(r.PodStart) + median(r.BareInit) + median(r.BareFirstUp)
	bareUp := median(r.BareUp)
	rounds, processes, fleet, git := len(r.BareUp) > 0, len(r.ColdProcesses) > 0, r.ManagerMB > 0, len(r.Fetches) > 0
	all := figures{
		{"cold_ratio", "cold: apply to Ready ÷ (bare pod start + bare stack init + bare up)", median(r.Cold) / bareCold, 1.8, rounds},
		{"git_cold_ratio", "cold from git beyond cold from a Program ÷ bare up", median(r.beyond()) / bareUp, 0.3, rounds && len(r.ColdGit) > 0},
		{"warm_ratio", "warm: annotation to recorded success ÷ bare up", median(r.Warm) / bareUp, 1.6, rounds},
		{"fleet_ratio", "fleet: all applied at once to all Ready ÷ (number × bare up)", r.Fleet / (float64(o.fleet) * bareUp), 3.5, fleet && rounds},
		{"cli_cold", "pulumi processes of a cold up", most(r.ColdProcesses), 4, processes},
		{"cli_warm", "pulumi processes of a warm up", most(r.WarmProcesses), 1, processes},
		{"idle_agent_mb", "memory of a stack's pod after the idle time, MB", r.IdleAgentsMB, 0, fleet},
		{"manager_mb", "memory of the manager with the fleet, MB", r.ManagerMB, 80, fleet},
		{"polls_per_interval", fmt.Sprintf("ls-remote per interval for %d stacks", o.followers), r.ListsPerInterval, float64(o.repositories), git},
	}
	return slices.DeleteFunc(all, func(f figure) bool { return !f.measured })
}

// beyond is what a cold run from git took longer than the one from a Program next to it, pair by pair: what else the
// machine did weighs on both of a pair, and differs from pair to pair by more than what is measured.
func (r raw) beyond() []float64 {
	var more []float64
	for i := range r.ColdGit {
		more = append(more, r.ColdGit[i]-r.BesideGit[i])
	}
	return more
}

// missed lists the figures over their target.
func (f figures) missed() []string {
	var over []string
	for _, figure := range f {
		if !figure.reached() {
			over = append(over, figure.key)
		}
	}
	return over
}

func (f figure) reached() bool { return f.value <= f.target }

// table shows the figures and what they are made of.
func (f figures) table(r raw) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%-72s %8s %8s\n", "figure", "measured", "target")
	for _, figure := range f {
		verdict := "OK"
		if !figure.reached() {
			verdict = "over"
		}
		fmt.Fprintf(&text, "%-72s %8.2f %8.2f  %s\n", figure.what, figure.value, figure.target, verdict)
	}
	fmt.Fprintf(&text, "\nmedians in seconds: bare pod start %.2f, bare stack init %.2f, bare first up %.2f, bare up %.2f; cold %.2f of %d, warm %.2f of %d, fleet %.1f\n",
		median(r.PodStart), median(r.BareInit), median(r.BareFirstUp), median(r.BareUp),
		median(r.Cold), len(r.Cold), median(r.Warm), len(r.Warm), r.Fleet)
	fmt.Fprintf(&text, "pulumi processes of the run in which a second count agreed with the agent's log: cold %q, warm %q\n", r.ColdCommands, r.WarmCommands)
	fmt.Fprintf(&text, "memory of a stack's pod before the idle time was over: %.0f MB\n", r.BusyAgentsMB)
	fmt.Fprintf(&text, "from git: cold %.2f of %d, from a Program beside it %.2f, one by one %s more; of the repositories that many stacks follow each cost at most %.0f requests for objects, and the manager had %.0f MB\n",
		median(r.ColdGit), len(r.ColdGit), median(r.BesideGit), seconds(r.beyond()), most(r.Fetches), r.FollowingMB)
	return text.String()
}

// seconds writes times one after the other.
func seconds(times []float64) string {
	var texts []string
	for _, t := range times {
		texts = append(texts, fmt.Sprintf("%.2f", t))
	}
	return strings.Join(texts, ", ")
}

// write records the figures and what they are made of.
func (f figures) write(path string, r raw) error {
	record := map[string]any{"raw": r}
	for _, figure := range f {
		record[figure.key] = figure.value
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("recording the figures: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("recording the figures: %w", err)
	}
	return nil
}

// median of an odd number of values is the middle one, of an even number the mean of the two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// most is the largest value.
func most(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}

func last(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}
