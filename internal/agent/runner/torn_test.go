package runner

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/agent/project"
)

func TestTornAttributesAreRemoved(t *testing.T) {
	const state = ".pulumi/stacks/things/"
	cases := map[string]struct {
		reason, file, content string
		stays                 bool
	}{
		"Torn":         {"the CLI was killed before it wrote to it", state + "dev.json.attrs", "", false},
		"OldPlace":     {"stacks of no project", ".pulumi/stacks/dev.json.attrs", "", false},
		"OfALock":      {"a lock is read before it is canceled", ".pulumi/locks/organization/things/dev/1.json.attrs", "", false},
		"OfTheMeta":    {"the first file of a backend", ".pulumi/meta.yaml.attrs", "", false},
		"Whole":        {"it was written", state + "dev.json.attrs", `{"user.content_type":"application/json"}`, true},
		"State":        {"the state itself is never touched", state + "dev.json", "", true},
		"SomebodyElse": {"what is not the CLI's", "dev.json.attrs", "", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// A folder whose name is a pattern.
			folder := filepath.Join(t.TempDir(), "state[1]*")
			file := filepath.Join(folder, tc.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			r := &Runner{Log: slog.New(slog.DiscardHandler)}
			env, err := readEnvironment([]string{"PULUMI_BACKEND_URL=file://" + folder}, "")
			if err != nil {
				t.Fatal(err)
			}
			r.mendTorn(&run{env: env, project: &project.Project{Settings: &workspace.Project{}}})
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) == tc.stays {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
}
