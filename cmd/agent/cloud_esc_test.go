package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

// importing gives the stack of an operation ESC environments.
func importing(environments ...string) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Stack.Environment = environments }
}

// environment makes an ESC environment.
func environment(t *testing.T, cloud *pulumicloud.Running, name, yaml string) int {
	t.Helper()
	revision, err := cloud.PutEnvironment("acme", name, yaml)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// configured echoes what an environment may configure.
const configured = `config:
  size: {type: string, default: none}
  color: {type: string, default: none}
  password: {type: string, default: none}
outputs: {size: "${size}", color: "${color}", password: "${password}"}
`

func TestEnvironmentsReachTheProgram(t *testing.T) {
	p, cloud := onCloud(t)
	environment(t, cloud, "team/base", "values:\n  pulumiConfig: {size: small, color: red}\n")
	environment(t, cloud, "team/app", `imports: [team/base]
values:
  secrets: {password: {fn::secret: esc-canary}}
  pulumiConfig: {color: green, password: "${secrets.password}"}
`)
	tagged := environment(t, cloud, "team/look", "values:\n  pulumiConfig: {color: blue}\n")
	cloud.TagEnvironment("acme", "team/look", "stable", tagged)
	environment(t, cloud, "team/look", "values:\n  pulumiConfig: {color: black}\n")
	carrying := yaml(configured)
	carrying["Pulumi.dev.yaml"] = "environment:\n  - team/app\n"
	carried, plain := p.store.put(t, carrying, ""), p.store.put(t, yaml(configured), "")

	for _, tc := range []struct {
		name, reason string
		source       *operation.Source
		environments []string
		size, color  string
		settings     string
	}{
		{"given", "values of an import of an import", plain, []string{"team/app"}, "small", "green", "team/app"},
		{"again", "the same list again", plain, []string{"team/app"}, "small", "green", "team/app"},
		{"order", "the later one wins", plain, []string{"team/app", "team/look"}, "small", "black", "team/app team/look"},
		{"turned", "the order is kept", plain, []string{"team/look", "team/app"}, "small", "green", "team/look team/app"},
		{"tag", "a version is asked for", plain, []string{"team/app", "team/look@stable"}, "small", "blue", "team/app team/look@stable"},
		{"carried", "the program's file has it already", carried, []string{"team/app"}, "small", "green", "team/app"},
		{"added", "it goes behind the program's own", carried, []string{"team/look", "team/app"}, "small", "black", "team/app team/look"},
		{"removed", "what is gone from the Stack is gone", plain, nil, "none", "none", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			result := p.hub.run(up(tc.name, tc.source, on("acme/demo/dev"), importing(tc.environments...)))
			wantSuccess(t, result)
			want := map[string]any{"size": tc.size, "color": tc.color, "password": "esc-canary"}
			if tc.size == "none" {
				want["password"] = "none"
			}
			if diff := cmp.Diff(want, values(t, result)); diff != "" {
				t.Errorf("%s: outputs (-want +got):\n%s", tc.reason, diff)
			}
			if secret := result.GetOutputs()["password"].GetSecret(); secret != (tc.size != "none") {
				t.Errorf("that the password is secret is %v", secret)
			}
			if diff := cmp.Diff(strings.Fields(tc.settings), listed(p.read("workspace/Pulumi.dev.yaml"))); diff != "" {
				t.Errorf("%s: the settings' environments (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	for place, text := range map[string]string{
		"settings": p.read("workspace/Pulumi.dev.yaml"), "log": p.log.text(), "what Pulumi Cloud keeps": cloud.Kept(),
	} {
		if strings.Contains(text, "canary") {
			t.Errorf("the environment's secret is in clear in the %s", place)
		}
	}
}

// listed are the environments of a settings file.
func listed(settings string) []string {
	list := []string{}
	_, rest, _ := strings.Cut(settings, "environment:\n")
	for line := range strings.Lines(rest) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !ok {
			break
		}
		list = append(list, name)
	}
	return list
}

func TestAnEnvironmentsVariablesReachThePlugins(t *testing.T) {
	needsProvider(t)
	p, cloud := onCloud(t)
	log := filepath.Join(p.share, "from-the-environment")
	environment(t, cloud, "vars", "values:\n  environmentVariables: {GANTRY_TESTING_LOG: \""+log+"\"}\n")
	source := p.store.put(t, yaml("resources:\n  quick: {type: testing:Sleep, properties: {seconds: 0, label: quick}}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, on("acme/demo/dev"), importing("vars"))))
	if got, err := os.ReadFile(log); err != nil || string(got) != "create quick\n" {
		t.Errorf("the provider's log is %q: %v", got, err)
	}
}

func TestAnEnvironmentThatCannotBeOpened(t *testing.T) {
	p, cloud := onCloud(t)
	environment(t, cloud, "broken", "values:\n  a: ${nowhere}\n")
	source := p.store.put(t, yaml(configured), "")
	fails(t, p.hub.run(up("missing", source, on("acme/demo/dev"), importing("team/none"))), operation.ReasonFailed, "Environment 'team/none' not found")
	fails(t, p.hub.run(up("broken", source, on("acme/demo/dev"), importing("broken"))), operation.ReasonFailed, "nowhere")
	wantSuccess(t, p.hub.run(up("none", source, on("acme/demo/dev"))))
	// A destroy opens the environments too.
	fails(t, p.hub.run(up("destroy", source, on("acme/demo/dev"), importing("team/none"), ofType(operation.Type_DESTROY))),
		operation.ReasonFailed, "Environment 'team/none' not found")
}

func TestABackendWithoutEnvironmentsIsToldOf(t *testing.T) {
	carrying := yaml(configured)
	carrying["Pulumi.dev.yaml"] = "environment:\n  values: {a: 1}\n"
	for name, tc := range map[string]struct {
		backend string
		files   map[string]string
		change  func(*operation.Operation)
		want    string
	}{
		"OfTheStack":   {"", yaml(configured), importing("team/app"), "(team/app)"},
		"OfTheProgram": {"", carrying, importing(), "(yaml)"},
		"Credentials":  {"s3://canary:canary@bucket?region=canary", yaml(configured), importing("team/app", "b"), "its backend is s3://:"},
	} {
		t.Run(name, func(t *testing.T) {
			var env []string
			if tc.backend != "" {
				env = []string{"PULUMI_BACKEND_URL=" + tc.backend}
			}
			p := newPod(t, cliDouble(t), env...)
			p.release()
			result := p.hub.run(up("one", p.store.put(t, tc.files, ""), tc.change))
			fails(t, result, operation.ReasonInitializationFailed, tc.want, "only Pulumi Cloud has", "spec.environment")
			if strings.Contains(result.GetMessage(), "canary") {
				t.Errorf("the backend's credentials are in the message: %s", result.GetMessage())
			}
			if p.ups() != 0 {
				t.Error("pulumi up was run nevertheless")
			}
		})
	}
}

func TestConfigurationThatPulumiCloudKeepsIsToldOf(t *testing.T) {
	needsProvider(t)
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml(configured+"resources:\n  made: {type: testing:Echo, properties: {value: \"${size}\"}}\n"), "")
	environment(t, cloud, "kept", "values:\n  pulumiConfig: {size: kept}\n")
	wantSuccess(t, p.hub.run(up("zero", source, on("acme/demo/dev"), ofType(operation.Type_PREVIEW))))
	cloud.KeepConfig("acme/demo/dev", "kept")
	for name, change := range map[string]func(*operation.Operation){
		"plain": with(given("size", `"mine"`)), "environment": importing("kept"),
	} {
		result := p.hub.run(up(name, source, on("acme/demo/dev"), change))
		fails(t, result, operation.ReasonInitializationFailed, "kept in Pulumi Cloud", "take it out of the Stack", "0 resources were done")
	}
	fails(t, p.hub.run(up("secret", source, on("acme/demo/dev"), with(given("password", `"canary"`, secret)))),
		operation.ReasonInitializationFailed, "remote stack config")
	// Without any of its own, the Stack runs with what Pulumi Cloud keeps.
	result := p.hub.run(up("none", source, on("acme/demo/dev")))
	wantSuccess(t, result)
	if got := values(t, result)["size"]; got != "kept" {
		t.Errorf("the size is %v", got)
	}
}

func TestTheKubeconfigOfAnEnvironmentWins(t *testing.T) {
	p, cloud := onCloud(t)
	p.account(serviceAccount(t))
	provider := p.store.put(t, map[string]string{"Pulumi.yaml": `name: clusters
runtime: yaml
config: {key: {type: string}}
variables: {text: {fn::secret: "{\"server\": \"https://far.example\", \"key\": \"${key}\"}"}}
outputs: {kubeconfig: "${text}", name: far}
`}, "")
	wantSuccess(t, p.hub.run(up("clusters", provider, on("acme/clusters/far"), with(given("key", `"kubeconfig-canary"`, secret)))))
	environment(t, cloud, "literal", "values:\n  pulumiConfig: {kubernetes:kubeconfig: {fn::secret: literal-canary}}\n")
	environment(t, cloud, "stack", `values:
  clusters: {fn::open::pulumi-stacks: {stacks: {far: {stack: clusters/far}}}}
  pulumiConfig: {kubernetes:kubeconfig: "${clusters.far.kubeconfig}", name: "${clusters.far.name}"}
`)
	environment(t, cloud, "other", "values:\n  pulumiConfig: {size: small}\n")
	source := p.store.put(t, yaml("config: {name: {type: string, default: none}}\noutputs: {name: \"${name}\"}\n"), "")
	inCluster := func(op *operation.Operation) {
		op.Kubeconfig = &operation.Kubeconfig{Mode: operation.Kubeconfig_IN_CLUSTER}
	}
	told := func() int { return strings.Count(cloud.Kept(), `"kubernetes:kubeconfig":"[secret]"`) }
	for _, tc := range []struct {
		name, reason string
		want         bool
	}{
		{"literal", "the environment's own", true},
		{"stack", "another stack's output", true},
		{"other", "one without a kubeconfig leaves the provider to the pod's own cluster", false},
	} {
		before := told()
		result := p.hub.run(up(tc.name, source, on("acme/demo/"+tc.name), importing(tc.name), inCluster))
		wantSuccess(t, result)
		if got := p.read("workspace/Pulumi." + tc.name + ".yaml"); strings.Contains(got, "kubeconfig") {
			t.Errorf("%s: the settings overrule it:\n%s", tc.reason, got)
		}
		if got := told() > before; got != tc.want {
			t.Errorf("%s: that the engine had a kubeconfig is %v", tc.reason, got)
		}
		if tc.name == "stack" && values(t, result)["name"] != "far" {
			t.Errorf("the other stack's outputs are %v", values(t, result))
		}
	}
	if strings.Contains(cloud.Kept(), "canary") || strings.Contains(p.log.text(), "canary") {
		t.Error("a kubeconfig is in clear in the log or in Pulumi Cloud")
	}
}
