package docs

import (
	"bytes"
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/e2e/tell"
)

// TestPages tells each page as a story on the cluster: its commands in one shell, in their order.
func TestPages(t *testing.T) {
	s := tell.Connect(t, "make e2e")
	for page, all := range pages(t) {
		blocks, tells := sessions(all)[together]
		if !tells || find(blocks, "notifications") {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			narrate(t, begin(t, s), blocks)
		})
	}
}

// runs tells whether a block is commands that the page runs itself.
func (b block) runs() bool { return b.language == "sh" && b.runBy == "" }

// together is the session of the blocks of a page that are run beside other pages.
const together = ""

// sessions are the blocks of a page that belong to each of its sessions, by the session's name. Files are in all of them.
func sessions(page []block) map[string][]block {
	all := map[string][]block{}
	for _, b := range page {
		if b.runs() {
			all[b.alone] = nil
		}
	}
	for name := range all {
		mine := false
		for _, b := range page {
			if b.runs() {
				mine = b.alone == name
			}
			if b.file != "" || mine && (b.runs() || b.as == "output") {
				all[name] = append(all[name], b)
			}
		}
	}
	return all
}

// begin makes an empty namespace for a page.
func begin(t *testing.T, s *stage.Stage) *stage.Namespace {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "page-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := s.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	n := &stage.Namespace{Stage: s, Name: namespace.Name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			var dump bytes.Buffer
			n.Dump(ctx, &dump)
			t.Logf("namespace %s when the page failed:\n%s", n.Name, dump.String())
		}
		if err := n.Leave(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: n.Name, Name: "default"}}
	if err := s.Until(t.Context(), account, "to be made", func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	return n
}
