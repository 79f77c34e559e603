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
		if theirs := run.env.kubeconfig(); theirs != "" {
			r.Log.Info("no kubeconfig is generated for the program", "reason", theirs)
			return nil, nil
		}
		text, err := r.generate()
		if err != nil {
			r.Log.Info("no kubeconfig is generated for the program", "error", err)
			run.notes = append(run.notes, "no kubeconfig was generated: "+err.Error())
			return nil, nil
		}
		item.Text = string(text)
		return item, write(r.Pod.Kubeconfig, text)
	}
}

// generate makes the kubeconfig of the pod.
func (r *Runner) generate() ([]byte, error) {
	return kubeconfig.Build(kubeconfig.Inputs{
		Namespace: r.Pod.Namespace, NoClusterDNS: r.Pod.NoClusterDNS,
		Host: r.Pod.ServiceHost, Port: r.Pod.ServicePort,
		TokenPath: r.Pod.TokenPath, HasToken: exists(r.Pod.TokenPath),
		CAPath: r.Pod.CAPath, HasCA: exists(r.Pod.CAPath),
	})
}

// kubeconfig says where the user gave the pod a kubeconfig; empty for nowhere. It goes first: a provider would not look
// at it once the stack's configuration names a cluster.
func (e environment) kubeconfig() string {
	if e["KUBECONFIG"] != "" {
		return "the pod's environment sets KUBECONFIG"
	}
	if path := filepath.Join(e["HOME"], ".kube", "config"); e["HOME"] != "" && exists(path) {
		return "there is a " + path
	}
	return ""
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
