package validate

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// maxPath is the longest path that Linux takes.
const maxPath = 4096

// Repository checks the URL of a git repository, which is not shown: it may have a password in it.
func (p *Problems) Repository(at, url string) {
	if _, err := client.ParseURL(url); err != nil {
		p.Add(at, "%v", err)
	}
}

// GitRef checks the name of a branch, tag or other ref.
func (p *Problems) GitRef(at, ref string) {
	if err := client.CheckRef(ref); err != nil {
		p.Add(at, "%v", err)
	}
}

// SourcePath checks a path below the root of a source. One that begins with a slash begins there too, as in PKO.
func (p *Problems) SourcePath(at, value string) {
	clean := path.Clean(strings.TrimLeft(value, "/"))
	switch {
	case len(value) > maxPath:
		p.Add(at, "has %d bytes, and a path has %d at most", len(value), maxPath)
	case strings.ContainsFunc(value, unicode.IsControl):
		p.Add(at, "%s has control characters", Quote(value))
	case clean == "..", strings.HasPrefix(clean, "../"):
		p.Add(at, "%s leads out of the source: give a path below its root", Quote(value))
	}
}

// SourcePaths checks the paths of a repository that are needed.
func (p *Problems) SourcePaths(at string, values []string) {
	for i, value := range values {
		each := fmt.Sprintf("%s[%d]", at, i)
		if path.Clean("/"+value) == "/" && !strings.Contains(value, "..") {
			p.Add(each, "stands for the whole repository: leave the paths out for that")
			continue
		}
		p.SourcePath(each, value)
	}
}

// Git checks a Workspace's git repository.
func (p *Problems) Git(at string, git *autov1alpha1.GitSource) {
	if git.URL == "" {
		p.Add(at+".url", "is missing: give the URL of the git repository")
	} else {
		p.Repository(at+".url", git.URL)
	}
	if git.Ref != "" {
		p.GitRef(at+".ref", git.Ref)
	}
	p.SourcePath(at+".dir", git.Dir)
	p.SourcePaths(at+".paths", git.Paths)
	auth := git.Auth
	if auth == nil {
		return
	}
	keys := map[string]*corev1.SecretKeySelector{
		"sshPrivateKey": auth.SSHPrivateKey, "username": auth.Username, "password": auth.Password, "token": auth.Token,
		"bearerToken": auth.BearerToken, "knownHosts": auth.KnownHosts, "caBundle": auth.CABundle,
	}
	if app := auth.GitHubApp; app != nil {
		keys["githubApp.appID"], keys["githubApp.installationID"], keys["githubApp.privateKey"] = app.AppID, app.InstallationID, app.PrivateKey
		for _, name := range []string{"appID", "installationID", "privateKey"} {
			if keys["githubApp."+name] == nil {
				p.Add(at+".auth.githubApp."+name, "is missing: give the key of a Secret")
			}
		}
	}
	for _, name := range sortedKeys(keys) {
		if key := keys[name]; key != nil {
			p.ObjectName(at+".auth."+name+".name", "Secret", key.Name)
			p.DataKey(at+".auth."+name+".key", key.Key)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
