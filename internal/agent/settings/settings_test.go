package settings_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/agent/settings"
)

// place is a project on the disk and a stand-in for the CLI that encrypts for it.
type place struct {
	t         *testing.T
	dir       string
	writer    *settings.Writer
	encrypted []string
	err       error
}

func newPlace(t *testing.T, files map[string]string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	p.writer = settings.NewWriter(filepath.Join(t.TempDir(), "settings"))
	for name, text := range files {
		p.write(name, text)
	}
	return p
}

func (p *place) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// encrypt writes as the CLI does: the ciphertext, and a salt where there is none.
func (p *place) encrypt(_ context.Context, path string, key config.Key, value string) error {
	if p.err != nil {
		return p.err
	}
	p.encrypted = append(p.encrypted, value)
	stack, err := workspace.LoadProjectStack(nil, &workspace.Project{Name: "demo"}, path)
	if err != nil {
		return err
	}
	if stack.EncryptionSalt == "" {
		stack.EncryptionSalt = "salt"
	}
	if err := stack.Config.Set(key, config.NewSecureValue(stack.EncryptionSalt+"("+strings.ToUpper(value)+")"), false); err != nil {
		return err
	}
	return stack.Save(path)
}

// apply applies a request and gives the settings file.
func (p *place) apply(stack string, change func(*settings.Request)) string {
	p.t.Helper()
	project, err := workspace.LoadProject(filepath.Join(p.dir, "Pulumi.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	r := settings.Request{Stack: stack, ProjectFile: filepath.Join(p.dir, "Pulumi.yaml"), Project: project, Encrypt: p.encrypt}
	if change != nil {
		change(&r)
	}
	if _, err := p.writer.Apply(p.t.Context(), r); err != nil {
		p.t.Fatal(err)
	}
	return p.file("Pulumi.dev.yaml")
}

func (p *place) file(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func item(key, text string) settings.Item {
	return settings.Item{Key: config.MustMakeKey("demo", key), Text: text}
}

func hidden(key, text string) settings.Item {
	i := item(key, text)
	i.Secret = true
	return i
}

func items(items ...settings.Item) func(*settings.Request) {
	return func(r *settings.Request) { r.Items = items }
}

var demo = map[string]string{
	"Pulumi.yaml":     "name: demo\nruntime: yaml\n",
	"Pulumi.dev.yaml": "config:\n  demo:a: carried\n  demo:b: carried\n",
}

func TestItemsGoOverWhatTheSourceCarries(t *testing.T) {
	p := newPlace(t, demo)
	number := item("count", "3")
	number.Structured = true
	deep := item("tree.list[0]", "true")
	deep.Path = true
	got := p.apply("org/demo/dev", items(item("a", "set"), number, deep))
	want := "config:\n  demo:a: set\n  demo:b: carried\n  demo:count: 3\n  demo:tree:\n    list:\n      - true\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = "config:\n  demo:a: carried\n  demo:b: carried\n"
	if diff := cmp.Diff(want, p.apply("org/demo/dev", nil)); diff != "" {
		t.Errorf("what is gone from the request is still there (-want +got):\n%s", diff)
	}
}

func TestASecretIsEncryptedOnceAsLongAsNothingChanges(t *testing.T) {
	p := newPlace(t, demo)
	want := "config:\n  demo:a: carried\n  demo:b: carried\n  demo:p:\n    secure: salt(X)\nencryptionsalt: salt\n"
	for range 2 {
		if diff := cmp.Diff(want, p.apply("dev", items(hidden("p", "x")))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	p.apply("dev", items(hidden("p", "y"), hidden("q", "x")))
	// Another key of the stack makes every ciphertext worthless.
	p.write("Pulumi.dev.yaml", strings.Replace(p.file("Pulumi.dev.yaml"), "encryptionsalt: salt", "encryptionsalt: new", 1))
	got := p.apply("dev", items(hidden("p", "y")))
	if !strings.Contains(got, "encryptionsalt: new") || !strings.Contains(got, "secure: new(Y)") {
		t.Errorf("the settings are\n%s", got)
	}
	if diff := cmp.Diff([]string{"x", "y", "x", "y"}, p.encrypted); diff != "" {
		t.Errorf("what was encrypted (-want +got):\n%s", diff)
	}
}

func TestASecretThatCannotBeEncryptedLeavesTheSettingsAsTheyAre(t *testing.T) {
	p := newPlace(t, demo)
	before := p.apply("dev", items(item("a", "1")))
	p.err = errors.New("no passphrase")
	project, err := workspace.LoadProject(filepath.Join(p.dir, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.writer.Apply(t.Context(), settings.Request{
		Stack: "dev", ProjectFile: filepath.Join(p.dir, "Pulumi.yaml"), Project: project, Encrypt: p.encrypt,
		Items: []settings.Item{item("a", "2"), hidden("p", "x")},
	})
	if !errors.Is(err, p.err) || !strings.Contains(err.Error(), "demo:p") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, p.file("Pulumi.dev.yaml")); diff != "" {
		t.Errorf("the settings changed:\n%s", diff)
	}
}

func TestAPassphraseEncryptsWithoutTheCLI(t *testing.T) {
	salt := []byte("12345678")
	crypter := config.NewSymmetricCrypterFromPassphrase("right", salt)
	word, err := crypter.EncryptValue(t.Context(), "pulumi")
	if err != nil {
		t.Fatal(err)
	}
	state := "v1:" + base64.StdEncoding.EncodeToString(salt) + ":" + word
	with := func(passphrase string, ok bool) func(*settings.Request) {
		return func(r *settings.Request) {
			r.Items = []settings.Item{hidden("p", "x")}
			r.Passphrase = func() (string, bool) { return passphrase, ok }
		}
	}
	cases := map[string]struct {
		reason string
		stack  string
		change func(*settings.Request)
		cli    bool
	}{
		"Right":    {reason: "the SDK can do it alone", stack: "encryptionsalt: " + state, change: with("right", true)},
		"Wrong":    {reason: "the CLI says what is wrong", stack: "encryptionsalt: " + state, change: with("wrong", true), cli: true},
		"None":     {reason: "the CLI may know another way", stack: "encryptionsalt: " + state, change: with("", false), cli: true},
		"NoSalt":   {reason: "the CLI finds or makes it", change: with("right", true), cli: true},
		"BadSalt":  {reason: "what is not understood is the CLI's business", stack: "encryptionsalt: v2:a:b", change: with("right", true), cli: true},
		"KMS":      {reason: "a key service is the CLI's business", stack: "encryptionsalt: " + state + "\nsecretsprovider: awskms://k", change: with("right", true), cli: true},
		"Explicit": {reason: "the provider may be named", stack: "encryptionsalt: " + state + "\nsecretsprovider: passphrase", change: with("right", true)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, map[string]string{"Pulumi.yaml": demo["Pulumi.yaml"], "Pulumi.dev.yaml": tc.stack + "\n"})
			got := p.apply("dev", tc.change)
			if (len(p.encrypted) > 0) != tc.cli {
				t.Fatalf("%s, but the CLI encrypted %q", tc.reason, p.encrypted)
			}
			if tc.cli {
				return
			}
			_, ciphertext, _ := strings.Cut(got, "secure: ")
			plain, err := crypter.DecryptValue(t.Context(), strings.Fields(ciphertext)[0])
			if err != nil || plain != "x" {
				t.Errorf("the settings hold %q (%v):\n%s", plain, err, got)
			}
		})
	}
}

func TestTheDefaultIsSetWhereNothingElseIs(t *testing.T) {
	fallback := &settings.Item{Key: config.MustMakeKey("kubernetes", "kubeconfig"), Text: "ours"}
	deep := settings.Item{Key: config.MustMakeKey("kubernetes", "kubeconfig.x"), Path: true, Text: "theirs"}
	cases := map[string]struct {
		reason string
		files  map[string]string
		change func(*settings.Request)
		want   bool
	}{
		"Nothing": {reason: "nobody sets it", want: true},
		"Item":    {reason: "the operation sets it", change: items(settings.Item{Key: fallback.Key, Text: "theirs"})},
		"Path":    {reason: "the operation sets a part of it", change: items(deep)},
		"Stack":   {reason: "the source's settings set it", files: map[string]string{"Pulumi.dev.yaml": "config:\n  kubernetes:kubeconfig: theirs\n"}},
		"Project": {
			reason: "the project sets it for all its stacks",
			files:  map[string]string{"Pulumi.yaml": "name: demo\nruntime: yaml\nconfig:\n  kubernetes:kubeconfig: {value: theirs}\n"},
		},
		"Environment": {
			reason: "an environment may set it",
			files:  map[string]string{"Pulumi.dev.yaml": "environment: [cluster]\n"},
			change: func(r *settings.Request) { r.DefaultYields = true },
		},
		"EnvironmentOverruled": {
			reason: "an environment does not count for what the user asked for",
			files:  map[string]string{"Pulumi.dev.yaml": "environment: [cluster]\n"}, want: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, demo)
			for name, text := range tc.files {
				p.write(name, text)
			}
			got := p.apply("dev", func(r *settings.Request) {
				r.Default = fallback
				if tc.change != nil {
					tc.change(r)
				}
			})
			if strings.Contains(got, "ours") != tc.want {
				t.Errorf("%s, but the settings are\n%s", tc.reason, got)
			}
		})
	}
}

func TestTheSettingsAreWhereTheProjectSays(t *testing.T) {
	p := newPlace(t, map[string]string{"Pulumi.yaml": "name: demo\nruntime: yaml\nstackConfigDir: stacks\n"})
	project, err := workspace.LoadProject(filepath.Join(p.dir, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.writer.Apply(t.Context(), settings.Request{
		Stack: "dev", ProjectFile: filepath.Join(p.dir, "Pulumi.yaml"), Project: project, Items: []settings.Item{item("a", "1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("config:\n  demo:a: \"1\"\n", p.file("stacks/Pulumi.dev.yaml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
