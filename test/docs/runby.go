package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RunBy are the commands that a page has the calling test run, block by block: those before which it says `run by` and the
// test's name. The caller is a test of a package below test, such as test/e2e. TestBlocksThatStoriesRun looks for the call.
func RunBy(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	blocks, problems := parse(page, string(text))
	for _, problem := range problems {
		t.Error(problem)
	}
	story, _, _ := strings.Cut(t.Name(), "/")
	var commands []string
	for _, b := range blocks {
		if b.runBy == story {
			commands = append(commands, b.text)
		}
	}
	if len(commands) == 0 {
		t.Fatalf("%s has nothing to be run by %s", page, story)
	}
	return commands
}
