package pack

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// mostLinks is how many links are followed to see where one leads, as many as Linux follows. More lead nowhere.
const mostLinks = 40

// link adds a symbolic link as it is, if it stays inside.
func (d *directory) link(name string) error {
	target, err := d.root.Readlink(name)
	if err != nil {
		return fmt.Errorf("pack a link: %w", err)
	}
	if !d.inside(name, target) {
		return &InvalidError{Path: name, Problem: fmt.Sprintf("is a symbolic link to %.200q, out of the source: remove it, or link to a file of the source by a relative path", target)}
	}
	return d.archive.header(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// inside tells whether the way from a link to its target, by links that it meets, never leaves the directory. Where
// something on the way is missing, it goes on by the names alone.
func (d *directory) inside(name, target string) bool {
	if path.IsAbs(target) {
		return false
	}
	var at []string
	if dir := path.Dir(name); dir != "." {
		at = strings.Split(dir, "/")
	}
	way := strings.Split(target, "/")
	for links := 0; len(way) > 0; {
		step := way[0]
		way = way[1:]
		switch step {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return false
			}
			at = at[:len(at)-1]
			continue
		}
		here := path.Join(append(slices.Clone(at), step)...)
		next, isLink := d.readLink(here)
		if !isLink {
			at = append(at, step)
			continue
		}
		if links++; links > mostLinks {
			return true
		}
		if path.IsAbs(next) {
			return false
		}
		way = append(strings.Split(next, "/"), way...)
	}
	return true
}

// readLink says where a link leads, if it is one that can be read.
func (d *directory) readLink(name string) (target string, isLink bool) {
	info, err := d.root.Lstat(name)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", false
	}
	target, err = d.root.Readlink(name)
	return target, err == nil
}
