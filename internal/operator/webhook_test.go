package operator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRepositoryKey(t *testing.T) {
	for _, text := range []string{
		"https://git.example/Team/infra.git", "https://GIT.example/Team/infra", "https://user@git.example:443/Team/infra.git/",
		"git@git.example:Team/infra.git", "ssh://git@git.example:7999/Team/infra.git", "http://git.example/Team/infra",
	} {
		if key, ok := repositoryKey(text); !ok || key != "git.example/Team/infra" {
			t.Errorf("%s is %q, %v", text, key, ok)
		}
	}
	for _, text := range []string{"", "file:///etc", "git://git.example/x", "ext::sh -c x", "--upload-pack=x", "https://u:p@git.example/x", "/etc", "https://git.example/x\n"} {
		if key, ok := repositoryKey(text); ok {
			t.Errorf("%q is taken for %q", text, key)
		}
	}
}

func TestServedNames(t *testing.T) {
	o := Options{HubService: "gantry-hub", PodNamespace: "sys"}
	off := servedNames(o)
	o.WebhookAddress = ":9445"
	if diff := cmp.Diff(append(off, "gantry-webhook", "gantry-webhook.sys", "gantry-webhook.sys.svc", "gantry-webhook.sys.svc.cluster.local"), servedNames(o)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
