package cli

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/liggitt/tabwriter"
	"k8s.io/cli-runtime/pkg/printers"
)

// tone is how a text is meant, which a terminal shows as a colour.
type tone int

const (
	plain tone = iota
	good
	busy
	bad
)

// painted is a text in the colour of its tone. All of them are longer by the same, so that columns stay columns.
func painted(text string, t tone) string {
	return "\x1b[" + [...]string{"39", "32", "33", "31"}[t] + "m" + text + "\x1b[0m"
}

// column of a table.
type column struct {
	name string
	// wide ones are only shown when they are asked for; a painted one has the tone of its row.
	wide, painted bool
}

// row of a table.
type row struct {
	cells []string
	tone  tone
}

// table writes rows under a header, as kubectl does.
type table struct {
	out     io.Writer
	columns []column
	// wide shows the wide columns too; colour paints; width cuts lines to that of a terminal, 0 does not.
	wide, colour bool
	width        int

	text   bytes.Buffer
	writer *tabwriter.Writer
}

// write writes rows, after the header if they are the first ones.
func (t *table) write(rows []row) error {
	lines := rows
	if t.writer == nil {
		t.writer = printers.GetNewTabWriter(&t.text)
		header := row{}
		for _, c := range t.columns {
			header.cells = append(header.cells, c.name)
		}
		lines = append([]row{header}, rows...)
	}
	for _, line := range lines {
		fmt.Fprintln(t.writer, t.line(line))
	}
	if err := t.writer.Flush(); err != nil {
		return err
	}
	defer t.text.Reset()
	for text := range strings.Lines(t.text.String()) {
		if _, err := fmt.Fprintln(t.out, t.cut(strings.TrimRight(text, " \n"))); err != nil {
			return err
		}
	}
	return nil
}

// cut cuts a line to the terminal's width, in which the marks of a colour have none.
func (t *table) cut(line string) string {
	if t.width == 0 {
		return line
	}
	return fitted(line, t.width+utf8.RuneCountInString(line)-utf8.RuneCountInString(colourMarks().ReplaceAllString(line, "")))
}

// colourMarks are how a terminal is told of colours.
func colourMarks() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9]*m") }

// line is a row with tabs between its cells.
func (t *table) line(r row) string {
	var cells []string
	for i, c := range t.columns {
		if c.wide && !t.wide {
			continue
		}
		cell := shown(r.cells[i])
		if c.painted && t.colour {
			cell = painted(cell, r.tone)
		}
		cells = append(cells, cell)
	}
	return strings.Join(cells, "\t")
}

// shown is a text that is safe to be shown in a line: of what objects hold anything may be read, and a terminal obeys.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0:
			return -1
		}
		return r
	}, text)
}

// fitted cuts a text to a width; 0 is any.
func fitted(text string, width int) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}
