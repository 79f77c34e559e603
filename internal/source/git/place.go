package git

import (
	"encoding/json"
	"slices"

	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// place is where a repository is.
type place struct {
	// url is how git is called. Another spelling is another place: whether they are the same repository only the host
	// knows, and nobody is to depend on how somebody else wrote a URL.
	url string
	// repository is the key by which a push names it, and host the one that is called.
	repository, host string
}

// locate reads a URL.
func locate(text string) (place, error) {
	url, err := client.ParseURL(text)
	if err != nil {
		return place{}, err
	}
	return place{url: url.String(), repository: url.Key(), host: url.Host()}, nil
}

// selectionKey is the same for selections of the same files.
func selectionKey(s client.Selection) string {
	s.Paths = slices.Compact(slices.Sorted(slices.Values(s.Paths)))
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and a bool: it cannot fail
	}
	return string(text)
}
