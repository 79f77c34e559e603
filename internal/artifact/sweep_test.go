package artifact

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gantry-operator/gantry/internal/artifact/pack"
)

// naming is a Live of these digests.
func naming(digests ...string) Live {
	return func(context.Context) (map[string]bool, error) {
		live := map[string]bool{}
		for _, digest := range digests {
			live[digest] = true
		}
		return live, nil
	}
}

// aged is a store with a clock of its own.
func aged(t *testing.T, options ...Option) (*Store, *clocktesting.FakeClock) {
	t.Helper()
	now := clocktesting.NewFakeClock(time.Now())
	s, err := NewStore(filepath.Join(t.TempDir(), "store"), append(options, WithClock(now))...)
	if err != nil {
		t.Fatal(err)
	}
	return s, now
}

// there tells which archives are in the store, and does not use them.
func there(t *testing.T, s *Store, digests map[string]string) string {
	t.Helper()
	var names []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		sum, err := parse(digests[name])
		if err != nil {
			continue
		}
		if _, err := os.Lstat(s.path(sum)); err == nil {
			names = append(names, name)
		}
	}
	return strings.Join(names, "")
}

func TestSweep(t *testing.T) {
	// Each archive has 10 bytes and is used an hour after the one before it.
	cases := map[string]struct {
		reason string
		bound  int64
		live   string
		later  time.Duration
		want   string
		over   bool
	}{
		"Fresh":       {"whoever stored it may be about to name it", 1, "", 0, "de", true},
		"Enough":      {"there is space for all", 50, "", time.Hour, "abcde", false},
		"LeastRecent": {"those that were used last stay", 30, "", time.Hour, "cde", false},
		"Named":       {"what is named stays, however old", 20, "a", time.Hour, "ae", false},
		"AllNamed":    {"even if it is too much", 20, "abcde", 100 * time.Hour, "abcde", true},
		"Yesterday":   {"nobody comes back to it any more", 50, "b", 22 * time.Hour, "bcde", false},
		"LongAgo":     {"nor to the others", 50, "", 100 * time.Hour, "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			digests := map[string]string{}
			s, now := aged(t, WithBound(tc.bound), WithLive(func(context.Context) (map[string]bool, error) {
				live := map[string]bool{}
				for _, name := range strings.Split(tc.live, "") {
					live[digests[name]] = true
				}
				return live, nil
			}))
			for i, name := range []string{"e", "d", "c", "b", "a"} {
				if i > 0 {
					digests[name] = put(t, s, strings.Repeat(name, 10))
				}
			}
			digests["e"] = put(t, s, strings.Repeat("e", 10))
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				if name != "a" {
					now.Step(50 * time.Minute)
				}
				if !s.Has(digests[name]) {
					t.Fatalf("no %s", name)
				}
			}
			now.Step(tc.later)
			swept, err := s.Sweep(t.Context())
			if err != nil || swept.Over != tc.over {
				t.Errorf("swept %+v, error %v", swept, err)
			}
			if got := there(t, s, digests); got != tc.want {
				t.Errorf("%s: left %q, want %q", tc.reason, got, tc.want)
			}
			if want := (Swept{Evicted: 5 - len(tc.want), Left: len(tc.want), Bytes: int64(10 * len(tc.want)), Over: tc.over}); swept != want {
				t.Errorf("swept %+v, want %+v", swept, want)
			}
		})
	}
}

// Each way of using an archive keeps it from being evicted before its user has named it.
func TestUseKeepsAnArchive(t *testing.T) {
	uses := map[string]func(context.Context, *Store, string){
		"Put":    func(ctx context.Context, s *Store, _ string) { _, _ = s.Put(ctx, []byte("hello")) },
		"Has":    func(_ context.Context, s *Store, digest string) { s.Has(digest) },
		"Open":   func(_ context.Context, s *Store, digest string) { _, _ = read(s, digest) },
		"Nobody": func(context.Context, *Store, string) {},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			s, now := aged(t, WithBound(1), WithLive(naming()))
			digest := put(t, s, "hello")
			now.Step(25 * time.Hour)
			use(t.Context(), s, digest)
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := s.Has(digest), name != "Nobody"; got != want {
				t.Errorf("still there: %v, want %v", got, want)
			}
		})
	}
}

// What is used between being listed and being evicted stays.
func TestUseDuringASweep(t *testing.T) {
	var s *Store
	var now *clocktesting.FakeClock
	s, now = aged(t, WithBound(1), WithLive(func(context.Context) (map[string]bool, error) {
		return nil, map[bool]error{false: errors.New("it is gone")}[s.Has(digestOfHello)]
	}))
	put(t, s, "hello")
	now.Step(25 * time.Hour)
	if swept, err := s.Sweep(t.Context()); err != nil || swept.Evicted != 0 || !s.Has(digestOfHello) {
		t.Errorf("swept %+v, error %v", swept, err)
	}
}

func TestAbandonedWrites(t *testing.T) {
	s, now := aged(t, WithLive(naming()))
	half := filepath.Join(s.dir, temporary+"123")
	if err := os.WriteFile(half, []byte("hel"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Another process may be writing it.
	if _, err := NewStore(s.dir, WithClock(now)); err != nil || len(files(t, s)) != 1 {
		t.Errorf("error %v, files %v", err, files(t, s))
	}
	now.Step(abandoned + time.Second)
	if _, err := NewStore(s.dir, WithClock(now)); err != nil || len(files(t, s)) != 0 {
		t.Errorf("error %v, files %v", err, files(t, s))
	}
}

func TestLostDirectory(t *testing.T) {
	losses := map[string]func(dir string) error{
		"Directory": os.RemoveAll,
		"Content": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
		},
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			s, _ := aged(t, WithLive(naming()))
			put(t, s, "hello")
			open, err := s.Open(digestOfHello)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			if err := lose(s.dir); err != nil {
				t.Fatal(err)
			}
			if swept, err := s.Sweep(t.Context()); err != nil || swept != (Swept{}) {
				t.Errorf("swept %+v, error %v", swept, err)
			}
			if s.Has(digestOfHello) {
				t.Error("it has what was lost")
			}
			if _, err := read(s, digestOfHello); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("error %v", err)
			}
			if content, err := io.ReadAll(open); string(content) != "hello" || err != nil {
				t.Errorf("a download that had begun got %q, error %v", content, err)
			}
			if put(t, s, "hello") != digestOfHello || !s.Has(digestOfHello) {
				t.Error("it is not stored anew")
			}
			source := t.TempDir()
			if err := errors.Join(os.WriteFile(filepath.Join(source, "a"), nil, 0o600), lose(s.dir)); err != nil {
				t.Fatal(err)
			}
			if digest, err := s.PutDir(t.Context(), source); err != nil || !s.Has(digest) {
				t.Errorf("digest %s, error %v", digest, err)
			}
		})
	}
}

func TestPutDir(t *testing.T) {
	s, _ := aged(t, WithLimits(pack.Limits{Bytes: 1 << 20, Files: 3}))
	source := t.TempDir()
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(source, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	first, err := s.PutDir(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.PutDir(t.Context(), source)
	if err != nil || again != first || len(files(t, s)) != 1 {
		t.Errorf("digests %s and %s, error %v, files %v", first, again, err, files(t, s))
	}
	content, err := read(s, first)
	if err != nil {
		t.Error(err)
	}
	if want := (Usage{Archives: 1, Bytes: int64(len(content)), Bound: 10 << 30}); s.Usage() != want {
		t.Errorf("usage %+v, want %+v", s.Usage(), want)
	}
	for _, name := range []string{"b", "c", "d"} {
		write(name)
	}
	if _, err := s.PutDir(t.Context(), source); !errors.As(err, new(*TooLargeError)) || len(files(t, s)) != 1 {
		t.Errorf("error %v, files %v", err, files(t, s))
	}
	if err := errors.Join(os.Remove(filepath.Join(source, "d")), os.Remove(filepath.Join(source, "c")), os.Symlink("/etc", filepath.Join(source, "e"))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutDir(t.Context(), source); !errors.As(err, new(*InvalidError)) || len(files(t, s)) != 1 {
		t.Errorf("error %v, files %v", err, files(t, s))
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.PutDir(canceled, source); !errors.Is(err, context.Canceled) || len(files(t, s)) != 1 {
		t.Errorf("error %v, files %v", err, files(t, s))
	}
}

// A full disk is swept once; if that does not help, the error says what to do.
func TestFullDisk(t *testing.T) {
	for name, helps := range map[string]bool{"SweepHelps": true, "SweepDoesNot": false} {
		t.Run(name, func(t *testing.T) {
			s, now := aged(t, WithLive(naming()))
			old := put(t, s, "old")
			now.Step(25 * time.Hour)
			tries := 0
			digest, err := s.insist(t.Context(), func(to io.Writer) error {
				tries++
				if _, err := io.WriteString(to, "hello"); err != nil || tries == 2 && helps {
					return err
				}
				return &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
			})
			if s.Has(old) || tries != 2 {
				t.Errorf("the old one is there: %v, after %d tries", s.Has(old), tries)
			}
			if helps && (err != nil || digest != digestOfHello || len(files(t, s)) != 1) {
				t.Errorf("digest %s, error %v, files %v", digest, err, files(t, s))
			}
			if !helps && (!errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "larger volume") || len(files(t, s)) != 0) {
				t.Errorf("error %v, files %v", err, files(t, s))
			}
		})
	}
}

// Two managers may have one directory while one replaces the other.
func TestTwoProcesses(t *testing.T) {
	first, now := aged(t, WithLive(naming()), WithBound(1))
	second, err := NewStore(first.dir, WithClock(now), WithLive(naming()), WithBound(1))
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "a"), []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, s := range []*Store{first, second} {
		for range 4 {
			all.Go(func() {
				for range 5 {
					digest, err := s.PutDir(t.Context(), source)
					if err != nil {
						t.Error(err)
					}
					if _, err := read(s, digest); err != nil {
						t.Error(err)
					}
					if _, err := s.Sweep(t.Context()); err != nil {
						t.Error(err)
					}
					if _, err := NewStore(s.dir, WithClock(now)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if got := files(t, first); len(got) != 1 {
		t.Errorf("files %v", got)
	}
}

// The store is swept at the start, every hour, and when it is over its bound, but not without a pause.
func TestSweeper(t *testing.T) {
	sweeps, ready := make(chan time.Time), make(chan struct{})
	var now *clocktesting.FakeClock
	s, now := aged(t, WithBound(15), WithLive(func(ctx context.Context) (map[string]bool, error) {
		select {
		case sweeps <- now.Now():
		case <-ctx.Done():
		}
		return naming(digestOfHello)(ctx)
	}))
	start := now.Now()
	var mu sync.Mutex
	var said []string
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, line)
	}, funcr.Options{})
	sweeper := &Sweeper{Store: s, Clock: now, Log: log, Ready: func(context.Context) error { <-ready; return nil }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sweeper.Start(ctx) }()
	expect := func(want time.Duration) {
		t.Helper()
		if got := (<-sweeps).Sub(start); got != want {
			t.Errorf("swept after %s, want %s", got, want)
		}
	}
	wait := func(waiters int) {
		for now.Waiters() < waiters {
			time.Sleep(time.Millisecond)
		}
	}
	close(ready)
	expect(0)
	wait(1)
	now.Step(time.Hour)
	expect(time.Hour)
	put(t, s, "hello")
	put(t, s, strings.Repeat("x", 11)) // over the bound
	wait(2)
	now.Step(time.Minute)
	expect(time.Hour + time.Minute)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "larger volume") {
		t.Errorf("the log says %q", said)
	}
	failing := &Sweeper{Store: s, Clock: now, Log: logr.Discard(), Ready: func(context.Context) error { return io.ErrUnexpectedEOF }}
	if err := failing.Start(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestDefaults(t *testing.T) {
	s := newStore(t)
	if diff := cmp.Diff(pack.Limits{Bytes: 2 << 30, Files: 500_000}, s.limits); diff != "" || s.bound != 10<<30 {
		t.Errorf("bound %d, limits %s", s.bound, diff)
	}
	if _, err := s.Sweep(t.Context()); err == nil {
		t.Error("swept without knowing what to keep")
	}
}
