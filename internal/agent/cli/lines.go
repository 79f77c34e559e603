package cli

import (
	"bytes"
	"regexp"
	"strings"
)

// lines is a writer that hands on whole lines and keeps the last ones.
type lines struct {
	emit func(line []byte)
	rest []byte
	kept []string
}

// lines makes the writer for one of a process's outputs.
func (c *CLI) lines(command Command) *lines {
	return &lines{emit: func(line []byte) {
		c.output.Lock()
		defer c.output.Unlock()
		if _, err := c.Output.Write(append(line, '\n')); err != nil {
			// Without a log the operation goes on.
			c.Log.Debug("the log cannot be written", "error", err)
		}
		if command.Line != nil {
			command.Line(string(line))
		}
	}}
}

// Write takes any piece of the output.
func (l *lines) Write(piece []byte) (int, error) {
	l.rest = append(l.rest, piece...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			break
		}
		l.line(line)
		l.rest = rest
	}
	if len(l.rest) > maxLine {
		l.line(l.rest)
		l.rest = nil
	}
	return len(piece), nil
}

// flush hands on what came after the last newline.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.line(l.rest)
		l.rest = nil
	}
}

func (l *lines) line(line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	l.emit(bytes.Clone(line))
	line = colour.ReplaceAll(line, nil)
	l.kept = append(l.kept, string(line[:min(len(line), maxKeptLine)]))
	if len(l.kept) > maxKept {
		l.kept = l.kept[1:]
	}
}

// tail is the last lines.
func (l *lines) tail() string { return strings.Join(l.kept, "\n") }

// colour is how a terminal is told of colours, which some language hosts do whatever they are asked for.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

const (
	maxLine     = 64 << 10
	maxKeptLine = 2 << 10
	maxKept     = 60
)
