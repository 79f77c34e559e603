package workspace

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what the controller remembers of the pods it has seen. Nothing in it is needed for being right after a
// restart: it is one with the hub's own memory of retired pods, and it spares reads.
type memory struct {
	mu   sync.Mutex
	pods map[types.NamespacedName]*podMemory
}

type podMemory struct {
	uid types.UID
	// retired says that the hub gives the pod no more work, so that it has to go.
	retired bool
	// connected says that its agent has been connected.
	connected bool
	lookedAt  time.Time
	findings  Findings
}

// pod makes uid the pod of the Workspace, and returns the one it replaces, if there was another. No uid: no pod.
func (m *memory) pod(workspace types.NamespacedName, uid types.UID) (before types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pods == nil {
		m.pods = map[types.NamespacedName]*podMemory{}
	}
	known := m.pods[workspace]
	if known != nil && known.uid == uid {
		return ""
	}
	if known != nil {
		before = known.uid
	}
	delete(m.pods, workspace)
	if uid != "" {
		m.pods[workspace] = &podMemory{uid: uid}
	}
	return before
}

// retire remembers that the Workspace's pod is retired.
func (m *memory) retire(workspace types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.pods[workspace]; known != nil {
		known.retired = true
	}
}

// connect remembers that the agent of the Workspace's pod is connected, and tells whether that is news.
func (m *memory) connect(workspace types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.pods[workspace]
	if known == nil || known.connected {
		return false
	}
	known.connected = true
	return true
}

// retired tells whether the Workspace's pod is retired.
func (m *memory) retired(workspace types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.pods[workspace]
	return known != nil && known.retired
}

// look returns what was found when the pod was last looked into, and whether it is time to look again.
func (m *memory) look(workspace types.NamespacedName, now time.Time) (Findings, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.pods[workspace]
	if known == nil {
		return Findings{}, true
	}
	return known.findings, now.Sub(known.lookedAt) >= lookEvery
}

// found remembers what was found.
func (m *memory) found(workspace types.NamespacedName, findings Findings, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.pods[workspace]; known != nil {
		known.findings, known.lookedAt = findings, now
	}
}
