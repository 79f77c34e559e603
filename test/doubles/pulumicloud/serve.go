package pulumicloud

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// call is one request, read and admitted.
type call struct {
	*http.Request
	body []byte
	// header is that of the answer.
	header http.Header
}

// handler answers a call. It is called under the double's lock.
type handler func(*call) (any, error)

// refusal is an error as Pulumi Cloud tells it.
type refusal struct {
	Code        int          `json:"code"`
	Message     string       `json:"message"`
	Diagnostics []diagnostic `json:"diagnostics,omitempty"`
}

// diagnostic is what is wrong with an environment.
type diagnostic struct {
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}

// Error is the message.
func (r *refusal) Error() string { return fmt.Sprintf("[%d] %s", r.Code, r.Message) }

func refuse(code int, format string, args ...any) error {
	return &refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// verbatim is an answer that is not JSON.
type verbatim []byte

// ServeHTTP answers one request of the CLI, or one that steers the double.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// serve reads, logs, admits and answers.
func (c *Cloud) serve(answer handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := &call{Request: r, header: w.Header()}
		var err error
		if in.body, err = readBody(r); err != nil {
			c.write(w, nil, refuse(http.StatusBadRequest, "Bad Request: %v", err))
			return
		}
		steers := strings.HasPrefix(r.URL.Path, "/admin/")
		var out any
		if !steers {
			c.wait(r.Context(), r)
		}
		c.mu.Lock()
		entry := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
		if !steers {
			entry.Token, err = c.admit(in)
			if fault := c.failing(r); fault != nil {
				err = fault
			}
		}
		if err == nil {
			out, err = answer(in)
		}
		entry.Status = statusOf(out, err)
		if !steers {
			c.requests = append(c.requests, entry)
		}
		c.mu.Unlock()
		c.write(w, out, err)
	})
}

// admit checks who calls, and gives the name of the token.
func (c *Cloud) admit(in *call) (string, error) {
	kind, token, _ := strings.Cut(in.Header.Get("Authorization"), " ")
	switch name, known := c.tokens[token]; {
	case kind == "token" && known:
		return name, nil
	case kind == "update-token" && token != "" && c.leases[token] == in.PathValue("id"):
		return "lease", nil
	case kind == "update-token":
		return "lost lease", refuse(http.StatusForbidden, "The provided update token has expired.")
	default:
		return "", refuse(http.StatusUnauthorized, "Unauthorized: No credentials provided or are invalid.")
	}
}

func readBody(r *http.Request) ([]byte, error) {
	var reader io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, fmt.Errorf("the body is not compressed as it says: %w", err)
		}
		reader = unzipped
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("the body cannot be read: %w", err)
	}
	return body, nil
}

// read reads a call's JSON.
func (in *call) read(into any) error {
	if err := json.Unmarshal(in.body, into); err != nil {
		return refuse(http.StatusBadRequest, "Bad Request: %v", err)
	}
	return nil
}

func statusOf(out any, err error) int {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return refused.Code
	case err != nil:
		return http.StatusInternalServerError
	case out == nil:
		return http.StatusNoContent
	default:
		return http.StatusOK
	}
}

func (c *Cloud) write(w http.ResponseWriter, out any, err error) {
	var refused *refusal
	if err != nil && !errors.As(err, &refused) {
		refused = &refusal{Code: http.StatusInternalServerError, Message: "Internal Server Error: " + err.Error()}
	}
	if refused != nil {
		out = refused
	}
	text, plain := out.(verbatim)
	if !plain && out != nil {
		w.Header().Set("Content-Type", "application/json")
		if text, err = json.Marshal(out); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	status := statusOf(out, nil)
	if refused != nil {
		status = refused.Code
	}
	w.WriteHeader(status)
	// Who hung up does not wait for the rest.
	_, _ = w.Write(text) //nolint:errcheck // see above
}
