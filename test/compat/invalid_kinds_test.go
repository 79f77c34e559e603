package compat

import (
	"strings"
	"testing"
)

// TestInvalidWorkspaces: what a Workspace holds that cannot work is told on it before there is a pod.
func TestInvalidWorkspaces(t *testing.T) {
	with := func(fields string, words ...string) wrong {
		return wrong{fields: "spec: {" + fields + "}", words: words}
	}
	pod := func(fields string, words ...string) wrong {
		w := with("podTemplate: {spec: {"+fields+"}}", words...)
		w.reason = "PodTemplateInvalid"
		return w
	}
	stack := func(fields string, words ...string) wrong { return with("stacks: [{name: dev, "+fields+"}]", words...) }
	newControllers(t).run("auto.pulumi.com/v1alpha1", "Workspace", "SpecInvalid", map[string]wrong{
		"Account":        with("serviceAccountName: a/b", `spec.serviceAccountName: "a/b"`),
		"Profile":        with("securityProfile: none", "spec.securityProfile: "),
		"Image":          with(`image: "a b"`, `spec.image: "a b" is no name of an image`),
		"ImageHuge":      with("image: "+strings.Repeat("a", 1<<20), "spec.image: "),
		"PullPolicy":     with("imagePullPolicy: Daily", "spec.imagePullPolicy: "),
		"AgentPath":      with("agentPath: agent", "spec.agentPath: "),
		"Idle":           with("idleTimeout: soon", `spec.idleTimeout: "soon" is not a duration`),
		"LogLevel":       with("pulumiLogLevel: -3", "spec.pulumiLogLevel: is -3"),
		"LogLevelLarge":  with("pulumiLogLevel: 3000000000", "spec: cannot be read: pulumiLogLevel"),
		"LogLevelType":   {fields: "spec: {pulumiLogLevel: high}", refused: "spec.pulumiLogLevel"},
		"Quantity":       with("resources: {limits: {cpu: 1e1.5}}", "spec: cannot be read: resources"),
		"EnvName":        with(`env: [{name: "A=B", value: hunter2}]`, "spec.env[0].name: "),
		"EnvNoName":      {fields: "spec: {env: [{value: a}]}", refused: "spec.env[0].name"},
		"EnvTwice":       {fields: "spec: {env: [{name: A}, {name: A}]}", refused: "spec.env[1]"},
		"EnvHuge":        with("env: [{name: A, value: hunter2"+strings.Repeat("a", 1<<17)+"}]", "spec.env[0].value: has"),
		"EnvFrom":        with("envFrom: [{secretRef: {name: A B}}]", "spec.envFrom[0].secretRef.name: "),
		"FluxDigest":     with("flux: {url: https://host/a, digest: latest}", `spec.flux.digest: "latest" is not`),
		"FluxNoDigest":   with("flux: {url: https://host/a}", "spec.flux.digest: is missing"),
		"FluxURL":        with("flux: {url: \"file:///etc/passwd\", digest: \"sha256:"+strings.Repeat("a", 64)+"\"}", "spec.flux.url: "),
		"Project":        with("projectInfo: {name: \"\", runtime: yaml}", "spec.projectInfo.name: is empty"),
		"GitNoURL":       with("git: {ref: main}", "spec.git.url: is missing"),
		"GitFile":        with("git: {url: /etc, ref: main}", "spec.git.url: "),
		"GitRef":         with("git: {url: https://host/a, ref: --all}", "spec.git.ref: "),
		"GitDir":         with("git: {url: https://host/a, dir: ../b}", "spec.git.dir: ", "leads out"),
		"GitPaths":       with("git: {url: https://host/a, paths: [../b]}", "spec.git.paths[0]: ", "leads out"),
		"GitAuth":        with("git: {url: https://host/a, auth: {token: {name: A_B, key: a/b}}}", "spec.git.auth.token.name: ", "spec.git.auth.token.key: "),
		"Kubeconfig":     with("kubeconfig: {type: Secret, secretRef: {name: a, key: a/b}}", "spec.kubeconfig.secretRef.key: "),
		"StackName":      with(`stacks: [{name: "a\nb"}]`, `spec.stacks[0].name: "a\nb" is no name`),
		"StackTwice":     {fields: "spec: {stacks: [{name: a}, {name: a}]}", refused: "spec.stacks[1]"},
		"ConfigKey":      stack(`config: [{key: "a:b:c:d", value: hunter2}]`, "spec.stacks[0].config[0].key: "),
		"ConfigPath":     stack(`config: [{key: "a:b:c.x[0]", path: true, value: hunter2}]`, "spec.stacks[0].config[0].key: "),
		"ConfigTwice":    {fields: "spec: {stacks: [{name: a, config: [{key: k, value: 1}, {key: k, value: 2}]}]}", refused: "config[1]"},
		"ConfigNothing":  stack("config: [{key: k}]", `spec.stacks[0].config[0]: config "k" needs exactly one`),
		"ConfigBoth":     stack("config: [{key: k, value: hunter2, valueFrom: {env: A}}]", `spec.stacks[0].config[0]: config "k" has both`),
		"ConfigEnv":      stack("config: [{key: k, valueFrom: {env: A=B}}]", "spec.stacks[0].config[0].valueFrom.env: "),
		"ConfigFromBoth": stack("config: [{key: k, valueFrom: {env: A, path: /a}}]", "needs exactly one"),
		"ESC":            stack(`environment: [""]`, "spec.stacks[0].environment[0]: is empty"),
		"Several":        with("idleTimeout: soon, image: A, agentPath: b", "spec.image: ", "spec.agentPath: ", "spec.idleTimeout: "),
		"PodLabel":       {fields: "spec: {podTemplate: {metadata: {labels: {a: a b}}}}", reason: "PodTemplateInvalid", words: []string{"spec.podTemplate.metadata.labels[a]: "}},
		"PodUnknown":     pod("volume: []", "spec.podTemplate.spec.volume: there is no such field"),
		"PodWrongType":   pod("containers: [{name: pulumi, ports: [{containerPort: http}]}]", "spec.podTemplate.spec.containers[0].ports[0].containerPort: "),
		"PodNoName":      pod("containers: [{image: a}]", "spec.podTemplate.spec.containers[0].name: is missing"),
		"PodImage":       pod("containers: [{name: side, image: \"a b\"}]", "spec.podTemplate.spec.containers[0].image: "),
	})
}

// TestPodsThatTheServerRefuses: what only the API server can tell is told in its words.
func TestPodsThatTheServerRefuses(t *testing.T) {
	c := newControllers(t)
	cases := map[string]struct{ spec, words string }{
		"VolumeName":     {"podTemplate: {spec: {volumes: [{name: A_B, emptyDir: {}}]}}", "spec.volumes[0].name"},
		"NoVolume":       {"podTemplate: {spec: {containers: [{name: pulumi, volumeMounts: [{name: none, mountPath: /a}]}]}}", "volumeMounts[0].name"},
		"RequestOver":    {"resources: {requests: {cpu: \"2\"}, limits: {cpu: \"1\"}}", "resources.requests"},
		"ContainerTwice": {"podTemplate: {spec: {initContainers: [{name: pulumi, image: a}]}}", "Duplicate value"},
		"BothValues":     {"env: [{name: A, value: hunter2, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", "valueFrom"},
		"FieldPath":      {"env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nothing}}}]", "fieldPath"},
		"RestartPolicy":  {"podTemplate: {spec: {restartPolicy: Sometimes}}", "spec.restartPolicy"},
	}
	number := 0
	for name, tc := range cases {
		number++
		t.Run(name, func(t *testing.T) {
			c.t = t
			id := "refused-" + string(rune('a'+number))
			bad := object(t, c.namespace, "{apiVersion: auto.pulumi.com/v1alpha1, kind: Workspace, metadata: {name: "+id+"}, spec: {"+tc.spec+"}}")
			wanted := object(t, c.namespace, "{apiVersion: auto.pulumi.com/v1alpha1, kind: Update, metadata: {name: "+id+"}, spec: {workspaceName: "+id+", stackName: dev, type: up}}")
			for _, made := range []string{"Workspace", "Update"} {
				one := bad
				if made == "Update" {
					one = wanted
				}
				if err := c.client.Create(t.Context(), one); err != nil {
					t.Fatal(err)
				}
			}
			c.reconcile(bad)
			c.says(bad, "Stalled", "PodInvalid", tc.words)
			c.reconcile(wanted)
			c.says(wanted, "Stalled", "WorkspaceStalled", "PodInvalid", tc.words)
			c.othersGoOn()
		})
	}
}

// TestInvalidUpdates: an Update that cannot run is over at once, and says why.
func TestInvalidUpdates(t *testing.T) {
	with := func(fields string, words ...string) wrong {
		return wrong{fields: "spec: {" + fields + "}", words: words}
	}
	more := func(fields string, words ...string) wrong {
		return with("workspaceName: w, stackName: dev, type: up, "+fields, words...)
	}
	newControllers(t).run("auto.pulumi.com/v1alpha1", "Update", "InvalidSpec", map[string]wrong{
		"Empty":          with("", "spec.workspaceName: is missing", "spec.stackName: is missing", "spec.type: is missing"),
		"NoSpec":         {fields: "{}", words: []string{"spec.workspaceName: is missing"}},
		"WorkspaceName":  with("workspaceName: other/w, stackName: dev, type: up", `spec.workspaceName: "other/w"`),
		"WorkspaceLong":  with("workspaceName: "+strings.Repeat("w", 254)+", stackName: dev, type: up", "spec.workspaceName: "),
		"StackName":      with("workspaceName: w, stackName: --help me, type: up", `spec.stackName: "--help me"`),
		"Type":           with("workspaceName: w, stackName: dev, type: Up", `spec.type: is "Up"`),
		"TypeHuge":       with("workspaceName: w, stackName: dev, type: "+strings.Repeat("u", 1<<20), "spec.type: is "),
		"WrongType":      {fields: "spec: {type: 1}", refused: "spec.type"},
		"Parallel":       more("parallel: 3000000000", "spec: cannot be read: parallel"),
		"Target":         more("target: [bucket]", "spec.target[0]: "),
		"Replace":        more("replace: [\"urn:pulumi:dev::p::t::n\", \"\"]", "spec.replace[1]: "),
		"TargetsHuge":    more("target: [\"*"+strings.Repeat("a", 1<<20)+"\"]", "spec.target: has "),
		"MessageNul":     more(`message: "a\0b"`, "spec.message: has a NUL"),
		"MessageHuge":    more("message: "+strings.Repeat("m", 1<<20), "spec.message: has 1048576 bytes"),
		"TTL":            {fields: "spec: {workspaceName: w, stackName: dev, type: up, ttlAfterCompleted: 7d}", kind: "FieldsIgnored", reason: "NoEffect", words: []string{"spec.ttlAfterCompleted: "}},
		"Timeout":        more("timeout: soon", `spec.timeout: "soon" is not a duration`),
		"TimeoutType":    {fields: "spec: {timeout: 5}", refused: "spec.timeout"},
		"Negative":       {fields: "spec: {workspaceName: w, stackName: dev, type: up, parallel: -1}", kind: "FieldsIgnored", reason: "NoEffect", words: []string{"spec.parallel: "}},
		"NoSuchObject":   {fields: "spec: {workspaceName: w, stackName: dev, type: up}", kind: "Reconciling", reason: "WorkspaceNotFound", words: []string{`"w" does not exist`}},
		"ReplaceUnknown": {fields: "spec: {replace: {}}", refused: "spec.replace"},
	})
}

// TestInvalidPrograms: what is no program is told on the Program; what Pulumi makes of it is Pulumi's business.
func TestInvalidPrograms(t *testing.T) {
	c := newControllers(t)
	c.run("pulumi.com/v1", "Program", "ProgramInvalid", map[string]wrong{
		"Nothing":        {fields: "{}", words: []string{"has no program"}},
		"String":         {fields: "program: text", refused: "program"},
		"List":           {fields: "program: []", refused: "program"},
		"ResourceNoType": {fields: "program: {resources: {a: {}}}", refused: "program.resources.a.type"},
		"ResourceEmpty":  {fields: `program: {resources: {a: {type: ""}}}`, refused: "program.resources.a.type"},
		"OutputsList":    {fields: "program: {outputs: []}", refused: "program.outputs"},
	})
	long := object(t, c.namespace, "{apiVersion: pulumi.com/v1, kind: Program, metadata: {name: "+strings.Repeat("p", 101)+"}, program: {}}")
	if err := c.client.Create(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	c.reconcile(long)
	c.says(long, "Stalled", "ProgramInvalid", "metadata.name", "100 characters")
	of := object(t, c.namespace, "{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: of-long}, spec: {stack: dev, programRef: {name: "+long.GetName()+"}}}")
	if err := c.client.Create(t.Context(), of); err != nil {
		t.Fatal(err)
	}
	c.reconcile(of)
	c.says(of, "Stalled", "SpecInvalid", long.GetName(), "100 characters")
}
