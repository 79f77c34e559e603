package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// poker remembers what was poked. It knows one repository.
type poker struct {
	mu    sync.Mutex
	keys  []string
	known string
}

func (p *poker) Poke(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, key)
	return key == p.known
}

// key stands for the identity of repositories: host and path, in small letters, without ".git".
func key(text string) (string, bool) {
	if host, path, ok := strings.Cut(strings.TrimPrefix(text, "git@"), ":"); ok && strings.HasPrefix(text, "git@") {
		return strings.ToLower(host) + "/" + strings.TrimSuffix(path, ".git"), true
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme == "file" {
		return "", false
	}
	return strings.ToLower(u.Hostname()) + strings.TrimSuffix(u.Path, ".git"), true
}

const (
	known   = "git.example/team/infra"
	oldKey  = "the key from before the rotation"
	hostKey = "a key of this host only"
	// signingKey is as GitLab makes them.
	signingKey = "whsec_dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw=="
)

// rig is a Receiver with all that it needs.
type rig struct {
	*Receiver
	poker   *poker
	clock   *clocktesting.FakeClock
	results []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	var secrets []Secret
	for _, value := range []string{oldKey, hostKey + "\n", signingKey} {
		secret, ok := NewSecret([]byte(value))
		if !ok {
			t.Fatalf("%q is no secret", value)
		}
		secrets = append(secrets, secret)
	}
	r := &rig{poker: &poker{known: known}, clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))}
	var mu sync.Mutex
	r.Receiver = NewReceiver(Config{
		Poker: r.poker, Key: key, Secrets: func() []Secret { return secrets }, Clock: r.clock,
		Record: func(form, result string) {
			mu.Lock()
			defer mu.Unlock()
			r.results = append(r.results, form+" "+result)
		},
	})
	return r
}

// post sends a request and returns the answer.
func (r *rig) post(path string, header map[string]string, body io.Reader) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, body)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, request)
	return answer
}

// sum is an HMAC in hexadecimal.
func sum(algorithm func() hash.Hash, key, body string) string {
	h := hmac.New(algorithm, []byte(key))
	h.Write([]byte(body))
	return hex.EncodeToString(h.Sum(nil))
}

// sign is an HMAC-SHA256 in hexadecimal.
func sign(key, body string) string { return sum(sha256.New, key, body) }

// signStandard is a signature by the Standard Webhooks specification.
func signStandard(t *testing.T, key, signed string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, raw)
	h.Write([]byte(signed))
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// Bodies have the members of the hosts' push events that count, and some of those that do not.
const (
	githubPush = `{"ref": "refs/heads/main", "after": "1f2e", "commits": [{"id": "1f2e", "url": "https://elsewhere.example/x"}],
		"repository": {"id": 7, "name": "infra", "url": "https://git.example/team/infra", "html_url": "https://git.example/team/infra",
			"git_url": "git://git.example/team/infra.git", "ssh_url": "git@git.example:team/infra.git",
			"clone_url": "https://git.example/team/infra.git", "homepage": "https://www.example"},
		"sender": {"html_url": "https://git.example/somebody"}}`
	githubPing = `{"zen": "Design for failure.", "hook_id": 1, "repository": {"clone_url": "https://git.example/team/infra.git"}}`
	gitlabPush = `{"object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "project_id": 15,
		"project": {"id": 15, "web_url": "https://git.example/team/infra", "git_ssh_url": "git@git.example:team/infra.git",
			"git_http_url": "https://git.example/team/infra.git", "namespace": "team"},
		"repository": {"name": "infra", "url": "git@git.example:team/infra.git", "homepage": "https://git.example/team/infra"}}`
	gitlabTag    = `{"object_kind": "tag_push", "event_name": "tag_push", "project": {"git_http_url": "https://git.example/team/infra.git"}}`
	gitlabSystem = `{"event_name": "repository_update", "project": {"git_http_url": "https://git.example/team/infra.git"}}`
	gitlabMerge  = `{"object_kind": "merge_request", "event_type": "merge_request", "project": {"git_http_url": "https://git.example/team/infra.git"}}`
	cloudPush    = `{"push": {"changes": [{"new": {"name": "main"}}]}, "actor": {"links": {"html": {"href": "https://git.example/somebody"}}},
		"repository": {"full_name": "team/infra", "links": {"self": {"href": "https://api.git.example/2.0/repositories/team/infra"},
			"html": {"href": "https://git.example/team/infra"}}}}`
	serverPush = `{"eventKey": "repo:refs_changed", "changes": [{"refId": "refs/heads/main", "type": "UPDATE"}],
		"repository": {"slug": "infra", "project": {"key": "TEAM", "links": {"self": [{"href": "https://git.example/projects/TEAM"}]}},
			"links": {"clone": [{"href": "ssh://git@git.example:7999/team/infra.git", "name": "ssh"},
				{"href": "https://git.example/scm/team/infra.git", "name": "http"}],
				"self": [{"href": "https://git.example/projects/TEAM/repos/infra/browse"}]}}}`
	serverPing  = `{"test": true}`
	giteaPush   = `{"ref": "refs/heads/main", "repository": {"html_url": "https://git.example/team/infra", "ssh_url": "git@git.example:team/infra.git", "clone_url": "https://git.example/team/infra.git"}}`
	genericPush = `{"repository": "https://git.example/team/infra.git"}`
)

func TestReceiver(t *testing.T) {
	json := "application/json"
	form := "payload=" + url.QueryEscape(githubPush) + "&other=1"
	cases := map[string]struct {
		reason, path string
		header       map[string]string
		body         string
		result       string
		// poked are the keys that were poked, sorted.
		poked []string
	}{
		"GitHub": {
			"a push", "github",
			map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(oldKey, githubPush), "Content-Type": json},
			githubPush, ResultPolled, []string{known},
		},
		"GitHubForm": {
			"GitHub's default content type; the signature is over the form", "github",
			map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(oldKey, form), "Content-Type": "application/x-www-form-urlencoded"},
			form, ResultPolled, []string{known},
		},
		"GitHubPing": {
			"the test of the connection", "github",
			map[string]string{"X-GitHub-Event": "ping", "X-Hub-Signature-256": "sha256=" + sign(hostKey, githubPing)},
			githubPing, ResultIgnored, nil,
		},
		"GitHubNoEvent": {
			"it is not said to be a push", "github",
			map[string]string{"X-Hub-Signature-256": "sha256=" + sign(oldKey, githubPush)},
			githubPush, ResultIgnored, nil,
		},
		"GitLabToken": {
			"the secret token as it is", "gitlab", map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": hostKey},
			gitlabPush, ResultPolled, []string{known},
		},
		"GitLabTag": {
			"a tag", "gitlab", map[string]string{"X-Gitlab-Event": "Tag Push Hook", "X-Gitlab-Token": hostKey},
			gitlabTag, ResultPolled, []string{known},
		},
		"GitLabSystem": {
			"a system hook about a push", "gitlab", map[string]string{"X-Gitlab-Event": "System Hook", "X-Gitlab-Token": hostKey},
			gitlabSystem, ResultPolled, []string{known},
		},
		"GitLabSystemOther": {
			"a system hook about something else", "gitlab", map[string]string{"X-Gitlab-Event": "System Hook", "X-Gitlab-Token": hostKey},
			gitlabMerge, ResultIgnored, nil,
		},
		"GitLabMerge": {
			"another event", "gitlab", map[string]string{"X-Gitlab-Event": "Merge Request Hook", "X-Gitlab-Token": hostKey},
			gitlabMerge, ResultIgnored, nil,
		},
		"GitLabSigned": {
			"signed by a signing token", "gitlab",
			map[string]string{
				"X-Gitlab-Event": "Push Hook", "Webhook-Id": "f5e1", "Webhook-Timestamp": "1800000000",
				"Webhook-Signature": signStandard(t, signingKey, "f5e1.1800000000."+gitlabPush),
			},
			gitlabPush, ResultPolled, []string{known},
		},
		"GitLabSignedTwice": {
			"during a rotation there are two signatures", "gitlab",
			map[string]string{
				"X-Gitlab-Event": "Push Hook", "Webhook-Id": "f5e1", "Webhook-Timestamp": "1800000000",
				"Webhook-Signature": "v1a,xx v1," + base64.StdEncoding.EncodeToString(make([]byte, 32)) + " " + signStandard(t, signingKey, "f5e1.1800000000."+gitlabPush),
			},
			gitlabPush, ResultPolled, []string{known},
		},
		"BitbucketCloud": {
			"a push", "bitbucket", map[string]string{"X-Event-Key": "repo:push", "X-Hub-Signature": "sha256=" + sign(oldKey, cloudPush)},
			cloudPush, ResultPolled, []string{known},
		},
		"BitbucketServer": {
			"by another path for each protocol", "bitbucket",
			map[string]string{"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": "sha256=" + sign(oldKey, serverPush)},
			serverPush, ResultPolled, []string{"git.example/scm/team/infra", known},
		},
		"BitbucketPing": {
			"the test of the connection", "bitbucket",
			map[string]string{"X-Event-Key": "diagnostics:ping", "X-Hub-Signature": "sha256=" + sign(oldKey, serverPing)},
			serverPing, ResultIgnored, nil,
		},
		"Gitea": {
			"a push", "gitea", map[string]string{"X-Gitea-Event": "push", "X-Gitea-Signature": sign(oldKey, giteaPush)},
			giteaPush, ResultPolled, []string{known},
		},
		"Forgejo": {
			"with headers of both names", "gitea",
			map[string]string{
				"X-Forgejo-Event": "push", "X-Gitea-Event": "push",
				"X-Forgejo-Signature": sign(oldKey, giteaPush), "X-Gitea-Signature": sign(oldKey, giteaPush),
			},
			giteaPush, ResultPolled, []string{known},
		},
		"GiteaOther": {
			"another event", "gitea", map[string]string{"X-Gitea-Event": "issues", "X-Gitea-Signature": sign(oldKey, giteaPush)},
			giteaPush, ResultIgnored, nil,
		},
		"Generic": {
			"a URL", "generic", map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)},
			genericPush, ResultPolled, []string{known},
		},
		"GenericObject": {
			"an object with one", "generic", map[string]string{"X-Signature": "sha256=" + sign(oldKey, giteaPush)},
			giteaPush, ResultPolled, []string{known},
		},
		"Unknown": {
			"nobody follows it: the same answer", "generic",
			map[string]string{"X-Signature": "sha256=" + sign(oldKey, `{"repository": "https://git.example/team/other"}`)},
			`{"repository": "https://git.example/team/other"}`, ResultUnknown, []string{"git.example/team/other"},
		},
		"NoURL": {
			"a URL that git would not be given is not looked up", "generic",
			map[string]string{"X-Signature": "sha256=" + sign(oldKey, `{"repository": "file:///etc"}`)},
			`{"repository": "file:///etc"}`, ResultUnknown, nil,
		},
		"LongURL": {
			"nobody follows that", "generic",
			map[string]string{"X-Signature": "sha256=" + sign(oldKey, `{"repository": "https://x/`+strings.Repeat("x", maxURL)+`"}`)},
			`{"repository": "https://x/` + strings.Repeat("x", maxURL) + `"}`, ResultUnknown, nil,
		},
		"NothingInIt": {
			"no repository", "generic", map[string]string{"X-Signature": "sha256=" + sign(oldKey, `{}`)}, `{}`, ResultUnknown, nil,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			answer := r.post(Path+tc.path, tc.header, strings.NewReader(tc.body))
			if answer.Code != http.StatusAccepted || answer.Body.String() != "Accepted\n" {
				t.Errorf("%s: answered %d %q", tc.reason, answer.Code, answer.Body)
			}
			if diff := cmp.Diff([]string{tc.path + " " + tc.result}, r.results); diff != "" {
				t.Errorf("%s: result (-want +got):\n%s", tc.reason, diff)
			}
			slices.Sort(r.poker.keys)
			if diff := cmp.Diff(tc.poked, r.poker.keys); diff != "" {
				t.Errorf("%s: poked (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReceiverRefuses(t *testing.T) {
	good := "sha256=" + sign(oldKey, githubPush)
	push := func(signature string) map[string]string {
		return map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": signature}
	}
	gitlab := func(headers ...string) map[string]string {
		all := map[string]string{"X-Gitlab-Event": "Push Hook"}
		for i := 0; i < len(headers); i += 2 {
			all[headers[i]] = headers[i+1]
		}
		return all
	}
	generic := func(body string) map[string]string {
		return map[string]string{"X-Signature": "sha256=" + sign(oldKey, body)}
	}
	large := `{"repository": "https://git.example/team/infra", "x": "` + strings.Repeat("x", maxBody) + `"}`
	standard := signStandard(t, signingKey, "f5e1.1800000000."+gitlabPush)
	cases := map[string]struct {
		path   string
		header map[string]string
		body   string
		result string
	}{
		"NoSignature":         {"github", map[string]string{"X-GitHub-Event": "push"}, githubPush, ResultUnauthenticated},
		"EmptySignature":      {"github", push(""), githubPush, ResultUnauthenticated},
		"NoPrefix":            {"github", push(sign(oldKey, githubPush)), githubPush, ResultUnauthenticated},
		"PrefixOnly":          {"github", push("sha256="), githubPush, ResultUnauthenticated},
		"Short":               {"github", push(good[:len(good)-2]), githubPush, ResultUnauthenticated},
		"Long":                {"github", push(good + "00"), githubPush, ResultUnauthenticated},
		"NotHex":              {"github", push("sha256=" + strings.Repeat("z", 64)), githubPush, ResultUnauthenticated},
		"OtherKey":            {"github", push("sha256=" + sign("another key", githubPush)), githubPush, ResultUnauthenticated},
		"EmptyKey":            {"github", push("sha256=" + sign("", githubPush)), githubPush, ResultUnauthenticated},
		"NewlineOfTheKey":     {"github", push("sha256=" + sign(hostKey+"\n", githubPush)), githubPush, ResultUnauthenticated},
		"OtherBody":           {"github", push(good), githubPush + " ", ResultUnauthenticated},
		"NoBody":              {"github", push(good), "", ResultUnauthenticated},
		"SHA1":                {"github", push("sha1=" + sum(sha1.New, oldKey, githubPush)), githubPush, ResultUnauthenticated},
		"SHA1OldHeader":       {"github", map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature": "sha1=" + sum(sha1.New, oldKey, githubPush)}, githubPush, ResultUnauthenticated},
		"SHA512":              {"github", push("sha512=" + sum(sha512.New, oldKey, githubPush)), githubPush, ResultUnauthenticated},
		"SHA512NamedSHA256":   {"github", push("sha256=" + sum(sha512.New, oldKey, githubPush)), githubPush, ResultUnauthenticated},
		"OtherFormsHeader":    {"generic", push(good), githubPush, ResultUnauthenticated},
		"TokenAtGitHub":       {"github", map[string]string{"X-GitHub-Event": "push", "X-Gitlab-Token": oldKey}, githubPush, ResultUnauthenticated},
		"GitLabNothing":       {"gitlab", gitlab(), gitlabPush, ResultUnauthenticated},
		"GitLabEmptyToken":    {"gitlab", gitlab("X-Gitlab-Token", ""), gitlabPush, ResultUnauthenticated},
		"GitLabOtherToken":    {"gitlab", gitlab("X-Gitlab-Token", "another key"), gitlabPush, ResultUnauthenticated},
		"GitLabPartOfToken":   {"gitlab", gitlab("X-Gitlab-Token", hostKey[:len(hostKey)-1]), gitlabPush, ResultUnauthenticated},
		"GitLabLongerToken":   {"gitlab", gitlab("X-Gitlab-Token", hostKey+"x"), gitlabPush, ResultUnauthenticated},
		"GitLabOtherBody":     {"gitlab", gitlab("Webhook-Id", "f5e1", "Webhook-Timestamp", "1800000000", "Webhook-Signature", standard), gitlabPush + " ", ResultUnauthenticated},
		"GitLabOtherID":       {"gitlab", gitlab("Webhook-Id", "f5e2", "Webhook-Timestamp", "1800000000", "Webhook-Signature", standard), gitlabPush, ResultUnauthenticated},
		"GitLabOtherTime":     {"gitlab", gitlab("Webhook-Id", "f5e1", "Webhook-Timestamp", "1800000001", "Webhook-Signature", standard), gitlabPush, ResultUnauthenticated},
		"GitLabNoID":          {"gitlab", gitlab("Webhook-Timestamp", "1800000000", "Webhook-Signature", standard), gitlabPush, ResultUnauthenticated},
		"GitLabOtherVersion":  {"gitlab", gitlab("Webhook-Id", "f5e1", "Webhook-Timestamp", "1800000000", "Webhook-Signature", "v2"+standard[2:]), gitlabPush, ResultUnauthenticated},
		"GitLabShort":         {"gitlab", gitlab("Webhook-Id", "f5e1", "Webhook-Timestamp", "1800000000", "Webhook-Signature", "v1,AAAA"), gitlabPush, ResultUnauthenticated},
		"GitLabTokenIsNoHelp": {"gitlab", gitlab("Webhook-Id", "f5e1", "Webhook-Timestamp", "1", "Webhook-Signature", standard, "X-Gitlab-Token", hostKey), gitlabPush, ResultUnauthenticated},
		"TooLarge":            {"generic", generic(large), large, ResultTooLarge},
		"NoJSON":              {"generic", generic(`{"repository": `), `{"repository": `, ResultMalformed},
		"Twice":               {"generic", generic(`{} {}`), `{} {}`, ResultMalformed},
		"Number":              {"generic", generic(`{"repository": 7}`), `{"repository": 7}`, ResultMalformed},
		"List":                {"generic", generic(`[]`), `[]`, ResultMalformed},
		"Deep":                {"generic", generic(strings.Repeat("[", 100_000)), strings.Repeat("[", 100_000), ResultMalformed},
		"NotUTF8":             {"generic", generic("{\"repository\": \"https://git.example/team/infra\xff\"}"), "{\"repository\": \"https://git.example/team/infra\xff\"}", ResultMalformed},
		"NothingSigned":       {"generic", generic(""), "", ResultMalformed},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			answer := r.post(Path+tc.path, tc.header, strings.NewReader(tc.body))
			if answer.Code != http.StatusUnauthorized || answer.Body.String() != "Unauthorized\n" {
				t.Errorf("answered %d %q", answer.Code, answer.Body)
			}
			if diff := cmp.Diff([]string{tc.path + " " + tc.result}, r.results); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if len(r.poker.keys) > 0 {
				t.Errorf("poked %v", r.poker.keys)
			}
		})
	}
}

func TestReceiverRefusesTwoSignatures(t *testing.T) {
	right, wrong := "sha256="+sign(oldKey, genericPush), "sha256="+sign("another key", genericPush)
	for _, signatures := range [][]string{{wrong, right}, {right, wrong}, {right, right}} {
		r := newRig(t)
		request := httptest.NewRequest(http.MethodPost, Path+"generic", strings.NewReader(genericPush))
		request.Header["X-Signature"] = signatures
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized || len(r.poker.keys) > 0 {
			t.Errorf("%q is answered with %d, poked %v", signatures, answer.Code, r.poker.keys)
		}
	}
}

// TestReceiverIsNowhereElse asks for what is not there. Only a form's own path answers, and only to POST.
func TestReceiverIsNowhereElse(t *testing.T) {
	for _, line := range []string{
		"GET /hooks/github", "HEAD /hooks/github", "PUT /hooks/github", "OPTIONS /hooks/github", "POST /", "POST /hooks", "POST /hooks/",
		"POST /hooks/github/", "POST /hooks/GitHub", "POST /hooks/none", "POST /hooks/../hooks/github", "GET /metrics", "GET /artifacts/x",
	} {
		method, path, _ := strings.Cut(line, " ")
		r := newRig(t)
		request := httptest.NewRequest(method, "/", strings.NewReader(githubPush))
		request.URL.Path = path
		request.Header.Set("X-Hub-Signature-256", "sha256="+sign(oldKey, githubPush))
		request.Header.Set("X-GitHub-Event", "push")
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		if answer.Code != http.StatusNotFound || answer.Body.String() != "Not Found\n" || len(r.poker.keys)+len(r.results) > 0 {
			t.Errorf("%s: answered %d %q, poked %v", line, answer.Code, answer.Body, r.poker.keys)
		}
	}
}

// TestReceiverReplay sends what somebody listened in on. It polls again, and does no more; polls are bounded by whoever
// polls.
func TestReceiverReplay(t *testing.T) {
	r := newRig(t)
	header := map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)}
	for range 3 {
		r.clock.Step(24 * time.Hour)
		if answer := r.post(Path+"generic", header, strings.NewReader(genericPush)); answer.Code != http.StatusAccepted {
			t.Errorf("answered %d", answer.Code)
		}
	}
	if diff := cmp.Diff([]string{known, known, known}, r.poker.keys); diff != "" {
		t.Errorf("poked (-want +got):\n%s", diff)
	}
}

// unread fails the test when somebody reads it.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestReceiverLimits(t *testing.T) {
	r := newRig(t)
	header := map[string]string{"X-Signature": "sha256=" + strings.Repeat("00", sha256.Size)}
	for range burst {
		if answer := r.post(Path+"generic", header, strings.NewReader("{}")); answer.Code != http.StatusUnauthorized {
			t.Fatalf("answered %d within the limit", answer.Code)
		}
	}
	if answer := r.post(Path+"generic", header, unread{t}); answer.Code != http.StatusTooManyRequests {
		t.Errorf("answered %d above the limit", answer.Code)
	}
	good := map[string]string{"X-Gitea-Event": "push", "X-Gitea-Signature": sign(oldKey, giteaPush)}
	if answer := r.post(Path+"gitea", good, strings.NewReader(giteaPush)); answer.Code != http.StatusAccepted {
		t.Errorf("another form is limited too: %d", answer.Code)
	}
	r.clock.Step(time.Second)
	good = map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)}
	if answer := r.post(Path+"generic", good, strings.NewReader(genericPush)); answer.Code != http.StatusAccepted {
		t.Errorf("answered %d a second later", answer.Code)
	}
}

// TestReceiverReadsNoMoreThanItMust shows what strangers cannot make the manager hold.
func TestReceiverReadsNoMoreThanItMust(t *testing.T) {
	r := newRig(t)
	r.post(Path+"github", map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=0011"}, unread{t})

	request := httptest.NewRequest(http.MethodPost, Path+"generic", unread{t})
	request.Header.Set("X-Signature", "sha256="+sign(oldKey, genericPush))
	request.ContentLength = maxBody + 1
	r.ServeHTTP(httptest.NewRecorder(), request)

	var read int
	endless := readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil })
	r.post(Path+"generic", map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)}, endless)
	if read > 2*maxBody {
		t.Errorf("%d bytes were read", read)
	}

	broken := io.MultiReader(strings.NewReader(genericPush), iotest.ErrReader(errors.New("the connection broke")))
	r.post(Path+"generic", map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)}, broken)

	want := []string{"github unauthenticated", "generic too_large", "generic too_large", "generic unauthenticated"}
	if diff := cmp.Diff(want, r.results); diff != "" || len(r.poker.keys) > 0 {
		t.Errorf("poked %v, results (-want +got):\n%s", r.poker.keys, diff)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestReceiverHoldsFewBodies fills all places with requests that never end; a further one is turned away unread.
func TestReceiverHoldsFewBodies(t *testing.T) {
	r := newRig(t)
	header := map[string]string{"X-Signature": "sha256=" + sign(oldKey, genericPush)}
	begun := make(chan struct{}, maxBodies)
	end := make(chan struct{})
	var all sync.WaitGroup
	for range maxBodies {
		all.Go(func() {
			slow := readerFunc(func([]byte) (int, error) {
				begun <- struct{}{}
				<-end
				return 0, io.EOF
			})
			r.post(Path+"generic", header, io.MultiReader(slow, strings.NewReader(genericPush)))
		})
	}
	for range maxBodies {
		<-begun
	}
	if answer := r.post(Path+"generic", header, unread{t}); answer.Code != http.StatusTooManyRequests {
		t.Errorf("answered %d", answer.Code)
	}
	close(end)
	all.Wait()
	if len(r.poker.keys) != maxBodies {
		t.Errorf("poked %d times, want %d", len(r.poker.keys), maxBodies)
	}
	if answer := r.post(Path+"generic", header, strings.NewReader(genericPush)); answer.Code != http.StatusAccepted {
		t.Errorf("answered %d when there is room again", answer.Code)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	secret, _ := NewSecret([]byte(oldKey))
	var text bytes.Buffer
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		text.WriteString(fmt.Sprintf(format, secret))
		text.WriteString(fmt.Sprintf(format, []Secret{secret}))
	}
	if strings.Contains(text.String(), oldKey) || !strings.Contains(text.String(), "[secret]") {
		t.Errorf("formatted as %s", &text)
	}
	if _, ok := NewSecret([]byte("\n")); ok {
		t.Error("nothing is taken for a secret")
	}
}
