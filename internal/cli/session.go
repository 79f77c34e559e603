package cli

import (
	"context"
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// session is the way to an API server.
type session struct {
	client.WithWatch
	// kube is for what is no object: logs.
	kube kubernetes.Interface
	// config of both.
	config *rest.Config
	// namespace that is meant where none is named.
	namespace string
}

// connect finds the API server that kubectl would talk to.
func (a *app) connect() (*session, error) {
	loader := a.flags.ToRawKubeConfigLoader()
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	config, err := a.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	config.UserAgent = "kubectl-gantry/" + a.Version
	config.QPS = -1 // a person asks: the API server does the limiting
	scheme := newScheme()
	objects, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: newMapper(scheme)})
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &session{WithWatch: objects, kube: kube, config: config, namespace: namespace}, nil
}

// newScheme has the kinds that the plugin reads.
func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err) // the kinds of a scheme are known when it is compiled
		}
	}
	return scheme
}

// newMapper knows the resources of the kinds by heart, which spares a command the discovery.
func newMapper(scheme *runtime.Scheme) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(scheme.PrioritizedVersionsAllGroups())
	wide := map[string]bool{"Namespace": true, "CustomResourceDefinition": true, "SelfSubjectAccessReview": true, "SubjectAccessReview": true}
	for kind := range scheme.AllKnownTypes() {
		scope := meta.RESTScopeNamespace
		if wide[kind.Kind] {
			scope = meta.RESTScopeRoot
		}
		mapper.Add(kind, scope)
	}
	return mapper
}

// stack reads a Stack.
func (s *session) stack(ctx context.Context, name string) (*pulumiv1.Stack, error) {
	stack := &pulumiv1.Stack{}
	err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, stack)
	if apierrors.IsNotFound(err) && apierrors.ReasonForError(err) == metav1.StatusReasonNotFound && !isUnknownKind(err) {
		return nil, fmt.Errorf("there is no Stack %s in the namespace %s; kubectl gantry get -A lists those of all namespaces", name, s.namespace)
	}
	return stack, explained(err)
}

// stackNamed connects and reads a Stack.
func (a *app) stackNamed(ctx context.Context, name string) (*session, *pulumiv1.Stack, error) {
	s, err := a.connect()
	if err != nil {
		return nil, nil, err
	}
	stack, err := s.stack(ctx, name)
	return s, stack, err
}

// isUnknownKind tells that it is the kind that is not there, and not the object.
func isUnknownKind(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && (status.Status().Details == nil || status.Status().Details.Name == "")
}

// optional reads an object, and answers false where there is none.
func (s *session) optional(ctx context.Context, name string, object client.Object) (bool, error) {
	err := s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, explained(err)
}

// errGone is what follow answers of an object that goes.
var errGone = errors.New("gone")

// follow reads an object, and again whenever it changes, until done says that it is enough. One that goes is an error.
func follow[T client.Object](ctx context.Context, s *session, object T, list client.ObjectList, done func(T) (bool, error)) error {
	gone := fmt.Errorf("%s is %w", object.GetName(), errGone)
	there := func(store cache.Store) (bool, error) {
		if len(store.ListKeys()) == 0 {
			return false, gone
		}
		return false, nil
	}
	only := client.ListOptions{Namespace: object.GetNamespace(), FieldSelector: fields.OneTermEqualSelector("metadata.name", object.GetName())}
	return s.followAll(ctx, object, list, only, there, func(event watch.Event) (bool, error) {
		current, ok := event.Object.(T)
		if event.Type == watch.Deleted || !ok {
			return false, gone
		}
		return done(current)
	})
}

// followAll tells of the objects that there are and of all that becomes of them, until done says that it is enough. It
// outlasts a watch that the API server ends, and one that it cannot go on with. there is asked once, when all are known; it
// may be nil.
func (s *session) followAll(ctx context.Context, object client.Object, list client.ObjectList, which client.ListOptions,
	there watchtools.PreconditionFunc, done watchtools.ConditionFunc,
) error {
	with := func(options metav1.ListOptions) *client.ListOptions {
		these := which
		these.Raw = &options
		return &these
	}
	lister := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			found, ok := list.DeepCopyObject().(client.ObjectList)
			if !ok {
				return nil, fmt.Errorf("%T is no list", list)
			}
			err := s.List(ctx, found, with(options))
			return found, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return s.Watch(ctx, list, with(options))
		},
	}
	_, err := watchtools.UntilWithSync(ctx, lister, object, there, done)
	if ended := context.Cause(ctx); err != nil && ended != nil {
		return ended
	}
	return explained(err)
}
