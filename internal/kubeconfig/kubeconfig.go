// Package kubeconfig owns the kubeconfig that a program's Kubernetes provider gets in a workspace pod. It is pure: the
// caller says what the pod has, and the same pod always gives the same bytes.
//
// The bytes end in the stack's state as a provider's input, and a change of the cluster in them would replace the
// provider and all its resources. So nothing in them differs between two pods of a namespace, nothing is secret, and
// the token and the CA are paths that the client reads again by itself.
package kubeconfig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Why there is no kubeconfig to be had. Each is a fact of the pod, and none is an error of the program.
var (
	// ErrNoToken means that the pod has no service-account token.
	ErrNoToken = errors.New("the pod has no service-account token (automountServiceAccountToken is false)")
	// ErrNoCA means that the pod has no CA of the API server.
	ErrNoCA = errors.New("the pod has no CA certificate of the API server")
	// ErrNoNamespace means that the pod's namespace is not known.
	ErrNoNamespace = errors.New("the pod's namespace is not known")
	// ErrNoService means that neither cluster DNS nor the environment leads to the API server.
	ErrNoService = errors.New("cluster DNS is out of reach on the host's network and " +
		"KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set")
)

// server is the API server's name in every cluster. It is in every API server's certificate, and no address or IP
// family shows in it.
const server = "https://kubernetes.default.svc"

// Inputs is what a pod has.
type Inputs struct {
	// Namespace is the pod's.
	Namespace string
	// NoClusterDNS says that cluster DNS is out of reach, as on the host's network.
	NoClusterDNS bool
	// Host and Port are those of the API server's Service; used only without cluster DNS.
	Host, Port string
	// TokenPath and CAPath are where the service account's token and CA are mounted.
	TokenPath, CAPath string
	// HasToken and HasCA say whether they are there.
	HasToken, HasCA bool
}

// Build gives the kubeconfig, or why there is none.
func Build(in Inputs) ([]byte, error) {
	switch {
	case !in.HasToken:
		return nil, ErrNoToken
	case !in.HasCA:
		return nil, ErrNoCA
	case in.Namespace == "":
		return nil, ErrNoNamespace
	}
	address, err := address(in)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, format, strconv.Quote(address), strconv.Quote(in.CAPath),
		strconv.Quote(in.TokenPath), strconv.Quote(in.Namespace)), nil
}

// address is the API server's URL.
func address(in Inputs) (string, error) {
	if !in.NoClusterDNS {
		return server, nil
	}
	if in.Host == "" || in.Port == "" {
		return "", ErrNoService
	}
	return "https://" + net.JoinHostPort(in.Host, in.Port), nil
}

const format = `apiVersion: v1
kind: Config
current-context: in-cluster
clusters:
- name: in-cluster
  cluster:
    server: %s
    certificate-authority: %s
users:
- name: workspace
  user:
    tokenFile: %s
contexts:
- name: in-cluster
  context:
    cluster: in-cluster
    user: workspace
    namespace: %s
`
