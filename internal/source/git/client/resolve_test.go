package client

import (
	"testing"

	"github.com/gantry-operator/gantry/test/gitserver"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	first := repository.Commit("main", gitserver.Files{"a": gitserver.Text("1")})
	second := repository.Commit("main", gitserver.Files{"a": gitserver.Text("2")})
	other := repository.Commit("other", gitserver.Files{"a": gitserver.Text("3")})
	repository.Branch("feature/x", first)
	repository.Tag("light", first, "")
	repository.Tag("annotated", first, "a release")
	repository.Git("tag", "-a", "-m", "of a tag", "nested", "annotated")
	// Names that could be several things.
	repository.Branch("both", second)
	repository.Tag("both", first, "a release")
	repository.Branch("refs/heads/trap", other)
	repository.Branch("trap", first)
	repository.Branch("x/main", other)
	repository.Tag("tag-only-x/main", other, "")
	repository.Git("update-ref", "refs/pull/7/head", other)
	repository.Git("update-ref", "refs/custom/x", other)
	client := newClient(t, server)
	for ref, commit := range map[string]string{
		"main": second, "refs/heads/main": second, "heads/main": second, "HEAD": second,
		"feature/x": first, "light": first, "annotated": first, "refs/tags/annotated": first, "tags/annotated": first, "nested": first,
		"both": second, "refs/heads/both": second, "refs/tags/both": first,
		"trap": first, "refs/heads/trap": first, "x/main": other,
		"pull/7/head": other, "refs/pull/7/head": other, "refs/custom/x": other,
	} {
		t.Run(ref, func(t *testing.T) {
			server.Forget()
			resolved, err := client.Resolve(t.Context(), Remote{URL: repository.URL}, ref)
			if err != nil || resolved != commit {
				t.Errorf("resolved to %s, %v, want %s", resolved, err, commit)
			}
			if lists := server.Count("app", gitserver.List); lists != 1 {
				t.Errorf("%d requests for refs, want 1", lists)
			}
		})
	}
	for _, ref := range []string{"mai", "ain", "x", "refs/heads/none", "custom/x", "only-x/main"} {
		t.Run("no "+ref, func(t *testing.T) {
			_, err := client.Resolve(t.Context(), Remote{URL: repository.URL}, ref)
			want(t, err, NotFound, "no commits found for ref", ref, repository.URL)
		})
	}
	t.Run("WholeID", func(t *testing.T) {
		server.Forget()
		for _, id := range []string{first, "0123456789ABCDEF0123456789abcdef01234567"} {
			if resolved, err := client.Resolve(t.Context(), Remote{URL: repository.URL}, id); err != nil || len(resolved) != 40 {
				t.Errorf("%s: %s, %v", id, resolved, err)
			}
		}
		if len(server.Requests()) != 0 {
			t.Error("the host was asked for the commit of a commit")
		}
	})
	for name, ref := range map[string]string{"Option": "--upload-pack=x", "Control": "a\nb", "Glob": "*", "Expression": "main@{1}", "Empty": ""} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Resolve(t.Context(), Remote{URL: repository.URL}, ref)
			want(t, err, Invalid, "ref")
		})
	}
	t.Run("HostileURL", func(t *testing.T) {
		for _, url := range []string{"ext::sh -c true", "file:///etc", "/etc", "--upload-pack=x", "https://a:b@c/d"} {
			_, err := client.Resolve(t.Context(), Remote{URL: url}, "main")
			want(t, err, Invalid, "URL")
		}
	})
}
