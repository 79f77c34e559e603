package compat

import (
	"fmt"
	"strings"
	"testing"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// withSpec is a Stack's spec with more fields, in YAML.
func withSpec(fields string, words ...string) wrong {
	return wrong{fields: "spec: {stack: dev, " + fields + "}", words: words}
}

// refusedSpec is a spec that the API server does not take.
func refusedSpec(fields, words string) wrong {
	return wrong{fields: "spec: {stack: dev, " + fields + "}", refused: words}
}

// ofWorkspace is a spec with a template of a Workspace.
func ofWorkspace(fields string, words ...string) wrong {
	return withSpec("workspaceTemplate: {spec: {"+fields+"}}", words...)
}

// ofUpdate is a spec with a template of an Update.
func ofUpdate(fields string, words ...string) wrong {
	return withSpec("updateTemplate: {spec: {"+fields+"}}", words...)
}

// TestInvalidStacks: whatever a Stack holds that cannot work is told on that Stack at once, and no other minds it.
func TestInvalidStacks(t *testing.T) {
	c := newControllers(t)
	all := map[string]wrong{}
	for _, some := range []map[string]wrong{invalidStackNames(), invalidEnvironments(), invalidConfigurations(), invalidReferences(), invalidGit(), invalidRuns(), invalidWorkspaceTemplates(), invalidUpdateTemplates()} {
		for name, w := range some {
			all[name] = w
		}
	}
	c.run("pulumi.com/v1", "Stack", "SpecInvalid", all)
}

func invalidStackNames() map[string]wrong {
	return map[string]wrong{
		"StackMissing":    {fields: "spec: {}", refused: "spec.stack"},
		"StackWrongType":  {fields: "spec: {stack: 1}", refused: "spec.stack"},
		"StackEmpty":      {fields: `spec: {stack: ""}`, words: []string{"spec.stack: is empty"}},
		"StackParts":      {fields: "spec: {stack: a/b/c/d}", words: []string{"spec.stack: ", "4 parts"}},
		"StackPartEmpty":  {fields: "spec: {stack: a//c}", words: []string{`spec.stack: "a//c" is no name`}},
		"StackSpaces":     {fields: "spec: {stack: a b}", words: []string{`spec.stack: "a b" is no name`}},
		"StackUnicode":    {fields: "spec: {stack: entwicklung-ü}", words: []string{"spec.stack: "}},
		"StackControl":    {fields: `spec: {stack: "a\nb"}`, words: []string{`spec.stack: "a\nb" is no name`}},
		"StackOption":     {fields: "spec: {stack: " + strings.Repeat("a", 101) + "}", words: []string{"spec.stack: ", "100 characters at most"}},
		"StackHuge":       {fields: "spec: {stack: " + strings.Repeat("a", 1<<20) + "}", words: []string{"spec.stack: "}},
		"SecretsProvider": withSpec(`secretsProvider: "a\x00b"`, "spec.secretsProvider: "),
	}
}

func invalidEnvironments() map[string]wrong {
	return map[string]wrong{
		"BackendWrongType":    refusedSpec("backend: {}", "spec.backend"),
		"BackendNoURL":        withSpec("backend: somewhere", "spec.backend: is no URL"),
		"BackendPassword":     withSpec(`backend: "https://user:hunter2@host:port"`, "spec.backend: is no URL"),
		"BackendNul":          withSpec(`backend: "s3://a\0"`, "spec.backend: ", "NUL"),
		"BackendHuge":         withSpec("backend: s3://"+strings.Repeat("a", 200<<10), "spec.backend: has 2048", "131072 at most"),
		"BackendTwice":        withSpec("backend: s3://a, envRefs: {PULUMI_BACKEND_URL: {type: Literal, literal: {value: s3://b}}}", "spec.envRefs[PULUMI_BACKEND_URL]: spec.backend says the same"),
		"TokenTwice":          withSpec("accessTokenSecret: s, envRefs: {PULUMI_ACCESS_TOKEN: {type: Literal, literal: {value: hunter2}}}", "spec.envRefs[PULUMI_ACCESS_TOKEN]: spec.accessTokenSecret says the same"),
		"TokenSecretName":     withSpec("accessTokenSecret: My_Secret", `spec.accessTokenSecret: "My_Secret" is no name of a Secret`),
		"EnvsWrongType":       refusedSpec("envs: a", "spec.envs"),
		"EnvsEmpty":           withSpec(`envs: [a, ""]`, "spec.envs[1]: is empty"),
		"EnvsLong":            withSpec("envs: ["+strings.Repeat("a", 254)+"]", "spec.envs[0]: "),
		"EnvSecretsUpperCase": withSpec("envSecrets: [Nope]", `spec.envSecrets[0]: "Nope"`),
		"EnvName":             withSpec(`envRefs: {"A=B": {type: Literal, literal: {value: hunter2}}}`, "spec.envRefs[A=B]: "),
		"EnvNameEmpty":        withSpec(`envRefs: {"": {type: Literal, literal: {value: hunter2}}}`, `spec.envRefs[""]: is empty`),
		"EnvNameUnicode":      withSpec(`envRefs: {"ÄÖ": {type: Literal, literal: {value: hunter2}}}`, "spec.envRefs[ÄÖ]: "),
		"EnvNameControl":      withSpec(`envRefs: {"A\nB": {type: Literal, literal: {value: hunter2}}}`, `spec.envRefs["A\nB"]: `),
		"EnvValueNul":         withSpec(`envRefs: {A: {type: Literal, literal: {value: "hunter2\0"}}}`, "spec.envRefs[A].literal.value: has a NUL"),
		"EnvValueHuge":        withSpec("envRefs: {A: {type: Literal, literal: {value: hunter2"+strings.Repeat("a", 130<<10)+"}}}", "spec.envRefs[A].literal.value: has"),
		"Everything":          withSpec(`backend: nowhere, envs: [""], envRefs: {A: {type: Env}, B: {type: FS}}`, "spec.backend: ", "spec.envs[0]: ", "spec.envRefs[A]: ", "spec.envRefs[B]: "),
	}
}

func invalidConfigurations() map[string]wrong {
	many := make([]string, 0, 20000)
	for i := range cap(many) {
		many = append(many, fmt.Sprintf("\"a:b:c:%d\": 1", i))
	}
	return map[string]wrong{
		"ConfigString":        withSpec("config: foo", "spec.config: must be", "object"),
		"ConfigList":          withSpec("config: [1]", "spec.config: must be", "object"),
		"ConfigNumber":        withSpec("config: 7", "spec.config: must be", "object"),
		"ConfigKeyEmpty":      withSpec(`config: {"": 1}`, `spec.config[""]: the key of the value is empty`),
		"ConfigKeyColons":     withSpec(`config: {"a:b:c": hunter2}`, "spec.config[a:b:c]: ", "no key of a configuration value"),
		"ConfigKeyNoName":     withSpec(`config: {"aws:": hunter2}`, "spec.config[aws:]: "),
		"ConfigKeyNoSpace":    withSpec(`config: {":region": hunter2}`, "spec.config[:region]: "),
		"ConfigKeyControl":    withSpec(`config: {"a\tb": hunter2}`, `spec.config["a\tb"]: the key "a\tb" has control characters`),
		"ConfigKeyLong":       withSpec("config: {? \"a:b:c"+strings.Repeat("c", 100<<10)+"\" : hunter2}", `spec.config["a:b:ccc`),
		"ConfigKeysMany":      withSpec("config: {"+strings.Join(many, ", ")+"}", "spec.config[a:b:c:0]: ", "(cut)"),
		"SecretsWrongType":    refusedSpec("secrets: {a: 1}", "spec.secrets.a"),
		"SecretsKey":          withSpec(`secrets: {"a:b:c": hunter2}`, "spec.secrets[a:b:c]: "),
		"ConfigAndSecrets":    withSpec("config: {k: 1}, secrets: {k: hunter2}", "spec.secrets[k]: ", "is in spec.config too: keep one"),
		"ConfigAndConfigRef":  withSpec("config: {k: 1}, configRef: {k: {name: c, key: k}}", "spec.configRef[k]: ", "is in spec.config too"),
		"ConfigAndSecretsRef": withSpec("config: {k: 1}, secretsRef: {k: {type: Literal, literal: {value: hunter2}}}", "spec.secretsRef[k]: ", "is in spec.config too"),
		"RefAndSecretsRef":    withSpec("configRef: {k: {name: c, key: k}}, secretsRef: {k: {type: Literal, literal: {value: hunter2}}}", "spec.secretsRef[k]: ", "is in spec.configRef too"),
		"SecretsAndRef":       withSpec("secrets: {k: hunter2}, secretsRef: {k: {type: Literal, literal: {value: hunter2}}}", "spec.secretsRef[k]: ", "is in spec.secrets too"),
		"ESCEmpty":            withSpec(`environment: [""]`, "spec.environment[0]: is empty"),
		"ESCControl":          withSpec(`environment: [ok, "a\nb"]`, "spec.environment[1]: ", "control characters"),
	}
}

func invalidGit() map[string]wrong {
	const repo = "projectRepo: https://host/a, branch: main"
	deep := strings.Repeat("a/", 3000)
	return map[string]wrong{
		"GitNoRepo":        withSpec("branch: main", `spec.projectRepo: missing "projectRepo"`),
		"GitNoRef":         withSpec("projectRepo: https://host/a", `spec.branch: missing "commit" or "branch"`),
		"GitTwoRefs":       withSpec(repo+", commit: main", `only one of "commit" or "branch"`),
		"GitFile":          withSpec("projectRepo: file:///etc, branch: main", "spec.projectRepo: "),
		"GitPath":          withSpec("projectRepo: /etc, branch: main", "spec.projectRepo: "),
		"GitProgram":       withSpec(`projectRepo: "ext::sh -c id", branch: main`, "spec.projectRepo: "),
		"GitOption":        withSpec("projectRepo: --upload-pack=id, branch: main", "spec.projectRepo: "),
		"GitSSHOption":     withSpec("projectRepo: \"ssh://-oProxyCommand=id/x\", branch: main", "spec.projectRepo: "),
		"GitPassword":      withSpec(`projectRepo: "https://me:hunter2@host/a", branch: main`, "spec.projectRepo: ", "Secret"),
		"GitControl":       withSpec(`projectRepo: "https://host/a\nb", branch: main`, "spec.projectRepo: "),
		"GitHuge":          withSpec("projectRepo: https://host/"+strings.Repeat("a", 1<<20)+", branch: main", "spec.projectRepo: "),
		"GitUnicodeHost":   withSpec("projectRepo: https://hößt/a, branch: main", "spec.projectRepo: "),
		"GitRefOption":     withSpec("projectRepo: https://host/a, branch: --all", "spec.branch: "),
		"GitRefControl":    withSpec(`projectRepo: https://host/a, branch: "a\nb"`, "spec.branch: "),
		"GitRefUp":         withSpec("projectRepo: https://host/a, branch: refs/../x", "spec.branch: "),
		"GitRefGlob":       withSpec(`projectRepo: https://host/a, branch: "re*"`, "spec.branch: "),
		"GitCommitControl": withSpec(`projectRepo: https://host/a, commit: "a\u007f"`, "spec.commit: "),
		"GitDirUp":         withSpec(repo+", repoDir: ../a", "spec.repoDir: ", "leads out"),
		"GitDirUpLater":    withSpec(repo+", repoDir: /a/../../b", "spec.repoDir: ", "leads out"),
		"GitDirControl":    withSpec(repo+`, repoDir: "a\0"`, "spec.repoDir: ", "control"),
		"GitDirHuge":       withSpec(repo+", repoDir: "+deep, "spec.repoDir: has 6000 bytes"),
		"GitPathsUp":       withSpec(repo+", repoPaths: [a, b/../../c]", "spec.repoPaths[1]: ", "leads out"),
		"GitPathsAll":      withSpec(repo+", repoPaths: [/]", "spec.repoPaths[0]: ", "whole repository"),
		"GitPathsType":     refusedSpec(repo+", repoPaths: a", "spec.repoPaths"),
		"GitSubmodules":    refusedSpec(repo+", recurseSubmodules: deep", "spec.recurseSubmodules"),
		"GitSecretName":    withSpec(repo+", gitAuthSecret: A_B", "spec.gitAuthSecret: "),
		"GitAuthEmpty":     withSpec(repo+", gitAuth: {}", "spec.gitAuth: is empty"),
		"GitAuthEnv":       withSpec(repo+", gitAuth: {accessToken: {type: Env, env: {name: TOKEN}}}", "spec.gitAuth.accessToken: ", "deprecated"),
		"GitAuthFile":      withSpec(repo+", gitAuth: {sshAuth: {sshPrivateKey: {type: FS, filesystem: {path: /key}}}}", "spec.gitAuth.sshAuth.sshPrivateKey: ", "deprecated"),
		"GitAuthType":      withSpec(repo+", gitAuth: {caBundle: {type: Magic}}", `spec.gitAuth.caBundle: unknown type "Magic"`),
		"GitAuthElsewhere": withSpec(repo+", gitAuth: {accessToken: {type: Secret, secret: {namespace: other, name: a, key: b}}}", "spec.gitAuth.accessToken: cross-namespace"),
		"GitAuthKey":       withSpec(repo+", gitAuth: {basicAuth: {userName: {type: Secret, secret: {name: a, key: a/b}}, password: {type: Secret, secret: {name: a, key: b}}}}", "spec.gitAuth.basicAuth.userName.secret.key: "),
		"GitAppNoKey":      refusedSpec(repo+", gitAuth: {githubApp: {appID: {type: Literal}}}", "spec.gitAuth.githubApp"),
		"GitEverything":    withSpec("branch: -a, repoDir: .., gitAuth: {bearerToken: {type: Env}}", "spec.projectRepo: ", "spec.branch: ", "spec.repoDir: ", "spec.gitAuth.bearerToken: "),
	}
}

func invalidReferences() map[string]wrong {
	cases := map[string]wrong{
		"ConfigRefNoName":       refusedSpec("configRef: {k: {key: a}}", "spec.configRef.k.name"),
		"ConfigRefEmpty":        withSpec(`configRef: {k: {name: "", key: ""}}`, "spec.configRef[k].name: is empty", "spec.configRef[k].key: is empty"),
		"ConfigRefName":         withSpec("configRef: {k: {name: a/b, key: a}}", `spec.configRef[k].name: "a/b" is no name of a ConfigMap`),
		"ConfigRefUp":           withSpec("configRef: {k: {name: a, key: ../../etc/passwd}}", `spec.configRef[k].key: "../../etc/passwd" is no key`),
		"KubeconfigNone":        refusedSpec("kubeconfig: {type: Secret}", "secretRef is needed"),
		"KubeconfigName":        withSpec("kubeconfig: {type: Secret, secretRef: {name: A_B, key: a}}", "spec.kubeconfig.secretRef.name: "),
		"KubeconfigKey":         withSpec("kubeconfig: {type: Secret, secretRef: {name: a, key: ../a}}", "spec.kubeconfig.secretRef.key: "),
		"ServiceAccount":        withSpec("serviceAccountName: system:admin", `spec.serviceAccountName: "system:admin" is no name of a ServiceAccount`),
		"ServiceAccountLong":    withSpec("serviceAccountName: "+strings.Repeat("a", 254), "spec.serviceAccountName: "),
		"ProgramNoName":         refusedSpec("programRef: {}", "spec.programRef.name"),
		"ProgramNameEmpty":      withSpec(`programRef: {name: ""}`, "spec.programRef.name: is empty"),
		"ProgramNameOther":      withSpec(`programRef: {name: other/program}`, `spec.programRef.name: "other/program"`),
		"FluxVersion":           withSpec("fluxSource: {sourceRef: {apiVersion: a/b/c, kind: GitRepository, name: a}}", "spec.fluxSource.sourceRef.apiVersion: "),
		"FluxKindEmpty":         withSpec(`fluxSource: {sourceRef: {apiVersion: v1, kind: "", name: a}}`, "spec.fluxSource.sourceRef.kind: "),
		"FluxName":              withSpec("fluxSource: {sourceRef: {apiVersion: a/v1, kind: GitRepository, name: A/B}}", "spec.fluxSource.sourceRef.name: "),
		"FluxDirUp":             withSpec("fluxSource: {sourceRef: {apiVersion: a/v1, kind: GitRepository, name: a}, dir: ../b}", "spec.fluxSource.dir: "),
		"FluxKind":              refusedSpec("fluxSource: {sourceRef: {name: a, apiVersion: v1}}", "spec.fluxSource.sourceRef.kind"),
		"GitSecretOfType":       refusedSpec("projectRepo: https://git, gitAuth: {accessToken: {}}", "spec.gitAuth.accessToken.type"),
		"PrerequisiteNoName":    refusedSpec("prerequisites: [{}]", "spec.prerequisites[0].name"),
		"PrerequisiteEmpty":     withSpec(`prerequisites: [{name: ""}]`, "spec.prerequisites[0].name: is empty"),
		"PrerequisiteElsewhere": withSpec(`prerequisites: [{name: ok}, {name: other/stack}]`, `spec.prerequisites[1].name: "other/stack"`),
		"PrerequisiteDuration":  withSpec(`prerequisites: [{name: ok, requirement: {succeededWithinDuration: 1d}}]`, `spec.prerequisites[0].requirement.succeededWithinDuration: "1d" is not a duration`),
		"PrerequisiteNegative":  withSpec(`prerequisites: [{name: ok, requirement: {succeededWithinDuration: -1h}}]`, "spec.prerequisites[0].requirement.succeededWithinDuration: "),
	}
	for field, at := range map[string]string{"envRefs": "spec.envRefs[K]", "secretsRef": "spec.secretsRef[K]"} {
		of := func(ref string, words ...string) wrong { return withSpec(field+": {K: "+ref+"}", append(words, at)...) }
		cases[field+"NoType"] = refusedSpec(field+": {K: {}}", "spec."+field+".K.type")
		cases[field+"Unknown"] = of(`{type: Vault}`, `unknown type "Vault"`)
		cases[field+"TypeHuge"] = of("{type: "+strings.Repeat("V", 64<<10)+"}", "unknown type")
		cases[field+"Env"] = of(`{type: Env, env: {name: A}}`, "no longer works")
		cases[field+"FS"] = of(`{type: FS, filesystem: {path: /a}}`, "no longer works")
		cases[field+"NoSecret"] = of(`{type: Secret}`, `"secret" is missing`)
		cases[field+"NoLiteral"] = of(`{type: Literal, secret: {name: a, key: b}}`, `"literal" is missing`)
		cases[field+"CrossNamespace"] = of(`{type: Secret, secret: {namespace: kube-system, name: a, key: b}}`, "cross-namespace")
		cases[field+"SecretName"] = of(`{type: Secret, secret: {name: a b, key: b}}`, ".secret.name: ")
		cases[field+"SecretKey"] = of(`{type: Secret, secret: {name: a, key: a/b}}`, ".secret.key: ")
		cases[field+"NoKey"] = refusedSpec(field+": {K: {type: Secret, secret: {name: a}}}", "spec."+field+".K.secret.key")
	}
	return cases
}

func invalidRuns() map[string]wrong {
	urn := "urn:pulumi:dev::p::t::n"
	return map[string]wrong{
		"TargetsWrongType": refusedSpec("targets: a", "spec.targets"),
		"TargetNoURN":      withSpec("targets: ["+urn+", bucket]", `spec.targets[1]: "bucket" is no URN`),
		"TargetHalf":       withSpec("targets: [\"urn:pulumi:dev::p\"]", "spec.targets[0]: "),
		"TargetEmpty":      withSpec(`targets: [""]`, "spec.targets[0]: "),
		"TargetControl":    withSpec("targets: [\""+urn+"\\0\"]", "spec.targets[0]: ", "control characters"),
		"TargetsHuge":      withSpec("targets: [\""+urn+strings.Repeat("n", 600<<10)+"\"]", "spec.targets: has 6", "524288 at most"),
		"ReclaimPolicy":    refusedSpec("workspaceReclaimPolicy: Sometimes", "spec.workspaceReclaimPolicy"),
		"ResyncWrongType":  refusedSpec("resyncFrequencySeconds: 1m", "spec.resyncFrequencySeconds"),
		"ResyncFraction":   refusedSpec("resyncFrequencySeconds: 1.5", "spec.resyncFrequencySeconds"),
		"PreviewWrongType": refusedSpec("preview: maybe", "spec.preview"),
	}
}

func invalidWorkspaceTemplates() map[string]wrong {
	const at = "spec.workspaceTemplate.spec."
	pod := func(fields string, words ...string) wrong {
		return ofWorkspace("podTemplate: {spec: {"+fields+"}}", words...)
	}
	return map[string]wrong{
		"TemplateLabel":           withSpec("workspaceTemplate: {metadata: {labels: {a: a b}}}", "spec.workspaceTemplate.metadata.labels[a]: "),
		"TemplateLabelKey":        withSpec("workspaceTemplate: {metadata: {labels: {a b: c}}}", "spec.workspaceTemplate.metadata.labels[a b]: "),
		"TemplateAnnotation":      withSpec("workspaceTemplate: {metadata: {annotations: {a b: c}}}", "spec.workspaceTemplate.metadata.annotations[a b]: "),
		"TemplateWrongType":       refusedSpec("workspaceTemplate: []", "spec.workspaceTemplate"),
		"TemplateQuantity":        ofWorkspace("resources: {limits: {memory: 1e1.5}}", "workspaceTemplate", "quantities"),
		"TemplateNumber":          ofWorkspace("pulumiLogLevel: 3000000000", "workspaceTemplate", "pulumiLogLevel"),
		"TemplateNegative":        ofWorkspace("pulumiLogLevel: -1", at+"pulumiLogLevel: is -1"),
		"TemplateAccount":         ofWorkspace("serviceAccountName: A", at+"serviceAccountName: "),
		"TemplateProfile":         ofWorkspace("securityProfile: privileged", at+`securityProfile: "privileged" is neither`),
		"TemplateImage":           ofWorkspace("image: pulumi/CASE", at+`image: "pulumi/CASE" is no name of an image`),
		"TemplateImageSpace":      ofWorkspace(`image: "pulumi/pulumi: latest"`, at+"image: "),
		"TemplatePullPolicy":      ofWorkspace("imagePullPolicy: Daily", at+`imagePullPolicy: "Daily"`),
		"TemplateAgentPath":       ofWorkspace("agentPath: bin/agent", at+"agentPath: "),
		"TemplateIdle":            ofWorkspace("idleTimeout: 1d", at+`idleTimeout: "1d" is not a duration`),
		"TemplateIdleNegative":    ofWorkspace("idleTimeout: -1s", at+"idleTimeout: "),
		"TemplateEnvName":         ofWorkspace("env: [{name: A=B, value: hunter2}]", at+"env[0].name: "),
		"TemplateEnvTwice":        ofWorkspace("env: [{name: A, value: hunter2}, {name: A, value: hunter2}]", at+`env[1].name: "A" is there already, at spec.env[0].name`),
		"TemplateEnvHuge":         ofWorkspace("env: [{name: A, value: "+strings.Repeat("a", 130<<10)+"}]", at+"env[0].value: has"),
		"TemplateEnvFrom":         ofWorkspace("envFrom: [{secretRef: {name: A_B}}]", at+"envFrom[0].secretRef.name: "),
		"TemplateEnvFromEmpty":    ofWorkspace("envFrom: [{configMapRef: {}}]", at+"envFrom[0].configMapRef.name: "),
		"TemplateSameStack":       ofWorkspace("stacks: [{name: dev}]", "spec.workspaceTemplate.spec.stacks", `"dev" is the stack of spec.stack`),
		"TemplateStackName":       ofWorkspace("stacks: [{name: a b}]", at+"stacks[0].name: "),
		"TemplateStackNoName":     ofWorkspace("stacks: [{create: true}]", at+"stacks[0].name: is empty"),
		"TemplateStackTwice":      ofWorkspace("stacks: [{name: a}, {name: a}]", at+`stacks[1].name: "a" is there already`),
		"TemplateConfigKey":       ofWorkspace("stacks: [{name: a, config: [{key: \"a:b:c\", value: hunter2}]}]", at+"stacks[0].config[0].key: "),
		"TemplateConfigTwice":     ofWorkspace("stacks: [{name: a, config: [{key: k, value: 1}, {key: k, value: 2}]}]", at+`stacks[0].config[1].key: "k" is there already`),
		"TemplateConfigNothing":   ofWorkspace("stacks: [{name: a, config: [{key: k}]}]", at+`stacks[0].config[0]: config "k" needs exactly one of`),
		"TemplateConfigBoth":      ofWorkspace("stacks: [{name: a, config: [{key: k, value: 1, valueFrom: {env: A}}]}]", at+`stacks[0].config[0]: config "k" has both`),
		"TemplateFlux":            ofWorkspace("flux: {url: https://host/a}", at+"flux.digest: is missing"),
		"TemplateFluxDigest":      ofWorkspace("flux: {url: https://host/a, digest: md5:1}", at+"flux.digest: "),
		"TemplateFluxURL":         ofWorkspace("flux: {url: \"ftp://u:hunter2@host/a\", digest: \"sha256:"+strings.Repeat("0", 64)+"\"}", at+"flux.url: is not a URL"),
		"TemplateProject":         ofWorkspace("projectInfo: {name: a b, runtime: yaml}", at+"projectInfo.name: "),
		"TemplateProjectRuntime":  ofWorkspace("projectInfo: {name: a}", at+"projectInfo.runtime: is empty"),
		"TemplatePodLabel":        ofWorkspace("podTemplate: {metadata: {labels: {a: a b}}}", at+"podTemplate.metadata.labels[a]: "),
		"TemplatePodWrongType":    pod("containers: pulumi", at+"podTemplate.spec.containers: "),
		"TemplatePodUnknown":      pod("container: []", at+"podTemplate.spec.container: there is no such field"),
		"TemplatePodQuantity":     pod("containers: [{name: pulumi, resources: {limits: {memory: lots}}}]", at+"podTemplate.spec.containers[0].resources.limits.memory: "),
		"TemplatePodNoName":       pod("containers: [{image: a, env: [{name: TOKEN, value: hunter2}]}]", at+"podTemplate.spec.containers[0].name: is missing"),
		"TemplatePodImage":        pod("containers: [{name: side, image: \"a b\"}]", at+`podTemplate.spec.containers[0].image: "a b" is no name of an image`),
		"TemplatePodInitImage":    pod("initContainers: [{name: side, image: \"http://a\"}]", at+`podTemplate.spec.initContainers[0].image: `),
		"TemplatePodSpecWrong":    refusedSpec("workspaceTemplate: {spec: {podTemplate: {spec: []}}}", "podTemplate.spec"),
		"TemplatePodSpecDirected": pod("containers: [{name: pulumi, $patch: delete}]", at+"podTemplate.spec.containers[0].$patch: "),
	}
}

func invalidUpdateTemplates() map[string]wrong {
	const at = "spec.updateTemplate.spec."
	return map[string]wrong{
		"UpdateLabel":       withSpec("updateTemplate: {metadata: {labels: {a: a b}}}", "spec.updateTemplate.metadata.labels[a]: "),
		"UpdateNumber":      ofUpdate("parallel: 3000000000", "spec.updateTemplate.spec: cannot be read: parallel"),
		"UpdateType":        ofUpdate("type: apply", at+`type: is "apply"`),
		"UpdateTimeout":     ofUpdate("timeout: 0s", at+`timeout: "0s" is not a duration that is longer than zero`),
		"UpdateTTL":         ofUpdate("ttlAfterCompleted: 7d", at+`ttlAfterCompleted: "7d" is not a duration`),
		"UpdateTarget":      ofUpdate("target: [bucket]", at+"target[0]: "),
		"UpdateReplace":     ofUpdate("replace: [bucket]", at+"replace[0]: "),
		"UpdateMessage":     ofUpdate(`message: "a\0"`, at+"message: has a NUL"),
		"UpdateMessageHuge": ofUpdate("message: "+strings.Repeat("a", 70<<10), at+"message: has 71680 bytes"),
		"UpdateWorkspace":   ofUpdate("workspaceName: A_B", at+"workspaceName: "),
		"UpdateStack":       ofUpdate("stackName: a b", at+"stackName: "),
		"UpdateWrongType":   refusedSpec("updateTemplate: {spec: {parallel: many}}", "spec.updateTemplate.spec.parallel"),
	}
}

// TestStacksThatWaitForEachOther: each says which they are, and so does one that waits for itself.
func TestStacksThatWaitForEachOther(t *testing.T) {
	c := newControllers(t)
	waiting := func(name, others string) {
		t.Helper()
		manifest := fmt.Sprintf("{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: %s}, spec: {stack: dev, prerequisites: [%s]}}", name, others)
		if err := c.client.Create(t.Context(), object(t, c.namespace, manifest)); err != nil {
			t.Fatal(err)
		}
	}
	says := func(name, kind, reason string, words ...string) {
		t.Helper()
		waits := object(t, c.namespace, "{apiVersion: pulumi.com/v1, kind: Stack, metadata: {name: "+name+"}}")
		c.reconcile(waits)
		c.says(waits, kind, reason, words...)
	}
	waiting("self", "{name: self}")
	waiting("a", "{name: b}")
	waiting("b", "{name: other}, {name: c}")
	waiting("c", "{name: a}")
	waiting("after", "{name: a}")
	says("self", autov1alpha1.ConditionTypeStalled, "SpecInvalid", "spec.prerequisites[0].name: is the Stack itself")
	says("a", autov1alpha1.ConditionTypeStalled, "SpecInvalid", "spec.prerequisites: ", "a → b → c → a")
	says("b", autov1alpha1.ConditionTypeStalled, "SpecInvalid", "b → c → a → b")
	says("after", autov1alpha1.ConditionTypeReconciling, "PrerequisiteNotSatisfied", `prerequisite "a"`)
	c.othersGoOn()
}
