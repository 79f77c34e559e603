package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/agent/cloud"
	"github.com/gantry-operator/gantry/internal/agent/project"
	"github.com/gantry-operator/gantry/internal/operation"
)

func TestOnCloud(t *testing.T) {
	home := t.TempDir()
	const stored = `{"current": "https://current.test", "accessTokens": {"https://current.test": "pul-current", "https://other.test": "pul-other"}}`
	if err := os.WriteFile(filepath.Join(home, "credentials.json"), []byte(stored), 0o600); err != nil {
		t.Fatal(err)
	}
	before := []*operation.Ended{
		{Permalink: "https://c.test/else/demo/other/updates/1"}, {Permalink: "https://c.test/else/another/dev/updates/1"},
		{Permalink: "file:///state"}, {Permalink: "https://c.test/acme/demo/dev/updates/1"},
	}
	dev := cloud.Stack{Org: "acme", Project: "demo", Name: "dev"}
	for name, tc := range map[string]struct {
		env        environment
		stack      string
		ended      []*operation.Ended
		url, token string
		want       cloud.Stack
		ok         bool
	}{
		"Environment":     {environment{"PULUMI_BACKEND_URL": "https://b.test/", "PULUMI_ACCESS_TOKEN": "pul-1"}, "acme/demo/dev", nil, "https://b.test", "pul-1", dev, true},
		"LoggedIn":        {environment{"PULUMI_HOME": home}, "acme/dev", nil, "https://current.test", "pul-current", dev, true},
		"LoggedInBefore":  {environment{"PULUMI_HOME": home, "PULUMI_BACKEND_URL": "https://other.test"}, "acme/dev", nil, "https://other.test", "pul-other", dev, true},
		"NameFromBefore":  {environment{"PULUMI_HOME": home}, "dev", before, "https://current.test", "pul-current", dev, true},
		"NameNotKnown":    {environment{"PULUMI_HOME": home}, "dev", before[:3], "", "", cloud.Stack{}, false},
		"NoToken":         {environment{"PULUMI_HOME": home, "PULUMI_BACKEND_URL": "https://third.test"}, "acme/dev", nil, "", "", cloud.Stack{}, false},
		"Files":           {environment{"PULUMI_BACKEND_URL": "file:///state", "PULUMI_ACCESS_TOKEN": "pul-1"}, "acme/dev", nil, "", "", cloud.Stack{}, false},
		"NobodyLoggedIn":  {environment{"PULUMI_HOME": t.TempDir(), "PULUMI_ACCESS_TOKEN": "pul-1"}, "acme/dev", nil, "", "", cloud.Stack{}, false},
		"SpoiltFile":      {environment{"PULUMI_HOME": "/dev/null", "PULUMI_ACCESS_TOKEN": "pul-1"}, "acme/dev", nil, "", "", cloud.Stack{}, false},
		"HomeByDefault":   {environment{"HOME": filepath.Dir(home)}, "acme/dev", nil, "", "", cloud.Stack{}, false},
		"TokenIsNotMoved": {environment{"PULUMI_HOME": home, "PULUMI_BACKEND_URL": "https://third.test"}, "acme/dev", before, "", "", cloud.Stack{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			run := &run{
				env: tc.env, project: &project.Project{Settings: &workspace.Project{Name: tokens.PackageName("demo")}},
				op: &operation.Operation{Stack: &operation.Stack{Name: tc.stack}, Ended: tc.ended},
			}
			client, stack, err := (&Runner{}).onCloud(run)
			if (err == nil) != tc.ok {
				t.Fatalf("the error is %v", err)
			}
			if err == nil && (client.URL != tc.url || client.Token != tc.token || stack != tc.want) {
				t.Errorf("asks %s with %s of %v", client.URL, client.Token, stack)
			}
		})
	}
}
