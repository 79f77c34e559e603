package git

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/source/git/client"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// A real host is asked once for its refs and once for a commit, however many follow it; the archive is in a real store.
func TestAgainstARealHost(t *testing.T) {
	gitserver.Need(t, "git")
	server := gitserver.Start(t, gitserver.Options{})
	commit := server.Create("team/app").Commit("main", gitserver.Files{"Pulumi.yaml": gitserver.Text("name: app\n")})
	dir := t.TempDir()
	hosts, err := client.NewClient(client.Options{
		Dir: filepath.Join(dir, "git"), Environment: []string{"PATH=" + os.Getenv("PATH")}, Limits: client.DefaultLimits(), Clock: clock.RealClock{},
	})
	if err != nil {
		t.Fatal(err)
	}
	store, err := artifact.NewStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	tracker := New(Options{
		Client: hosts, Store: store, Recorder: &requests{by: map[string]int{}}, Clock: clock.RealClock{}, Log: testr.New(t),
		Dir: filepath.Join(dir, "checkouts"), Polls: 8, Fetches: 2,
	})
	const stacks = 50
	woken := make(chan struct{}, 10*stacks)
	tracker.Notify("Stack", func(types.NamespacedName) { woken <- struct{}{} })
	ended := make(chan error, 1)
	go func() { ended <- tracker.Start(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	request := Request{
		Remote: client.Remote{URL: server.URL + "/team/app.git", Credential: client.Credential{CABundle: server.CA}}, Ref: "main", Every: time.Minute,
	}
	began := time.Now()
	for i := range stacks {
		for {
			revision, err := tracker.Observe(stackNamed(fmt.Sprint(i)), request)
			if err == nil && revision.Revision == commit && store.Has(revision.Digest) && revision.Content != "" {
				break
			}
			if err == nil {
				t.Fatalf("the answer is %v", revision)
			}
			select {
			case <-woken:
			case <-time.After(time.Minute):
				t.Fatalf("nobody was woken after: %v", err)
			}
		}
	}
	t.Logf("after %s", time.Since(began))
	if lists, fetches := server.Count("team/app", gitserver.List), server.Count("team/app", gitserver.Fetch); lists != 1 || fetches != 1 {
		t.Errorf("%d requests for refs and %d for objects", lists, fetches)
	}
}
