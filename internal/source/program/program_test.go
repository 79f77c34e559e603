package program_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/source/program"
)

func object(body string) *pulumiv1.Program {
	p := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", Generation: 7}}
	p.Program.Raw = []byte(body)
	return p
}

func TestProject(t *testing.T) {
	tests := map[string]struct {
		reason string
		body   string
		want   string
	}{
		"Sorted": {
			reason: "the same program in another order is the same file",
			body:   `{"variables":{"b":1,"a":2},"outputs":{"x":"${y}"},"configuration":{}}`,
			want:   "configuration: {}\nname: demo\noutputs:\n  x: ${y}\nruntime: yaml\nvariables:\n  a: 2\n  b: 1\n",
		},
		"NumbersAreExact": {
			reason: "account numbers and the like must not be rounded",
			body:   `{"variables":{"big":9007199254740993,"bigger":18446744073709551615,"float":0.1,"negative":-12}}`,
			want:   "name: demo\nruntime: yaml\nvariables:\n  big: 9007199254740993\n  bigger: 18446744073709551615\n  float: 0.1\n  negative: -12\n",
		},
		"StringsStayStrings": {
			reason: "what looks like a number or a boolean in YAML was a string",
			body:   `{"variables":{"a":"012","b":"yes","c":"1e3","d":"~","e":"","f":"a: b\nc","g":"\ud83d\ude00<&>"}}`,
			want:   "name: demo\nruntime: yaml\nvariables:\n  a: \"012\"\n  b: \"yes\"\n  c: \"1e3\"\n  d: \"~\"\n  e: \"\"\n  f: |-\n    a: b\n    c\n  g: \"\\U0001F600<&>\"\n",
		},
		"NameAndRuntimeAreTheObjects": {
			reason: "the state is filed under the object's name",
			body:   `{"name":"other","runtime":{"name":"nodejs"},"resources":{}}`,
			want:   "name: demo\nresources: {}\nruntime: yaml\n",
		},
		"UnknownKeysAreKept": {
			reason: "Pulumi judges them, not the operator",
			body:   `{"pulumi":{"requiredVersion":">=3"},"components":{"c":{}}}`,
			want:   "components:\n  c: {}\nname: demo\npulumi:\n  requiredVersion: '>=3'\nruntime: yaml\n",
		},
		"NoResources": {
			reason: "an empty program is a program",
			body:   `{}`,
			want:   "name: demo\nruntime: yaml\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := program.Project(object(test.body))
			if err != nil {
				t.Fatalf("%s: %v", test.reason, err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, diff)
			}
		})
	}
}

func TestProjectRefuses(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"Nothing":  {"", "no program"},
		"Null":     {" null ", "no program"},
		"String":   {`"hunter2"`, "is a string"},
		"List":     {`[1]`, "is a list"},
		"Number":   {`1`, "is a number"},
		"Boolean":  {`true`, "is a boolean"},
		"NotJSON":  {`{"a":`, "not valid JSON"},
		"Trailing": {`{} {}`, "not valid JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := program.Archive(object(test.body))
			var invalid *program.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("message %q, want it to say %q and to quote nothing", err, test.want)
			}
		})
	}
}

func TestArchive(t *testing.T) {
	archive, err := program.Archive(object(`{"resources":{"a":{"type":"x:y:Z"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	again, err := program.Archive(object(` { "resources" : {"a": {"type":"x:y:Z"} } } `))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(archive, again) {
		t.Error("the same program gave two archives")
	}
	// Pinned: a new digest for an unchanged program makes every Stack run again after an upgrade of the manager.
	const want = "a3f7f7c65083b381002f8adffc81ca382f3942ac906e4d376bf292d53391f476"
	sum := sha256.Sum256(archive)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}

	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(unzipped)
	header, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	if header.Name != "Pulumi.yaml" || header.Typeflag != tar.TypeReg || header.Mode != 0o644 || header.Uid != 0 || !header.ModTime.Equal(time.Unix(0, 0)) {
		t.Errorf("file is %+v, want a plain Pulumi.yaml of mode 0644 without owner or time", header)
	}
	content, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	wanted := map[string]any{"name": "demo", "runtime": "yaml", "resources": map[string]any{"a": map[string]any{"type": "x:y:Z"}}}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("project (-want +got):\n%s", diff)
	}
	if _, err := files.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the file came %v, want the end", err)
	}
}

func TestRevision(t *testing.T) {
	if got := program.Revision(object(`{}`)); got != "7" {
		t.Errorf("revision %q, want 7", got)
	}
}
