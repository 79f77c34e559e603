// Package fluxsource owns the double of Flux's source-controller: it packs files as that does, serves the archives under
// the URLs that it would give them, and says what the status of the source would be, in the API's own types.
package fluxsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/tar"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/opencontainers/go-digest"
	_ "github.com/opencontainers/go-digest/blake3" // Flux can be told to use it
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Order asks for an artifact.
type Order struct {
	// Kind, Namespace, Name and Generation are those of the source.
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	Generation int64  `json:"generation"`
	// Revision is the source's word for the files, such as "main@sha1:<commit>".
	Revision string `json:"revision"`
	// Files are texts by their paths.
	Files map[string]string `json:"files"`
	// Algorithm is that of the digest; empty for sha256, as Flux has it.
	Algorithm string `json:"algorithm,omitempty"`
	// Padding is a file of so many zeros beside the others: much of it is a bomb.
	Padding int64 `json:"padding,omitempty"`
}

// Fault is what is wrong with the artifact at a path; the zero value for nothing.
type Fault struct {
	// Path of the artifact's URL.
	Path string `json:"path"`
	// Status is what the server answers instead of the artifact.
	Status int `json:"status,omitempty"`
	// Body is what it serves instead: an archive of another digest.
	Body string `json:"body,omitempty"`
}

// Server serves artifacts.
type Server struct {
	// base is what URLs begin with.
	base string

	mu       sync.Mutex
	archives map[string][]byte
	faults   map[string]Fault
	requests map[string]int
}

// New makes a server whose artifacts have URLs that begin with base, such as "http://source-controller.flux-system.svc".
func New(base string) *Server {
	return &Server{base: base, archives: map[string][]byte{}, faults: map[string]Fault{}, requests: map[string]int{}}
}

// Store makes an artifact and answers the status of its source.
func (s *Server) Store(order Order, now time.Time) (json.RawMessage, error) {
	archive, err := pack(order)
	if err != nil {
		return nil, err
	}
	algorithm := digest.Algorithm(order.Algorithm)
	if algorithm == "" {
		algorithm = digest.SHA256
	}
	if !algorithm.Available() {
		return nil, fmt.Errorf("there is no algorithm %q", order.Algorithm)
	}
	sum := algorithm.FromBytes(archive)
	at := path.Join(strings.ToLower(order.Kind), order.Namespace, order.Name, sum.Encoded()[:12]+".tar.gz")
	s.mu.Lock()
	s.archives["/"+at] = archive
	s.mu.Unlock()
	size := int64(len(archive))
	artifact := &meta.Artifact{
		Path: at, URL: s.base + "/" + at, Revision: order.Revision, Digest: sum.String(),
		LastUpdateTime: metav1.NewTime(now), Size: &size,
	}
	condition := func(kind string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: meta.SucceededReason, ObservedGeneration: order.Generation,
			LastTransitionTime: metav1.NewTime(now), Message: fmt.Sprintf("stored artifact for revision '%s'", order.Revision),
		}
	}
	return statusOf(order, artifact, condition(meta.ReadyCondition), condition(sourcev1.ArtifactInStorageCondition))
}

// Failing answers the status of a source that its controller cannot fetch. It keeps the artifact that it had, if it had one.
func Failing(order Order, artifact *meta.Artifact, now time.Time) (json.RawMessage, error) {
	condition := func(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: status, Reason: reason, ObservedGeneration: order.Generation, LastTransitionTime: metav1.NewTime(now),
			Message: "failed to checkout and determine revision: unable to clone: authentication required",
		}
	}
	unobserved := order
	unobserved.Generation = -1 // it observed none to its end
	return statusOf(unobserved, artifact, condition(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingWithRetryReason),
		condition(meta.ReadyCondition, metav1.ConditionFalse, "GitOperationFailed"), condition(sourcev1.FetchFailedCondition, metav1.ConditionTrue, "GitOperationFailed"))
}

// statusOf is the status of a source in the types of its kind.
func statusOf(order Order, artifact *meta.Artifact, conditions ...metav1.Condition) (json.RawMessage, error) {
	var status any
	switch order.Kind {
	case sourcev1.GitRepositoryKind:
		status = sourcev1.GitRepositoryStatus{ObservedGeneration: order.Generation, Conditions: conditions, Artifact: artifact}
	case sourcev1.OCIRepositoryKind:
		status = sourcev1.OCIRepositoryStatus{ObservedGeneration: order.Generation, Conditions: conditions, Artifact: artifact}
	case sourcev1.BucketKind:
		status = sourcev1.BucketStatus{ObservedGeneration: order.Generation, Conditions: conditions, Artifact: artifact}
	case sourcev1.HelmChartKind:
		status = sourcev1.HelmChartStatus{ObservedGeneration: order.Generation, Conditions: conditions, Artifact: artifact}
	case sourcev1.ExternalArtifactKind:
		status = sourcev1.ExternalArtifactStatus{Conditions: conditions, Artifact: artifact}
	default:
		return nil, fmt.Errorf("source-controller has no kind %q", order.Kind)
	}
	return json.Marshal(status)
}

// pack makes the archive of an order, by the library that source-controller uses.
func pack(order Order) ([]byte, error) {
	dir, err := os.MkdirTemp("", "flux-source-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range order.Files {
		file := filepath.Join(dir, filepath.Clean("/"+name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			return nil, err
		}
	}
	if order.Padding > 0 {
		padding := filepath.Join(dir, "padding")
		if err := errors.Join(os.WriteFile(padding, nil, 0o600), os.Truncate(padding, order.Padding)); err != nil {
			return nil, err
		}
	}
	var archive bytes.Buffer
	if _, err := tar.Tar(dir, &archive); err != nil {
		return nil, err
	}
	return archive.Bytes(), nil
}

// ServeHTTP serves artifacts, and below /admin/ what only tests may ask.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/admin/") {
		s.admin(w, r)
		return
	}
	s.mu.Lock()
	archive, there := s.archives[r.URL.Path]
	fault := s.faults[r.URL.Path]
	s.requests[r.URL.Path]++
	s.mu.Unlock()
	switch {
	case fault.Status != 0:
		http.Error(w, "a fault that was asked for", fault.Status)
		return
	case fault.Body != "":
		archive, there = []byte(fault.Body), true
	}
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	fmt.Fprintf(w, "%s", archive)
}
