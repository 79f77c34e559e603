package cli

import (
	"fmt"
	"io"
)

// progress tells a person what is waited for: in a terminal in one line that is written over, elsewhere in one line for
// each thing that is new.
type progress struct {
	out io.Writer
	// width of the terminal; 0 for none.
	width  int
	colour bool
	last   string
	// open says that the line under way is to be written over.
	open bool
}

func (a *app) progress() *progress {
	return &progress{out: a.Streams.ErrOut, width: a.ErrWidth, colour: a.Colour && a.ErrWidth > 0}
}

// say tells what is waited for.
func (p *progress) say(text string) {
	text = shown(text)
	if text == p.last {
		return
	}
	p.last = text
	if p.width == 0 {
		fmt.Fprintln(p.out, "◎", text)
		return
	}
	fmt.Fprint(p.out, "\r\x1b[K", fitted("◎ "+text, p.width-1))
	p.open = true
}

// clear takes away what is to be written over.
func (p *progress) clear() {
	if p.open {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.open, p.last = false, ""
}

// note tells what stays.
func (p *progress) note(mark, text string, t tone) {
	p.clear()
	mark += " " + shown(text)
	if p.colour {
		mark = painted(mark, t)
	}
	fmt.Fprintln(p.out, mark)
}

func (p *progress) begun(text string)  { p.note("►", text, plain) }
func (p *progress) done(text string)   { p.note("✔", text, good) }
func (p *progress) failed(text string) { p.note("✗", text, bad) }
