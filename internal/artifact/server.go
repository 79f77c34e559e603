package artifact

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/guard"
	"github.com/gantry-operator/gantry/internal/hub/identity"
)

// Path is what the path of an archive's URL begins with; its digest follows.
const Path = "/artifacts/"

const (
	// headersWithin is how long a client may take to ask.
	headersWithin = 10 * time.Second
	// idleWithin is how long a connection is kept that nobody asks anything on.
	idleWithin = time.Minute
	// largestHeader bounds what a client may ask with: the token is the most of it.
	largestHeader = 32 << 10
	// stopWithin is how long downloads may go on when the manager stops. Agents ask again.
	stopWithin = 2 * time.Second
)

// Authenticator says who the bearer of a token is.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (identity.Identity, error)
}

// Server gives each pod the archives its Workspace is entitled to, and nothing to anybody else. It runs on the leader
// only.
type Server struct {
	Store         *Store
	Authenticator Authenticator
	// Entitled tells whether the Workspace's pod may have the archive.
	Entitled func(ctx context.Context, workspace types.NamespacedName, digest string) bool
	// Missing is told of each archive that a pod may have and that is not there, so that it is stored again. It does not
	// block. It may be nil.
	Missing func(digest string)
	Log     logr.Logger
	// Address to listen at, such as ":9444".
	Address string
	TLS     *tls.Config
}

// URL is where a Server behind the given host and port has an archive.
func URL(host string, port int, digest string) string {
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port)) + Path + digest
}

// NeedLeaderElection says that only the leader listens.
func (s *Server) NeedLeaderElection() bool { return true }

// Start listens and serves until ctx is done.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("listen for artifact requests: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: headersWithin, IdleTimeout: idleWithin, MaxHeaderBytes: largestHeader}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			// Downloads that do not end in time are cut.
			err = server.Close()
			s.Log.V(1).Info("Cut downloads to stop", "error", err)
		}
	})
	err = server.Serve(tls.NewListener(guard.Listen(listener, clock.RealClock{}), s.TLS))
	if !stop() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve artifacts: %w", err)
	}
	return nil
}

// ServeHTTP answers GET and HEAD of /artifacts/<digest>. Who asks is found out before anything else, and whether an
// archive exists is told only to who may have it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, ok := s.authenticate(w, r)
	if !ok {
		return
	}
	digest, ok := strings.CutPrefix(r.URL.Path, Path)
	if !ok {
		http.Error(w, "there is nothing here but "+Path+"<digest>", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "an artifact can only be read", http.StatusMethodNotAllowed)
		return
	}
	if _, err := parse(digest); err != nil {
		http.Error(w, "the path does not end with a digest", http.StatusBadRequest)
		return
	}
	if !s.Entitled(r.Context(), who.Workspace, digest) {
		s.Log.Info("Refused an artifact", "workspace", who.Workspace, "digest", digest)
		http.Error(w, "this Workspace does not use that artifact", http.StatusForbidden)
		return
	}
	archive, err := s.Store.Open(digest)
	if err != nil {
		s.refuse(w, digest, err)
		return
	}
	defer archive.Close()
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Length", strconv.FormatInt(archive.Size(), 10))
	if r.Method == http.MethodHead {
		return
	}
	s.send(w, archive, digest)
}

// refuse answers that the archive cannot be had.
func (s *Server) refuse(w http.ResponseWriter, digest string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		s.Log.Error(err, "Could not read an artifact")
		http.Error(w, "the artifact cannot be read", http.StatusInternalServerError)
		return
	}
	s.missing(digest)
	http.Error(w, "the artifact is not there (yet)", http.StatusNotFound)
}

// missing tells that an archive is not there.
func (s *Server) missing(digest string) {
	if s.Missing != nil {
		s.Missing(digest)
	}
}

// send answers with the archive. It is verified on the way: of a damaged one the end is not sent, so that it cannot be
// taken for whole. A range that is asked for is ignored, as HTTP allows.
func (s *Server) send(w http.ResponseWriter, archive *Archive, digest string) {
	sent, err := io.Copy(w, archive)
	switch {
	case err == nil:
	case sent == 0:
		w.Header().Del("Content-Length")
		s.refuse(w, digest, err)
	default:
		if errors.Is(err, fs.ErrNotExist) {
			s.missing(digest)
		}
		s.Log.Info("An artifact was not sent whole", "error", err.Error())
	}
}

// authenticate says who asks, or answers the request if that cannot be told.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (identity.Identity, bool) {
	var token string
	if values := r.Header.Values("Authorization"); len(values) == 1 {
		scheme, rest, _ := strings.Cut(values[0], " ")
		if strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
		}
	}
	who, err := s.Authenticator.Authenticate(identity.From(r.Context(), guard.Host(r.RemoteAddr)), token)
	switch {
	case err == nil:
		return who, true
	case errors.Is(err, identity.ErrUnauthenticated):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, err.Error(), http.StatusUnauthorized)
	case errors.Is(err, identity.ErrForbidden):
		http.Error(w, err.Error(), http.StatusForbidden)
	case errors.Is(err, identity.ErrTooMany):
		http.Error(w, err.Error(), http.StatusTooManyRequests)
	default:
		s.Log.Error(err, "Could not find out who asks for an artifact")
		http.Error(w, "the manager cannot check the token now", http.StatusServiceUnavailable)
	}
	return who, false
}
