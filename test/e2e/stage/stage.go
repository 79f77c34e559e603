// Package stage owns what stories and measurements on a real cluster stand on: clients, namespaces with
// a volume for state, Programs and Stacks, waiting by watch, and looking into pods. It knows no testing
// package, so that the benchmark uses it too.
package stage

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// hubService is the Service that finds the leading manager.
const hubService = "gantry-hub"

// managerLabel is on the Deployment and the pods of the manager.
const managerLabel = "app.kubernetes.io/name"

// Stage is a cluster with Gantry deployed on it.
type Stage struct {
	// Client reads, writes and watches every kind there is here.
	Client client.WithWatch
	// Kube is for what only the typed client does: logs, tokens, and what runs in pods.
	Kube kubernetes.Interface
	// Config is how the cluster is reached.
	Config *rest.Config
	// Manager is the manager's Deployment.
	Manager client.ObjectKey
}

// Connect finds the cluster that a kubeconfig names, and Gantry on it.
func Connect(ctx context.Context, kubeconfig string) (*Stage, error) {
	s, err := Bare(kubeconfig)
	if err != nil {
		return nil, err
	}
	s.Manager, err = s.findManager(ctx)
	return s, err
}

// Bare finds the cluster that a kubeconfig names, whether or not Gantry is on it: the name of the manager is left open.
func Bare(kubeconfig string) (*Stage, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	err = errors.Join(clientgoscheme.AddToScheme(scheme), autov1alpha1.AddToScheme(scheme), pulumiv1.AddToScheme(scheme))
	if err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return &Stage{Client: c, Kube: kube, Config: config}, nil
}

func (s *Stage) findManager(ctx context.Context) (client.ObjectKey, error) {
	deployments := &appsv1.DeploymentList{}
	if err := s.Client.List(ctx, deployments, client.MatchingLabels{managerLabel: "gantry"}); err != nil {
		return client.ObjectKey{}, fmt.Errorf("looking for the manager: %w", err)
	}
	if len(deployments.Items) != 1 {
		return client.ObjectKey{}, fmt.Errorf("%d Deployments have the label %s=gantry, want 1: run `make deploy` first", len(deployments.Items), managerLabel)
	}
	return client.ObjectKeyFromObject(&deployments.Items[0]), nil
}

// ManagerPods lists the manager's pods that are not on their way out.
func (s *Stage) ManagerPods(ctx context.Context) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	err := s.Client.List(ctx, pods, client.InNamespace(s.Manager.Namespace), client.MatchingLabels{managerLabel: "gantry"})
	if err != nil {
		return nil, fmt.Errorf("listing the manager's pods: %w", err)
	}
	var alive []corev1.Pod
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			alive = append(alive, pod)
		}
	}
	return alive, nil
}

// Leader is the manager's pod that the hub's Service points to.
func (s *Stage) Leader(ctx context.Context) (*corev1.Pod, error) {
	service := &corev1.Service{}
	if err := s.Client.Get(ctx, s.HubService(), service); err != nil {
		return nil, fmt.Errorf("reading the hub's Service: %w", err)
	}
	pods := &corev1.PodList{}
	err := s.Client.List(ctx, pods, client.InNamespace(s.Manager.Namespace), client.MatchingLabels(service.Spec.Selector))
	if err != nil {
		return nil, fmt.Errorf("looking for the leader: %w", err)
	}
	for i, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning {
			return &pods.Items[i], nil
		}
	}
	return nil, fmt.Errorf("no running pod in %s has the labels %v", s.Manager.Namespace, service.Spec.Selector)
}

// HubService is the Service that agents dial.
func (s *Stage) HubService() client.ObjectKey {
	return client.ObjectKey{Namespace: s.Manager.Namespace, Name: hubService}
}
