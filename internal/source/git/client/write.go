package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// complete gets the files that are missing, all at once, and learns the sizes of all.
func (r *repository) complete(ctx context.Context, w wanted, l *listed) error {
	needed := l.files
	for _, other := range l.others {
		needed = append(needed, other)
	}
	sizes, missing, err := r.sizes(ctx, needed)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		if err := r.fetchFiles(ctx, w, missing); err != nil {
			return err
		}
		if sizes, missing, err = r.sizes(ctx, needed); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return NewError(Invalid, fmt.Sprintf("%s does not give the files of commit %s", w.url, w.commit), nil)
	}
	for i := range l.files {
		l.files[i].size = sizes[l.files[i].id]
	}
	return nil
}

// fetchFiles gets files by their ids. Where the host gives no single ones everything is fetched.
func (r *repository) fetchFiles(ctx context.Context, w wanted, missing []string) error {
	// Nothing that is here makes it unnecessary to send them.
	args := []string{"-c", "fetch.negotiationAlgorithm=noop", "fetch", partial, "--stdin", "origin"}
	err := r.remote(ctx, w, args, strings.NewReader(strings.Join(missing, "\n")+"\n"))
	if refused(err) {
		err = r.remote(ctx, w, []string{"fetch", "--refetch", "--no-filter", "--depth=1", "origin", "+refs/heads/*:refs/gantry/heads/*", "+refs/tags/*:refs/gantry/tags/*"}, nil)
	}
	if err != nil {
		return r.client.explain(w.url, w.credential, "fetching files of commit "+w.commit, err)
	}
	return nil
}

// sizes tells how big files are, and which are not there.
func (r *repository) sizes(ctx context.Context, files []entry) (sizes map[string]int64, missing []string, err error) {
	sizes = map[string]int64{}
	err = r.local(ctx, []string{"cat-file", "--batch-check", "--buffer"}, func(c *command) {
		c.in = ids(files)
		c.out = func(out io.Reader) error {
			for scanner := bufio.NewScanner(out); scanner.Scan(); {
				fields := strings.Fields(scanner.Text())
				switch {
				case len(fields) == 2 && fields[1] == "missing":
					missing = append(missing, fields[0])
				case len(fields) == 3 && fields[1] == "blob":
					if sizes[fields[0]], err = strconv.ParseInt(fields[2], 10, 64); err != nil {
						return fmt.Errorf("read the size of a file: %w", err)
					}
				default:
					return NewError(Invalid, "the repository has a file that is none", nil)
				}
			}
			return nil
		}
	})
	return sizes, missing, err
}

// ids are what git cat-file reads.
func ids(files []entry) io.Reader {
	var text strings.Builder
	for _, file := range files {
		text.WriteString(file.id)
		text.WriteByte('\n')
	}
	return strings.NewReader(text.String())
}

// write writes the files below a directory of the root, and notes those that stand for files in LFS.
func (r *repository) write(ctx context.Context, j *job, l *listed, dir string) error {
	made := map[string]struct{}{}
	return r.local(ctx, []string{"cat-file", "--batch", "--buffer"}, func(c *command) {
		c.in = ids(l.files)
		c.out = func(out io.Reader) error {
			reader := bufio.NewReaderSize(out, 64<<10)
			for _, file := range l.files {
				head, err := reader.ReadString('\n')
				if err != nil || strings.TrimSpace(head) != fmt.Sprintf("%s blob %d", file.id, file.size) {
					return fmt.Errorf("read a file: git cat-file prints something else: %w", errors.Join(err, io.ErrUnexpectedEOF))
				}
				found, err := j.write(io.LimitReader(reader, file.size), file, dir, made)
				if err != nil {
					return err
				}
				if found != nil {
					l.pointers = append(l.pointers, *found)
				}
				if _, err := reader.Discard(1); err != nil {
					return fmt.Errorf("read a file: %w", err)
				}
			}
			return nil
		}
	})
}

// write writes one file, and tells if it is a pointer to LFS.
func (j *job) write(content io.Reader, file entry, dir string, made map[string]struct{}) (*pointer, error) {
	name := path.Join(dir, file.path)
	if parent := path.Dir(name); parent != "." {
		if _, has := made[parent]; !has {
			if err := j.root.MkdirAll(parent, 0o755); err != nil {
				return nil, NewError(Invalid, fmt.Sprintf("the repository has a file and a directory at %q", clip(parent)), nil)
			}
			made[parent] = struct{}{}
		}
	}
	if file.mode == "120000" {
		return nil, j.link(content, name)
	}
	mode := os.FileMode(0o644)
	if file.mode == "100755" {
		mode = 0o755
	}
	out, err := j.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, NewError(Invalid, fmt.Sprintf("the repository's file %q cannot be written: %v", clip(name), errors.Unwrap(err)), nil)
	}
	head := &strings.Builder{}
	if file.size <= maxPointer {
		content = io.TeeReader(content, head)
	}
	n, err := io.Copy(out, content)
	if err = errors.Join(err, out.Close()); err == nil && n != file.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("write a file of a checkout: %w", err)
	}
	return readPointer(head.String(), file), nil
}

// maxLink is how long the target of a symbolic link may be.
const maxLink = 4095

// link makes a symbolic link that stays inside.
func (j *job) link(content io.Reader, name string) error {
	target, err := io.ReadAll(io.LimitReader(content, maxLink+1))
	if err != nil {
		return fmt.Errorf("read a link: %w", err)
	}
	to := string(target)
	if len(target) > maxLink || to == "" || strings.ContainsRune(to, 0) {
		return NewError(Invalid, fmt.Sprintf("the symbolic link %q leads nowhere", clip(name)), nil)
	}
	if path.IsAbs(to) || path.Join(path.Dir(name), to) == ".." || strings.HasPrefix(path.Join(path.Dir(name), to), "../") {
		return outside(name)
	}
	if err := j.root.Symlink(to, name); err != nil {
		return NewError(Invalid, fmt.Sprintf("the repository's link %q cannot be made: %v", clip(name), errors.Unwrap(err)), nil)
	}
	j.budget.links = append(j.budget.links, name)
	return nil
}
