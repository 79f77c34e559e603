package cli

import (
	"regexp"
	"strings"
)

// entry is a line of the runbook.
type entry struct {
	// keys are the cells before the last two: a decision, or a condition and its reasons.
	keys []string
	// Meaning is what it means, Advice what to do or what happens next.
	Meaning, Advice string
}

// runbook has the lines of docs/runbook.md by its sections.
type runbook map[string][]entry

// readRunbook reads the tables of a runbook.
func readRunbook(text string) runbook {
	book, section := runbook{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		cells := cellsOf(line)
		if len(cells) < 3 || strings.HasPrefix(cells[0], "---") {
			continue
		}
		last := len(cells) - 2
		book[section] = append(book[section], entry{cells[:last], cells[last], cells[last+1]})
	}
	return book
}

// cellsOf are the cells of a line of a table, without marks.
func cellsOf(line string) []string {
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") {
		return nil
	}
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
	var cells []string
	for _, cell := range strings.Split(line, "|") {
		cell = strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|"))
		cells = append(cells, strings.ReplaceAll(link().ReplaceAllString(cell, "$1"), "`", ""))
	}
	return cells
}

// link is a link of Markdown, of which the text is shown.
func link() *regexp.Regexp { return regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`) }

// find finds the line of a decision, or of a condition and its reason.
func (b runbook) find(section string, keys ...string) (entry, bool) {
	for _, e := range b[section] {
		if len(e.keys) != len(keys) {
			continue
		}
		all := true
		for i, key := range keys {
			all = all && isAmong(e.keys[i], key)
		}
		if all {
			return e, true
		}
	}
	return entry{}, false
}

// isAmong tells that a cell names a key, alone or among others, with or without a status such as "=True".
func isAmong(cell, key string) bool {
	for name := range strings.SplitSeq(cell, ",") {
		if name, _, _ = strings.Cut(strings.TrimSpace(name), "="); name == key {
			return true
		}
	}
	return false
}
