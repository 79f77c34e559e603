// Package cloud owns what the agent asks of Pulumi Cloud itself, since the CLI does not tell it: whose update it is that
// keeps another one from starting. It cancels that very update and no other, which the CLI does not do either.
package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Stack is the full name of a stack.
type Stack struct{ Org, Project, Name string }

// Parse reads a permalink of an update, which is …/org/project/stack/updates/version on any host.
func Parse(permalink string) (Stack, int, bool) {
	link, err := url.Parse(permalink)
	if err != nil {
		return Stack{}, 0, false
	}
	parts := strings.Split(strings.Trim(link.Path, "/"), "/")
	const wanted = 5
	if len(parts) < wanted || parts[len(parts)-2] != "updates" {
		return Stack{}, 0, false
	}
	parts = parts[len(parts)-wanted:]
	version, err := strconv.Atoi(parts[wanted-1])
	return Stack{Org: parts[0], Project: parts[1], Name: parts[2]}, version, err == nil
}

// Update is one of the updates of a stack.
type Update struct {
	// ID identifies it for ever.
	ID string
	// Version of the stack that it makes.
	Version int
	// Running says that it holds the stack.
	Running bool
	// Kind is update, refresh, destroy, ….
	Kind string
	// By is who asked for it; empty where that is not told.
	By string
	// Since is when it was started.
	Since time.Time
}

// String is the update for people.
func (u Update) String() string {
	words := fmt.Sprintf("%s %d", u.Kind, u.Version)
	if u.By != "" {
		words += " of " + u.By
	}
	return words + " since " + u.Since.UTC().Format(time.RFC3339)
}

// Client talks to Pulumi Cloud.
type Client struct {
	// URL of the backend.
	URL string
	// Token is the access token.
	Token string
	// HTTP makes the calls. It must follow no redirects, which would take the token elsewhere.
	HTTP *http.Client
}

// looked is how many of the last updates are looked at: one that holds the stack need not be the newest, since a state may
// be imported meanwhile, as the CLI does to clear pending creates.
const looked = 10

// Latest is the update that holds the stack; if none does, the last one.
func (c Client) Latest(ctx context.Context, of Stack) (Update, error) {
	var answer struct {
		Updates []struct {
			Info struct {
				Kind      string `json:"kind"`
				StartTime int64  `json:"startTime"`
				Result    string `json:"result"`
			} `json:"info"`
			UpdateID    string `json:"updateID"`
			Version     int    `json:"version"`
			RequestedBy struct {
				Name  string `json:"name"`
				Login string `json:"githubLogin"`
			} `json:"requestedBy"`
		} `json:"updates"`
	}
	if err := c.call(ctx, http.MethodGet, of.path()+"/updates?output-type=service&page=1&pageSize="+strconv.Itoa(looked), &answer); err != nil {
		return Update{}, err
	}
	if len(answer.Updates) == 0 {
		return Update{}, fmt.Errorf("pulumi cloud knows of no update of %s/%s/%s", of.Org, of.Project, of.Name)
	}
	last := answer.Updates[0]
	for _, one := range answer.Updates {
		if one.Info.Result == inProgress {
			last = one
			break
		}
	}
	by := last.RequestedBy.Login
	if by == "" {
		by = last.RequestedBy.Name
	}
	return Update{
		ID: last.UpdateID, Version: last.Version, Running: last.Info.Result == inProgress, Kind: last.Info.Kind,
		By: by, Since: time.Unix(last.Info.StartTime, 0),
	}, nil
}

// Cancel ends the update, and nothing else if that has ended by itself.
func (c Client) Cancel(ctx context.Context, of Stack, id string) error {
	return c.call(ctx, http.MethodPost, of.path()+"/update/"+url.PathEscape(id)+"/cancel", nil)
}

func (s Stack) path() string {
	return "/api/stacks/" + url.PathEscape(s.Org) + "/" + url.PathEscape(s.Project) + "/" + url.PathEscape(s.Name)
}

// call makes one call. The answer is read into out, unless that is nil.
func (c Client) call(ctx context.Context, method, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("call Pulumi Cloud: %w", err)
	}
	request.Header.Set("Authorization", "token "+c.Token)
	request.Header.Set("Accept", "application/vnd.pulumi+8")
	response, err := c.HTTP.Do(request)
	if err != nil {
		return fmt.Errorf("call Pulumi Cloud: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body := io.LimitReader(response.Body, maxAnswer)
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("pulumi cloud answers %s to %s %s", response.Status, method, path)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("read the answer of Pulumi Cloud: %w", err)
	}
	return nil
}

const (
	inProgress = "in-progress"
	callWithin = 30 * time.Second
	maxAnswer  = 4 << 20
)
