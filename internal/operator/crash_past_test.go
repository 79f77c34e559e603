package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pastFor is how long a manager that wakes in the past stays there: long enough to act on what it sees.
const pastFor = 300 * time.Millisecond

// memory is what managers fill their caches from.
type memory struct {
	client *http.Client
	mu     sync.Mutex
	asked  map[string]*http.Request
	// versions are those of the objects that managers have written.
	versions map[string]bool
}

// note keeps how a cache is filled.
func (m *memory) note(request *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[request.URL.Path] = request
}

// all lists all that caches are filled from.
func (m *memory) all() (map[string]*answer, error) {
	m.mu.Lock()
	asked := maps.Clone(m.asked)
	m.mu.Unlock()
	all := map[string]*answer{}
	for path, request := range asked {
		got, err := m.list(request)
		if err != nil {
			return nil, err
		}
		all[path] = got
	}
	return all, nil
}

// list asks for what a request that fills a cache is about, as it is now, in the form that it was asked for.
func (m *memory) list(as *http.Request) (*answer, error) {
	where := *as.URL
	where.RawQuery = url.Values{"labelSelector": as.URL.Query()["labelSelector"], "fieldSelector": as.URL.Query()["fieldSelector"]}.Encode()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", as.Header.Get("Accept"))
	response, err := m.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &answer{response.Header.Get("Content-Type"), body}, err
}

// isNew tells whether a write changed something: what is refused does not, and what is written as it is already keeps its
// version.
func (m *memory) isNew(path string, response *http.Response) bool {
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	object := &metav1.PartialObjectMetadata{}
	if response.StatusCode >= http.StatusBadRequest {
		return false
	}
	if err != nil || json.Unmarshal(body, object) != nil || object.ResourceVersion == "" {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.versions[path+" "+object.ResourceVersion]
	m.versions[path+" "+object.ResourceVersion] = true
	return !known
}

// lateBody gives what it reads some time after it came.
type lateBody struct {
	io.ReadCloser
	pieces chan piece
	rest   []byte
	gone   chan struct{}
	once   sync.Once
}

// piece is a part of a body, and when it may be read.
type piece struct {
	data []byte
	err  error
	due  time.Time
}

// late delays a body.
func late(body io.ReadCloser, lag time.Duration) io.ReadCloser {
	l := &lateBody{ReadCloser: body, pieces: make(chan piece, 1024), gone: make(chan struct{})}
	go func() {
		for {
			buffer := make([]byte, 32<<10)
			n, err := body.Read(buffer)
			select {
			case l.pieces <- piece{buffer[:n], err, time.Now().Add(lag)}:
			case <-l.gone:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return l
}

// Read waits until the next piece is due.
func (l *lateBody) Read(into []byte) (int, error) {
	if len(l.rest) == 0 {
		select {
		case next := <-l.pieces:
			select {
			case <-time.After(time.Until(next.due)):
			case <-l.gone:
				return 0, io.EOF
			}
			if next.err != nil {
				return copy(into, next.data), next.err
			}
			l.rest = next.data
		case <-l.gone:
			return 0, io.EOF
		}
	}
	n := copy(into, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// Close ends the body.
func (l *lateBody) Close() error {
	l.once.Do(func() { close(l.gone) })
	return l.ReadCloser.Close()
}
