package webhook

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestReadEventTakesTheRepositorysURLsOnly(t *testing.T) {
	got, err := readEvent([]byte(githubPush), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"https://git.example/team/infra.git", "git@git.example:team/infra.git", "git://git.example/team/infra.git", "https://git.example/team/infra",
	}
	if diff := cmp.Diff(want, got.urls); diff != "" {
		t.Errorf("URLs (-want +got):\n%s", diff)
	}
}

func TestReadEventOfForms(t *testing.T) {
	cases := map[string]struct {
		body string
		want []string
		bad  bool
	}{
		"Last":        {"x=1&payload=" + url.QueryEscape(genericPush), []string{"https://git.example/team/infra.git"}, false},
		"OtherPrefix": {"nopayload=" + url.QueryEscape(genericPush), nil, true},
		"None":        {"x=1", nil, true},
		"BadEscape":   {"payload=%zz", nil, true},
		"NotUTF8":     {"payload=%ff", nil, true},
		"Empty":       {"payload=", nil, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := readEvent([]byte(tc.body), true)
			if (err != nil) != tc.bad {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tc.want, got.urls); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzReadEvent feeds the reader what anybody who knows a secret could send.
func FuzzReadEvent(f *testing.F) {
	for _, body := range []string{githubPush, gitlabPush, gitlabSystem, cloudPush, serverPush, serverPing, giteaPush, genericPush} {
		f.Add([]byte(body), false)
		f.Add([]byte("payload="+url.QueryEscape(body)), true)
	}
	f.Add([]byte(`{"repository": {"links": {"clone": [{}, {}, {}, {}, {"href": "x"}], "html": null}}, "project": null}`), false)
	f.Add([]byte(`{"repository": "\ud800"}`), false)
	f.Fuzz(func(t *testing.T, body []byte, encoded bool) {
		got, err := readEvent(body, encoded)
		if err != nil && len(got.urls) > 0 {
			t.Errorf("URLs %q beside an error", got.urls)
		}
		most := len((&addresses{}).urls()) * 2
		if len(got.urls) > most {
			t.Errorf("%d URLs, at most %d", len(got.urls), most)
		}
		for _, one := range got.urls {
			if one == "" || len(one) > maxURL || !utf8.ValidString(one) {
				t.Errorf("URL %q", one)
			}
			if !encoded && !strings.ContainsAny(string(body), "\\") && !strings.Contains(string(body), one) {
				t.Errorf("URL %q is not in the body", one)
			}
		}
	})
}
