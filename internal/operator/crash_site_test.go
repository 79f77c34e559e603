package operator

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/gitserver"
)

// site is a namespace with a manager of its own, and with all that a cluster would do there.
type site struct {
	t         *testing.T
	c         *cluster
	user      *rest.Config
	namespace string
	options   Options
	log       logr.Logger
	lines     *output

	life    atomic.Pointer[life]
	lives   atomic.Int64
	trap    trap
	memory  memory
	lag     map[string]time.Duration
	view    cache.Cache
	kubelet kubelet
	stirred chan struct{}
	dir     string
	// shut ends the manager that lives.
	shut func()
	// repository is a git repository, at url, with commit as its newest.
	repository  *gitserver.Repository
	url, commit string
	// pending tells that an operation is pending in the state.
	pending atomic.Bool

	mu sync.Mutex
	// runs are the operations that agents have begun, by the UID of their Update; told are those in their order.
	runs map[string]int
	told []string
	// next is what becomes of the next operations; those after them succeed.
	next  []course
	known map[string]bool
	// record is the last Update on record of the Stack that is followed; recorded are all that ever were.
	following types.UID
	record    string
	recorded  map[string]bool
}

// newSite makes a namespace and starts a manager for it, and a new one whenever that ends.
func newSite(t *testing.T, c *cluster, namespace string) *site {
	t.Helper()
	user, err := clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, c: c, user: user, namespace: namespace, lines: &output{}, stirred: make(chan struct{}, 1),
		runs: map[string]int{}, known: map[string]bool{}, dir: t.TempDir(),
	}
	s.log = funcr.New(func(prefix, args string) {
		fmt.Fprintln(s.lines, time.Now().Format("05.000"), s.lives.Load(), prefix, args)
	}, funcr.Options{Verbosity: 1})
	s.kubelet = kubelet{site: s, pods: map[string]*podProcess{}}
	s.trap.list = func() map[string]*answer {
		all, err := s.memory.all()
		s.complain("list what was there", err)
		return all
	}
	s.memory.asked, s.memory.versions = map[string]*http.Request{}, map[string]bool{}
	if s.memory.client, err = rest.HTTPClientFor(c.admin); err != nil {
		t.Fatal(err)
	}
	s.options, err = ParseOptions(flag.NewFlagSet("manager", flag.ContinueOnError), []string{
		"--health-probe-bind-address=0", "--hub-bind-address=" + freeAddress(t), "--artifact-bind-address=127.0.0.1:0", "--artifact-dir=" + filepath.Join(s.dir, "artifacts"),
	}, func(name string) string {
		return map[string]string{"PATH": os.Getenv("PATH"), "AGENT_IMAGE": "localhost/gantry:test", "MAX_CONCURRENT_RECONCILES": "4"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	c.createIn(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}})
	s.serveGit()
	s.watch()
	t.Cleanup(s.close)
	return s
}

// close waits until all that ends with the test has ended.
func (s *site) close() {
	if s.shut != nil {
		s.shut()
	}
	s.kubelet.close()
}

func (c *cluster) createIn(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// open starts managers, one after the other, until the answered function is called.
func (s *site) open() (shut func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	closed := make(chan struct{})
	var first sync.WaitGroup
	first.Add(1)
	go func() {
		defer close(closed)
		for began := false; ctx.Err() == nil; began = true {
			within, stop := context.WithCancel(ctx)
			l := &life{site: s, dead: make(chan struct{}), stop: stop, past: s.trap.takePast(), lag: s.lag, watched: map[string]bool{}}
			s.life.Store(l)
			s.lives.Add(1)
			if !began {
				first.Done()
			}
			err := l.run(within)
			if l.alive() && ctx.Err() == nil {
				s.t.Errorf("the manager ended by itself: %v", err)
				l.die()
				return
			}
			l.die()
		}
	}()
	first.Wait()
	return func() { cancel(); <-closed }
}

// watch keeps a view of the namespace, and has the kubelet and the garbage collector look at what happens.
func (s *site) watch() {
	s.t.Helper()
	view, err := cache.New(s.c.admin, cache.Options{Scheme: s.c.Scheme(), DefaultNamespaces: map[string]cache.Config{s.namespace: {}}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.view = view
	for _, kind := range kinds() {
		informer, err := view.GetInformer(s.t.Context(), kind, cache.BlockUntilSynced(false))
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: s.seen, UpdateFunc: func(_, is any) { s.seen(is) }, DeleteFunc: s.unseen,
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	go view.Start(s.t.Context())
	if !view.WaitForCacheSync(s.t.Context()) {
		s.t.Fatal("no view of the namespace")
	}
	go func() {
		for {
			select {
			case <-s.stirred:
				s.collect()
			case <-s.t.Context().Done():
				return
			}
		}
	}()
}

func (s *site) seen(object any) {
	switch o := object.(type) {
	case *corev1.Pod:
		s.kubelet.look(o)
	case *pulumiv1.Stack:
		s.follow(o)
	}
	s.stir()
}

// follow has the test fail when what is on record of a Stack goes back: to an Update before the last one, or to one that is
// under way after its end was on record.
func (s *site) follow(stack *pulumiv1.Stack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stack.UID != s.following {
		s.following, s.record, s.recorded = stack.UID, "", map[string]bool{}
	}
	if last := stack.Status.LastUpdate; last != nil && last.Name != s.record {
		if s.recorded[last.Name] {
			s.t.Errorf("the record went back from Update %s to %s", s.record, last.Name)
		}
		s.record, s.recorded[last.Name] = last.Name, true
	}
	if current := stack.Status.CurrentUpdate; current != nil && s.recorded[current.Name] {
		s.t.Errorf("Update %s is under way after its end was on record", current.Name)
	}
}

func (s *site) unseen(object any) {
	if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	if pod, ok := object.(*corev1.Pod); ok {
		s.kubelet.gone(pod)
	}
	s.stir()
}

func (s *site) stir() {
	select {
	case s.stirred <- struct{}{}:
	default:
	}
}

// all is what is there, as the view has it.
func (s *site) all() []client.Object {
	var all []client.Object
	for _, list := range lists() {
		if err := s.view.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			s.complain("list", err)
			return nil
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			if object, ok := item.(client.Object); ok {
				all = append(all, object)
			}
			return nil
		}); err != nil {
			s.complain("list", err)
		}
	}
	return all
}

// complain fails the test for what does not pass by itself.
func (s *site) complain(what string, err error) {
	if err == nil || s.t.Context().Err() != nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return
	}
	s.t.Errorf("%s: %v", what, err)
}

// token is one of the pod's, for the manager.
func (s *site) token(pod *corev1.Pod) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:      []string{"gantry"},
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "default"}}
	err := s.c.SubResource("token").Create(s.t.Context(), account, request)
	return request.Status.Token, err
}

// course is what becomes of an operation.
type course string

const (
	succeeds  course = ""
	failsSoon course = " fails"
	// isHeld runs until it is canceled.
	isHeld course = " is held"
	// isKilled leaves a pending operation.
	isKilled course = " is killed"
)

// ran puts an operation on record, and says what becomes of it.
func (s *site) ran(op *operation.Operation) course {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[op.GetUid()]++
	becomes := succeeds
	if len(s.next) > 0 {
		becomes, s.next = s.next[0], s.next[1:]
	}
	s.told = append(s.told, op.GetType().String()+string(becomes))
	return becomes
}

// nextOnes says what becomes of the next operations.
func (s *site) nextOnes(next ...course) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

// untilHeld waits until an operation runs that ends only when it is told to.
func (s *site) untilHeld() {
	s.t.Helper()
	eventually(s.t, "the operation is in its middle", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.ContainsFunc(s.told, func(word string) bool { return strings.HasSuffix(word, string(isHeld)) })
	})
}

// begun are the operations since the last time that this was asked.
func (s *site) begun() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

// twice are the operations that were begun more than once.
func (s *site) twice() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for uid, count := range s.runs {
		if count > 1 {
			names = append(names, uid)
		}
	}
	slices.Sort(names)
	return names
}

// dump is all that is there of this story, for a test that failed.
func (s *site) dump() string {
	var text strings.Builder
	for _, object := range s.all() {
		_, isUpdate := object.(*autov1alpha1.Update)
		if _, isSecret := object.(*corev1.Secret); (isUpdate || isSecret) && s.isKnown(object) {
			continue
		}
		object.SetManagedFields(nil)
		raw, err := json.Marshal(object)
		fmt.Fprintf(&text, "%T %s %v\n", object, raw, err)
	}
	return text.String()
}
