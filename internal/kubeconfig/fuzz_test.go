package kubeconfig_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gantry-operator/gantry/internal/kubeconfig"
)

// FuzzBuild: whatever a pod has, the kubeconfig can be read and says just that, or there is none.
func FuzzBuild(f *testing.F) {
	f.Add("team-a", "10.96.0.1", "443", "/token", "/ca", false)
	f.Add("team-a", "fd00::1", "6443", "/token", "/ca", true)
	f.Add("a\"b\nc: d", "h\\", "\x00", "/tok en", "{}", true)
	f.Add("", "", "", "", "", true)
	f.Add("\xde", "\x80", "", "0", "\xce", false)
	f.Add("n", "ü", "-1", "~", "!!binary", true)
	f.Fuzz(func(t *testing.T, namespace, host, port, token, ca string, noDNS bool) {
		if !utf8.ValidString(strings.Join([]string{namespace, host, port, token, ca}, "\n")) {
			return // Kubernetes keeps no such text
		}
		in := kubeconfig.Inputs{Namespace: namespace, Host: host, Port: port, TokenPath: token, CAPath: ca, NoClusterDNS: noDNS, HasToken: true, HasCA: true}
		built, err := kubeconfig.Build(in)
		if err != nil {
			return
		}
		if again, err := kubeconfig.Build(in); err != nil || !bytes.Equal(built, again) {
			t.Errorf("the same pod gives another kubeconfig (%v)", err)
		}
		read, err := clientcmd.Load(built)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, built)
		}
		context := read.Contexts[read.CurrentContext]
		if context == nil || context.Namespace != namespace {
			t.Fatalf("context %+v, want namespace %q", context, namespace)
		}
		if got := read.AuthInfos[context.AuthInfo]; got == nil || got.TokenFile != token || got.Token != "" {
			t.Errorf("user %+v, want the token file %q", got, token)
		}
		if got := read.Clusters[context.Cluster]; got == nil || got.CertificateAuthority != ca || got.InsecureSkipTLSVerify {
			t.Errorf("cluster %+v, want the CA %q", got, ca)
		}
	})
}
