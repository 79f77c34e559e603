package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/loopback"
)

// released is a release in the checkout where it was made.
type released struct{ checkout, version string }

// file is the path of a file of the release.
func (r released) file(name string) string { return filepath.Join(r.checkout, "dist", name) }

// publish pushes the release to a registry as its makers do, and the image as users do who have a registry of their own, and
// looks whether what was pushed is what was made.
func (r released) publish(t *testing.T, push string, byUsers []string) {
	t.Helper()
	host, environment := registry(t)
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	environment = append(environment, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	here := strings.NewReplacer(published, r.version, "ghcr.io", host, "registry.example.com", host)
	must(t, r.checkout, here.Replace(push), environment...)
	for _, commands := range byUsers {
		must(t, filepath.Join(r.checkout, "dist"), here.Replace(commands), environment...)
	}

	index := must(t, r.checkout, "tar xOf "+r.file("gantry-image_"+r.version+".oci.tar")+" index.json | jq -r '.manifests[0].digest'")
	for _, image := range []string{"gantry-operator/gantry", "gantry"} {
		raw := must(t, r.checkout, "skopeo inspect --raw docker://"+host+"/"+image+":"+r.version, environment...)
		if got := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(raw))); got != strings.TrimSpace(index) {
			t.Errorf("the image %s in the registry is %s, the one of the release %s", image, got, index)
		}
	}
	pulled := t.TempDir()
	must(t, pulled, "helm pull oci://"+host+"/gantry-operator/charts/gantry --version "+r.version, environment...)
	chart := "gantry-" + r.version + ".tgz"
	want, err := os.ReadFile(r.file(chart))
	got, errPulled := os.ReadFile(filepath.Join(pulled, chart))
	if err := errors.Join(err, errPulled); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the chart in the registry is not the one of the release: %v", err)
	}
}

// runs runs the programs that are not for most machines that make a release, in emulation.
func (r released) runs(t *testing.T) {
	t.Helper()
	for program, version := range map[string]string{"gantry-manager": "--version", "gantry-agent": "version", "kubectl-gantry": "version"} {
		command := strings.Join([]string{"qemu-aarch64", r.file(program + "_" + r.version + "_linux_arm64"), version}, " ")
		if said := must(t, r.checkout, command); !strings.Contains(said, r.version) {
			t.Errorf("%s says %q, want version %s", command, said, r.version)
		}
	}
}

// registry starts a registry on the loopback, and answers its host and what makes programs trust it.
func registry(t *testing.T) (host string, environment []string) {
	t.Helper()
	folder, address := t.TempDir(), loopback.FreeAddress(t)
	config := filepath.Join(folder, "config.yml")
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q, relativeurls: true}\n", filepath.Join(folder, "data"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	process := exec.CommandContext(t.Context(), "docker-registry", "serve", config)
	process.Stdout, process.Stderr = &said, &said
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Wait() }) // the context has ended it
	behind := &url.URL{Scheme: "http", Host: address}
	awaitAnswer(t, behind.String()+"/v2/")

	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(behind))
	t.Cleanup(front.Close)
	authority := filepath.Join(folder, "ca.crt")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}
	if err := os.WriteFile(authority, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(front.URL, "https://"), []string{"SSL_CERT_FILE=" + authority}
}

// awaitAnswer waits until a server answers at a URL that all is well.
func awaitAnswer(t *testing.T, at string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
			err = errors.New(response.Status)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", at, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
