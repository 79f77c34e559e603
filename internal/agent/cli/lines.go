package cli

import (
	"bytes"
	"regexp"
	"strings"
)

// lines is a writer that hands on whole lines and keeps the last ones. What a program prints costs it little: it may be
// very much.
type lines struct {
	log  func(whole []byte)
	told func(line string)
	rest []byte
	// out are the lines of one piece of the output, for the log.
	out  []byte
	kept []string
	// long says that what comes next goes on with a line of which enough is kept.
	long bool
}

// lines makes the writer for one of a process's outputs.
func (c *CLI) lines(command Command) *lines {
	return &lines{told: command.Line, log: func(whole []byte) {
		c.output.Lock()
		defer c.output.Unlock()
		if _, err := c.Output.Write(whole); err != nil {
			// Without a log the operation goes on.
			c.Log.Debug("the log cannot be written", "error", err)
		}
	}}
}

// Write takes any piece of the output.
func (l *lines) Write(piece []byte) (int, error) {
	for left := piece; ; {
		line, rest, found := bytes.Cut(left, []byte("\n"))
		if len(l.rest) > 0 || !found {
			l.rest = append(l.rest, line...)
			line = l.rest
		}
		if !found {
			break
		}
		l.line(line, false)
		l.rest, left = l.rest[:0], rest
	}
	if len(l.rest) > maxLine {
		l.line(l.rest, true)
		l.rest = l.rest[:0]
	}
	l.hand()
	return len(piece), nil
}

// flush hands on what came after the last newline.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest, false)
		l.rest = nil
	}
	l.hand()
}

// hand hands the lines to the log.
func (l *lines) hand() {
	if len(l.out) > 0 {
		l.log(l.out)
		l.out = l.out[:0]
	}
}

// line takes a line, or of a long one a part that more follows on.
func (l *lines) line(line []byte, more bool) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	l.out = append(append(l.out, line...), '\n')
	if l.told != nil {
		l.told(valid(line))
	}
	if !l.long {
		l.keep(line)
	}
	l.long = more
}

// keep keeps the beginning of a line.
func (l *lines) keep(line []byte) {
	if bytes.IndexByte(line, '\x1b') >= 0 {
		line = colour.ReplaceAll(line, nil)
	}
	if len(l.kept) == maxKept {
		copy(l.kept, l.kept[1:])
		l.kept = l.kept[:maxKept-1]
	}
	l.kept = append(l.kept, valid(line[:min(len(line), maxKeptLine)]))
}

// valid is a line as text: what a program prints may be anything, and what is cut off may be half a character.
func valid(line []byte) string { return string(bytes.ToValidUTF8(line, nil)) }

// tail is the last lines.
func (l *lines) tail() string { return strings.Join(l.kept, "\n") }

// colour is how a terminal is told of colours, which some language hosts do whatever they are asked for.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

const (
	maxLine     = 64 << 10
	maxKeptLine = 2 << 10
	maxKept     = 60
)

// private keeps what a process prints that nobody else may see, up to a bound.
type private struct{ kept bytes.Buffer }

// Write keeps what there is room for, and lets the process go on.
func (p *private) Write(piece []byte) (int, error) {
	if room := maxPrivate - p.kept.Len(); room > 0 {
		p.kept.Write(piece[:min(len(piece), room)])
	}
	return len(piece), nil
}

// maxPrivate is several times what a session can carry.
const maxPrivate = 32 << 20
