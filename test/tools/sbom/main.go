// Command sbom writes what a release is made of, as SPDX 2.3 in JSON: the Go modules that are linked into a program, and
// for an image the Debian packages in it beside its programs. It reads nothing but the released files, so what it lists
// is what is in them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
)

const usage = `usage:
  sbom --version V --created SECONDS --out FOLDER [--images LAYOUT --image NAME] PROGRAM...
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "the version of the release")
	seconds := flags.Int64("created", 0, "the time of the release, in seconds since 1970")
	out := flags.String("out", "", "the folder to write to")
	images := flags.String("images", "", "a folder in OCI layout with the image")
	image := flags.String("image", "", "how the image's documents are called")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *version == "" || *out == "" {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("--version and --out are needed")
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	of := release{version: *version, created: time.Unix(*seconds, 0).UTC()}
	for _, file := range flags.Args() {
		if err := of.writeProgram(file, *out); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if *images == "" {
		return nil
	}
	return of.writeImages(*images, *image, *out)
}

// writeProgram writes the document of one program.
func (r release) writeProgram(file, out string) error {
	content, err := os.Open(file)
	if err != nil {
		return err
	}
	defer content.Close()
	d := r.document(filepath.Base(file))
	if err := d.addProgram(filepath.Base(file), content, ""); err != nil {
		return err
	}
	return d.write(filepath.Join(out, filepath.Base(file)+".spdx.json"))
}

// writeImages writes a document for each platform of an image.
func (r release) writeImages(folder, name, out string) error {
	platforms, err := readLayout(folder)
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	for _, p := range platforms {
		called := name + "_" + strings.ReplaceAll(p.platform.String(), "/", "_")
		d := r.document(called)
		if err := d.addImage(called, p); err != nil {
			return fmt.Errorf("%s: %w", called, err)
		}
		if err := d.write(filepath.Join(out, called+".spdx.json")); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := spdxjson.Write(d.finished(), file, spdxjson.Indent(" ")); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}
