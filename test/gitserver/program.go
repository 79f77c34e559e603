package gitserver

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Program owns servers where there is no test to own them. What fails ends it with a panic.
type Program struct {
	ctx      context.Context //nolint:containedctx // as of a test: it lives as long as the program
	cleanups []func()
	dirs     []string
}

// NewProgram makes a Program; Close ends what it owns.
func NewProgram(ctx context.Context) *Program { return &Program{ctx: ctx} }

// Helper does nothing.
func (*Program) Helper() {}

// Fatalf ends the program.
func (*Program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Cleanup is called by Close.
func (p *Program) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

// Context is the program's.
func (p *Program) Context() context.Context { return p.ctx }

// TempDir is removed by Close.
func (p *Program) TempDir() string {
	dir, err := os.MkdirTemp("", "gitserver-")
	if err != nil {
		p.Fatalf("make a directory: %v", err)
	}
	p.dirs = append(p.dirs, dir)
	return dir
}

// Close ends the servers and removes what they kept.
func (p *Program) Close() error {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
	var errs []error
	for _, dir := range p.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}
