package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxPointer is how big a file is at most that stands for one in LFS.
const maxPointer = 1024

// pointer is a file that stands for one in LFS.
type pointer struct {
	entry
	sum   string
	bytes int64
}

// readPointer reads one, or gives nil for any other file.
func readPointer(text string, file entry) *pointer {
	match := regexp.MustCompile(`^version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?$`).FindStringSubmatch(text)
	if match == nil {
		return nil
	}
	bytes, err := strconv.ParseInt(match[2], 10, 64)
	if err != nil {
		return nil
	}
	return &pointer{entry: file, sum: match[1], bytes: bytes}
}

// fetchLFS replaces pointers by what they stand for, where git-lfs is there and .gitattributes says so.
func (r *repository) fetchLFS(ctx context.Context, w wanted, j *job, l *listed, dir string) error {
	pointers := l.pointers
	if !r.client.lfs || len(pointers) == 0 {
		return nil
	}
	pointers, err := r.tracked(ctx, l, pointers)
	if err != nil || len(pointers) == 0 {
		return err
	}
	for _, p := range pointers {
		if err := j.budget.take(p.path, p.bytes); err != nil {
			return err
		}
	}
	if err := r.download(ctx, w, l, pointers); err != nil {
		return err
	}
	for _, p := range pointers {
		if err := r.place(j, p, path.Join(dir, p.path)); err != nil {
			return err
		}
	}
	return nil
}

// tracked are the pointers whose path is one of LFS.
func (r *repository) tracked(ctx context.Context, l *listed, pointers []pointer) ([]pointer, error) {
	index := filepath.Join(r.dir, "index.attributes")
	defer os.Remove(index)
	defer os.Remove(index + ".lock")
	with := func(c *command) { c.env = append(c.env, "GIT_INDEX_FILE="+index) }
	var attributes, names strings.Builder
	for name, other := range l.others {
		if path.Base(name) == ".gitattributes" {
			fmt.Fprintf(&attributes, "%s %s\t%s\x00", other.mode, other.id, name)
		}
	}
	for _, p := range pointers {
		names.WriteString(p.path + "\x00")
	}
	err := r.local(ctx, []string{"update-index", "-z", "--index-info"}, func(c *command) {
		with(c)
		c.in = strings.NewReader(attributes.String())
	})
	if err != nil {
		return nil, err
	}
	lfs := map[string]bool{}
	err = r.local(ctx, []string{"check-attr", "--cached", "-z", "--stdin", "filter"}, func(c *command) {
		with(c)
		c.in = strings.NewReader(names.String())
		c.out = func(out io.Reader) error {
			text, err := io.ReadAll(io.LimitReader(out, maxOutput))
			fields := strings.Split(string(text), "\x00")
			for i := 0; i+2 < len(fields); i += 3 {
				lfs[fields[i]] = fields[i+2] == "lfs"
			}
			return err
		}
	})
	var found []pointer
	for _, p := range pointers {
		if lfs[p.path] {
			found = append(found, p)
		}
	}
	return found, err
}

// download lets git-lfs get the files. It is shown a commit that has nothing but the pointers: in the real one it would
// look at every file, and most of them are not here.
func (r *repository) download(ctx context.Context, w wanted, l *listed, pointers []pointer) error {
	var missing strings.Builder
	for i, p := range pointers {
		if _, err := os.Stat(r.stored(p)); err != nil {
			fmt.Fprintf(&missing, "100644 blob %s\t%d\n", p.id, i)
		}
	}
	if missing.Len() == 0 {
		return nil
	}
	tree, err := r.print(ctx, []string{"mktree"}, strings.NewReader(missing.String()))
	if err != nil {
		return err
	}
	commit, err := r.print(ctx, []string{"commit-tree", "-m", "files in LFS", tree}, nil)
	if err != nil {
		return err
	}
	if err := r.runLFS(ctx, w, l, commit); err != nil {
		return r.client.explain(w.url, w.credential, "fetching files in LFS of commit "+w.commit, err)
	}
	return nil
}

// runLFS runs git-lfs against the host, while the disk is watched.
func (r *repository) runLFS(ctx context.Context, w wanted, l *listed, commit string) error {
	a, err := r.client.open(ctx, w.url, w.credential)
	if err != nil {
		return err
	}
	defer a.close()
	ctx, stop := r.watch(ctx)
	defer stop()
	options := []string{"-c", "lfs.storage=" + filepath.Join(r.dir, "lfs")}
	endpoint, err := r.endpoint(ctx, w, l)
	if err != nil {
		return err
	}
	if endpoint != "" {
		options = append(options, "-c", "lfs.url="+endpoint)
	}
	return r.client.run(ctx, command{
		dir: r.dir, env: append(a.env, "GIT_DIR="+r.dir), redact: a.redact, args: append(options, "lfs", "fetch", "origin", commit),
	})
}

// endpoint is where the files are: as the repository's .lfsconfig says, if it names a host, for git-lfs itself would also
// read files of this machine; else as the protocol says, which git-lfs knows best for SSH.
func (r *repository) endpoint(ctx context.Context, w wanted, l *listed) (string, error) {
	if file, has := l.others[".lfsconfig"]; has {
		// It fails where there is no such setting.
		if text, err := r.print(ctx, []string{"config", "--blob", file.id, "lfs.url"}, nil); err == nil && text != "" {
			u, err := ParseURL(text)
			if err != nil || u.SSH() {
				return "", NewError(Invalid, "the file .lfsconfig names a place for files in LFS that is no https URL", nil)
			}
			return u.String(), nil
		}
	}
	if w.url.SSH() {
		return "", nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(w.url.String(), "/"), ".git") + ".git/info/lfs", nil
}

// stored is where git-lfs keeps a file.
func (r *repository) stored(p pointer) string {
	return filepath.Join(r.dir, "lfs", "objects", p.sum[:2], p.sum[2:4], p.sum)
}

// place puts a file in the place of its pointer.
func (r *repository) place(j *job, p pointer, name string) error {
	in, err := os.Open(r.stored(p))
	if err != nil {
		return NewError(NotFound, fmt.Sprintf("the file %q is not in LFS", clip(p.path)), nil)
	}
	defer in.Close()
	out, err := j.root.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("write a file of LFS: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, sum), io.LimitReader(in, p.bytes+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write a file of LFS: %w", err)
	}
	if n != p.bytes || hex.EncodeToString(sum.Sum(nil)) != p.sum {
		return NewError(Invalid, fmt.Sprintf("the file %q in LFS is another one than its pointer says", clip(p.path)), nil)
	}
	return nil
}

// print runs git in the repository and gives what it prints.
func (r *repository) print(ctx context.Context, args []string, in io.Reader) (string, error) {
	var text []byte
	err := r.local(ctx, args, func(c *command) {
		c.in = in
		c.out = func(out io.Reader) error {
			var err error
			text, err = io.ReadAll(io.LimitReader(out, maxOutput))
			return err
		}
	})
	return strings.TrimSpace(string(text)), err
}
