package main

import (
	"context"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// kubernetes is the provider.
type kubernetes struct {
	provider.Base

	cluster cluster
	// unreachable is why there is no cluster. The provider starts all the same, as the released one does,
	// and says so when a resource needs the cluster.
	unreachable error
}

func newKubernetes(schema string) *kubernetes {
	return &kubernetes{Base: provider.Base{Schema: schema, Version: version}}
}

// DiffConfig asks for a replacement of everything if the configuration means another cluster.
func (k *kubernetes) DiffConfig(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news := provider.Plain(r.GetOldInputs()), provider.Plain(r.GetNews())
	changed := provider.Changed(olds, news)
	if len(changed) == 0 {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	same, err := sameCluster(olds, news)
	if err != nil {
		return nil, err
	}
	diff := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME, Diffs: changed}
	if !same {
		diff.Replaces = changed
	}
	return diff, nil
}

// Configure connects to the cluster.
func (k *kubernetes) Configure(_ context.Context, r *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	inputs := provider.Plain(r.GetArgs())
	k.cluster, k.unreachable = connect(provider.Text(inputs, "kubeconfig"))
	if namespace := provider.Text(inputs, "namespace"); namespace != "" {
		k.cluster.namespace = namespace
	}
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}
