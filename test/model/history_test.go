package model

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) } //nolint:gosec // it chooses, and keeps no secret

// play lets a history happen and answers what went wrong in it, and which rule that breaks; or "".
func play(t *testing.T, log logr.Logger, history []incident) (wrong, rule string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(log)
		defer w.close()
		_ = w.store.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Finalizers: []string{"kubernetes"}}})
		w.rotate(incident{"rotate", 0, ""})
		for i := range stackNames() {
			w.createStack(incident{"create", i, ""}.stack())
		}
		w.rest()
		for i := 0; i < len(history) && w.wrong == ""; i++ {
			e := history[i]
			w.log.Info("INCIDENT", "number", i+1, "what", e.String())
			w.play(e)
			w.check()
			if w.wrong != "" {
				w.wrong = fmt.Sprintf("after event %d (%s): %s", i+1, e, w.wrong)
			}
		}
		if w.wrong == "" {
			w.log.Info("FINALE")
			w.finale()
		}
		wrong, rule = w.wrong, w.rule
	})
	return wrong, rule
}

// play lets one incident happen, now or, if the one before said so, in the middle of what comes.
func (w *world) play(e incident) {
	switch {
	case e.kind == "meanwhile":
		w.nextAt = 1 + e.n%7
		return
	case e.puttable() && w.nextAt > 0 && w.next == nil:
		w.next = &e
		return
	case e.kind == "pass":
		w.pass(times()[e.n%len(times())])
	case e.kind == "restart":
		w.restart()
	default:
		w.happen(e)
	}
	w.rest()
}

// random makes a history up.
func random(seed, number uint64, length int) []incident {
	r := rand.New(rand.NewPCG(seed, number)) //nolint:gosec // it chooses, and keeps no secret
	var kinds []string
	all := weights()
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		kinds = append(kinds, slices.Repeat([]string{kind}, all[kind])...)
	}
	history := []incident{{"order", r.IntN(1000), ""}}
	for range length {
		history = append(history, incident{kinds[r.IntN(len(kinds))], r.IntN(120), ""})
	}
	return history
}

// shrink leaves out of a history what it fails without, and makes its numbers small.
func shrink(history []incident, fails func([]incident) bool) []incident {
	for again := true; again; {
		again = false
		for size := max(len(history)/2, 1); size > 0; size /= 2 {
			for i := 0; i+size <= len(history); {
				if less := slices.Delete(slices.Clone(history), i, i+size); fails(less) {
					history, again = less, true
					continue
				}
				i += size
			}
		}
	}
	for i := range history {
		for _, n := range []int{0, 1, history[i].n % 6, history[i].n / 2} {
			simpler := slices.Clone(history)
			if simpler[i].n = n; n < history[i].n && fails(simpler) {
				history = simpler
				break
			}
		}
	}
	return history
}

func text(history []incident) string {
	var lines []string
	for _, e := range history {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n")
}

// enough is for how long histories are made up, unless GANTRY_MODEL_TIME says otherwise.
const enough = 15 * time.Second

// TestHistories plays histories that nobody thought of, for as long as GANTRY_MODEL_TIME says. One that fails is shrunk, and is to
// be kept in testdata.
func TestHistories(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("GANTRY_MODEL_TIME"))
	if err != nil {
		long = enough
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	const least, length = 20, 50
	seed, begun := uint64(time.Now().UnixNano()), time.Now()
	number := uint64(0)
	for ; number < least || time.Since(begun) < long; number++ {
		history := random(seed, number, length)
		if wrong, rule := play(t, logr.Discard(), history); wrong != "" {
			shorter := wrong
			short := shrink(history, func(h []incident) bool {
				now, broken := play(t, logr.Discard(), h)
				if broken == rule {
					shorter = now
				}
				return broken == rule
			})
			t.Fatalf("seed %d, history %d: %s\nshrunk: %s\n%s", seed, number, wrong, shorter, text(short))
		}
	}
	t.Logf("%d histories of %d events in %s", number, length, time.Since(begun).Round(time.Millisecond))
}

// TestKeptHistories plays those that failed once.
func TestKeptHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			if wrong, _ := play(t, logOf(t), read(t, file)); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// logOf logs what happens, if it is asked for.
func logOf(t *testing.T) logr.Logger {
	t.Helper()
	if os.Getenv("GANTRY_MODEL_LOG") == "" {
		return logr.Discard()
	}
	return funcr.New(func(_, args string) {
		if strings.Contains(args, "INCIDENT") || strings.Contains(args, "CHANGE") || strings.Contains(args, "FINALE") || !strings.Contains(args, `"level"=0`) {
			fmt.Println(time.Now().Format("02 15:04:05.000"), strings.TrimPrefix(args, `"level"=0 "msg"=`))
		}
	}, funcr.Options{})
}

func read(t *testing.T, file string) []incident {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var history []incident
	for line := range strings.Lines(string(data)) {
		var e incident
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%s %d", &e.kind, &e.n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		history = append(history, e)
	}
	return history
}
