package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// languages is the image with a Go toolchain and the provider of test/doubles.
	languages = "localhost/gantry-languages:dev"
	// programs has a program for each language.
	programs = "testdata"
	// npmToken is what the private registry wants to see.
	npmToken = "token-of-the-npm-registry"
	// installPatience is for what package managers and compilers do, on a machine that does other things as well.
	installPatience = 6 * time.Minute
)

// packagesManifest is a stand-in for private package registries, with all that the programs need.
const packagesManifest = `
apiVersion: v1
kind: Pod
metadata: {name: packages, labels: {app: packages}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: packages
    image: localhost/gantry-packages:dev
    args: [-npm=/packages/npm, -go=/packages/go, -token=` + npmToken + `]
    readinessProbe: {httpGet: {path: /admin/ready, port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: packages}
spec:
  selector: {app: packages}
  ports: [{port: 80, targetPort: 8080}]
`

// packages are the registries as a story uses them.
type packages struct {
	s     *story
	admin string
}

// startPackages starts the registries in the story's namespace, makes the Secret with the token for npm's, and a claim
// for a cache.
func (s *story) startPackages() *packages {
	s.T.Helper()
	pod, service := &corev1.Pod{}, &corev1.Service{}
	s.Must(s.Make(s.Ctx, packagesManifest, pod, service))
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "npm"}, StringData: map[string]string{"token": npmToken},
	}))
	s.Must(s.Client.Create(s.Ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "cache"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}))
	s.Await(pod, "to be ready", func() bool { return stage.PodReady(pod) })
	addresses, err := s.Forward(s.Ctx, pod, 8080)
	s.Must(err)
	return &packages{s: s, admin: "http://" + addresses[0] + "/admin/"}
}

// requests are the paths that the registries were asked for so far.
func (p *packages) requests() []string {
	p.s.T.Helper()
	request, err := http.NewRequestWithContext(p.s.Ctx, http.MethodGet, p.admin+"requests", nil)
	p.s.Must(err)
	response, err := http.DefaultClient.Do(request)
	p.s.Must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	p.s.Must(err)
	var requests []string
	p.s.Must(json.Unmarshal(answer, &requests))
	return requests
}

// npm and golang are the addresses of the registries within the cluster.
func (p *packages) npm() string    { return "http://packages." + p.s.Name + ".svc/npm/" }
func (p *packages) golang() string { return "http://packages." + p.s.Name + ".svc/go" }

// program reads the files of a program in testdata, as they would be in its repository.
func (s *story) languageProgram(name string) map[string]string {
	s.T.Helper()
	entries, err := os.ReadDir(filepath.Join(programs, name))
	s.Must(err)
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(programs, name, entry.Name()))
		s.Must(err)
		files[entry.Name()] = string(text)
	}
	return files
}

// typescript is the TypeScript program as somebody has it who has a private registry: an .npmrc that names the registry and
// takes the token from the environment, and a lock file that says where each archive is.
func (p *packages) typescript() map[string]string {
	p.s.T.Helper()
	files := p.s.languageProgram("typescript")
	host := strings.TrimPrefix(p.npm(), "http:")
	files[".npmrc"] = "registry=" + p.npm() + "\n" + host + ":_authToken=${NPM_TOKEN}\naudit=false\nfund=false\nupdate-notifier=false\n"
	lock := map[string]any{}
	p.s.Must(json.Unmarshal([]byte(files["package-lock.json"]), &lock))
	for where, entry := range lock["packages"].(map[string]any) {
		if where == "" {
			continue
		}
		locked := entry.(map[string]any)
		name := where[strings.LastIndex(where, "node_modules/")+len("node_modules/"):]
		locked["resolved"] = fmt.Sprintf("%s%s/-/%s-%s.tgz", p.npm(), name, path.Base(name), locked["version"])
	}
	text, err := json.MarshalIndent(lock, "", "  ")
	p.s.Must(err)
	files["package-lock.json"] = string(text)
	return files
}

// onLanguages makes a Stack run in the image with all languages, with the story's volume where the agent looks for one.
const onLanguages = `
spec:
  programRef: null
  destroyOnFinalize: true
  workspaceTemplate:
    spec:
      image: ` + languages + `
      podTemplate:
        spec:
          containers:
          - name: pulumi
            volumeMounts:
            - {name: state, mountPath: /state}
            - {name: cache, mountPath: /var/cache/gantry}
          volumes:
          - {name: state, persistentVolumeClaim: {claimName: state}}
          - {name: cache, persistentVolumeClaim: {claimName: cache}}
`
