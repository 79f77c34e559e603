package operator

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// fate is what becomes of a manager at one of its writes, or at one message between its hub and an agent.
type fate int

const (
	// goesOn: nothing happens.
	goesOn fate = iota
	// diesBefore: the manager dies, and the write or message is lost.
	diesBefore
	// diesAfter: the write lands, or the message arrives, and then the manager dies.
	diesAfter
	// wakesInThePast dies like diesAfter, and what the next manager lists is as it was some writes before: an API server
	// answers lists from a cache of its own, which may lag behind what another one has answered.
	wakesInThePast
)

func (f fate) String() string {
	return [...]string{"lives", "dies before", "dies after", "dies after, and the next one wakes in the past, "}[f]
}

// pastWrites is how many writes and messages the next manager does not see if it wakes in the past, beside the last.
const pastWrites = 2

// moment is when a manager dies: at which write or message, and the how manyeth of these it is, from 1.
type moment struct {
	label  string
	number int
	fate   fate
}

func (m moment) String() string {
	return fmt.Sprintf("%s %q, number %d", m.fate, m.label, m.number)
}

// trap counts writes and messages, and says at which one the manager dies.
type trap struct {
	mu     sync.Mutex
	at     moment
	sprung bool
	counts map[string]int
	labels []string
	// before is what was there some writes ago, of which the last is at the end, if that may be needed.
	before []map[string]*answer
	// list lists all that is there.
	list func() map[string]*answer
	past map[string]*answer
	// always has the manager die after each of its writes.
	always bool
}

// set arms the trap.
func (p *trap) set(at moment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.sprung, p.counts, p.labels, p.before, p.past = at, false, map[string]int{}, nil, nil, nil
}

// clear disarms the trap. It answers whether the manager died, and how often there was what.
func (p *trap) clear() (sprung bool, counts map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.always = moment{}, false
	return p.sprung, maps.Clone(p.counts)
}

// seen is all that was written and said, in order.
func (p *trap) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.labels)
}

// meet counts a write or message and says what becomes of the manager.
func (p *trap) meet(label string, isWrite bool) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil {
		return goesOn
	}
	p.counts[label]++
	p.labels = append(p.labels, label)
	switch {
	case p.always && isWrite:
		return diesAfter
	case p.sprung:
		return goesOn
	}
	if p.at.fate == wakesInThePast {
		p.before = append(p.before, p.list())
		p.before = p.before[max(0, len(p.before)-1-pastWrites):]
	}
	if p.at.fate == goesOn || p.at.label != label || p.at.number != p.counts[label] {
		return goesOn
	}
	p.sprung = true
	if p.at.fate == wakesInThePast {
		p.past = p.before[0]
	}
	return p.at.fate
}

// takePast is what the next manager's first lists are answered with, once.
func (p *trap) takePast() map[string]*answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	past := p.past
	p.past = nil
	return past
}
