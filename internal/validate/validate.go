// Package validate owns what the fields of Workspaces and Updates may hold where their schema admits more: pure checks
// that say where a value is, what is wrong with it and what to do. A value that may be secret is never quoted.
package validate

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Problem is what is wrong with one field.
type Problem struct {
	// Path of the field, from the object's root.
	Path string
	// Text says what is wrong and what to do.
	Text string
}

// String is the path and the problem.
func (p Problem) String() string { return p.Path + ": " + p.Text }

// Problems are collected in the order in which they are found.
type Problems []Problem

// Add adds a problem of the field at path.
func (p *Problems) Add(path, format string, args ...any) {
	*p = append(*p, Problem{path, fmt.Sprintf(format, args...)})
}

// String is all of them in one line.
func (p Problems) String() string {
	texts := make([]string, 0, len(p))
	for _, problem := range p {
		texts = append(texts, problem.String())
	}
	return strings.Join(texts, "; ")
}

const (
	// maxString is the longest argument or variable, its name and the end included, that Linux lets a process have.
	maxString = 128 << 10
	// maxArguments bounds all that an Update adds to the command line of the CLI.
	maxArguments = 512 << 10
	// maxQuoted bounds how much of a wrong value is shown.
	maxQuoted = 80
)

// Quote shows a value that is not secret, or its beginning, without control characters.
func Quote(value string) string {
	if len(value) > maxQuoted {
		return strconv.Quote(strings.ToValidUTF8(value[:maxQuoted], "")) + "…"
	}
	return strconv.Quote(value)
}

// At is the path of an entry of a map.
func At(path, key string) string {
	if len(key) > 0 && len(key) <= maxQuoted && !strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsGraphic(r) || r == ']' }) {
		return path + "[" + key + "]"
	}
	return path + "[" + Quote(key) + "]"
}

// ObjectName checks the name of an object of the given kind.
func (p *Problems) ObjectName(path, kind, name string) {
	switch {
	case name == "":
		p.Add(path, "is empty: give the name of a %s", kind)
	case len(validation.IsDNS1123Subdomain(name)) > 0:
		p.Add(path, "%s is no name of a %s: names have lower case letters, digits, '-' and '.', and 253 characters at most", Quote(name), kind)
	}
}

// DataKey checks a key of a Secret or ConfigMap.
func (p *Problems) DataKey(path, key string) {
	switch {
	case key == "":
		p.Add(path, "is empty: give the key to read")
	case len(validation.IsConfigMapKey(key)) > 0:
		p.Add(path, "%s is no key of a Secret or ConfigMap: keys have letters, digits, '-', '_' and '.', and 253 characters at most", Quote(key))
	}
}

// EnvName checks the name of an environment variable.
func (p *Problems) EnvName(path, name string) {
	switch {
	case name == "":
		p.Add(path, "is empty: give the name of an environment variable")
	case len(validation.IsRelaxedEnvVarName(name)) > 0:
		p.Add(path, "%s is no name of an environment variable: names have printable ASCII characters without '='", Quote(name))
	}
}

// EnvValue checks the value of an environment variable, which is not shown.
func (p *Problems) EnvValue(path, name, value string) {
	switch size := len(name) + len(value) + len("=\x00"); {
	case strings.ContainsRune(value, 0):
		p.Add(path, "has a NUL character, which no environment variable can have")
	case size > maxString:
		p.Add(path, "has %d bytes, and an environment variable takes %d at most, its name included: mount a file instead", size, maxString)
	}
}

// Text checks a value that must not be empty nor have control characters.
func (p *Problems) Text(path, value string) {
	switch {
	case value == "":
		p.Add(path, "is empty: give a value, or leave the field out")
	case strings.ContainsFunc(value, unicode.IsControl):
		p.Add(path, "%s has control characters", Quote(value))
	}
}

// Image checks the name of a container image, as kubelet does.
func (p *Problems) Image(path, image string) {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		p.Add(path, "%s is no name of an image such as registry.example/name:tag: %v", Quote(image), err)
	}
}

// URL checks a URL, which has to have a scheme.
func (p *Problems) URL(path, value string) {
	if parsed, err := url.Parse(value); err != nil || parsed.Scheme == "" {
		// The parser's words quote the URL, which may have a password.
		p.Add(path, "is no URL such as https://host/path or s3://bucket")
	}
}

// Duration checks a duration, which is given as a text and may be zero.
func (p *Problems) Duration(path, value string) {
	if duration, err := time.ParseDuration(value); err != nil || duration < 0 {
		p.Add(path, `%s is not a duration such as "5m", "90s" or "0s"`, Quote(value))
	}
}

// Timeout checks a duration, which is given as a text and has to be longer than nothing.
func (p *Problems) Timeout(path, value string) {
	if duration, err := time.ParseDuration(value); err != nil || duration <= 0 {
		p.Add(path, `%s is not a duration that is longer than zero, such as "30m" or "2h"; leave the field out for no limit`, Quote(value))
	}
}

// Labels checks labels, and their values.
func (p *Problems) Labels(path string, labels map[string]string) {
	for _, key := range sorted(labels) {
		at := At(path, key)
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			p.Add(at, "is no key of a label: %s", problems[0])
		} else if problems := validation.IsValidLabelValue(labels[key]); len(problems) > 0 {
			p.Add(at, "%s is no value of a label: %s", Quote(labels[key]), problems[0])
		}
	}
}

// Annotations checks the keys of annotations.
func (p *Problems) Annotations(path string, annotations map[string]string) {
	for _, key := range sorted(annotations) {
		if problems := validation.IsQualifiedName(strings.ToLower(key)); len(problems) > 0 {
			p.Add(At(path, key), "is no key of an annotation: %s", problems[0])
		}
	}
}
