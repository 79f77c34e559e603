package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/gantry-operator/gantry/internal/agent/session"
	"github.com/gantry-operator/gantry/internal/operation"
)

// certified makes a certificate as change wants it, and what trusts it.
func certified(t *testing.T, change func(*x509.Certificate)) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// refusing is a hub that ends each session with an error.
type refusing struct {
	operation.UnimplementedHubServer
	err error
}

// Session ends.
func (r refusing) Session(grpc.BidiStreamingServer[operation.AgentMessage, operation.HubMessage]) error {
	return r.err
}

// listen listens on a port of its own.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// at is where it listens, by name.
func at(t *testing.T, listener net.Listener) string {
	t.Helper()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

// place is what an agent finds where the hub should be.
type place struct {
	hub   string
	trust *x509.CertPool
}

// hubWith serves a hub with a certificate that change makes; it refuses sessions with err.
func hubWith(t *testing.T, change func(*x509.Certificate), err error) place {
	t.Helper()
	certificate, roots := certified(t, change)
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	operation.RegisterHubServer(server, refusing{err: err})
	listener := listen(t)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return place{at(t, listener), roots}
}

// accepting takes connections and does with them what is told.
func accepting(t *testing.T, do func(net.Conn)) place {
	t.Helper()
	listener := listen(t)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			do(conn)
		}
	}()
	return place{at(t, listener), x509.NewCertPool()}
}

func same(*x509.Certificate) {}

// What keeps an agent from the manager is told apart, by what was really met on the way.
func TestTroubleIsToldApart(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		place func(*testing.T) place
		kind  session.Kind
		says  string
	}{
		"NameUnknown": {
			func(*testing.T) place { return place{"hub.gantry.invalid:9443", x509.NewCertPool()} },
			session.NameUnknown, "hub.gantry.invalid",
		},
		"Refused": {
			func(t *testing.T) place {
				t.Helper()
				listener := listen(t)
				if err := listener.Close(); err != nil {
					t.Fatal(err)
				}
				return place{at(t, listener), x509.NewCertPool()}
			},
			session.Refused, "no manager runs, or none leads yet",
		},
		"Silent": {
			func(t *testing.T) place {
				t.Helper()
				return accepting(t, func(conn net.Conn) { t.Cleanup(func() { _ = conn.Close() }) })
			},
			session.Unanswered, "does not answer",
		},
		"NotTLS": {
			func(t *testing.T) place {
				t.Helper()
				return accepting(t, func(conn net.Conn) {
					_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
					t.Cleanup(func() { _ = conn.Close() })
				})
			},
			session.NotTLS, "does not speak TLS",
		},
		"Expired": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, func(c *x509.Certificate) {
					c.NotAfter = time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
					c.NotBefore = c.NotAfter.Add(-time.Hour)
				}, nil)
			},
			session.CertificateExpired, "to 2020-01-02T00:00:00Z only",
		},
		"NotYetValid": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, func(c *x509.Certificate) {
					c.NotBefore = time.Now().Add(time.Hour)
					c.NotAfter = c.NotBefore.Add(time.Hour)
				}, nil)
			},
			session.CertificateExpired, "by the clock of the pod's node",
		},
		"OtherAuthority": {
			func(t *testing.T) place {
				t.Helper()
				p := hubWith(t, same, nil)
				_, p.trust = certified(t, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(2) })
				return p
			},
			session.AuthorityUnknown, "an authority that the pod does not know",
		},
		"OtherName": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, func(c *x509.Certificate) { c.DNSNames = []string{"webhook.example.com"} }, nil)
			},
			session.NameWrong, "webhook.example.com",
		},
		"Token": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, same, status.Error(codes.Unauthenticated, "the token is not accepted\nby the API server"))
			},
			session.TokenRefused, "the manager refuses the pod's token: the token is not accepted by the API server",
		},
		"Pod": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, same, status.Error(codes.PermissionDenied, "the token's pod is gone"))
			},
			session.TokenRefused, "is gone",
		},
		"Busy": {
			func(t *testing.T) place {
				t.Helper()
				return hubWith(t, same, status.Error(codes.Unavailable, strings.Repeat("the manager cannot check the token now ", 100)))
			},
			session.Other, "the manager says: the manager cannot check the token now",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tc.place(t)
			var got session.Trouble
			client := &session.Client{
				Hub: p.hub, TLS: &tls.Config{RootCAs: p.trust, ServerName: strings.Split(p.hub, ":")[0], MinVersion: tls.VersionTLS12},
				Token: func() (string, error) { return "secret-token", nil }, Handler: idle{}, Log: slog.New(slog.DiscardHandler),
				Failed: func(trouble session.Trouble) bool { got = trouble; return true },
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			client.Run(ctx)
			if got.Kind != tc.kind || !strings.Contains(got.Text, tc.says) {
				t.Errorf("it is %s: %s\nwant %s: …%s…", got.Kind, got.Text, tc.kind, tc.says)
			}
			if strings.ContainsAny(got.Text, "\n\r") || len(got.Text) > 600 || strings.Contains(got.Text, "secret-token") {
				t.Errorf("that is no line for people: %q", got.Text)
			}
		})
	}
}

// The client goes on as long as nobody gives up, and says when it was taken in.
func TestTheClientGoesOnUntilItGivesUp(t *testing.T) {
	t.Parallel()
	p := hubWith(t, same, status.Error(codes.Unavailable, "not now"))
	tries := 0
	client := &session.Client{
		Hub: p.hub, TLS: &tls.Config{RootCAs: p.trust, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		Token: func() (string, error) { return "token", nil }, Handler: idle{}, Log: slog.New(slog.DiscardHandler),
		Failed: func(session.Trouble) bool { tries++; return tries == 3 },
		Opened: func() { t.Error("nobody took it in") },
	}
	client.Run(t.Context())
	if tries != 3 {
		t.Errorf("it gave up after %d tries", tries)
	}
}
