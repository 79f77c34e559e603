package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
)

// given is a configuration item with a JSON value.
func given(key, value string, change ...func(*operation.ConfigItem)) *operation.ConfigItem {
	item := &operation.ConfigItem{Key: key, From: &operation.ConfigItem_Json{Json: []byte(value)}}
	for _, change := range change {
		change(item)
	}
	return item
}

func secret(i *operation.ConfigItem)  { i.Secret = true }
func path(i *operation.ConfigItem)    { i.Path = true }
func parsed(i *operation.ConfigItem)  { i.ParseJson = true }
func env(i *operation.ConfigItem)     { i.From = &operation.ConfigItem_Env{Env: "FROM_ENV"} }
func dynamic(i *operation.ConfigItem) { i.From = &operation.ConfigItem_Env{Env: "FROM_FILE"} }
func file(p string) func(*operation.ConfigItem) {
	return func(i *operation.ConfigItem) { i.From = &operation.ConfigItem_File{File: p} }
}

// with configures an up.
func with(items ...*operation.ConfigItem) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Stack.Config = items }
}

// program echoes its configuration.
const program = `config:
  text: {type: string, default: none}
  count: {type: integer, default: 0}
  flag: {type: boolean, default: false}
  list: {type: array, items: {type: integer}, default: []}
  tree: {type: object, default: {}}
  carried: {type: string, default: none}
  password: {type: string, default: none}
variables:
  length: {fn::toJSON: [ "${password}" ]}
outputs:
  text: ${text}
  count: ${count}
  flag: ${flag}
  list: ${list}
  tree: ${tree}
  carried: ${carried}
  password: ${password}
`

// values are the outputs, without what the program says of secrets.
func values(t *testing.T, result *operation.Result) map[string]any {
	t.Helper()
	got := map[string]any{}
	for name, output := range result.GetOutputs() {
		var value any
		if err := json.Unmarshal(output.GetJson(), &value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	return got
}

func TestConfigurationOfEveryKind(t *testing.T) {
	p := newPod(t, realCLI(t), "FROM_ENV=[7, 8]")
	p.write(".env", "FROM_FILE='dynamic'\n")
	p.write("mounted", "mounted-canary\n")
	files := yaml(program)
	files["Pulumi.dev.yaml"] = "config:\n  demo:carried: by the source\n  demo:text: by the source\n"
	source := p.store.put(t, files, "")
	result := p.hub.run(up("one", source, with(
		given("text", "", dynamic),
		given("demo:count", `42`),
		given("flag", `true`),
		given("list", "", env, parsed),
		given("tree", `{"a": {"b": [1, "x", true]}}`),
		given("tree.a.c", `"deep"`, path),
		given("password", "", file(filepath.Join(p.share, "mounted")), secret),
		given("carried2", `null`),
	)))
	wantSuccess(t, result)
	want := map[string]any{
		"text": "dynamic", "count": 42.0, "flag": true, "list": []any{7.0, 8.0},
		"tree":    map[string]any{"a": map[string]any{"b": []any{1.0, "x", true}, "c": "deep"}},
		"carried": "by the source", "password": "mounted-canary\n",
	}
	if diff := cmp.Diff(want, values(t, result)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if !result.GetOutputs()["password"].GetSecret() {
		t.Error("a secret configuration value is an output in clear")
	}
	if diff := cmp.Diff([]string{"stack select", "up", "stack output"}, p.started(0)); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	settings := p.read("workspace/Pulumi.dev.yaml")
	if strings.Contains(settings, "canary") || strings.Contains(p.log.text(), "canary") {
		t.Errorf("a secret is in the settings or the log:\n%s", settings)
	}

	// The same again, and then another secret value.
	mark := len(p.log.text())
	same := given("password", "", file(filepath.Join(p.share, "mounted")), secret)
	wantSuccess(t, p.hub.run(up("two", source, with(same), noProgramOutputs)))
	if diff := cmp.Diff([]string{"preview"}, p.started(mark)); diff != "" {
		t.Errorf("processes with the same secret (-want +got):\n%s", diff)
	}
	mark = len(p.log.text())
	p.write("mounted", "another-canary")
	result = p.hub.run(up("three", source, with(same)))
	wantSuccess(t, result)
	if diff := cmp.Diff([]string{"up", "stack output"}, p.started(mark)); diff != "" {
		t.Errorf("processes with another secret (-want +got):\n%s", diff)
	}
	want = map[string]any{
		"text": "by the source", "count": 0.0, "flag": false, "list": []any{}, "tree": map[string]any{},
		"carried": "by the source", "password": "another-canary",
	}
	if diff := cmp.Diff(want, values(t, result)); diff != "" {
		t.Errorf("what is gone from the operation is not gone from the settings (-want +got):\n%s", diff)
	}
}

func noProgramOutputs(op *operation.Operation) { op.Type = operation.Type_PREVIEW }

func TestASecretOutlivesThePod(t *testing.T) {
	dir := realCLI(t)
	p := newPod(t, dir)
	source := p.store.put(t, yaml(program), "")
	wantSuccess(t, p.hub.run(up("one", source, with(given("password", `"first-canary"`, secret)))))
	// A new pod has a new disk, and nothing of the stack's settings but what the source carries.
	p.terminate()
	for _, name := range []string{".gantry", "source", "workspace"} {
		if err := os.RemoveAll(filepath.Join(p.share, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.hub.mu.Lock()
	p.hub.stream = nil
	p.hub.mu.Unlock()
	p.start()
	mark := len(p.log.text())
	result := p.hub.run(up("two", source, with(
		given("password", `"second-canary"`, secret), given("text", `"third-canary"`, secret))))
	wantSuccess(t, result)
	// Only the CLI can find the stack's encryption in its state; from then on the passphrase does.
	if diff := cmp.Diff([]string{"stack select", "config set", "up", "stack output"}, p.started(mark)); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
	if got := values(t, result)["text"]; got != "third-canary" {
		t.Errorf("the text is %v", got)
	}
	if got := values(t, result)["password"]; got != "second-canary" {
		t.Errorf("the password is %v", got)
	}
}

func TestConfigurationThatCannotBeRead(t *testing.T) {
	p := newPod(t, cliDouble(t), "FROM_ENV=canary{")
	source := p.store.put(t, yaml(program), "")
	cases := map[string]struct {
		items []*operation.ConfigItem
		dot   string
		want  string
	}{
		"MissingFile":     {items: []*operation.ConfigItem{given("a", "", file("/nowhere/a"))}, want: "config a: the file /nowhere/a is not there"},
		"MissingVariable": {items: []*operation.ConfigItem{given("a", "", dynamic)}, want: "config a: the environment variable FROM_FILE is not set"},
		"NotJSON":         {items: []*operation.ConfigItem{given("a", "", env, parsed)}, want: "config a: the value is not JSON"},
		"BadKey":          {items: []*operation.ConfigItem{given("a:b:c:d", `1`)}, want: `config key "a:b:c:d"`},
		"NoValue":         {items: []*operation.ConfigItem{{Key: "a"}}, want: "config a: it has no value"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			result := p.hub.run(up(name, source, with(tc.items...)))
			if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonInitializationFailed {
				t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
			}
			if !strings.Contains(result.GetMessage(), tc.want) || strings.Contains(result.GetMessage(), "canary") {
				t.Errorf("the message is not %q: %s", tc.want, result.GetMessage())
			}
		})
	}
	p.write(".env", "NAME='canary\n")
	result := p.hub.run(up("dotenv", source))
	if result.GetOutcome() != operation.Outcome_FAILED || strings.Contains(result.GetMessage(), "canary") {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
}

func TestTheKubeconfigIsSetWhereTheUserSetNone(t *testing.T) {
	account := serviceAccount(t)
	p := newPod(t, realCLI(t))
	p.account(account)
	p.write("other-cluster", "kubeconfig-canary")
	plain := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	mode := func(mode operation.Kubeconfig_Mode, path string) func(*operation.Operation) {
		return func(op *operation.Operation) { op.Kubeconfig = &operation.Kubeconfig{Mode: mode, File: path} }
	}
	inCluster := mode(operation.Kubeconfig_IN_CLUSTER, "")
	carried := yaml("outputs: {a: 1}\n")
	carried["Pulumi.dev.yaml"] = "config:\n  kubernetes:kubeconfig: mine\n"
	ours := `server: "https://kubernetes.default.svc"`

	cases := []struct {
		name, reason string
		source       *operation.Source
		change       []func(*operation.Operation)
		want         string
		absent       string
	}{
		{"InCluster", "the default", plain, []func(*operation.Operation){inCluster}, `kubernetes.default.svc`, ""},
		{"None", "nothing is set when nothing is wanted", plain, nil, "", "kubeconfig"},
		{"Item", "the user's own item wins", plain,
			[]func(*operation.Operation){inCluster, with(given("kubernetes:kubeconfig", `"mine"`))}, "kubernetes:kubeconfig: mine", ""},
		{"Carried", "the source's own settings win", p.store.put(t, carried, ""),
			[]func(*operation.Operation){inCluster}, "kubernetes:kubeconfig: mine", ""},
		{"File", "a given kubeconfig is kept secret", plain,
			[]func(*operation.Operation){mode(operation.Kubeconfig_FILE, filepath.Join(p.share, "other-cluster"))}, "secure:", "canary"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			wantSuccess(t, p.hub.run(up(tc.name, tc.source, tc.change...)))
			got := p.read("workspace/Pulumi.dev.yaml")
			if !strings.Contains(got, tc.want) || (tc.absent != "" && strings.Contains(got, tc.absent)) {
				t.Errorf("%s: the settings are\n%s", tc.reason, got)
			}
			if strings.Contains(got, "canary") {
				t.Errorf("the settings hold a token:\n%s", got)
			}
		})
	}
	if got := p.read("kubeconfig"); !strings.Contains(got, ours) || !strings.Contains(got, `namespace: "team-a"`) {
		t.Errorf("the generated kubeconfig is\n%s", got)
	}
	info, err := os.Stat(filepath.Join(p.share, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig's mode is %o", info.Mode().Perm())
	}
}

func TestTheKubeconfigYieldsToWhatTheUserGaveThePod(t *testing.T) {
	cases := map[string]struct {
		reason string
		env    string
		change func(*operation.Operation)
		empty  bool
		why    string
	}{
		"Variable": {
			reason: "the provider would not look at KUBECONFIG any more", env: "KUBECONFIG=/etc/kube", why: "sets KUBECONFIG",
		},
		"Environments": {
			reason: "an ESC environment may set it, and the settings would win",
			change: func(op *operation.Operation) { op.Stack.Environment = []string{"team/cluster"} },
			why:    "left to the stack's own configuration",
		},
		"NoToken": {reason: "there is nothing to make it from", empty: true, why: "no service-account token"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			// The double of the CLI talks to nobody.
			p := newPod(t, cliDouble(t), tc.env, "PULUMI_BACKEND_URL=https://api.pulumi.com")
			if !tc.empty {
				p.account(serviceAccount(t))
			}
			p.release()
			op := up("one", p.store.put(t, yaml("outputs: {a: 1}\n"), ""))
			op.Kubeconfig.Mode = operation.Kubeconfig_IN_CLUSTER
			if tc.change != nil {
				tc.change(op)
			}
			wantSuccess(t, p.hub.run(op))
			if got := p.read("workspace/Pulumi.dev.yaml"); strings.Contains(got, "kubeconfig") {
				t.Errorf("%s, but the settings are\n%s", tc.reason, got)
			}
			if !strings.Contains(p.log.text(), tc.why) {
				t.Errorf("the log does not say %q", tc.why)
			}
		})
	}
}

func TestEnvironmentsAreAddedOnce(t *testing.T) {
	p := newPod(t, cliDouble(t), "PULUMI_BACKEND_URL=https://api.pulumi.com")
	p.release()
	files := yaml("outputs: {a: 1}\n")
	files["Pulumi.dev.yaml"] = "environment:\n  - base\n  - team/app\n"
	source := p.store.put(t, files, "")
	for _, uid := range []string{"one", "two"} {
		wantSuccess(t, p.hub.run(up(uid, source, func(op *operation.Operation) {
			op.Stack.Environment = []string{"team/app", "team/more@v1", "team/more@v1"}
		})))
	}
	want := "environment:\n  - base\n  - team/app\n  - team/more@v1\n"
	if diff := cmp.Diff(want, p.read("workspace/Pulumi.dev.yaml")); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	wantSuccess(t, p.hub.run(up("three", source)))
	if diff := cmp.Diff(files["Pulumi.dev.yaml"], p.read("workspace/Pulumi.dev.yaml")); diff != "" {
		t.Errorf("settings without the operation's environments (-want +got):\n%s", diff)
	}
}

// What an operation has no more is gone from the settings that the pod has from the one before: plain values, parts of
// structured ones, and secrets, which the program then has its own defaults for.
func TestWhatIsRemovedIsGone(t *testing.T) {
	p := newPod(t, realCLI(t), "FROM_ENV=from-env")
	p.write("mounted", "mounted-canary")
	source := p.store.put(t, yaml(program), "")
	fromFile := file(filepath.Join(p.share, "mounted"))
	wantSuccess(t, p.hub.run(up("all", source, with(
		given("text", "", env), given("count", `42`), given("carried", `"secret-canary"`, secret),
		given("tree", `{"a": {"b": 1}}`), given("tree.a.c", `"deep"`, path), given("password", "", fromFile, secret),
	))))
	if settings := p.read("workspace/Pulumi.dev.yaml"); strings.Count(settings, "secure:") != 2 {
		t.Fatalf("want two secrets in the settings:\n%s", settings)
	}
	cases := []struct {
		name  string
		items []*operation.ConfigItem
		want  map[string]any
	}{
		{"OnePartAndOneSecret", []*operation.ConfigItem{given("tree", `{"a": {"b": 1}}`), given("password", "", fromFile, secret)},
			map[string]any{"text": "none", "count": 0.0, "carried": "none", "tree": map[string]any{"a": map[string]any{"b": 1.0}}, "password": "mounted-canary"}},
		{"All", nil, map[string]any{"text": "none", "count": 0.0, "carried": "none", "tree": map[string]any{}, "password": "none"}},
	}
	for _, tc := range cases {
		result := p.hub.run(up(tc.name, source, with(tc.items...)))
		wantSuccess(t, result)
		tc.want["flag"], tc.want["list"] = false, []any{}
		if diff := cmp.Diff(tc.want, values(t, result)); diff != "" {
			t.Errorf("%s: outputs (-want +got):\n%s", tc.name, diff)
		}
	}
	if settings := p.read("workspace/Pulumi.dev.yaml"); strings.Contains(settings, "demo:") || strings.Contains(settings, "secure:") {
		t.Errorf("what is removed is in the settings still:\n%s", settings)
	}
}

// serviceAccount is a directory with a service account's token and CA.
func serviceAccount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"token", "ca.crt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("token-canary"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
