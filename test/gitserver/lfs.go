package gitserver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// lfsType is the media type of LFS's API.
const lfsType = "application/vnd.git-lfs+json"

// LFS keeps content in the server's store for big files, and gives the pointer that a repository has instead. The
// repository's .gitattributes must say "filter=lfs" of the path.
func (r *Repository) LFS(content string) File {
	r.server.owner.Helper()
	sum := sha256.Sum256([]byte(content))
	id := hex.EncodeToString(sum[:])
	dir := r.server.lfsDir(r.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.server.owner.Fatalf("keep a file in LFS: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, id), []byte(content), 0o600); err != nil {
		r.server.owner.Fatalf("keep a file in LFS: %v", err)
	}
	return Text(fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", id, len(content)))
}

func (s *Server) lfsDir(repository string) string { return filepath.Join(s.root, repository+".lfs") }

// lfsObject is a file in LFS, as the API tells of it.
type lfsObject struct {
	ID      string               `json:"oid"`
	Size    int64                `json:"size"`
	Actions map[string]lfsAction `json:"actions,omitempty"`
	Error   *lfsError            `json:"error,omitempty"`
}

type lfsAction struct {
	Href   string            `json:"href"`
	Header map[string]string `json:"header,omitempty"`
}

type lfsError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// lfsBatch is a question about files, and the answer.
type lfsBatch struct {
	Operation string      `json:"operation,omitempty"`
	Transfer  string      `json:"transfer,omitempty"`
	Objects   []lfsObject `json:"objects"`
}

func (s *Server) serveLFS(w http.ResponseWriter, r *http.Request, repository, path string) {
	dir := s.lfsDir(repository)
	if id, isObject := strings.CutPrefix(path, "objects/"); isObject && r.Method == http.MethodGet {
		http.ServeFile(w, r, filepath.Join(dir, filepath.Base(id)))
		return
	}
	var batch lfsBatch
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil || batch.Operation != "download" {
		http.Error(w, "only downloads", http.StatusUnprocessableEntity)
		return
	}
	answer := lfsBatch{Transfer: "basic"}
	for _, object := range batch.Objects {
		info, err := os.Stat(filepath.Join(dir, filepath.Base(object.ID)))
		if err != nil {
			object.Error = &lfsError{Code: http.StatusNotFound, Message: "Object does not exist"}
		} else {
			object.Size = info.Size()
			object.Actions = map[string]lfsAction{"download": {
				Href:   s.URL + "/" + repository + ".git/info/lfs/objects/" + object.ID,
				Header: map[string]string{"Authorization": r.Header.Get("Authorization")},
			}}
		}
		answer.Objects = append(answer.Objects, object)
	}
	w.Header().Set("Content-Type", lfsType)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
