package model

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// caches are a manager's informers. Each kind has its own, and each is as far behind the API server as the world wants.
type caches struct {
	cache.Cache // what nobody here calls

	mu      sync.Mutex
	kinds   map[string]*informer
	store   *store
	indexes map[string]map[string]client.IndexerFunc
}

// informer has a kind as it was, and the changes since then.
type informer struct {
	cache.Informer // what nobody here calls

	mu       sync.Mutex
	objects  map[types.NamespacedName]client.Object
	pending  []change
	handlers []toolscache.ResourceEventHandler
}

type change struct{ before, after client.Object }

// newCaches has everything as it is now.
func newCaches(s *store) *caches {
	c := &caches{store: s, kinds: map[string]*informer{}, indexes: map[string]map[string]client.IndexerFunc{}}
	for _, kind := range cached() {
		i := &informer{objects: map[types.NamespacedName]client.Object{}}
		for _, object := range s.all(kind) {
			i.objects[client.ObjectKeyFromObject(object)] = object
		}
		c.kinds[kind] = i
	}
	return c
}

// cached are the kinds that the manager has informers of.
func cached() []string { return []string{"Pod", "Program", "Stack", "Update", "Workspace"} }

// tell notes a change, which the informer has yet to see.
func (c *caches) tell(kind string, before, after client.Object) {
	if i := c.kinds[kind]; i != nil {
		i.mu.Lock()
		i.pending = append(i.pending, change{before, after})
		i.mu.Unlock()
	}
}

// behind are the kinds whose informer has something yet to see.
func (c *caches) behind() []string {
	return slices.DeleteFunc(cached(), func(kind string) bool {
		i := c.kinds[kind]
		i.mu.Lock()
		defer i.mu.Unlock()
		return len(i.pending) == 0
	})
}

// catchUp has the informer of a kind see the next change.
func (c *caches) catchUp(kind string) {
	i := c.kinds[kind]
	i.mu.Lock()
	next, handlers := i.pending[0], i.handlers
	i.pending = i.pending[1:]
	if next.after == nil {
		delete(i.objects, client.ObjectKeyFromObject(next.before))
	} else {
		i.objects[client.ObjectKeyFromObject(next.after)] = next.after
	}
	i.mu.Unlock()
	for _, handler := range handlers {
		switch {
		case next.before == nil:
			handler.OnAdd(next.after.DeepCopyObject(), false)
		case next.after == nil:
			handler.OnDelete(next.before.DeepCopyObject())
		default:
			handler.OnUpdate(next.before.DeepCopyObject(), next.after.DeepCopyObject())
		}
	}
}

// GetInformer is that of a kind.
func (c *caches) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	kind := c.store.kindOf(object)
	if i := c.kinds[kind]; i != nil {
		return i, nil
	}
	return nil, fmt.Errorf("the model has no informer of %s", kind)
}

// WaitForCacheSync need not.
func (c *caches) WaitForCacheSync(context.Context) bool { return true }

// IndexField takes note of an index; lists are filtered by it.
func (c *caches) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := c.store.kindOf(object)
	if c.indexes[kind] == nil {
		c.indexes[kind] = map[string]client.IndexerFunc{}
	}
	c.indexes[kind][field] = extract
	return nil
}

// AddEventHandlerWithOptions has the handler see what there is, and all that comes.
func (i *informer) AddEventHandlerWithOptions(handler toolscache.ResourceEventHandler, _ toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	i.mu.Lock()
	i.handlers = append(i.handlers, handler)
	known := sorted(i.objects)
	i.mu.Unlock()
	for _, object := range known {
		handler.OnAdd(object.DeepCopyObject(), true)
	}
	return registered{}, nil
}

type registered struct {
	toolscache.ResourceEventHandlerRegistration
}

func (registered) HasSynced() bool { return true }

// Get reads an object as the cache has it.
func (c *caches) Get(_ context.Context, name types.NamespacedName, into client.Object, _ ...client.GetOption) error {
	kind := c.store.kindOf(into)
	i := c.kinds[kind]
	if i == nil {
		return fmt.Errorf("nothing watches %s", kind)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	found := i.objects[name]
	if found == nil {
		return apierrors.NewNotFound(resource(kind), name.Name)
	}
	fill(into, found)
	return nil
}

// List lists objects as the cache has them.
func (c *caches) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := client.ListOptions{}
	options.ApplyOptions(opts)
	kind := c.store.kindOf(list)
	i := c.kinds[kind]
	if i == nil {
		return fmt.Errorf("nothing watches %s", kind)
	}
	i.mu.Lock()
	all := sorted(maps.Clone(i.objects))
	i.mu.Unlock()
	return c.listed(kind, all, list, options)
}

// listed puts into a list what of a kind is asked for.
func (c *caches) listed(kind string, all []client.Object, list client.ObjectList, options client.ListOptions) error {
	var items []runtime.Object
	for _, object := range all {
		matches, err := c.matches(kind, object, options)
		if err != nil {
			return err
		}
		if matches {
			items = append(items, object.DeepCopyObject())
		}
	}
	return meta.SetList(list, items)
}

func (c *caches) matches(kind string, object client.Object, options client.ListOptions) (bool, error) {
	if options.Namespace != metav1.NamespaceAll && object.GetNamespace() != options.Namespace {
		return false, nil
	}
	if options.LabelSelector != nil && !options.LabelSelector.Matches(labelsOf(object)) {
		return false, nil
	}
	if options.FieldSelector == nil {
		return true, nil
	}
	for _, asked := range options.FieldSelector.Requirements() {
		c.mu.Lock()
		extract := c.indexes[kind][asked.Field]
		c.mu.Unlock()
		if extract == nil {
			return false, fmt.Errorf("no index of %s by %s", kind, asked.Field)
		}
		if !slices.Contains(extract(object), asked.Value) {
			return false, nil
		}
	}
	return true, nil
}
