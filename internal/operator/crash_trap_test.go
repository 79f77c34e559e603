package operator

import (
	"fmt"
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
	// diesAfterEach has each manager die after its first write that changes something.
	diesAfterEach
)

func (f fate) String() string {
	return [...]string{"lives", "dies before", "dies after", "dies after, and the next one wakes in the past,", "dies after each"}[f]
}

// pastWrites is how many writes and messages the next manager does not see if it wakes in the past, beside the last.
const pastWrites = 2

// moment is when a manager dies: at which write or message, and the how manyeth of these it is, from 1. It is not the
// number of all, since the order of what several controllers write is not the same twice.
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
	// before is what was there at the last few writes and messages, from the first that counts on: listing it takes time.
	before []map[string]*answer
	from   int
	// list lists all that is there.
	list func() map[string]*answer
	past map[string]*answer
}

// set arms the trap. usual is what is written and said without a death, which tells about when the moment comes.
func (p *trap) set(at moment, usual []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.sprung, p.counts, p.labels, p.before, p.past = at, false, map[string]int{}, nil, nil, nil
	p.from = 0
	for i, number := 0, 0; i < len(usual); i++ {
		if usual[i] == at.label {
			number++
		}
		if number == at.number {
			p.from = i - 2*pastWrites
			break
		}
	}
}

// clear disarms the trap. It answers all that was written and said, in order.
func (p *trap) clear() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.counts = moment{}, nil
	return p.labels
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
	case p.at.fate == diesAfterEach && isWrite:
		return diesAfterEach
	case p.sprung, p.at.fate == diesAfterEach:
		return goesOn
	}
	this := p.at.label == label && p.at.number == p.counts[label]
	if p.at.fate == wakesInThePast && (this || len(p.labels) >= p.from) {
		p.before = append(p.before, p.list())
		p.before = p.before[max(0, len(p.before)-1-pastWrites):]
	}
	if p.at.fate == goesOn || !this {
		return goesOn
	}
	p.sprung = true
	if p.at.fate == wakesInThePast && len(p.before) > 0 {
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
