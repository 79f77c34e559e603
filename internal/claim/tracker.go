package claim

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Holder is a Stack with a claim.
type Holder struct {
	// Stack and UID are the Stack's.
	Stack types.NamespacedName
	UID   types.UID
	// Generation is that of the spec which the claim is read from.
	Generation int64
	Claim
	// Digest and Dir are of the archive whose project file names the project where the claim does not; Ran is the project
	// that ran last, or will run first.
	Digest, Dir, Ran string
	// Created is when the Stack was made, Standing what it did with the stack of the backend.
	Created  time.Time
	Standing Standing

	// taken says that the Stack has run, or is about to, since the manager started.
	taken bool
	// project is the one that it ran.
	project string
	// behind is the Stack that goes before it; empty if none does.
	behind types.UID
}

// Standing is what a Stack did with the stack that it claims.
type Standing int

// Standings, each of which goes before those above it.
const (
	// Waiting has done nothing with it, or was told that it is another's.
	Waiting Standing = iota
	// Applied may have applied something to it.
	Applied
	// Settled has applied something with the spec that it has now.
	Settled
)

// before tells which of two holders the stack of the backend belongs to.
func (h Holder) before(other Holder) bool {
	switch {
	case h.taken != other.taken:
		return h.taken
	case h.Standing != other.Standing:
		return h.Standing > other.Standing
	case !h.Created.Equal(other.Created):
		return h.Created.Before(other.Created)
	default:
		return h.UID < other.UID
	}
}

// Tracker knows the claims of all Stacks. The zero value knows of none yet; nil never knows of any.
type Tracker struct {
	mu      sync.Mutex
	primed  bool
	holders map[types.UID]*Holder
	keys    map[string]map[types.UID]*Holder
	names   map[types.NamespacedName]types.UID
	wake    func(stack types.NamespacedName)
}

// Notify sets who is told which Stacks to look at again. wake must not block.
func (t *Tracker) Notify(wake func(stack types.NamespacedName)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake = wake
}

// Prime lists the Stacks that there are when the manager starts. Before that, nobody can tell who is first.
func (t *Tracker) Prime(list func() ([]Holder, error)) error {
	t.mu.Lock()
	primed := t.primed
	t.mu.Unlock()
	if primed {
		return nil
	}
	all, err := list() // by several at once, perhaps; they find the same
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.primed {
		return nil
	}
	for _, holder := range all {
		if t.holders[holder.UID] == nil {
			t.set(holder)
		}
	}
	t.primed = true
	return nil
}

// Known is the claim of a Stack whose spec is of a generation, if it has been read.
func (t *Tracker) Known(uid types.UID, generation int64) (Claim, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if holder := t.holders[uid]; holder != nil && holder.Generation == generation {
		return holder.Claim, true
	}
	return Claim{}, false
}

// Set records what a Stack claims now, and answers it with what was known before.
func (t *Tracker) Set(holder Holder) Holder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was := t.names[holder.Stack]; was != holder.UID {
		t.drop(was)
	}
	if was := t.holders[holder.UID]; was != nil {
		if was.Key == holder.Key {
			holder.taken, holder.project, holder.behind = was.taken, was.project, was.behind
			*was = holder
			return holder
		}
		t.drop(holder.UID)
	}
	t.set(holder)
	return holder
}

// Wait records who goes before a Stack, so that it is woken when that one claims the same no more. nil is nobody.
func (t *Tracker) Wait(uid types.UID, first *Holder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	holder := t.holders[uid]
	if holder == nil {
		return
	}
	holder.behind = ""
	if first == nil {
		return
	}
	holder.behind = first.UID
	if t.holders[first.UID] == nil && t.wake != nil {
		t.wake(holder.Stack) // it went in between
	}
}

// Others are those who claim the stack of a name in the backend that a Stack claims, whatever their projects are.
func (t *Tracker) Others(uid types.UID) []Holder {
	t.mu.Lock()
	defer t.mu.Unlock()
	holder := t.holders[uid]
	if holder == nil {
		return nil
	}
	var others []Holder
	for other, h := range t.keys[holder.Key] {
		if other != uid {
			others = append(others, *h)
		}
	}
	return others
}

// Take makes a Stack the one that the stack of the backend and project belongs to, for as long as it claims it. It says
// false if another one was quicker. Where the project is not known, nobody can tell.
func (t *Tracker) Take(uid types.UID, project string) bool {
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	holder := t.holders[uid]
	if holder == nil || project == "" {
		return true
	}
	for other, h := range t.keys[holder.Key] {
		if other != uid && h.taken && h.project == project {
			return false
		}
	}
	holder.taken, holder.project = true, project
	return true
}

// Drop forgets a Stack that claims nothing any more, and wakes those that waited for that.
func (t *Tracker) Drop(stack types.NamespacedName) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(t.names[stack])
}

func (t *Tracker) set(holder Holder) {
	if t.holders == nil {
		t.holders, t.keys, t.names = map[types.UID]*Holder{}, map[string]map[types.UID]*Holder{}, map[types.NamespacedName]types.UID{}
	}
	if t.keys[holder.Key] == nil {
		t.keys[holder.Key] = map[types.UID]*Holder{}
	}
	t.holders[holder.UID], t.keys[holder.Key][holder.UID], t.names[holder.Stack] = &holder, &holder, holder.UID
}

func (t *Tracker) drop(uid types.UID) {
	holder := t.holders[uid]
	if holder == nil {
		return
	}
	delete(t.holders, uid)
	delete(t.names, holder.Stack)
	if delete(t.keys[holder.Key], uid); len(t.keys[holder.Key]) == 0 {
		delete(t.keys, holder.Key)
	}
	for _, other := range t.keys[holder.Key] {
		if other.behind == uid && t.wake != nil {
			t.wake(other.Stack)
		}
	}
}

// First is the one of several, of one backend and project, that the stack belongs to; nil if that is holder itself.
func First(holder Holder, others []Holder) *Holder {
	first := holder
	for _, other := range others {
		if other.before(first) {
			first = other
		}
	}
	if first.UID == holder.UID {
		return nil
	}
	return &first
}
