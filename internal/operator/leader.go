package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// labelName and labelNameValue are on the manager's pods; the hub's Service selects them and labelLeader.
	labelName      = "app.kubernetes.io/name"
	labelNameValue = "gantry"
	// labelLeader is "true" on the leader's pod.
	labelLeader = "gantry.pulumi.com/leader"
	// labelRetry is when the labels are tried again after a failure.
	labelRetry = time.Second
	// labelCheck is how often they are looked at again, as people may change labels.
	labelCheck = time.Minute
)

// leaderLabel moves the label of the leader to the manager's own pod, which is how agents find the leader. It runs on the
// leader only.
type leaderLabel struct {
	// client must not be cached: the manager's own pods are not in the cache.
	client    client.Client
	clock     clock.WithTicker
	log       logr.Logger
	namespace string
	pod       string
}

// NeedLeaderElection says that only the leader does this.
func (l *leaderLabel) NeedLeaderElection() bool { return true }

// Start labels until ctx is done. It does not take the label away at the end: the next leader does, and until there is
// one nobody serves agents anyway.
func (l *leaderLabel) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := labelCheck
		if err := l.move(ctx); err != nil && ctx.Err() == nil {
			l.log.Error(err, "Could not label the leader's pod; agents cannot find it. Trying again")
			pause = labelRetry
		}
		timer := l.clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C():
		}
		timer.Stop()
	}
	return nil
}

// move puts the label onto the own pod and takes it from all others.
func (l *leaderLabel) move(ctx context.Context) error {
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := l.client.List(ctx, pods, client.InNamespace(l.namespace), client.MatchingLabels{labelName: labelNameValue}); err != nil {
		return fmt.Errorf("list the manager's pods: %w", err)
	}
	var failures []error
	own := false
	for _, pod := range pods.Items {
		_, labelled := pod.Labels[labelLeader]
		switch {
		case pod.Name == l.pod:
			own = true
			if pod.Labels[labelLeader] != "true" {
				failures = append(failures, l.label(ctx, pod.Name, new("true")))
			}
		case labelled:
			failures = append(failures, client.IgnoreNotFound(l.label(ctx, pod.Name, nil)))
		}
	}
	if !own {
		failures = append(failures, fmt.Errorf("pod %s/%s has not the label %s=%s, or POD_NAME is wrong", l.namespace, l.pod, labelName, labelNameValue))
	}
	return errors.Join(failures...)
}

// label sets the label of a pod, or removes it.
func (l *leaderLabel) label(ctx context.Context, name string, value *string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]*string{labelLeader: value}}})
	if err != nil {
		return err
	}
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = l.namespace, name
	if err := l.client.Patch(ctx, pod, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("label pod %s: %w", name, err)
	}
	return nil
}
