package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// cluster is where the resources go.
type cluster struct {
	client dynamic.Interface
	// namespace is that of resources that name none.
	namespace string
}

// connect makes a client from the contents of a kubeconfig, a path to one, or, with neither, from what
// every client finds around it, a pod's own cluster among it.
func connect(kubeconfig string) (cluster, error) {
	loader, err := loaderOf(kubeconfig)
	if err != nil {
		return cluster{}, err
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return cluster{}, fmt.Errorf("unable to load Kubernetes client configuration from kubeconfig file: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return cluster{}, fmt.Errorf("unable to read the namespace of the kubeconfig: %w", err)
	}
	client, err := dynamic.NewForConfig(rest.AddUserAgent(config, "pulumi-kubernetes/"+version))
	if err != nil {
		return cluster{}, fmt.Errorf("unable to make a client: %w", err)
	}
	return cluster{client: client, namespace: namespace}, nil
}

func loaderOf(kubeconfig string) (clientcmd.ClientConfig, error) {
	if kubeconfig == "" {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}), nil
	}
	config, err := parse(kubeconfig)
	if err != nil {
		return nil, err
	}
	return clientcmd.NewDefaultClientConfig(*config, &clientcmd.ConfigOverrides{}), nil
}

// parse takes a path for a path if there is a file, and for contents otherwise.
func parse(pathOrContents string) (*clientcmdapi.Config, error) {
	contents := []byte(pathOrContents)
	path, err := expand(pathOrContents)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err == nil {
		if contents, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("reading the kubeconfig: %w", err)
		}
	}
	config, err := clientcmd.Load(contents)
	if err != nil {
		return nil, fmt.Errorf("failed to parse kubeconfig: %w", err)
	}
	return config, nil
}

func expand(path string) (string, error) {
	if !strings.HasPrefix(path, "~") {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("the home directory of %q: %w", path, err)
	}
	return filepath.Join(home, path[1:]), nil
}

// sameCluster tells whether two configurations mean the same cluster. Users and namespaces may differ:
// only another cluster replaces what is in it.
func sameCluster(olds, news map[string]any) (bool, error) {
	oldID, newID := provider.Text(olds, "clusterIdentifier"), provider.Text(news, "clusterIdentifier")
	if oldID != newID && oldID != "" {
		return false, nil
	}
	if oldID != "" {
		return true, nil
	}
	before, after := provider.Text(olds, "kubeconfig"), provider.Text(news, "kubeconfig")
	if before == "" || after == "" || before == after {
		return true, nil
	}
	oldConfig, err := parse(before)
	newConfig, newErr := parse(after)
	if err := errors.Join(err, newErr); err != nil {
		return false, err
	}
	oldCluster, newCluster := active(oldConfig), active(newConfig)
	if oldCluster == nil || newCluster == nil {
		return true, nil
	}
	oldCluster.LocationOfOrigin, newCluster.LocationOfOrigin = "", ""
	return reflect.DeepEqual(oldCluster, newCluster), nil
}

func active(config *clientcmdapi.Config) *clientcmdapi.Cluster {
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return nil
	}
	return config.Clusters[current.Cluster]
}
