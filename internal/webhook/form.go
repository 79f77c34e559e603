package webhook

import (
	"net/http"
	"slices"
)

// form is the way in which a host tells of pushes.
type form struct {
	// proof reads what a request's sender proves to know a secret by; false where there is nothing of the right form.
	proof func(http.Header) (proof, bool)
	// events are the headers that name the event; the first one that is there counts. Without any, each event is a push.
	events []string
	// pushes are the events that tell of new commits, branches or tags.
	pushes []string
}

// forms are all that there are, by the end of their path.
func forms() map[string]form {
	return map[string]form{
		"github": {
			proof:  signed("X-Hub-Signature-256", "sha256="),
			events: []string{"X-GitHub-Event"}, pushes: []string{"push"},
		},
		// A system hook tells of everything; what it is about is in its body.
		"gitlab": {
			proof:  gitlab,
			events: []string{"X-Gitlab-Event"}, pushes: []string{"Push Hook", "Tag Push Hook", "System Hook"},
		},
		// Cloud says repo:push; Data Center the others, the last of them for its mirrors.
		"bitbucket": {
			proof:  signed("X-Hub-Signature", "sha256="),
			events: []string{"X-Event-Key"}, pushes: []string{"repo:push", "repo:refs_changed", "mirror:repo_synchronized"},
		},
		// Forgejo has headers of its own name beside Gitea's.
		"gitea": {
			proof:  either(signed("X-Forgejo-Signature", ""), signed("X-Gitea-Signature", "")),
			events: []string{"X-Forgejo-Event", "X-Gitea-Event"}, pushes: []string{"push"},
		},
		"generic": {proof: signed("X-Signature", "sha256=")},
	}
}

// push tells whether a request's headers say that it is about a push.
func (f form) push(header http.Header) bool {
	for _, name := range f.events {
		if event := header.Get(name); event != "" {
			return slices.Contains(f.pushes, event)
		}
	}
	return len(f.events) == 0
}
