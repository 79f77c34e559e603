package model

import (
	"context"
	"errors"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// errDead is what a manager gets to hear that has died: nobody reads it.
var errDead = errors.New("the manager is dead")

func labelsOf(object client.Object) labels.Labels { return labels.Set(object.GetLabels()) }

// live reads what the API server has, not the cache.
type live struct{ manager *manager }

// Get reads an object as it is.
func (l live) Get(_ context.Context, name types.NamespacedName, into client.Object, _ ...client.GetOption) error {
	if l.manager.dead.Load() {
		return errDead
	}
	if _, ok := into.(*metav1.PartialObjectMetadata); ok {
		switch kind := into.GetObjectKind().GroupVersionKind().Kind; kind {
		case "StatefulSet", "Service": // PKO left none
			return apierrors.NewNotFound(resource(kind), name.Name)
		}
		return nil
	}
	return l.manager.world.store.get(name, into)
}

// List lists objects as they are.
func (l live) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if l.manager.dead.Load() {
		return errDead
	}
	options := client.ListOptions{}
	options.ApplyOptions(opts)
	kind := l.manager.world.store.kindOf(list)
	return l.manager.caches.listed(kind, l.manager.world.store.all(kind), list, options)
}

// connection is a manager's client: it reads from the caches and writes to the API server, as long as the manager lives.
type connection struct {
	client.Client // what nobody here calls
	manager       *manager
}

func (c *connection) uncached(object runtime.Object) bool {
	return c.manager.caches.kinds[c.manager.world.store.kindOf(object)] == nil
}

func (c *connection) Get(ctx context.Context, name types.NamespacedName, into client.Object, opts ...client.GetOption) error {
	if c.uncached(into) {
		return live{c.manager}.Get(ctx, name, into, opts...)
	}
	if c.manager.dead.Load() {
		return errDead
	}
	return c.manager.caches.Get(ctx, name, into, opts...)
}

func (c *connection) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if c.uncached(list) {
		return live{c.manager}.List(ctx, list, opts...)
	}
	if c.manager.dead.Load() {
		return errDead
	}
	return c.manager.caches.List(ctx, list, opts...)
}

func (c *connection) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	return c.write(func() error { return c.manager.world.store.create(object) })
}

func (c *connection) Delete(_ context.Context, object client.Object, opts ...client.DeleteOption) error {
	options := client.DeleteOptions{}
	options.ApplyOptions(opts)
	return c.write(func() error {
		kind := c.manager.world.store.kindOf(object)
		c.manager.world.checkPodDelete(kind, object)
		return c.manager.world.store.remove(kind, client.ObjectKeyFromObject(object), options)
	})
}

func (c *connection) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.write(func() error { return c.manager.world.store.patch(object, patch, false) })
}

func (c *connection) Status() client.SubResourceWriter { return statusWriter{connection: c} }

func (c *connection) Scheme() *runtime.Scheme     { return c.manager.world.store.scheme }
func (c *connection) RESTMapper() meta.RESTMapper { return c.manager.GetRESTMapper() }

func (c *connection) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(object, c.Scheme())
}

// write does a write, unless the manager dies first; and the answer gets lost if it dies right after.
func (c *connection) write(do func() error) error {
	m, w := c.manager, c.manager.world
	if m.dead.Load() {
		return errDead
	}
	w.meanwhile()
	if w.dieAt > 0 {
		w.dieAt--
		if w.dieAt == 0 && !w.dieAfter {
			m.dead.Store(true)
			return errDead
		}
	}
	err := do()
	w.writes++
	if w.dieAt == 0 && w.dieAfter {
		w.dieAfter = false
		m.dead.Store(true)
		return errDead
	}
	return err
}

type statusWriter struct {
	client.SubResourceWriter
	connection *connection
}

func (s statusWriter) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.connection.write(func() error { return s.connection.manager.world.store.patch(object, patch, true) })
}

// alive is whether a manager lives.
type alive = atomic.Bool
