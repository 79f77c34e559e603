// Package flux owns what a Flux source is to a Stack: the artifact that its status names, how a change of it is seen, and
// how its files get into the artifact store, once for all who follow it.
package flux

import (
	"fmt"
	"net/url"
	"strings"

	_ "github.com/fluxcd/pkg/http/fetch" // registers the algorithms of digests that Flux knows, blake3 among them
	"github.com/opencontainers/go-digest"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Artifact is an archive that a source serves.
type Artifact struct {
	// URL is where it is, for as long as the source keeps it.
	URL string
	// Digest is "<algorithm>:<hex>" of the archive.
	Digest string
	// Revision is the source's word for what is in it, such as "main@sha1:<commit>".
	Revision string
}

// ArtifactOf reads the artifact of any object whose status has one in Flux's form. It counts even while the source is not
// Ready: then it is of the last revision that was. A source without one is a *failure.WaitingError, one that nobody can
// read a *failure.TerminalError.
func ArtifactOf(object *unstructured.Unstructured) (Artifact, error) {
	name := fmt.Sprintf("%s %q", object.GetKind(), object.GetName())
	fields, there, err := unstructured.NestedFieldNoCopy(object.Object, "status", "artifact")
	if err != nil || !there || fields == nil {
		return Artifact{}, failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "Flux source %s has no artifact yet%s", name, inItsWords(object))
	}
	values, ok := fields.(map[string]any)
	if !ok {
		return Artifact{}, invalid(name, "", "is not an object")
	}
	var a Artifact
	for _, field := range []struct {
		name  string
		value *string
	}{{"url", &a.URL}, {"digest", &a.Digest}, {"revision", &a.Revision}} {
		text, ok := values[field.name].(string)
		if !ok || text == "" {
			return Artifact{}, invalid(name, "."+field.name, "is missing")
		}
		*field.value = text
	}
	if problem := problemOfURL(a.URL); problem != "" {
		return Artifact{}, invalid(name, ".url", problem)
	}
	if len(a.Revision) > maxRevision {
		return Artifact{}, invalid(name, ".revision", fmt.Sprintf("is longer than %d characters", maxRevision))
	}
	if a.Digest, err = canonical(a.Digest); err != nil {
		return Artifact{}, invalid(name, ".digest", err.Error())
	}
	return a, nil
}

const (
	// maxRevision is far more than Flux's own kinds make: a branch and a commit.
	maxRevision = 1024
	// maxWords bounds what is repeated of a source's own message.
	maxWords = 1024
)

func invalid(name, field, problem string) error {
	return failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "Flux source %s: status.artifact%s %s; whatever writes it has to mend that", name, field, problem)
}

func problemOfURL(text string) string {
	switch parsed, err := url.Parse(text); {
	case err != nil:
		return "is not a URL"
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Sprintf("has the scheme %s, and not http or https", validate.Quote(parsed.Scheme))
	case parsed.Host == "":
		return "names no host"
	}
	return ""
}

// canonical is a digest with its algorithm, which is sha256 where it does not say.
func canonical(text string) (string, error) {
	if !strings.Contains(text, ":") {
		text = string(digest.SHA256) + ":" + text
	}
	parsed, err := digest.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%s is not a digest of sha256, sha384, sha512 or blake3 in small hexadecimal digits", validate.Quote(text))
	}
	return parsed.String(), nil
}

// inItsWords is what the source says of itself.
func inItsWords(object *unstructured.Unstructured) string {
	list, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		return ""
	}
	for _, item := range list {
		condition, ok := item.(map[string]any)
		if !ok || condition["type"] != "Ready" {
			continue
		}
		reason, message := text(condition["reason"]), text(condition["message"])
		return fmt.Sprintf("; it says: Ready is %s, %s: %s", text(condition["status"]), reason, message)
	}
	return ""
}

func text(value any) string {
	words, ok := value.(string)
	if !ok {
		return ""
	}
	if len(words) > maxWords {
		words = strings.ToValidUTF8(words[:maxWords], "") + "…"
	}
	return words
}
