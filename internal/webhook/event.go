package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxURL is how long a URL may be to be looked at.
const maxURL = 2048

// event is what a body says.
type event struct {
	// push tells that commits, branches or tags are new.
	push bool
	// urls are those of the repository.
	urls []string
}

// message is what there is of use in the bodies of all hosts.
type message struct {
	// EventName and ObjectKind are GitLab's: what a system hook is about.
	EventName  string `json:"event_name"`
	ObjectKind string `json:"object_kind"`

	Repository addresses `json:"repository"`
	// Project is the repository at GitLab.
	Project addresses `json:"project"`
}

// addresses are the URLs of a repository, by which others may follow it.
type addresses struct {
	CloneURL   string `json:"clone_url"`
	SSHURL     string `json:"ssh_url"`
	GitURL     string `json:"git_url"`
	HTMLURL    string `json:"html_url"`
	GitHTTPURL string `json:"git_http_url"`
	GitSSHURL  string `json:"git_ssh_url"`
	WebURL     string `json:"web_url"`
	// Links are Bitbucket's: "html" at Cloud, "clone" at Data Center.
	Links struct {
		HTML link `json:"html"`
		// Clone has one for each protocol. What an array has no room for is not kept.
		Clone [4]link `json:"clone"`
	} `json:"links"`
	// text is the URL itself, where there is no object but a string.
	text string
}

type link struct {
	Href string `json:"href"`
}

// UnmarshalJSON reads an object, or a string in its place.
func (a *addresses) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		return json.Unmarshal(data, &a.text)
	}
	type object addresses
	return json.Unmarshal(data, (*object)(a))
}

// urls are all that there are.
func (a *addresses) urls() []string {
	all := []string{a.text, a.CloneURL, a.SSHURL, a.GitURL, a.HTMLURL, a.GitHTTPURL, a.GitSSHURL, a.WebURL, a.Links.HTML.Href}
	for _, clone := range a.Links.Clone {
		all = append(all, clone.Href)
	}
	return all
}

// readEvent reads a body: JSON, or a form's field "payload" with JSON.
func readEvent(body []byte, encoded bool) (event, error) {
	if encoded {
		var err error
		if body, err = payload(body); err != nil {
			return event{}, err
		}
	}
	if !utf8.Valid(body) {
		return event{}, errors.New("the body is not UTF-8")
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return event{}, fmt.Errorf("the body is not as expected: %w", err)
	}
	var read event
	switch cmp.Or(m.EventName, m.ObjectKind) {
	case "", "push", "tag_push", "repository_update":
		read.push = true
	}
	for _, one := range append(m.Repository.urls(), m.Project.urls()...) {
		if one != "" && len(one) <= maxURL {
			read.urls = append(read.urls, one)
		}
	}
	return read, nil
}

// payload is the field of that name in a form. The fields are not taken apart all at once: there may be a great many.
func payload(body []byte) ([]byte, error) {
	for field := range strings.SplitSeq(string(body), "&") {
		if value, ok := strings.CutPrefix(field, "payload="); ok {
			text, err := url.QueryUnescape(value)
			if err != nil {
				return nil, fmt.Errorf("the form cannot be read: %w", err)
			}
			return []byte(text), nil
		}
	}
	return nil, errors.New("the form has no payload")
}
