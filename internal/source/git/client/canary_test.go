package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// spy looks at the arguments and environments of all processes that a client started, until it is told to stop.
func spy(t *testing.T, c *Client) (seen func() string) {
	t.Helper()
	var all strings.Builder
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			processes, err := filepath.Glob("/proc/[0-9]*")
			if err != nil {
				continue
			}
			for _, process := range processes {
				arguments, _ := os.ReadFile(filepath.Join(process, "cmdline"))
				environment, _ := os.ReadFile(filepath.Join(process, "environ"))
				if text := string(arguments) + string(environment); strings.Contains(text, c.options.Dir) {
					all.WriteString(text)
				}
			}
		}
	}()
	return sync.OnceValue(func() string {
		close(stop)
		<-ended
		return all.String()
	})
}

// forms are how a secret may be written.
func forms(secret string) []string {
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))}
}

// nowhere fails if a secret is in a text.
func nowhere(t *testing.T, place, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			if strings.Contains(text, form) {
				t.Errorf("%s has a secret in it: %s", place, form)
			}
		}
	}
}

func TestSecretsAreSeenNowhere(t *testing.T) {
	t.Parallel()
	gitserver.Need(t, "git", "ssh", "/usr/sbin/sshd")
	const password, bearer = "canary: p@ss/w%rd", "canary-bearer-1234567890"
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: password, Bearer: bearer}})
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text(noise(4 << 20)), ".gitattributes": gitserver.Text("*.bin filter=lfs\n"), "x.bin": repository.LFS("x")})
	daemon := server.StartSSH("127.0.0.1:0")
	ssh := Credential{SSHPrivateKey: daemon.Encrypted, SSHPassphrase: daemon.Passphrase, KnownHosts: daemon.KnownHosts}
	cases := map[string]Remote{
		"Basic":       {URL: repository.URL, Credential: Credential{Username: "ada", Password: password}},
		"Bearer":      {URL: repository.URL, Credential: Credential{BearerToken: bearer}},
		"SSH":         {URL: daemon.URL("team/app"), Credential: ssh},
		"WrongBasic":  {URL: repository.URL, Credential: Credential{Username: "ada", Password: "wrong-" + password}},
		"WrongBearer": {URL: repository.URL, Credential: Credential{BearerToken: "wrong-" + bearer}},
		"WrongSSH":    {URL: daemon.URL("team/none"), Credential: ssh},
	}
	for name, remote := range cases {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, server, func(o *Options) {
				o.Environment = append(o.Environment, "NO_PROXY=127.0.0.1", "https_proxy=http://user:canary-proxy@127.0.0.1:1")
			})
			secrets := append(remote.Credential.secrets(), password, bearer)
			seen := spy(t, client)
			_, resolveErr := client.Resolve(t.Context(), remote, "main")
			_, _, checkoutErr := checkout(t, client, remote, commit, Selection{Submodules: true})
			nowhere(t, "an argument or environment", seen(), secrets)
			if !strings.Contains(seen(), "fetch") && !strings.HasPrefix(name, "Wrong") {
				t.Error("no process was seen: nothing is proven")
			}
			if strings.HasPrefix(name, "Wrong") == (checkoutErr == nil) {
				t.Errorf("%v", checkoutErr)
			}
			for _, err := range []error{resolveErr, checkoutErr} {
				for ; err != nil; err = errors.Unwrap(err) {
					nowhere(t, "an error", fmt.Sprintf("%v %+v %#v", err, err, err), append(secrets, "canary-proxy"))
				}
			}
			err := filepath.WalkDir(client.options.Dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				nowhere(t, path, path+string(text), secrets)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// A host may repeat what it was sent.
func TestHostsThatRepeatSecrets(t *testing.T) {
	const password = "canary-p@ssw0rd/x"
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	client := newClient(t, server)
	for _, said := range []string{
		password, "https://git:" + url.QueryEscape(password) + "@example.com/x", "Basic " + base64.StdEncoding.EncodeToString([]byte("git:"+password)),
	} {
		server.Break(gitserver.Fault{Status: 403, Say: "you sent " + said})
		_, err := client.Resolve(t.Context(), Remote{URL: repository.URL, Credential: Credential{Password: password}}, "main")
		want(t, err, Denied, "you sent")
		nowhere(t, "the error", err.Error(), []string{password, "git:" + password})
	}
}

// Files with secrets are only the manager's, and go with the command.
func TestFilesOfACommand(t *testing.T) {
	client := newClient(t, nil)
	u, err := ParseURL("https://git.example/x")
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.open(t.Context(), u, Credential{Password: "canary", CABundle: "x"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(a.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(a.dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file.Name(), info.Mode(), err)
		}
	}
	a.close()
	if _, err := os.Stat(a.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
