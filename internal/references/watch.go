package references

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"

	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/watch"
)

const (
	// pollLeast and pollMost bound how long nobody looks at an object that may not be watched, and pollAbsent how long
	// nobody looks for one that is not there, for which Stacks wait.
	pollLeast, pollMost, pollAbsent = 5 * time.Second, time.Minute, 15 * time.Second
	// pollShare is which part of the time that an object has been as it is passes until somebody looks again: what has just
	// been named or changed is likely to be changed again.
	pollShare = 10
	// pollJitter spreads the looks.
	pollJitter = 0.2
)

// followOne tells, until ctx is done, each resource version that an object is seen to have; "" stands for no object. Only
// metadata comes over the wire. An object is watched by its name where that is granted; rights on names that are not known
// beforehand cannot be, so that by default a Secret is got by its name every now and then.
func (t *Tracker) followOne(ctx context.Context, e *entry) {
	objects := t.objectsOf(e.object)
	if e.kind == pod.KindConfigMap || t.mayWatch(ctx, e.namespace) {
		t.watchOne(ctx, e, objects)
	}
	t.pollOne(ctx, e, objects)
}

func (t *Tracker) objectsOf(o object) metadata.ResourceInterface {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	if o.kind == pod.KindConfigMap {
		resource.Resource = "configmaps"
	}
	return t.metadata.Resource(resource).Namespace(o.namespace)
}

// watchOne watches until ctx is done, or the API server refuses it.
func (t *Tracker) watchOne(ctx context.Context, e *entry, objects metadata.ResourceInterface) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch.One(ctx, watch.Objects{
		List: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := objects.List(ctx, options)
			if apierrors.IsForbidden(err) {
				cancel()
			}
			return list, err
		},
		Watch: func(ctx context.Context, options metav1.ListOptions) (apiwatch.Interface, error) {
			stream, err := objects.Watch(ctx, options)
			if apierrors.IsForbidden(err) {
				cancel()
			}
			return stream, err
		},
		Kind: e.kind,
		Type: &metav1.PartialObjectMetadata{},
	}, types.NamespacedName{Namespace: e.namespace, Name: e.name}, func(object any) {
		if accessor, err := meta.Accessor(object); err == nil {
			t.saw(e, accessor.GetResourceVersion())
			return
		}
		t.saw(e, "")
	})
}

// pollOne looks at an object again and again until ctx is done. What cannot be got now is tried the next time: who needs the
// object reads it, and says so.
func (t *Tracker) pollOne(ctx context.Context, e *entry, objects metadata.ResourceInterface) {
	since, told, last := t.clock.Now(), false, ""
	for {
		timer := t.clock.NewTimer(wait.Jitter(pollPause(t.clock.Since(since), told && last == ""), pollJitter))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
		// The API server answers from its cache, without a look into its store.
		found, err := objects.Get(ctx, e.name, metav1.GetOptions{ResourceVersion: "0"})
		if err != nil && !apierrors.IsNotFound(err) {
			continue
		}
		version := ""
		if err == nil {
			version = found.GetResourceVersion()
		}
		if told && version == last {
			continue
		}
		if told {
			since = t.clock.Now()
		}
		told, last = true, version
		t.saw(e, version)
	}
}

// pollPause is how long nobody looks at an object that has been the same for so long.
func pollPause(same time.Duration, absent bool) time.Duration {
	most := pollMost
	if absent {
		most = pollAbsent
	}
	return min(max(same/pollShare, pollLeast), most)
}
