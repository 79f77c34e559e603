package gitserver

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSH is OpenSSH's sshd, which gives whoever has the key the repositories of a Server, to read.
type SSH struct {
	// Host and Port are where it listens.
	Host string
	Port int
	// User is whom it lets in.
	User string
	// KnownHosts is the line for its host key.
	KnownHosts string
	// Key is the private key it takes, as PEM; Encrypted is the same one under Passphrase.
	Key, Encrypted, Passphrase string

	log string
}

// The program that sshd starts for every client, whatever the client asks for.
const forcedCommand = `#!/bin/sh
root=%[1]s
asked=$SSH_ORIGINAL_COMMAND
echo "$asked" >>%[2]s
case $asked in
"git-upload-pack '"*"'") path=${asked#"git-upload-pack '"}; path=${path%%"'"} ;;
"git-lfs-authenticate "*)
	path=${asked#git-lfs-authenticate }; path=${path%% *}; path=${path#\'}; path=${path%%\'}; path=${path#/}
	printf '{"href":"%%s/%%s/info/lfs","header":%[3]s}\n' '%[4]s' "${path%%.git}.git"
	exit ;;
*) echo "only git-upload-pack is served here" >&2; exit 1 ;;
esac
case $path in *..* | *"'"*) echo "no such repository" >&2; exit 1 ;; esac
exec git -c safe.directory='*' -c uploadpack.allowFilter=true upload-pack --strict "$root/${path#/}"
`

// sshd's configuration: nothing of the machine's own is read.
const sshdConfig = `ListenAddress %s
HostKey %s
PidFile none
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
AcceptEnv GIT_PROTOCOL
LogLevel ERROR
`

// StartSSH makes an sshd for the repositories of a Server. It listens at an address such as 127.0.0.1:0 until its owner
// has ended. LFS is had from the Server, with the password that it demands of everybody.
func (s *Server) StartSSH(address string) *SSH {
	s.owner.Helper()
	daemon, err := s.startSSH(address)
	if err != nil {
		s.owner.Fatalf("start sshd: %v", err)
	}
	return daemon
}

func (s *Server) startSSH(address string) (*SSH, error) {
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("who am I: %w", err)
	}
	if me.Uid == "0" {
		// Where sshd locks up the part of it that talks to clients.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("make a place for sshd: %w", err)
		}
	}
	dir := s.owner.TempDir()
	d := &SSH{User: me.Username, Passphrase: "correct horse", log: filepath.Join(dir, "asked")}
	if d.Host, d.Port, err = free(s.owner.Context(), address); err != nil {
		return nil, err
	}
	if err := d.writeFiles(s, dir); err != nil {
		return nil, err
	}
	return d, d.run(s.owner, dir)
}

// free finds a port where none is given: sshd cannot tell which one it took.
func free(ctx context.Context, address string) (host string, port int, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("find a port: %w", err)
	}
	host, text, err := net.SplitHostPort(listener.Addr().String())
	if err = errors.Join(err, listener.Close()); err != nil {
		return "", 0, fmt.Errorf("find a port: %w", err)
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// writeFiles writes what sshd reads.
func (d *SSH) writeFiles(s *Server, dir string) error {
	hostKey, hostPublic, err := keyPair("")
	if err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if d.Key, err = encode(private, ""); err != nil {
		return err
	}
	if d.Encrypted, err = encode(private, d.Passphrase); err != nil {
		return err
	}
	client, err := ssh.NewPublicKey(public)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	d.KnownHosts = d.line(hostPublic)
	header := "{}"
	if auth := s.options.Auth; auth.Password != "" {
		basic := base64.StdEncoding.EncodeToString([]byte(auth.Username + ":" + auth.Password))
		header = `{"Authorization":"Basic ` + basic + `"}`
	}
	command := filepath.Join(dir, "serve")
	at := func(name string) string { return filepath.Join(dir, name) }
	return errors.Join(
		os.WriteFile(at("host"), []byte(hostKey), 0o600),
		os.WriteFile(at("allowed"), fmt.Appendf(nil, "restrict,command=%q %s", command, ssh.MarshalAuthorizedKey(client)), 0o600),
		os.WriteFile(at("config"), fmt.Appendf(nil, sshdConfig, net.JoinHostPort(d.Host, strconv.Itoa(d.Port)), at("host"), at("allowed")), 0o600),
		os.WriteFile(command, fmt.Appendf(nil, forcedCommand, s.root, d.log, header, s.URL), 0o755), //nolint:gosec // a program
	)
}

// line is what a known_hosts file says of a key.
func (d *SSH) line(public ssh.PublicKey) string {
	host := d.Host
	if d.Port != 22 {
		host = fmt.Sprintf("[%s]:%d", d.Host, d.Port)
	}
	return host + " " + string(ssh.MarshalAuthorizedKey(public))
}

// OtherKnownHosts is the line of another host key: what a client knows whose server has changed its key.
func (d *SSH) OtherKnownHosts() (string, error) {
	_, public, err := keyPair("")
	if err != nil {
		return "", err
	}
	return d.line(public), nil
}

// URL is where a repository such as team/app is.
func (d *SSH) URL(repository string) string {
	return fmt.Sprintf("ssh://%s@%s/%s.git", d.User, net.JoinHostPort(d.Host, strconv.Itoa(d.Port)), repository)
}

// Asked are the commands that clients gave, in order.
func (d *SSH) Asked() []string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// run starts sshd and waits until it answers.
func (d *SSH) run(owner Owner, dir string) error {
	path, err := sshdPath()
	if err != nil {
		return err
	}
	var said strings.Builder
	cmd := exec.CommandContext(context.WithoutCancel(owner.Context()), path, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	owner.Cleanup(func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-ended
	})
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", net.JoinHostPort(d.Host, strconv.Itoa(d.Port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("%w: %s", err, said.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// sshdPath is where the program is: it is in no user's PATH, and wants to be called by its whole name.
func sshdPath() (string, error) {
	if path, err := exec.LookPath("sshd"); err == nil {
		return path, nil
	}
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return "", fmt.Errorf("find sshd: %w", err)
	}
	return path, nil
}

// keyPair makes a key.
func keyPair(passphrase string) (private string, public ssh.PublicKey, err error) {
	raw, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	if public, err = ssh.NewPublicKey(raw); err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	private, err = encode(key, passphrase)
	return private, public, err
}

// encode writes a key as OpenSSH does.
func encode(key ed25519.PrivateKey, passphrase string) (string, error) {
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return "", fmt.Errorf("write a key: %w", err)
	}
	return string(pem.EncodeToMemory(block)), nil
}
