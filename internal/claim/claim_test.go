package claim

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// side is one of two Stacks that may mean the same.
type side struct{ namespace, stack, spec string }

func (s side) claim(t *testing.T) (Claim, bool) {
	t.Helper()
	spec := &corev1.PodSpec{}
	if err := yaml.UnmarshalStrict([]byte(s.spec), spec); err != nil {
		t.Fatalf("the test's own spec: %v", err)
	}
	return Of(s.namespace, s.stack, spec)
}

// with is the pod of a Stack whose container pulumi has these fields.
func with(container string, more ...string) string {
	return "containers: [{name: side, env: [{name: PULUMI_BACKEND_URL, value: wrong}]}, {name: pulumi, " + container + "}]\n" + strings.Join(more, "\n")
}

func at(url string, env ...string) string {
	return with(`env: [{name: PULUMI_BACKEND_URL, value: "` + url + `"}` + strings.Join(append([]string{""}, env...), ", ") + "]")
}

func mounted(volume, more string) string {
	return with(`env: [{name: PULUMI_BACKEND_URL, value: "file:///state/a"}], volumeMounts: [{name: v, mountPath: /state`+more+`}, {name: w, mountPath: /}]`,
		"volumes: [{name: v, "+volume+"}, {name: w, emptyDir: {}}]")
}

const (
	token   = `{name: PULUMI_ACCESS_TOKEN, valueFrom: {secretKeyRef: {name: cloud, key: token}}}`
	other   = `{name: PULUMI_ACCESS_TOKEN, valueFrom: {secretKeyRef: {name: other, key: token}}}`
	secret  = `env: [{name: PULUMI_BACKEND_URL, valueFrom: {secretKeyRef: {name: state, key: url}}}, ` + token + `]`
	account = `{name: AZURE_STORAGE_ACCOUNT, value: acme}`
	minio   = `{name: AWS_ENDPOINT_URL, value: "http://minio:9000"}`
	cloud   = "https://api.pulumi.com"
)

// TestClaims compares what two Stacks claim. Where it is not certain to be the same, it is not the same.
func TestClaims(t *testing.T) {
	pvc, host := "persistentVolumeClaim: {claimName: state}", "hostPath: {path: /data}"
	cases := map[string]struct {
		a, b side
		same bool
	}{
		"Bucket":            {side{"a", "dev", at("s3://acme-state")}, side{"b", "dev", at("s3://acme-state/")}, true},
		"BucketQualified":   {side{"a", "dev", at("s3://acme-state/x")}, side{"b", "organization/net/dev", at("s3://acme-state/x")}, true},
		"OtherStack":        {side{"a", "dev", at("s3://acme-state")}, side{"b", "prod", at("s3://acme-state")}, false},
		"OtherBucket":       {side{"a", "dev", at("s3://acme-state")}, side{"b", "dev", at("s3://other-state")}, false},
		"OtherPrefix":       {side{"a", "dev", at("s3://acme-state/x")}, side{"b", "dev", at("s3://acme-state/y")}, false},
		"OtherRegion":       {side{"a", "dev", at("s3://acme-state?region=eu")}, side{"b", "dev", at("s3://acme-state?region=us")}, false},
		"OwnMinio":          {side{"a", "dev", at("s3://state?endpoint=minio:9000")}, side{"b", "dev", at("s3://state?endpoint=minio:9000")}, false},
		"SharedMinio":       {side{"a", "dev", at("s3://state?endpoint=minio:9000")}, side{"a", "dev", at("s3://state?endpoint=minio:9000")}, true},
		"MinioBeside":       {side{"a", "dev", at("s3://state?endpoint=localhost:9000")}, side{"a", "dev", at("s3://state?endpoint=localhost:9000")}, false},
		"OwnMinioVariable":  {side{"a", "dev", at("s3://state", minio)}, side{"b", "dev", at("s3://state", minio)}, false},
		"OneMinioVariable":  {side{"a", "dev", at("s3://state", minio)}, side{"a", "dev", at("s3://state")}, false},
		"AzureAccount":      {side{"a", "dev", at("azblob://state", account)}, side{"a", "dev", at("azblob://state", `{name: AZURE_STORAGE_ACCOUNT, value: b}`)}, false},
		"HiddenVariables":   {side{"a", "dev", at("s3://state")}, side{"a", "dev", with(`env: [{name: PULUMI_BACKEND_URL, value: "s3://state"}], envFrom: [{secretRef: {name: aws}}]`)}, false},
		"Made":              {side{"a", "dev", at("s3://$(BUCKET)")}, side{"a", "dev", at("s3://$(BUCKET)")}, false},
		"NoURL":             {side{"a", "dev", at("::")}, side{"a", "dev", at("::")}, false},
		"MadeAccount":       {side{"a", "dev", at("azblob://state", `{name: AZURE_STORAGE_ACCOUNT, value: "$(A)"}`)}, side{"a", "dev", at("azblob://state", `{name: AZURE_STORAGE_ACCOUNT, value: "$(A)"}`)}, false},
		"BucketAndInit":     {side{"a", "dev", at("s3://state") + "\ninitContainers: [{name: i}]"}, side{"b", "dev", at("s3://state")}, true},
		"Postgres":          {side{"a", "dev", at("postgres://u:hunter2@db.acme.example/pulumi")}, side{"b", "dev", at("postgres://v:hunter3@db.acme.example/pulumi")}, true},
		"PostgresOwn":       {side{"a", "dev", at("postgres://db/pulumi")}, side{"b", "dev", at("postgres://db/pulumi")}, false},
		"PostgresBeside":    {side{"a", "dev", at("postgres://127.0.0.1/pulumi")}, side{"a", "dev", at("postgres://127.0.0.1/pulumi")}, false},
		"Cloud":             {side{"a", "acme/net/dev", at(cloud, token)}, side{"b", "acme/net/dev", at(cloud+"/", other)}, true},
		"CloudOrganization": {side{"a", "acme/net/dev", at(cloud)}, side{"b", "other/net/dev", at(cloud)}, false},
		"CloudShort":        {side{"a", "dev", at(cloud, token)}, side{"a", "dev", at(cloud, token)}, true},
		"CloudOtherToken":   {side{"a", "dev", at(cloud, token)}, side{"a", "dev", at(cloud, other)}, false},
		"CloudOtherSecret":  {side{"a", "dev", at(cloud, token)}, side{"b", "dev", at(cloud, token)}, false},
		"CloudNoToken":      {side{"a", "dev", at(cloud)}, side{"a", "dev", at(cloud)}, false},
		"CloudSelf":         {side{"a", "acme/dev", at("https://pulumi.acme.example")}, side{"b", "acme/dev", at("https://pulumi.acme.example")}, true},
		"CloudOwnName":      {side{"a", "acme/dev", at("http://pulumi")}, side{"b", "acme/dev", at("http://pulumi")}, false},
		"Default":           {side{"a", "acme/net/dev", with("image: i, env: [" + token + "]")}, side{"b", "acme/net/dev", with("image: i, env: [" + other + "]")}, true},
		"DefaultImage":      {side{"a", "acme/net/dev", with("image: i, env: [" + token + "]")}, side{"a", "acme/net/dev", with("image: j, env: [" + token + "]")}, false},
		"DefaultNoToken":    {side{"a", "acme/net/dev", with("image: i")}, side{"a", "acme/net/dev", with("image: i")}, false},
		"DefaultDynamic":    {side{"a", "acme/net/dev", with("env: ["+token+"]", "initContainers: [{name: i}]")}, side{"a", "acme/net/dev", with("env: ["+token+"]", "initContainers: [{name: i}]")}, false},
		"Secret":            {side{"a", "dev", with(secret)}, side{"a", "dev", with(secret)}, true},
		"SecretElsewhere":   {side{"a", "dev", with(secret)}, side{"b", "dev", with(secret)}, false},
		"SecretOtherVolume": {side{"a", "dev", with(secret, "volumes: [{name: v, "+pvc+"}]")}, side{"a", "dev", with(secret)}, false},
		"Whole":             {side{"a", "dev", with("envFrom: [{secretRef: {name: s}}]")}, side{"a", "dev", with("envFrom: [{secretRef: {name: s}}]")}, true},
		"WholeOther":        {side{"a", "dev", with("envFrom: [{secretRef: {name: s}}]")}, side{"a", "dev", with("envFrom: [{secretRef: {name: r}}]")}, false},
		"Field":             {side{"a", "dev", with("env: [{name: PULUMI_BACKEND_URL, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]")}, side{"a", "dev", with("env: [{name: PULUMI_BACKEND_URL, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]")}, false},
		"Volume":            {side{"a", "dev", mounted(pvc, "")}, side{"a", "dev", mounted(pvc, "")}, true},
		"VolumeElsewhere":   {side{"a", "dev", mounted(pvc, "")}, side{"b", "dev", mounted(pvc, "")}, false},
		"VolumePath":        {side{"a", "dev", mounted(pvc, "")}, side{"a", "dev", mounted(pvc, ", subPath: x")}, false},
		"VolumePaths":       {side{"a", "dev", mounted(pvc, "/a, subPath: a")}, side{"a", "dev", mounted(pvc, "")}, true},
		"VolumeExpression":  {side{"a", "dev", mounted(pvc, ", subPathExpr: x")}, side{"a", "dev", mounted(pvc, ", subPathExpr: x")}, false},
		"Empty":             {side{"a", "dev", mounted("emptyDir: {}", "")}, side{"a", "dev", mounted("emptyDir: {}", "")}, false},
		"Ephemeral":         {side{"a", "dev", mounted("ephemeral: {}", "")}, side{"a", "dev", mounted("ephemeral: {}", "")}, false},
		"Node":              {side{"a", "dev", mounted(host, "")}, side{"b", "dev", mounted(host, "")}, true},
		"OtherNode":         {side{"a", "dev", mounted(host, "")}, side{"b", "dev", mounted(host, "") + "\nnodeSelector: {disk: ssd}"}, false},
		"NFS":               {side{"a", "dev", mounted("nfs: {server: files, path: /x}", "")}, side{"b", "dev", mounted("nfs: {server: files, path: /x}", "")}, true},
		"NotMounted":        {side{"a", "dev", at("file:///state")}, side{"a", "dev", at("file:///state")}, false},
		"Home":              {side{"a", "dev", at("file://~")}, side{"a", "dev", at("file://~")}, false},
		"NoContainer":       {side{"a", "dev", "{}"}, side{"a", "dev", "{}"}, false},
		"OddName":           {side{"a", "a/b/c/d", at("s3://s")}, side{"a", "a/b/c/d", at("s3://s")}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, okA := tc.a.claim(t)
			b, okB := tc.b.claim(t)
			if same := okA && okB && a.Key == b.Key; same != tc.same {
				t.Errorf("the same: %t, want %t\n%t %q\n%t %q", same, tc.same, okA, a.Key, okB, b.Key)
			}
			if strings.Contains(a.Words+b.Words+a.Key+b.Key, "hunter") {
				t.Errorf("a password is in %q and %q", a.Words, a.Key)
			}
		})
	}
}

func TestWords(t *testing.T) {
	for spec, want := range map[string]string{
		at("postgres://u:hunter2@db.example/pulumi?sslcert=x"): `stack "acme/net/dev" in postgres://db.example/pulumi`,
		with(secret):                              `stack "acme/net/dev" in the backend of Secret ns/state url`,
		with("image: i, env: [" + token + "]"):    `stack "acme/net/dev" in the default backend`,
		at("s3://acme-state/x?endpoint=minio.io"): `stack "acme/net/dev" in s3://acme-state/x`,
	} {
		claim, ok := side{"ns", "acme/net/dev", spec}.claim(t)
		if !ok || claim.Words != want || claim.Project != "net" {
			t.Errorf("%t: project %q, %s, want %s", ok, claim.Project, claim.Words, want)
		}
	}
}
