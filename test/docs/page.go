// Package docs owns the proof that what the pages show works. Every fenced block of README.md and docs/**/*.md is executed or
// validated, according to its language:
//
//   - yaml with kinds is created on a real API server, which refuses unknown fields and what breaks a rule;
//   - sh runs on the embedded cluster: a page is one session of a shell, in a namespace of its own;
//   - the commands of a dockerfile run with the CLI made here;
//   - json is parsed, go is parsed, text is for people.
//
// A comment before a block says what is not to be seen from it: `<!-- test: WORDS -->`, where the words are
//
//   - `file NAME`: the block is a file of that name for the commands of the page, beside what else it is;
//   - `part of KIND PATH`: yaml that belongs at a path of an object, such as `part of Stack spec`;
//   - `values`, `kustomization`, `prometheus`: yaml of Helm for our chart, of kustomize, of Prometheus;
//   - `output`: what the commands before have printed, line by line, but for spaces; … stands for anything;
//   - `with git`: the page's commands find a git host at git.example.com;
//   - `with sources`: a source-controller stands by that gives the GitRepository `infra` of the page the same program;
//   - `with notifications`: they find Flux's notification controller in gotk-components.yaml, a service at
//     events.example.com with the certificate events.crt, and a manager with the values of the page, for TestNotifications;
//   - `with checkout`: the page's commands are in a checkout of the repository in which everything is built;
//   - `alone`: the commands install or remove Gantry, or change the whole cluster. Such blocks of a page are a session of their
//     own, which has a cluster without Gantry for itself (`make helm`). `alone NAME` is another session of the page. Images
//     and manifests that are published nowhere are those made here;
//   - `with Gantry`: that session finds Gantry installed by Helm, a version before this tree's, with definitions by kubectl;
//   - `with PKO`: it finds a Deployment where PKO's would be;
//   - `with hooks`: it finds an Ingress to the manager's webhooks at hooks.example.com;
//   - `run by TEST`: the story of that name runs the block, because it needs what only that story has.
//
// Several are separated by semicolons.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// block is a fenced block of a page.
type block struct {
	page     string
	line     int
	language string
	directive
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// directive is what the comment before a block says.
type directive struct {
	runBy, file, kind, path string
	// as is how the text is to be understood: values, kustomization, prometheus, output, or by itself.
	as string
	// with are things that the session of the block finds.
	with []string
	// alone is the session of the block, if that has the cluster for itself.
	alone string
}

// parse reads the blocks of a page, and tells what is wrong with them.
func parse(page, text string) (blocks []block, problems []string) {
	fence := regexp.MustCompile("^( *)(```+|~~~+)(.*)$")
	comment := regexp.MustCompile(`^ *<!-- test: (.*) -->$`)
	var open *block
	var indent, end, said string
	for i, line := range strings.Split(text, "\n") {
		at := fmt.Sprintf("%s:%d: ", page, i+1)
		match := fence.FindStringSubmatch(line)
		switch {
		case open != nil && strings.TrimSpace(line) == end:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case match != nil:
			words, err := parseDirective(said)
			if err != nil {
				problems = append(problems, at+err.Error())
			}
			indent, end, said = match[1], match[2], ""
			open = &block{page: page, line: i + 1, language: strings.TrimSpace(match[3]), directive: words}
			if problem := open.problem(); problem != "" {
				problems = append(problems, at+problem)
			}
		case comment.MatchString(line):
			said = comment.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "" && said != "":
			problems, said = append(problems, at+"the comment before is of no block"), ""
		}
	}
	if open != nil {
		problems = append(problems, fmt.Sprintf("%s: the block has no end", open))
	}
	return blocks, problems
}

// things are what sessions find if a block says `with` and the thing.
func things() []string {
	return append([]string{"git", "checkout", "sources", "notifications"}, lonelyThings()...)
}

// lonelyThings are those of sessions that have the cluster for themselves.
func lonelyThings() []string { return []string{"Gantry", "PKO", "hooks"} }

func parseDirective(said string) (directive, error) {
	d := directive{}
	for said != "" {
		var word string
		word, said, _ = strings.Cut(said, "; ")
		if !d.take(word) {
			return directive{}, fmt.Errorf("nobody knows what %q means before a block", word)
		}
	}
	return d, nil
}

// take takes what one of the words says, and tells whether it is one.
func (d *directive) take(word string) bool {
	first, rest, _ := strings.Cut(word, " ")
	more := strings.Fields(rest)
	switch first {
	case "values", "kustomization", "prometheus", "output":
		d.as = first
		return len(more) == 0
	case "with":
		d.with = append(d.with, rest)
		return slices.Contains(things(), rest)
	case "alone":
		d.alone = word
		return len(more) <= 1
	case "run":
		d.runBy = strings.TrimPrefix(rest, "by ")
		return len(more) == 2 && more[0] == "by"
	case "file":
		d.file = rest
		return len(more) == 1
	case "part":
		d.as = first
		d.kind, d.path, _ = strings.Cut(strings.TrimPrefix(rest, "of "), " ")
		return len(more) == 3 && more[0] == "of"
	default:
		return false
	}
}

// problem is what is wrong with the language of a block, or with its directive in that language.
func (b block) problem() string {
	takes := map[string][]string{
		"yaml": {"", "values", "kustomization", "prometheus", "part", "output"},
		"json": {"", "output"},
		"text": {"", "output"},
		"sh":   {""},
		"go":   {""},

		"dockerfile": {""},
	}
	switch as, known := takes[b.language]; {
	case b.language == "":
		return "the block has no language: one of yaml, sh, dockerfile, json, go and text"
	case !known:
		return fmt.Sprintf("the language %q is not one of yaml, sh, dockerfile, json, go and text", b.language)
	case !slices.Contains(as, b.as):
		return fmt.Sprintf("%q means nothing before %s", b.as, b.language)
	case (b.runBy != "" || b.alone != "") && b.language != "sh":
		return "only commands are run"
	case b.alone == "" && slices.ContainsFunc(b.with, func(thing string) bool { return slices.Contains(lonelyThings(), thing) }):
		return fmt.Sprintf("only what runs alone finds %s", strings.Join(b.with, ", "))
	case b.file != "" && filepath.Base(b.file) != b.file:
		return "a file has a name, and no folder"
	}
	return ""
}

// pages are all blocks of the documentation, by page.
func pages(t *testing.T) map[string][]block {
	t.Helper()
	found, _ := read(t)
	return found
}

// read reads README.md and the pages below docs, and tells what is wrong with their blocks.
func read(t *testing.T) (found map[string][]block, problems []string) {
	t.Helper()
	found = map[string][]block{}
	page := func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		blocks, wrong := parse(name, string(text))
		found[name], problems = blocks, append(problems, wrong...)
		return nil
	}
	visit := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		return page(path)
	}
	if err := filepath.WalkDir(filepath.Join(root, "docs"), visit); err != nil {
		t.Fatal(err)
	}
	if err := page(filepath.Join(root, "README.md")); err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d pages are found: the search is broken", len(found))
	}
	return found, problems
}
