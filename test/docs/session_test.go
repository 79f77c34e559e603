package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/gitserver"
)

const (
	// patience is how long the commands of a page may take together.
	patience = 4 * time.Minute
	// publicHost is the git host that pages name; a page that says `with git` finds one there.
	publicHost = "git.example.com"
	// gitToken is what the host wants to see, and what the commands of a page have in $TOKEN.
	gitToken = "a-token-of-the-page"
	// greeting is the program that pages find in git.
	greeting = "name: greeting\nruntime: yaml\nconfig: {name: {type: string, default: world}}\noutputs: {greeting: \"Hello, ${name}!\"}\n"
)

// session is what the commands of a page find.
type session struct {
	folder string
	// words are words of the page, each followed by what stands for it here.
	words []string
	// environment is what the commands have beside what those of all pages have.
	environment []string
	// sources is the source-controller of the page, if it has one.
	sources *stage.FluxSources
}

// narrate runs the commands of a page and looks at what they print.
func narrate(t *testing.T, n *stage.Namespace, blocks []block) {
	t.Helper()
	s := session{folder: t.TempDir()}
	s.prepare(t, n, blocks)
	s.narrate(t, n, blocks)
}

// narrate runs the commands of a page in what is prepared.
func (s session) narrate(t *testing.T, n *stage.Namespace, blocks []block) {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\ncd \"$PAGE\"\n")
	for i, b := range blocks {
		if b.file != "" {
			s.write(t, b.file, b.text)
		}
		if b.runs() {
			s.write(t, fmt.Sprintf(".block-%d", i), b.text)
			fmt.Fprintf(&script, "echo %d >.current; . ./.block-%d >.output-%d 2>&1\n", i, i, i)
		}
	}
	s.write(t, ".script", script.String())
	s.run(t, n, blocks)
	s.compare(t, blocks)
}

// prepare makes what the blocks find.
func (s *session) prepare(t *testing.T, n *stage.Namespace, blocks []block) {
	t.Helper()
	alone := slices.ContainsFunc(blocks, func(b block) bool { return b.alone != "" })
	if alone || find(blocks, "checkout") {
		s.clone(t)
	} else {
		s.checkout(t)
	}
	s.useNamespace(t, n, os.Getenv("KUBECONFIG"))
	if alone {
		s.standIns(t)
	}
	for thing, give := range map[string]func(*testing.T, *stage.Namespace){"git": s.git, "PKO": s.pko, "hooks": s.hooks, "sources": s.fluxSources} {
		if find(blocks, thing) {
			give(t, n)
		}
	}
}

// find tells whether blocks find a thing.
func find(blocks []block, thing string) bool {
	return slices.ContainsFunc(blocks, func(b block) bool { return slices.Contains(b.with, thing) })
}

// replace puts what is here in the place of what the page names.
func (s session) replace(text string) string { return strings.NewReplacer(s.words...).Replace(text) }

func (s session) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(s.replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s session) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkout lets the folder of the session look like one of the repository.
func (s session) checkout(t *testing.T) {
	t.Helper()
	for _, name := range []string{"charts", "config"} {
		path, err := filepath.Abs(filepath.Join(root, name))
		if err == nil {
			err = os.Symlink(path, filepath.Join(s.folder, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// useNamespace makes a kubeconfig whose commands go to the page's namespace.
func (s session) useNamespace(t *testing.T, n *stage.Namespace, kubeconfig string) {
	t.Helper()
	if err := n.WriteKubeconfig(kubeconfig, filepath.Join(s.folder, ".kubeconfig")); err != nil {
		t.Fatal(err)
	}
}

// git starts the host that the page names, with a repository of a program, and puts its authority where a person would have it.
func (s *session) git(t *testing.T, n *stage.Namespace) {
	t.Helper()
	host, err := n.StartGitHost(t.Context(), "git")
	if err != nil {
		t.Fatal(err)
	}
	err = host.Create("team/infra")
	if err == nil {
		_, err = host.Commit("team/infra", "main", gitserver.Files{"greeting/Pulumi.yaml": gitserver.Text(greeting)})
	}
	if err == nil {
		err = host.Protect("team/infra", gitserver.Auth{Password: gitToken})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ca.crt", host.CA)
	s.words = append(s.words, "https://"+publicHost, strings.TrimSuffix(host.URLOf("x"), "/x.git"))
}

// run runs the commands, and tells which failed.
func (s session) run(t *testing.T, n *stage.Namespace, blocks []block) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	programs, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, "bash", filepath.Join(s.folder, ".script"))
	command.WaitDelay = 5 * time.Second
	command.Env = []string{
		"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + s.folder, "PULUMI_HOME=" + s.folder + "/.pulumi", "PAGE=" + s.folder,
		"KUBECONFIG=" + filepath.Join(s.folder, ".kubeconfig"), "TOKEN=" + gitToken, "NAMESPACE=" + n.Name, "LC_ALL=C.UTF-8",
	}
	command.Env = append(command.Env, s.environment...)
	began := time.Now()
	said, err := command.CombinedOutput()
	t.Logf("the commands took %s", time.Since(began).Round(time.Second))
	if err == nil {
		return
	}
	var at int
	if _, scanned := fmt.Sscan(s.read(t, ".current"), &at); scanned != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	t.Fatalf("%s fails (%v):\n%s\nand printed\n%s%s", blocks[at], err, blocks[at].text, s.read(t, fmt.Sprintf(".output-%d", at)), said)
}

// compare looks for what pages show as the output of the commands before.
func (s session) compare(t *testing.T, blocks []block) {
	t.Helper()
	printed := ""
	for i, b := range blocks {
		switch {
		case b.runs():
			printed = s.read(t, fmt.Sprintf(".output-%d", i))
		case b.as == "output":
			if missing := firstMissing(printed, s.replace(b.text)); missing != "" {
				t.Errorf("%s: %q is not in what the commands before have printed:\n%s", b, missing, printed)
			}
		}
	}
}

// firstMissing is the first line of what is shown that was not printed after those before it. Spaces do not count.
func firstMissing(printed, shown string) string {
	lines := strings.Split(printed, "\n")
	for line := range strings.Lines(shown) {
		words := strings.Join(strings.Fields(line), " ")
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(words), "…", ".*") + "$")
		found := slices.IndexFunc(lines, func(l string) bool { return pattern.MatchString(strings.Join(strings.Fields(l), " ")) })
		if found < 0 {
			return words
		}
		lines = lines[found+1:]
	}
	return ""
}
