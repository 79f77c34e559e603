package hub

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gantry-operator/gantry/internal/guard"
	"github.com/gantry-operator/gantry/internal/hub/identity"
	"github.com/gantry-operator/gantry/internal/operation"
)

// helloWithin is how long an agent may take to say Hello once its session is open.
const helloWithin = 15 * time.Second

// What a session ends with, for the agent to read.
var (
	errReplaced = status.Error(codes.Aborted, "a newer session of this Workspace has taken over")
	errPodGone  = status.Error(codes.Aborted, "the pod of this session does not exist any more")
	errTooMany  = status.Error(codes.ResourceExhausted, "too many sessions of this Workspace's pod are open, or were opened in a short time; try again later")
	errNoHello  = status.Error(codes.DeadlineExceeded, "no Hello came; a session opens with one")
)

// session is the manager's end of one stream. Sending only fills a queue, so an agent that does not read holds nobody
// up. The queue needs no bound: a pod has one operation at a time, of which an agent that does not read sends no end.
type session struct {
	mu    sync.Mutex
	queue []*operation.HubMessage
	ready chan struct{}

	once  sync.Once
	ended chan struct{}
	err   error
}

func newSession() *session {
	return &session{ready: make(chan struct{}, 1), ended: make(chan struct{})}
}

// send puts a message into the queue.
func (s *session) send(message *operation.HubMessage) {
	s.mu.Lock()
	s.queue = append(s.queue, message)
	s.mu.Unlock()
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// end ends the session with that error. Only the first end counts.
func (s *session) end(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.ended)
	})
}

// drain takes all that is queued.
func (s *session) drain() []*operation.HubMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue
	s.queue = nil
	return queue
}

// deliver sends what is queued until the session ends. It may hang in Send, which ends with the stream.
func (s *session) deliver(stream operation.Hub_SessionServer) {
	for {
		for _, message := range s.drain() {
			if err := stream.Send(message); err != nil {
				s.end(err)
				return
			}
		}
		select {
		case <-s.ready:
		case <-s.ended:
			return
		}
	}
}

// receive hands over what comes until the session ends.
func (s *session) receive(stream operation.Hub_SessionServer, take func(*operation.AgentMessage) error) {
	defer func() {
		if recover() != nil {
			s.end(status.Error(codes.Internal, "the manager could not handle a message"))
		}
	}()
	pace := newPace()
	for {
		message, err := stream.Recv()
		if err == nil {
			err = pace.wait(stream.Context(), message)
		}
		if err == nil {
			err = take(message)
		}
		if errors.Is(err, io.EOF) {
			s.end(nil)
			return
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// service is what gRPC calls.
type service struct {
	operation.UnimplementedHubServer
	hub *Hub
}

// Service is what serves the sessions, for whatever brings their messages.
func (h *Hub) Service() operation.HubServer { return service{hub: h} }

// Session serves one agent until it, the network, its pod or a newer session ends it. Nothing that comes over the
// stream is looked at before the token was.
func (s service) Session(stream operation.Hub_SessionServer) error {
	who, err := s.hub.authenticate(stream.Context())
	if err != nil {
		return err
	}
	leave, err := s.hub.admit(who.Workspace)
	if err != nil {
		return err
	}
	defer leave()
	current, greeted := newSession(), make(chan struct{})
	greet := sync.OnceFunc(func() { close(greeted) })
	go current.receive(stream, func(message *operation.AgentMessage) error {
		defer greet()
		return s.hub.take(who, current, message)
	})
	defer s.hub.close(who, current)
	timeout := time.AfterFunc(helloWithin, func() {
		select {
		case <-greeted:
		default:
			current.end(errNoHello)
		}
	})
	defer timeout.Stop()
	go current.deliver(stream)
	<-current.ended
	return current.err
}

// admit lets a pod have another stream, unless it has too many; leave gives it back.
func (h *Hub) admit(workspace types.NamespacedName) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[workspace] >= mostStreams || !h.opens.Take(workspace) {
		return nil, errTooMany
	}
	h.streams[workspace]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.streams[workspace]--; h.streams[workspace] == 0 {
			delete(h.streams, workspace)
		}
	}, nil
}

// authenticate reads the token of a stream that opens and says who that is.
func (h *Hub) authenticate(ctx context.Context) (identity.Identity, error) {
	if from, ok := peer.FromContext(ctx); ok {
		ctx = identity.From(ctx, guard.Address(from.Addr))
	}
	who, err := h.authenticator.Authenticate(ctx, bearer(ctx))
	switch {
	case err == nil:
		return who, nil
	case errors.Is(err, identity.ErrUnauthenticated):
		h.log.Info("Refused a session", "reason", err.Error())
		return who, status.Error(codes.Unauthenticated, err.Error())
	case errors.Is(err, identity.ErrForbidden):
		h.log.Info("Refused a session", "reason", err.Error())
		return who, status.Error(codes.PermissionDenied, err.Error())
	case errors.Is(err, identity.ErrTooMany):
		return who, status.Error(codes.Unavailable, err.Error())
	default:
		h.log.Error(err, "Could not find out who opens a session")
		return who, status.Error(codes.Unavailable, "the manager cannot check the token now")
	}
}

// bearer is the token of a stream, or nothing.
func bearer(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	values := md.Get("authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// take deals with one message of a session.
func (h *Hub) take(who identity.Identity, s *session, message *operation.AgentMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[who.Workspace]
	current := d != nil && d.session == s
	if hello := message.GetHello(); hello != nil && !current {
		return h.open(who, s, hello)
	}
	if !current {
		return status.Error(codes.FailedPrecondition, "a session opens with a Hello")
	}
	switch body := message.GetBody().(type) {
	case *operation.AgentMessage_Hello:
		// Said again, it only has news of the versions.
		d.versions(body.Hello)
		h.wake(who.Workspace, d)
	case *operation.AgentMessage_Progress:
		if j := d.progress(body.Progress); j != nil {
			h.updates.soon(types.NamespacedName{Namespace: who.Workspace.Namespace, Name: j.name})
		}
	case *operation.AgentMessage_Snapshot:
		if j := d.snapshot(body.Snapshot); j != nil {
			h.updates.now(types.NamespacedName{Namespace: who.Workspace.Namespace, Name: j.name})
		}
	case *operation.AgentMessage_Result:
		if j := d.finish(body.Result); j != nil {
			h.updates.now(types.NamespacedName{Namespace: who.Workspace.Namespace, Name: j.name})
		}
	}
	return nil
}

// open makes s the session of its Workspace. h.mu is held.
func (h *Hub) open(who identity.Identity, s *session, hello *operation.Hello) error {
	if hello.GetProtocol() != operation.Protocol {
		return status.Errorf(codes.FailedPrecondition,
			"the agent (version %s) speaks protocol %d, this manager speaks protocol %d; the pod gets a fitting agent when it is made anew",
			hello.GetAgentVersion(), hello.GetProtocol(), operation.Protocol)
	}
	select {
	case <-s.ended:
		return s.err
	default:
	}
	d := h.desk(who.Workspace)
	d.attach(s, who.Pod, hello, h.clock.Now())
	h.wake(who.Workspace, d)
	h.log.V(1).Info("Agent connected", "workspace", who.Workspace, "pod", who.Pod, "version", hello.GetAgentVersion())
	return nil
}

// close takes note that a session is over, unless another one has taken its place.
func (h *Hub) close(who identity.Identity, s *session) {
	s.end(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.desks[who.Workspace]
	if d == nil || d.session != s {
		return
	}
	d.session = nil
	h.tidy(who.Workspace, d)
	h.wake(who.Workspace, d)
	h.log.V(1).Info("Agent disconnected", "workspace", who.Workspace, "pod", who.Pod)
}
