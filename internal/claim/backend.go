package claim

import (
	"net"
	"net/url"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// backend is where the state of a stack is kept.
type backend struct {
	// key is the same for two that are certain to be one.
	key string
	// words name it for people.
	words string
	// flat says that it has no organizations.
	flat bool
	// bare says that the program's project file may name another one.
	bare bool
}

// backend finds out which one is meant.
func (e environment) backend(spec *corev1.PodSpec) (backend, bool) {
	if given, ok := e.literal(backendVariable); ok {
		return e.located(given, spec)
	}
	value, known := e.variable(backendVariable)
	if !known {
		return backend{}, false
	}
	rest, ok := e.selectors(backendVariable, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_DOMAIN", "STORAGE_EMULATOR_HOST",
		"PULUMI_API", "PULUMI_HOME", "PULUMI_CREDENTIALS_PATH")
	if !ok {
		return backend{}, false
	}
	if value != "" {
		// What the Secret holds is not looked at: whoever names it, on the same volumes, means the same.
		return backend{key: "given by " + rest + " on " + volumes(spec), words: "the backend of " + value}, true
	}
	token, known := e.variable(tokenVariable)
	if !known || token == "" {
		return backend{}, false
	}
	// Whether it is Pulumi Cloud may also be said by files of the image.
	return backend{key: "default of " + pulumi(spec).Image + " on " + volumes(spec) + rest, words: "the default backend", bare: true}, true
}

// located is the backend of a URL.
func (e environment) located(given string, spec *corev1.PodSpec) (found backend, ok bool) {
	parsed, err := url.Parse(given)
	if err != nil || parsed.Scheme == "" || parsed.Opaque != "" {
		return backend{}, false
	}
	words := *parsed
	words.User, words.RawQuery, words.Fragment = nil, "", ""
	found = backend{words: words.String(), flat: true}
	switch scheme := strings.ToLower(parsed.Scheme); scheme {
	case "file":
		found.key, ok = e.file(parsed, spec)
	case "http", "https":
		found.flat = false
		found.key, ok = e.host(parsed)
	case "s3", "gs", "azblob":
		// The name of a bucket is everybody's, unless something says whose service is asked.
		var of string
		of, ok = e.selectors("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_DOMAIN", "STORAGE_EMULATOR_HOST")
		query := parsed.Query()
		if query.Get("endpoint") != "" {
			// A host in a query may be one of the namespace, or of the pod.
			of += " of " + e.namespace
			ok = ok && !strings.Contains(query.Get("endpoint"), "localhost") && !strings.Contains(query.Get("endpoint"), "127.0.0.1")
		}
		found.key = scheme + "://" + parsed.Host + path.Clean("/"+parsed.Path) + "?" + query.Encode() + of
	default:
		found.key, ok = e.host(parsed)
		found.key += "?" + parsed.Query().Encode()
		ok = ok && parsed.Host != ""
	}
	return found, ok
}

// host is the key of a URL whose host serves the state. A name without a dot is the namespace's own, and the pod's own
// address is nobody else's.
func (e environment) host(parsed *url.URL) (string, bool) {
	host := strings.ToLower(parsed.Hostname())
	if address := net.ParseIP(host); host == "" || host == "localhost" || (address != nil && address.IsLoopback()) {
		return "", false
	}
	key := strings.ToLower(parsed.Scheme) + "://" + strings.ToLower(parsed.Host) + path.Clean("/"+parsed.Path)
	if !strings.Contains(host, ".") && !strings.Contains(host, ":") {
		key += " of " + e.namespace
	}
	return key, true
}

// selectors stands for the variables that decide, beside a URL, what is asked.
func (e environment) selectors(names ...string) (string, bool) {
	all := ""
	for _, name := range names {
		value, known := e.variable(name)
		if _, set := e.named[name]; !known && set {
			return "", false // and one that an init container may set is not expected to say anything else
		}
		if value != "" {
			all += "\n" + name + " " + value + " of " + e.namespace
		}
	}
	return all, true
}
