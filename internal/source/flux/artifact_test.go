package flux

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

const (
	sha256Hex = "1b43b9e3a6d3a5f0d9b2c4e8f7a6958473625140fedcba98765432100123abcd"
	sha384Hex = sha256Hex + "0123456789abcdef0123456789abcdef"
	sha512Hex = sha256Hex + sha256Hex
)

// sourceOf is a GitRepository with the given status.
func sourceOf(t *testing.T, status string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	text := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {namespace: ns, name: demo}\n" + status
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestArtifactOf(t *testing.T) {
	const url, revision = "http://source-controller.flux-system.svc/gitrepository/ns/demo/0123.tar.gz", "main@sha1:0123"
	artifact := func(digest string) string {
		return "status: {artifact: {url: '" + url + "', digest: '" + digest + "', revision: '" + revision + "', path: p, lastUpdateTime: '2026-11-22T01:39:10Z', size: 402}}"
	}
	cases := map[string]struct {
		reason string
		status string
		want   Artifact
	}{
		"SHA256": {"as all of Flux's controllers write it", artifact("sha256:" + sha256Hex), Artifact{url, "sha256:" + sha256Hex, revision}},
		"SHA384": {"Flux can be told to use it", artifact("sha384:" + sha384Hex), Artifact{url, "sha384:" + sha384Hex, revision}},
		"SHA512": {"Flux can be told to use it", artifact("sha512:" + sha512Hex), Artifact{url, "sha512:" + sha512Hex, revision}},
		"BLAKE3": {"Flux can be told to use it", artifact("blake3:" + sha256Hex), Artifact{url, "blake3:" + sha256Hex, revision}},
		"Bare":   {"without an algorithm it is sha256, as for Flux's own library", artifact(sha256Hex), Artifact{url, "sha256:" + sha256Hex, revision}},
		"NotReady": {"the last artifact counts while a newer one cannot be made",
			"status: {conditions: [{type: Ready, status: 'False', reason: GitOperationFailed, message: no}], artifact: {url: 'https://h/a.tgz', digest: 'sha256:" + sha256Hex + "', revision: r}}",
			Artifact{"https://h/a.tgz", "sha256:" + sha256Hex, "r"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ArtifactOf(sourceOf(t, tc.status))
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestArtifactOfWaits(t *testing.T) {
	cases := map[string]struct {
		status string
		want   []string
	}{
		"NoStatus":   {"", []string{`GitRepository "demo"`, "no artifact yet"}},
		"NoArtifact": {"status: {observedGeneration: -1}", []string{`GitRepository "demo"`, "no artifact yet"}},
		"Null":       {"status: {artifact: null}", []string{"no artifact yet"}},
		"OddStatus":  {"status: []", []string{"no artifact yet"}},
		"NotReady": {"status: {conditions: [{type: Reconciling, status: 'True'}, {type: Ready, status: 'False', reason: GitOperationFailed, message: 'unable to clone: authentication required'}]}",
			[]string{"no artifact yet", "Ready is False, GitOperationFailed: unable to clone: authentication required"}},
		"OddConditions": {"status: {conditions: [1, {type: Ready, status: 1, message: {a: b}}]}", []string{"no artifact yet"}},
		"LongMessage":   {"status: {conditions: [{type: Ready, status: 'False', reason: R, message: '" + strings.Repeat("m", 1<<20) + "'}]}", []string{"no artifact yet", "mmm…"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ArtifactOf(sourceOf(t, tc.status))
			waiting, ok := failure.AsWaiting(err)
			if !ok || waiting.Reason != pulumiv1.ReasonSourceUnavailable {
				t.Fatalf("got %v, want to wait", err)
			}
			for _, words := range tc.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("message %q does not say %q", err, words)
				}
			}
			if len(err.Error()) > 4*maxWords {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestArtifactOfRefuses(t *testing.T) {
	with := func(url, digest, revision string) string {
		text, err := yaml.Marshal(map[string]any{"status": map[string]any{"artifact": map[string]any{"url": url, "digest": digest, "revision": revision}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	digest := "sha256:" + sha256Hex
	cases := map[string]struct{ status, want string }{
		"NotAnObject":     {"status: {artifact: [1]}", "status.artifact is not an object"},
		"NoURL":           {"status: {artifact: {digest: '" + digest + "', revision: r}}", "status.artifact.url is missing"},
		"NoDigest":        {"status: {artifact: {url: 'http://h/a', revision: r}}", "status.artifact.digest is missing"},
		"NoRevision":      {"status: {artifact: {url: 'http://h/a', digest: '" + digest + "'}}", "status.artifact.revision is missing"},
		"NumberForText":   {"status: {artifact: {url: 'http://h/a', digest: 1, revision: r}}", "status.artifact.digest is missing"},
		"LongRevision":    {with("http://h/a", digest, strings.Repeat("r", 2000)), "status.artifact.revision is longer"},
		"FileURL":         {with("file:///etc/passwd", digest, "r"), `status.artifact.url has the scheme "file"`},
		"NoHost":          {with("http:///a", digest, "r"), "status.artifact.url names no host"},
		"NoURLAtAll":      {with("http://[::1", digest, "r"), "status.artifact.url is not a URL"},
		"ShortDigest":     {with("http://h/a", "sha256:abcd", "r"), "status.artifact.digest"},
		"LargeDigits":     {with("http://h/a", "sha256:"+strings.ToUpper(sha256Hex), "r"), "status.artifact.digest"},
		"WrongAlgorithm":  {with("http://h/a", "sha1:"+sha256Hex[:40], "r"), "sha256, sha384, sha512 or blake3"},
		"ControlInDigest": {with("http://h/a", "sha256:\n\x1b[31m", "r"), "status.artifact.digest"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ArtifactOf(sourceOf(t, tc.status))
			terminal, ok := failure.AsTerminal(err)
			if !ok || terminal.Reason != pulumiv1.ReasonSourceInvalid || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %v, want SourceInvalid that says %q", err, tc.want)
			}
		})
	}
}

// Whatever is in a status, it is an artifact or an error for people.
func FuzzArtifactOf(f *testing.F) {
	f.Add(`{"artifact":{"url":"http://h/a","digest":"sha256:` + sha256Hex + `","revision":"r"}}`)
	f.Add(`{"artifact":{"url":"http://h/a","digest":"` + sha256Hex + `","revision":"r"}}`)
	f.Add(`{"conditions":[{"type":"Ready","status":"False"}]}`)
	f.Fuzz(func(t *testing.T, status string) {
		var value any
		if yaml.Unmarshal([]byte(status), &value) != nil {
			return
		}
		object := sourceOf(t, "")
		object.Object["status"] = value
		a, err := ArtifactOf(object)
		_, waits := failure.AsWaiting(err)
		_, ends := failure.AsTerminal(err)
		if err == nil && (problemOfURL(a.URL) != "" || !strings.Contains(a.Digest, ":")) || err != nil && !waits && !ends {
			t.Errorf("%s is %+v, %v", status, a, err)
		}
	})
}
