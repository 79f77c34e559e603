package artifact

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// fresh is how long after its last use an archive is never evicted: it is stored, or found to be there, before the
	// object that names it is written.
	fresh = time.Hour
	// stale is how long after its last use an archive that nobody names is kept for the one who may come back to it.
	stale = 24 * time.Hour
)

// Swept is what a sweep did and what it left.
type Swept struct {
	// Evicted archives, and those that are Left, of Bytes together.
	Evicted, Left int
	Bytes         int64
	// Over says that what is left is over the bound: live objects name it, or it is fresh.
	Over bool
}

// Sweep evicts archives that no live object names and that nobody has used for a while: those of a day ago, and while
// the store is over its bound those of an hour ago, the least recently used first. Abandoned writes are removed too.
func (s *Store) Sweep(ctx context.Context) (Swept, error) {
	if s.live == nil {
		return Swept{}, errors.New("sweep the artifact store: nobody says what is to be kept")
	}
	// Listed before the objects are: what is stored from now on is not looked at.
	files, err := s.list()
	if err != nil {
		return Swept{}, err
	}
	live, err := s.live(ctx)
	if err != nil {
		return Swept{}, fmt.Errorf("sweep the artifact store: %w", err)
	}
	swept := Swept{Left: len(files)}
	for _, f := range files {
		swept.Bytes += f.size
	}
	failures := []error{s.tidy()}
	for _, f := range files {
		if live[f.digest] || !s.due(f, swept.Bytes) {
			continue
		}
		evicted, err := s.evict(f)
		if err != nil {
			failures = append(failures, fmt.Errorf("sweep the artifact store: %w", err))
		}
		if evicted {
			swept.Evicted, swept.Left, swept.Bytes = swept.Evicted+1, swept.Left-1, swept.Bytes-f.size
		}
	}
	swept.Over = swept.Bytes > s.bound
	s.evicted.Add(int64(swept.Evicted))
	s.count.Store(int64(swept.Left))
	s.bytes.Store(swept.Bytes)
	return swept, errors.Join(failures...)
}

// due tells whether an archive that nobody names goes, as long as all have so many bytes.
func (s *Store) due(f file, bytes int64) bool {
	unused := s.clock.Now().Sub(f.used)
	return unused >= stale || unused >= fresh && bytes > s.bound
}

// file is an archive on the disk.
type file struct {
	path, digest string
	size         int64
	used         time.Time
}

// list gives all archives, the least recently used first. A directory that was lost has none.
func (s *Store) list() ([]file, error) {
	entries, err := os.ReadDir(s.dir)
	if err := ifThere(err); err != nil {
		return nil, fmt.Errorf("look into the artifact store: %w", err)
	}
	var files []file
	for _, entry := range entries {
		name, isArchive := strings.CutSuffix(entry.Name(), extension)
		info, err := entry.Info()
		if err != nil || !isArchive {
			continue
		}
		files = append(files, file{filepath.Join(s.dir, entry.Name()), prefix + name, info.Size(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), strings.Compare(a.digest, b.digest)) })
	return files, nil
}

// evict removes an archive, unless it was used meanwhile.
func (s *Store) evict(f file) (evicted bool, err error) {
	s.using.Lock()
	defer s.using.Unlock()
	info, err := os.Lstat(f.path)
	if err != nil || !info.ModTime().Equal(f.used) {
		return false, ifThere(err)
	}
	if err := os.Remove(f.path); err != nil {
		return false, ifThere(err)
	}
	return true, nil
}

// grow counts an archive that was stored, and calls for a sweep if that was too much.
func (s *Store) grow(size int64) {
	s.count.Add(1)
	if s.bytes.Add(size) <= s.bound {
		return
	}
	select {
	case s.pressed <- struct{}{}:
	default:
	}
}
