package update

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what the controller keeps between two reconciles: only what makes it quicker or wordier, never what a
// decision about an Update's end rests on. The zero value is ready for use.
type memory struct {
	mu sync.Mutex
	// running are the operations seen alive, by the UID of their Update.
	running map[types.UID]runningOperation
	// ends says why pods ended that are gone, by the UID of the Update they left without a result.
	ends map[types.UID]string
}

// runningOperation is one operation seen alive.
type runningOperation struct {
	update    types.NamespacedName
	workspace types.NamespacedName
	// written is when the status was written last.
	written time.Time
}

// see notes that the status of a running operation was written.
func (m *memory) see(uid types.UID, update, workspace types.NamespacedName, written time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running == nil {
		m.running = map[types.UID]runningOperation{}
	}
	m.running[uid] = runningOperation{update, workspace, written}
}

// written is when the status of a running operation was written last; zero if it is not known.
func (m *memory) written(uid types.UID) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running[uid].written
}

// others are the running operations of Updates of that name with another UID, and their Workspaces.
func (m *memory) others(update types.NamespacedName, current types.UID) map[types.UID]types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	others := map[types.UID]types.NamespacedName{}
	for uid, operation := range m.running {
		if operation.update == update && uid != current {
			others[uid] = operation.workspace
		}
	}
	return others
}

// noteEnd remembers why the pod of a running operation ended.
func (m *memory) noteEnd(uid types.UID, words string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ends == nil {
		m.ends = map[types.UID]string{}
	}
	m.ends[uid] = words
}

// end is why the pod of the operation ended, if that was seen.
func (m *memory) end(uid types.UID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ends[uid]
}

// forget drops all about an Update.
func (m *memory) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, uid)
	delete(m.ends, uid)
}
