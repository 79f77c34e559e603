package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/pod"
	"github.com/gantry-operator/gantry/internal/references"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/flux"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// archives is the store of the artifacts, which outlives managers.
type archives struct {
	mu   sync.Mutex
	kept map[string]bool
}

func (a *archives) Put(_ context.Context, archive []byte) (string, error) {
	sum := sha256.Sum256(archive)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	a.keep(digest)
	return digest, nil
}

func (a *archives) keep(digest string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept[digest] = true
}

func (a *archives) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.kept)
}

func (a *archives) Has(digest string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept[digest]
}

// gitHost has one repository, which all Stacks follow.
type gitHost struct {
	archives *archives

	mu       sync.Mutex
	commit   int
	err      error
	wake     map[string]func(types.NamespacedName)
	followed map[source.Consumer]bool
}

// Notify sets who is told of pushes.
func (h *gitHost) Notify(kind string, wake func(types.NamespacedName)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake[kind] = wake
}

// Forget ends what the consumer follows.
func (h *gitHost) Forget(consumer source.Consumer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followed, consumer)
}

// Observe answers the newest commit, which is fetched at once.
func (h *gitHost) Observe(consumer source.Consumer, wanted git.Request) (source.Revision, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followed[consumer] = true
	if h.err != nil {
		if _, stale := h.err.(*git.StaleError); stale { //nolint:errorlint // as it is made here
			if wanted.Last.Revision == "" {
				return wanted.Last, failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling")
			}
			return wanted.Last, h.err
		}
		return source.Revision{}, h.err
	}
	text := fmt.Sprint(h.commit)
	sum := sha256.Sum256([]byte(text))
	revision := source.Revision{
		Revision: hex.EncodeToString(sum[:20]), Digest: "sha256:" + hex.EncodeToString(sum[:]), Content: "tree-" + text,
	}
	h.archives.keep(revision.Digest)
	return revision, nil
}

// say makes the host answer otherwise, and wakes those who follow it.
func (h *gitHost) say(commit int, err error) {
	h.mu.Lock()
	if commit >= 0 {
		h.commit = commit
	}
	h.err = err
	followed, wake := maps.Clone(h.followed), maps.Clone(h.wake)
	h.mu.Unlock()
	for consumer := range followed {
		wake[consumer.Kind](consumer.NamespacedName)
	}
}

// noFlux follows nothing.
type noFlux struct{}

func (noFlux) Notify(string, func(types.NamespacedName)) {}
func (noFlux) Forget(source.Consumer)                    {}
func (noFlux) Observe(context.Context, source.Consumer, flux.Reference, map[string]string) (source.Revision, error) {
	return source.Revision{}, fmt.Errorf("there are no Flux sources here")
}

// inputs tells what the Secrets are like that Stacks name.
type inputs struct {
	store *store

	mu   sync.Mutex
	held map[types.NamespacedName]bool
	wake func(types.NamespacedName)
}

func (i *inputs) Notify(wake func(types.NamespacedName)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.wake = wake
}

func (i *inputs) Outdate(string, types.NamespacedName) {}

func (i *inputs) Forget(stack types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.held, stack)
}

func (i *inputs) Observe(_ context.Context, stack types.NamespacedName, named []pod.Input) (references.Summary, error) {
	i.mu.Lock()
	i.held[stack] = true
	i.mu.Unlock()
	summary := references.Summary{Digests: map[string]string{}}
	for _, input := range named {
		name, secret := input.Kind+"/"+input.Name, &corev1.Secret{}
		err := i.store.get(types.NamespacedName{Namespace: stack.Namespace, Name: input.Name}, secret)
		switch {
		case apierrors.IsNotFound(err) && input.Required:
			summary.Digests[name] = references.Absent
			summary.Missing = append(summary.Missing, name)
		case apierrors.IsNotFound(err):
			summary.Digests[name] = references.Absent
		case err != nil:
			return summary, err
		default:
			summary.Digests[name] = fmt.Sprintf("%s", secret.Data)
		}
	}
	return summary, nil
}

// changed wakes the Stacks: a Secret changed.
func (i *inputs) changed() {
	i.mu.Lock()
	held, wake := maps.Clone(i.held), i.wake
	i.mu.Unlock()
	for stack := range held {
		wake(stack)
	}
}
