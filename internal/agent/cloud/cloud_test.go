package cloud

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		link    string
		stack   Stack
		version int
		ok      bool
	}{
		"Cloud":      {"https://app.pulumi.com/acme/demo/dev/updates/17", Stack{"acme", "demo", "dev"}, 17, true},
		"UnderAPath": {"https://console.example/pulumi/acme/demo/dev/updates/1", Stack{"acme", "demo", "dev"}, 1, true},
		"Preview":    {"https://app.pulumi.com/acme/demo/dev/previews/8f2c", Stack{}, 0, false},
		"Short":      {"https://app.pulumi.com/dev/updates/17", Stack{}, 0, false},
		"NoVersion":  {"https://app.pulumi.com/acme/demo/dev/updates/latest", Stack{"acme", "demo", "dev"}, 0, false},
		"NoLink":     {"://", Stack{}, 0, false},
		"File":       {"", Stack{}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			stack, version, ok := Parse(tc.link)
			if ok != tc.ok || (ok && (stack != tc.stack || version != tc.version)) {
				t.Errorf("got %v %d %v", stack, version, ok)
			}
		})
	}
}

// TestLatest reads an answer as the documentation of Pulumi Cloud's REST API has it.
func TestLatest(t *testing.T) {
	const documented = `{"updates": [{
    "info": {"kind": "update", "startTime": 1767225600, "message": "m", "environment": {}, "config": {}, "result": "in-progress", "endTime": 0, "version": 17},
    "updateID": "f30b3b6c-0000", "version": 17, "latestVersion": 17,
    "requestedBy": {"name": "Alice", "githubLogin": "alice", "avatarUrl": "https://x"}, "policyPacks": []}], "itemsPerPage": 1, "total": 17}`
	want := Update{ID: "f30b3b6c-0000", Version: 17, Running: true, Kind: "update", By: "alice", Since: time.Unix(1767225600, 0)}
	for name, tc := range map[string]struct {
		status int
		answer string
		want   Update
		err    string
	}{
		"Documented":        {http.StatusOK, documented, want, ""},
		"NoLogin":           {http.StatusOK, strings.Replace(documented, `"alice"`, `""`, 1), Update{want.ID, 17, true, "update", "Alice", want.Since}, ""},
		"Ended":             {http.StatusOK, strings.Replace(documented, "in-progress", "failed", 1), Update{want.ID, 17, false, "update", "alice", want.Since}, ""},
		"ImportedMeanwhile": {http.StatusOK, strings.Replace(documented, `[{`, `[{"info": {"kind": "import", "result": "succeeded"}, "updateID": "i", "version": 18}, {`, 1), want, ""},
		"None":              {http.StatusOK, `{"updates": []}`, Update{}, "no update of o/p x/s"},
		"NoJSON":            {http.StatusOK, `<html>`, Update{}, "read the answer"},
		"Refused":           {http.StatusForbidden, `{}`, Update{}, "403 Forbidden"},
		"Elsewhere":         {http.StatusFound, ``, Update{}, "302 Found"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != "token pul-1" {
					t.Errorf("the authorization is %q", got)
				}
				if got := r.URL.EscapedPath(); got != "/api/stacks/o/p%20x/s/updates" {
					t.Errorf("the path is %q", got)
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.answer))
			}))
			defer server.Close()
			client := Client{URL: server.URL + "/", Token: "pul-1", HTTP: &http.Client{
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}}
			got, err := client.Latest(t.Context(), Stack{"o", "p x", "s"})
			if (tc.err == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Fatalf("the error is %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
