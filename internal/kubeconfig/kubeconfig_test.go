package kubeconfig_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/gantry-operator/gantry/internal/kubeconfig"
)

// pod has all that a usual pod has; change makes it another.
func pod(change func(*kubeconfig.Inputs)) kubeconfig.Inputs {
	in := kubeconfig.Inputs{
		Namespace: "team-a", Host: "10.96.0.1", Port: "443",
		TokenPath: "/var/run/secrets/kubernetes.io/serviceaccount/token", HasToken: true,
		CAPath: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", HasCA: true,
	}
	if change != nil {
		change(&in)
	}
	return in
}

func TestBuild(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*kubeconfig.Inputs)
		server string
		err    error
	}{
		"Usual": {
			reason: "a pod reaches the API server by its constant name, whatever the Service's address",
			server: "https://kubernetes.default.svc",
		},
		"OtherAddress": {
			reason: "another address or port of the Service must not show: it would replace the provider",
			change: func(in *kubeconfig.Inputs) { in.Host, in.Port = "fd00::1", "6443" },
			server: "https://kubernetes.default.svc",
		},
		"HostNetworkIPv4": {
			reason: "without cluster DNS the Service's address is used",
			change: func(in *kubeconfig.Inputs) { in.NoClusterDNS = true },
			server: "https://10.96.0.1:443",
		},
		"HostNetworkIPv6": {
			reason: "an IPv6 address is bracketed",
			change: func(in *kubeconfig.Inputs) { in.NoClusterDNS, in.Host = true, "fd00:10:96::1" },
			server: "https://[fd00:10:96::1]:443",
		},
		"HostNetworkOddPort": {
			reason: "the port is the environment's",
			change: func(in *kubeconfig.Inputs) { in.NoClusterDNS, in.Port = true, "16443" },
			server: "https://10.96.0.1:16443",
		},
		"HostNetworkNoHost": {
			reason: "without DNS and without the environment there is no way",
			change: func(in *kubeconfig.Inputs) { in.NoClusterDNS, in.Host = true, "" },
			err:    kubeconfig.ErrNoService,
		},
		"HostNetworkNoPort": {
			reason: "a port is never guessed",
			change: func(in *kubeconfig.Inputs) { in.NoClusterDNS, in.Port = true, "" },
			err:    kubeconfig.ErrNoService,
		},
		"NoToken": {
			reason: "a kubeconfig with a missing token file is refused by every client",
			change: func(in *kubeconfig.Inputs) { in.HasToken = false },
			err:    kubeconfig.ErrNoToken,
		},
		"NoCA": {
			reason: "a kubeconfig with a missing CA file is refused by every client",
			change: func(in *kubeconfig.Inputs) { in.HasCA = false },
			err:    kubeconfig.ErrNoCA,
		},
		"NoNamespace": {
			reason: "without a namespace clients would use default",
			change: func(in *kubeconfig.Inputs) { in.Namespace = "" },
			err:    kubeconfig.ErrNoNamespace,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := pod(tc.change)
			got, err := kubeconfig.Build(in)
			if !errors.Is(err, tc.err) {
				t.Fatalf("%s: error %v, want %v", tc.reason, err, tc.err)
			}
			if tc.err != nil {
				return
			}
			config, err := clientcmd.Load(got)
			if err != nil {
				t.Fatalf("client-go cannot read it: %v\n%s", err, got)
			}
			context := config.Contexts[config.CurrentContext]
			cluster, user := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
			want := []string{tc.server, in.CAPath, in.TokenPath, in.Namespace}
			have := []string{cluster.Server, cluster.CertificateAuthority, user.TokenFile, context.Namespace}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if user.Token != "" || len(cluster.CertificateAuthorityData) > 0 || cluster.InsecureSkipTLSVerify {
				t.Errorf("it holds a token, CA data or no verification:\n%s", got)
			}
		})
	}
}

func TestBuildIsTheSameInEveryPod(t *testing.T) {
	one, err := kubeconfig.Build(pod(nil))
	if err != nil {
		t.Fatal(err)
	}
	two, err := kubeconfig.Build(pod(func(in *kubeconfig.Inputs) { in.Host, in.Port = "10.0.0.1", "6443" }))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(one), string(two)); diff != "" {
		t.Errorf("two pods of one namespace differ:\n%s", diff)
	}
	const want = `apiVersion: v1
kind: Config
current-context: in-cluster
clusters:
- name: in-cluster
  cluster:
    server: "https://kubernetes.default.svc"
    certificate-authority: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
users:
- name: workspace
  user:
    tokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"
contexts:
- name: in-cluster
  context:
    cluster: in-cluster
    user: workspace
    namespace: "team-a"
`
	if diff := cmp.Diff(want, string(one)); diff != "" {
		t.Errorf("the bytes changed, which touches the provider of every stack (-want +got):\n%s", diff)
	}
}
