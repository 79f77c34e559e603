package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/doubles/packages"
)

// npmPackages has what the TypeScript program of the cluster's tests needs.
const npmPackages = "../../bin/packages/npm"

// withNPM makes a pod whose npm knows a registry with the packages of the TypeScript program, and gives the program's files.
func withNPM(t *testing.T) (*pod, *packages.Server, map[string]string) {
	t.Helper()
	dir := realCLI(t)
	for _, needed := range []string{npmPackages, filepath.Join(dir, "pulumi-language-nodejs")} {
		if _, err := os.Stat(needed); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("a program in TypeScript cannot be run: %v", err)
			}
			t.Skipf("NOT TESTED: a program in TypeScript cannot be run (%v); run make tools bin/packages/npm", err)
		}
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatalf("npm is missing; run make packages: %v", err)
	}
	registry, err := packages.New(packages.Options{NPM: npmPackages, Token: "npm-token"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry)
	t.Cleanup(server.Close)
	files := map[string]string{}
	for _, name := range []string{"Pulumi.yaml", "index.ts", "package.json", "package-lock.json", "tsconfig.json"} {
		text, err := os.ReadFile(filepath.Join("../../test/e2e/testdata/typescript", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	host := strings.TrimPrefix(server.URL, "http:")
	files[".npmrc"] = "registry=" + server.URL + "/npm/\n" + host + "/npm/:_authToken=${NPM_TOKEN}\naudit=false\nfund=false\nfetch-retries=0\n"
	return newPod(t, dir, "NPM_TOKEN=npm-token"), registry, files
}

// changed is a program with another file.
func changed(files map[string]string, name, old, text string) map[string]string {
	other := map[string]string{}
	for name, text := range files {
		other[name] = text
	}
	other[name] = strings.ReplaceAll(files[name], old, text)
	return other
}

func TestTypeScriptIsInstalledOncePerLockFile(t *testing.T) {
	p, registry, files := withNPM(t)
	cache := t.TempDir()
	p.again("--cache=" + cache)
	first := p.hub.run(up("first", p.store.put(t, files, "")))
	wantSuccess(t, first)
	if got := string(first.GetOutputs()["greeting"].GetJson()); got != `"hello from dev"` {
		t.Errorf("the greeting is %s", got)
	}
	asked := len(registry.Requests())
	if asked == 0 {
		t.Error("the registry was not asked for anything")
	}
	mark := len(p.log.text())
	second := p.hub.run(up("second", p.store.put(t, changed(files, "index.ts", "hello", "hello again"), "")))
	wantSuccess(t, second)
	if got := string(second.GetOutputs()["greeting"].GetJson()); got != `"hello again from dev"` {
		t.Errorf("the second greeting is %s", got)
	}
	if started := p.started(mark); strings.Join(started, " ") != "up" {
		t.Errorf("a revision with the same lock file ran %q", started)
	}
	if more := len(registry.Requests()) - asked; more != 0 {
		t.Errorf("the second revision asked the registry for %d things", more)
	}
	if kept, err := os.ReadDir(filepath.Join(cache, "npm")); err != nil || len(kept) == 0 {
		t.Errorf("the cache has %v (%v)", kept, err)
	}
}

func TestAHalfInstallationIsRemovedBeforeTheNext(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	program := map[string]string{"Pulumi.yaml": "name: demo\nruntime: nodejs\n", "package.json": "{}"}
	source := p.store.put(t, program, "")
	left := "workspace/node_modules/.half"
	fail := func(uid string, source *operation.Source) {
		t.Helper()
		if err := os.WriteFile(p.home("broken"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if result := p.hub.run(up(uid, source)); result.GetReason() != operation.ReasonInstallationFailed {
			t.Fatalf("reason %s: %s", result.GetReason(), result.GetMessage())
		}
		if err := os.Remove(p.home("broken")); err != nil {
			t.Fatal(err)
		}
	}
	fail("one", source)
	if err := os.Mkdir(filepath.Join(p.share, "workspace/node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(left, "what npm fell over")
	wantSuccess(t, p.hub.run(up("two", source)))
	if _, err := os.Stat(filepath.Join(p.share, left)); !os.IsNotExist(err) {
		t.Errorf("the half installation is still there (%v)", err)
	}

	// What the source brings is not touched.
	program["node_modules/mine/index.js"] = "mine"
	source = p.store.put(t, program, "")
	fail("three", source)
	wantSuccess(t, p.hub.run(up("four", source)))
	if got := p.read("workspace/node_modules/mine/index.js"); got != "mine" {
		t.Errorf("the source's own module is %q", got)
	}
}

func TestAProgramThatCannotBeInstalledCanBeDestroyed(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	if err := os.WriteFile(p.home("broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	source := p.store.put(t, map[string]string{"Pulumi.yaml": "name: demo\nruntime: nodejs\n"}, "")
	cases := map[string]struct {
		kind    operation.Type
		program bool
		want    operation.Outcome
	}{
		"Destroy":        {operation.Type_DESTROY, false, operation.Outcome_SUCCEEDED},
		"Refresh":        {operation.Type_REFRESH, false, operation.Outcome_SUCCEEDED},
		"DestroyProgram": {operation.Type_DESTROY, true, operation.Outcome_FAILED},
		"Preview":        {operation.Type_PREVIEW, false, operation.Outcome_FAILED},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result := p.hub.run(up(name, source, asked(tc.kind, &operation.Options{RunProgram: tc.program})))
			if result.GetOutcome() != tc.want {
				t.Errorf("outcome %v, want %v: %s", result.GetOutcome(), tc.want, result.GetMessage())
			}
		})
	}
}

func TestInstallationsThatFailAreToldInTheToolsOwnWords(t *testing.T) {
	p, _, files := withNPM(t)
	cases := map[string]struct {
		reason string
		files  map[string]string
		want   []string
	}{
		"BrokenLock": {
			"an archive that is not what the lock file says is not installed", changed(files, "package-lock.json", `"integrity": "sha512-`, `"integrity": "sha512-AAAA`),
			[]string{"pulumi install: ", "EINTEGRITY"},
		},
		"NoPackage": {
			"a package that nobody has is named",
			map[string]string{
				"Pulumi.yaml": files["Pulumi.yaml"], ".npmrc": files[".npmrc"], "index.ts": "",
				"package.json": `{"name": "x", "dependencies": {"no-such-package": "1.0.0"}}`,
			},
			[]string{"pulumi install: ", "E404", "no-such-package"},
		},
		"NoAccess": {
			"a registry that refuses is named", changed(files, ".npmrc", "${NPM_TOKEN}", "another"),
			[]string{"pulumi install: ", "E401"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result := p.hub.run(up(name, p.store.put(t, tc.files, "")))
			if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonInstallationFailed {
				t.Fatalf("%s: outcome %v, reason %s: %s", tc.reason, result.GetOutcome(), result.GetReason(), result.GetMessage())
			}
			for _, want := range tc.want {
				if !strings.Contains(result.GetMessage(), want) {
					t.Errorf("%s, but the message lacks %q: %s", tc.reason, want, result.GetMessage())
				}
			}
			if strings.Count(result.GetMessage(), "npm install failed") > 1 || len(result.GetMessage()) > 4<<10 || strings.Contains(result.GetMessage(), "npm-token") {
				t.Errorf("the message has %d bytes: %s", len(result.GetMessage()), result.GetMessage())
			}
		})
	}
}

func TestAMissingPluginIsNamedWithWhereItWasLookedFor(t *testing.T) {
	p := newPod(t, realCLI(t))
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	result := p.hub.run(up("one", p.store.put(t, yaml(`resources:
  missing: {type: "nobody:index:Thing", options: {version: 1.2.3, pluginDownloadURL: "`+server.URL+`"}}
`), "")))
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonFailed {
		t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
	}
	if message := result.GetMessage(); !strings.HasPrefix(message, "error resolving type of resource missing: ") || strings.Contains(message, "\x1b") {
		t.Errorf("the message does not begin with the error, or has colours: %q", message)
	}
	for _, want := range []string{"pulumi-resource-nobody", "v1.2.3", server.URL} {
		if !strings.Contains(result.GetMessage(), want) {
			t.Errorf("the message lacks %q: %s", want, result.GetMessage())
		}
	}
}
