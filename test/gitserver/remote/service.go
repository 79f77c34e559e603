// Package remote owns how a git server in another process, such as in a pod, is steered: it has what gitserver has, by
// remote calls.
package remote

import (
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"strings"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// Info is what a client has to know of the server.
type Info struct {
	// URL and CA are the Server's.
	URL, CA string
	// SSH is the sshd beside it.
	SSH gitserver.SSH
}

// Change is what a commit changes.
type Change struct {
	Repository, Branch string
	Files              gitserver.Files
	// Raw makes a commit of these files alone, which git itself would refuse.
	Raw bool
}

// Command is a command of git in a repository.
type Command struct {
	Repository string
	Args       []string
}

// Content is a file in LFS.
type Content struct{ Repository, Text string }

// Access is what a repository demands.
type Access struct{ Repository, Username, Password, Bearer string }

// Service is what can be called.
type Service struct {
	server       *gitserver.Server
	ssh          *gitserver.SSH
	repositories map[string]*gitserver.Repository
}

// Serve answers the calls of one connection at a time. The sshd is told of by the name that the first host of the
// certificate has.
func Serve(connections func() (io.ReadWriteCloser, error), server *gitserver.Server, ssh *gitserver.SSH, host string) error {
	ssh.KnownHosts = strings.Replace(ssh.KnownHosts, "["+ssh.Host+"]", "["+host+"]", 1)
	ssh.Host = host
	services := rpc.NewServer()
	if err := services.RegisterName("Git", &Service{server: server, ssh: ssh, repositories: map[string]*gitserver.Repository{}}); err != nil {
		return fmt.Errorf("offer the calls: %w", err)
	}
	for {
		connection, err := connections()
		if err != nil {
			return fmt.Errorf("wait for calls: %w", err)
		}
		for codec := jsonrpc.NewServerCodec(connection); services.ServeRequest(codec) == nil; {
			continue
		}
		connection.Close()
	}
}

// guarded turns what ends the server's program into an error.
func guarded(f func()) (err error) {
	defer func() {
		if said := recover(); said != nil {
			err = fmt.Errorf("git server: %v", said)
		}
	}()
	f()
	return nil
}

// Nothing is what calls take and give that have nothing to say.
type Nothing struct{}

// Info tells of the server.
func (s *Service) Info(_ Nothing, info *Info) error {
	*info = Info{URL: s.server.URL, CA: s.server.CA, SSH: *s.ssh}
	return nil
}

// Create makes a repository.
func (s *Service) Create(name string, _ *Nothing) error {
	return guarded(func() { s.repositories[name] = s.server.Create(name) })
}

// Commit commits and tells the commit's id.
func (s *Service) Commit(change Change, id *string) error {
	return guarded(func() {
		r := s.repository(change.Repository)
		if change.Raw {
			*id = r.CommitRaw(change.Branch, change.Files)
			return
		}
		*id = r.Commit(change.Branch, change.Files)
	})
}

// Git runs a command.
func (s *Service) Git(command Command, out *string) error {
	return guarded(func() { *out = s.repository(command.Repository).Git(command.Args...) })
}

// LFS keeps a file in LFS and tells the pointer to it.
func (s *Service) LFS(content Content, file *gitserver.File) error {
	return guarded(func() { *file = s.repository(content.Repository).LFS(content.Text) })
}

// Protect gives a repository its own demands.
func (s *Service) Protect(access Access, _ *Nothing) error {
	s.server.Protect(access.Repository, gitserver.Auth{Username: access.Username, Password: access.Password, Bearer: access.Bearer})
	return nil
}

// Break makes the server misbehave.
func (s *Service) Break(fault gitserver.Fault, _ *Nothing) error {
	s.server.Break(fault)
	return nil
}

// Heal ends that.
func (s *Service) Heal(Nothing, *Nothing) error {
	s.server.Heal()
	return nil
}

// Requests are those that were answered since Forget.
func (s *Service) Requests(_ Nothing, requests *[]gitserver.Request) error {
	*requests = append([]gitserver.Request{}, s.server.Requests()...) // nil is no answer
	return nil
}

// Forget starts counting anew.
func (s *Service) Forget(Nothing, *Nothing) error {
	s.server.Forget()
	return nil
}

// Asked are the commands of clients of the sshd.
func (s *Service) Asked(_ Nothing, commands *[]string) error {
	*commands = append([]string{}, s.ssh.Asked()...) // nil is no answer
	return nil
}

func (s *Service) repository(name string) *gitserver.Repository {
	r := s.repositories[name]
	if r == nil {
		panic("there is no repository " + name)
	}
	return r
}
