package runner

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/gantry-operator/gantry/internal/agent/settings"
	"github.com/gantry-operator/gantry/internal/kubeconfig"
	"github.com/gantry-operator/gantry/internal/operation"
)

// Pod is what the generated kubeconfig is made of.
type Pod struct {
	// Kubeconfig is the fixed path where the generated one is written.
	Kubeconfig string
	// Namespace is the pod's.
	Namespace string
	// NoClusterDNS says that cluster DNS is out of reach.
	NoClusterDNS bool
	// ServiceHost and ServicePort are those of the API server's Service.
	ServiceHost, ServicePort string
	// TokenPath and CAPath are where the service account is mounted.
	TokenPath, CAPath string
}

// kubeconfig is the value of kubernetes:kubeconfig where the stack's own configuration has none; nil for none.
func (r *Runner) kubeconfig(run *run) (*settings.Item, error) {
	wanted := run.op.GetKubeconfig()
	item := &settings.Item{Key: config.MustMakeKey("kubernetes", "kubeconfig")}
	switch wanted.GetMode() {
	case operation.Kubeconfig_NONE:
		return nil, nil
	case operation.Kubeconfig_FILE:
		text, err := os.ReadFile(wanted.GetFile())
		if err != nil {
			return nil, fmt.Errorf("the kubeconfig of the stack cannot be read: %w", err)
		}
		item.Text, item.Secret = string(text), true
		return item, nil
	default:
		text, why := r.generate(run)
		if why != "" {
			r.Log.Info("no kubeconfig is generated for the program", "why", why)
			run.notes = append(run.notes, "no kubeconfig was generated: "+why)
			return nil, nil
		}
		item.Text = string(text)
		return item, write(r.Pod.Kubeconfig, text)
	}
}

// generate makes the kubeconfig of the pod, or says why there is none. What the user gave the pod goes first: a provider
// would not look at it once the configuration names a cluster.
func (r *Runner) generate(run *run) (text []byte, why string) {
	if path, ok := run.env.lookup("KUBECONFIG"); ok && path != "" {
		return nil, "the pod's environment sets KUBECONFIG"
	}
	if home, ok := run.env.lookup("HOME"); ok && exists(filepath.Join(home, ".kube", "config")) {
		return nil, "there is a " + filepath.Join(home, ".kube", "config")
	}
	text, err := kubeconfig.Build(kubeconfig.Inputs{
		Namespace: r.Pod.Namespace, NoClusterDNS: r.Pod.NoClusterDNS,
		Host: r.Pod.ServiceHost, Port: r.Pod.ServicePort,
		TokenPath: r.Pod.TokenPath, HasToken: exists(r.Pod.TokenPath),
		CAPath: r.Pod.CAPath, HasCA: exists(r.Pod.CAPath),
	})
	if err != nil {
		return nil, err.Error()
	}
	return text, ""
}

// write replaces a file at once.
func write(path string, text []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
