package stage

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
)

// WriteKubeconfig writes a kubeconfig to a file with which commands go to the namespace, made from another one.
func (n *Namespace) WriteKubeconfig(from, file string) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return fmt.Errorf("a kubeconfig for namespace %s: %w", n.Name, err)
	}
	config.Contexts[config.CurrentContext].Namespace = n.Name
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("a kubeconfig for namespace %s: %w", n.Name, err)
	}
	return nil
}
