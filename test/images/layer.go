package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// layerWriter writes a layer's archive: sorted, owned by root, without times,
// so that it depends on nothing but the files' contents and modes.
type layerWriter struct {
	archive *tar.Writer
	folders map[string]bool
	owners  map[string]owner
}

// owner overrides whom a path belongs to and its mode.
type owner struct {
	uid, gid int
	mode     int64
}

// writeLayer writes a layer beside out and puts it in place when it is whole.
func writeLayer(out string, fill func(*layerWriter) error) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("write a layer: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+"-")
	if err != nil {
		return fmt.Errorf("write a layer: %w", err)
	}
	defer func() {
		_ = file.Close()
		_ = os.Remove(file.Name()) // nothing is there any more when all went well
	}()
	writer := &layerWriter{archive: tar.NewWriter(file), folders: map[string]bool{}, owners: map[string]owner{}}
	if err := fill(writer); err != nil {
		return err
	}
	if err := writer.archive.Close(); err != nil {
		return fmt.Errorf("write a layer: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write a layer: %w", err)
	}
	return os.Rename(file.Name(), out)
}

// addFiles adds files and folders by pairs SOURCE=TARGET.
func (l *layerWriter) addFiles(pairs []string) error {
	for _, pair := range pairs {
		source, target, ok := strings.Cut(pair, "=")
		if !ok || !path.IsAbs(target) {
			return fmt.Errorf("%q is not SOURCE=/TARGET", pair)
		}
		if err := l.addParents(path.Dir(target)); err != nil {
			return err
		}
		if err := l.walk(source, target); err != nil {
			return err
		}
	}
	return nil
}

// addTree adds a whole root file system, with other owners for some paths.
func (l *layerWriter) addTree(root string, owners []string) error {
	for _, line := range owners {
		name, value, _ := strings.Cut(line, "=")
		parts := strings.Split(value, ":")
		if len(parts) != 3 {
			return fmt.Errorf("%q is not PATH=UID:GID:MODE", line)
		}
		uid, err1 := strconv.Atoi(parts[0])
		gid, err2 := strconv.Atoi(parts[1])
		mode, err3 := strconv.ParseInt(parts[2], 8, 64)
		if err1 != nil || err2 != nil || err3 != nil {
			return fmt.Errorf("%q is not PATH=UID:GID:MODE", line)
		}
		l.owners[name] = owner{uid, gid, mode}
	}
	return l.walk(root, "/")
}

// addParents adds the folders above a file, each once.
func (l *layerWriter) addParents(folder string) error {
	if folder == "/" || l.folders[folder] {
		return nil
	}
	if err := l.addParents(path.Dir(folder)); err != nil {
		return err
	}
	l.folders[folder] = true
	header := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(folder, "/") + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}
	return l.archive.WriteHeader(header)
}

func (l *layerWriter) walk(source, target string) error {
	return filepath.WalkDir(source, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, file)
		if err != nil {
			return err
		}
		name := path.Join(target, filepath.ToSlash(below))
		if name == "/" || entry.IsDir() && l.folders[name] {
			return nil
		}
		if entry.IsDir() {
			l.folders[name] = true
		}
		return l.add(file, name, entry)
	})
}

func (l *layerWriter) add(file, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("add %s: %w", file, err)
	}
	header.Name = strings.TrimPrefix(name, "/")
	if info.IsDir() {
		header.Name += "/"
	}
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime, header.AccessTime, header.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
	if o, ok := l.owners[name]; ok {
		header.Uid, header.Gid, header.Mode = o.uid, o.gid, o.mode
	}
	if err := l.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("add %s: %w", file, err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	content, err := os.Open(file)
	if err != nil {
		return err
	}
	defer content.Close()
	if _, err := io.Copy(l.archive, content); err != nil {
		return fmt.Errorf("add %s: %w", file, err)
	}
	return nil
}
