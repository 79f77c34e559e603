package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// Kind is what keeps an agent from the manager.
type Kind string

// The kinds of trouble. Each asks for something else to be mended.
const (
	// NameUnknown: the hub's name does not resolve.
	NameUnknown Kind = "NameUnknown"
	// Refused: the hub's address answers, but nothing listens there.
	Refused Kind = "Refused"
	// Unanswered: the hub's address does not answer, or cannot be reached at all.
	Unanswered Kind = "Unanswered"
	// CertificateExpired: the hub's certificate is not valid at the pod's time.
	CertificateExpired Kind = "CertificateExpired"
	// AuthorityUnknown: the hub's certificate is of an authority that the pod does not know.
	AuthorityUnknown Kind = "AuthorityUnknown"
	// NameWrong: the hub's certificate is for another name.
	NameWrong Kind = "NameWrong"
	// NotTLS: what listens there speaks no TLS that the agent understands.
	NotTLS Kind = "NotTLS"
	// TokenRefused: the manager does not take the pod's token.
	TokenRefused Kind = "TokenRefused"
	// Other is whatever else the manager or the network said.
	Other Kind = "Other"
)

// Trouble is why there is no session, in one line. The line stays the same while the cause does.
type Trouble struct {
	Kind Kind
	Text string
}

// attempt is what is known of one try to connect, by the types that gRPC turns into text.
type attempt struct {
	mu        sync.Mutex
	connected bool
	secured   bool
	err       error
}

func (a *attempt) note(err error, reached *bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	*reached = err == nil
}

// dial connects, and remembers how that went.
func (a *attempt) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	a.note(err, &a.connected)
	return conn, err
}

// watched are credentials that tell an attempt how the handshake went.
type watched struct {
	credentials.TransportCredentials
	attempt *attempt
}

// ClientHandshake makes the link a safe one.
func (w watched) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	safe, info, err := w.TransportCredentials.ClientHandshake(ctx, authority, conn)
	w.attempt.note(err, &w.attempt.secured)
	return safe, info, err
}

// Clone copies the credentials, with the attempt.
func (w watched) Clone() credentials.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.attempt}
}

// trouble says why a session failed with err. hub is the address that was dialed.
func (a *attempt) trouble(hub string, err error) Trouble {
	a.mu.Lock()
	defer a.mu.Unlock()
	host, port, splitErr := net.SplitHostPort(hub)
	if splitErr != nil {
		host, port = hub, "?"
	}
	switch {
	case !a.connected:
		return unreached(host, port, a.err)
	case !a.secured:
		return unsafe(host, port, a.err)
	default:
		return unwelcome(host, err)
	}
}

// unreached: there is no connection. Without an error there was no answer in time.
func unreached(host, port string, err error) Trouble {
	var name *net.DNSError
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return Trouble{NameUnknown, fmt.Sprintf("the name %s does not resolve: see that the Service is there, and that the pod asks the cluster's DNS", host)}
	case errors.As(err, &name):
		return Trouble{NameUnknown, fmt.Sprintf("no DNS server answers for the name %s: see that network policies let the pod ask the cluster's DNS (port 53, UDP and TCP)", host)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Trouble{Refused, fmt.Sprintf("%s refuses connections at port %s: no manager runs, or none leads yet", host, port)}
	default:
		return Trouble{Unanswered, fmt.Sprintf("%s does not answer at port %s: see that network policies let the pod out to it and let it in at the manager", host, port)}
	}
}

// unsafe: there is a connection, but not one to trust.
func unsafe(host, port string, err error) Trouble {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var wrong x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Trouble{CertificateExpired, fmt.Sprintf("the certificate of %s is good from %s to %s only, which is not now by the clock of the pod's node: see that clock, and the manager's Secret gantry-hub-tls",
			host, invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))}
	case errors.As(err, &unknown):
		return Trouble{AuthorityUnknown, fmt.Sprintf("the certificate of %s is of an authority that the pod does not know: something else answers there, or the manager's Secret with its authority was lost; a new pod knows the new one", host)}
	case errors.As(err, &wrong):
		return Trouble{NameWrong, fmt.Sprintf("the certificate of %s is for another name (%s): something else answers there", host, strings.Join(wrong.Certificate.DNSNames, ", "))}
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Trouble{Unanswered, fmt.Sprintf("%s takes connections at port %s, but does not answer: what listens there is not the manager, or hangs", host, port)}
	case errors.As(err, &record):
		return Trouble{NotTLS, fmt.Sprintf("%s does not speak TLS at port %s: something else answers there, or something between changes it", host, port)}
	default:
		return Trouble{NotTLS, fmt.Sprintf("no TLS connection to %s: %s", host, oneLine(err.Error()))}
	}
}

// unwelcome: the manager is there, but has not taken the agent in.
func unwelcome(host string, err error) Trouble {
	said, ok := status.FromError(errors.Unwrap(err))
	if !ok {
		return Trouble{Other, fmt.Sprintf("the session with %s failed: %s", host, oneLine(err.Error()))}
	}
	switch said.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		return Trouble{TokenRefused, "the manager refuses the pod's token: " + oneLine(said.Message())}
	default:
		return Trouble{Other, "the manager says: " + oneLine(said.Message())}
	}
}

// oneLine is text without line breaks, and not too long for a condition.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longestText {
		text = strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return text
}

const longestText = 512
