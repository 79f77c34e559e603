package remote

import (
	"fmt"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// Host is a git server in another process.
type Host struct {
	Info
	calls *rpc.Client
}

// Dial finds the server whose calls are taken at an address.
func Dial(address string) (*Host, error) {
	calls, err := jsonrpc.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reach the git server: %w", err)
	}
	h := &Host{calls: calls}
	return h, h.call("Info", Nothing{}, &h.Info)
}

// Close ends the calls, and leaves the server alone.
func (h *Host) Close() error { return h.calls.Close() }

// URLOf is where a repository such as team/app is, over HTTPS.
func (h *Host) URLOf(repository string) string { return h.URL + "/" + repository + ".git" }

// Create makes an empty repository such as team/app, whose default branch is main.
func (h *Host) Create(repository string) error { return h.call("Create", repository, &Nothing{}) }

// Commit changes some files on a branch, which is made if it does not exist, and gives the commit's id.
func (h *Host) Commit(repository, branch string, files gitserver.Files) (id string, err error) {
	err = h.call("Commit", Change{Repository: repository, Branch: branch, Files: files}, &id)
	return id, err
}

// CommitRaw commits a tree whose entries git itself would refuse to make, and puts the branch there.
func (h *Host) CommitRaw(repository, branch string, files gitserver.Files) (id string, err error) {
	err = h.call("Commit", Change{Repository: repository, Branch: branch, Files: files, Raw: true}, &id)
	return id, err
}

// Git runs a command in a repository, such as tag, and gives what it printed.
func (h *Host) Git(repository string, args ...string) (out string, err error) {
	err = h.call("Git", Command{Repository: repository, Args: args}, &out)
	return out, err
}

// LFS keeps content in the server's store for big files, and gives the pointer that the repository has instead.
func (h *Host) LFS(repository, content string) (file gitserver.File, err error) {
	err = h.call("LFS", Content{Repository: repository, Text: content}, &file)
	return file, err
}

// Protect gives a repository its own demands.
func (h *Host) Protect(repository string, auth gitserver.Auth) error {
	return h.call("Protect", Access{Repository: repository, Username: auth.Username, Password: auth.Password, Bearer: auth.Bearer}, &Nothing{})
}

// Break makes the server misbehave.
func (h *Host) Break(fault gitserver.Fault) error { return h.call("Break", fault, &Nothing{}) }

// Heal ends the fault.
func (h *Host) Heal() error { return h.call("Heal", Nothing{}, &Nothing{}) }

// Forget starts counting requests anew.
func (h *Host) Forget() error { return h.call("Forget", Nothing{}, &Nothing{}) }

// Requests are all that were answered, in order.
func (h *Host) Requests() (requests []gitserver.Request, err error) {
	err = h.call("Requests", Nothing{}, &requests)
	return requests, err
}

// Count tells how many requests of a kind a repository had, but for those that were refused with 401: git asks without
// credentials first.
func (h *Host) Count(repository string, kind gitserver.Kind) (int, error) {
	requests, err := h.Requests()
	n := 0
	for _, request := range requests {
		if request.Repository == repository && request.Kind == kind && request.Status != http.StatusUnauthorized {
			n++
		}
	}
	return n, err
}

// Asked are the commands that clients gave the sshd, in order.
func (h *Host) Asked() (commands []string, err error) {
	err = h.call("Asked", Nothing{}, &commands)
	return commands, err
}

func (h *Host) call(name string, args, reply any) error {
	if err := h.calls.Call("Git."+name, args, reply); err != nil {
		return fmt.Errorf("git server: %s: %w", name, err)
	}
	return nil
}
