package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPagesOfKindsNameEveryField looks for every field of a kind, and for those one deeper, in what its page marks as code.
func TestPagesOfKindsNameEveryField(t *testing.T) {
	code, word := regexp.MustCompile("(?s)```.*?```|`[^`]+`"), regexp.MustCompile(`[A-Za-z0-9]+`)
	for kind, of := range kinds() {
		page := filepath.Join("spec", strings.ToLower(kind)+".md")
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		named, fields := map[string]bool{}, 0
		for _, marked := range code.FindAllString(string(text), -1) {
			for _, w := range word.FindAllString(marked, -1) {
				named[w] = true
			}
		}
		for path, field := range fieldsOf(stored(t, of.file)) {
			fields++
			if !named[field] {
				t.Errorf("%s does not name %s", page, path)
			}
		}
		if fields < 10 {
			t.Errorf("only %d fields of %s are found: the search is broken", fields, kind)
		}
	}
}

// fieldsOf are the fields of a kind and those one deeper, by path. What is Kubernetes' own is not looked into, nor are templates
// of other kinds of ours.
func fieldsOf(root *schema) map[string]string {
	others := []string{"env", "envFrom", "resources", "podTemplate", "serviceTemplate", "updateTemplate", "conditions"}
	found := map[string]string{}
	for _, part := range []string{"spec", "program", "status"} {
		if root.Properties[part] == nil {
			continue
		}
		for name, field := range root.Properties[part].children() {
			path := part + "." + name
			found[path] = name
			if slices.Contains(others, name) {
				continue
			}
			for inner := range field.children() {
				found[path+"."+inner] = inner
			}
		}
	}
	return found
}

func TestPagesOfKindsHaveTheSameOrder(t *testing.T) {
	for kind := range kinds() {
		text, err := os.ReadFile(filepath.Join("spec", strings.ToLower(kind)+".md"))
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, heading := range []string{"\n## Example\n", "\n## Writing a ", "\n## Working with " + kind + "s\n", "\n## Status\n"} {
			next := strings.Index(string(text)[at:], heading)
			if next < 0 {
				t.Errorf("the page of %s lacks %q, or has it in another order", kind, strings.TrimSpace(heading))
				continue
			}
			at += next
		}
	}
}
