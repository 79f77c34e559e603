// Command images writes container images without a builder or a registry:
// layers from files and root file systems, images from layers. The same input
// gives the same bytes, so an unchanged image keeps its digest.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
)

const usage = `usage:
  images files OUT.tar SOURCE=TARGET...        a layer of files, SOURCE may be a folder
  images tree OUT.tar ROOT [PATH=UID:GID:MODE] a layer of a root file system
  images image OUT --name NAME [--layer FILE]... [--user U] [--workdir D] [--env K=V]... [--entrypoint A]... [--cmd A]...
         [--platform OS/ARCH] [--label K=V]... [--created SECONDS] [--gzip]
                                               OUT is a folder in OCI layout, or an archive when it ends in .tar
  images index OUT --name NAME LAYOUT...       an image for several platforms, of the images in these folders
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 3 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("too few arguments")
	}
	switch out, rest := arguments[1], arguments[2:]; arguments[0] {
	case "files":
		return writeLayer(out, func(l *layerWriter) error { return l.addFiles(rest) })
	case "tree":
		return writeLayer(out, func(l *layerWriter) error { return l.addTree(rest[0], rest[1:]) })
	case "image":
		return buildImage(out, rest)
	case "index":
		return buildIndex(out, rest)
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("no such command: %s", arguments[0])
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func buildImage(out string, arguments []string) error {
	var s spec
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&s.name, "name", "", "the image's name")
	flags.StringVar(&s.user, "user", "", "the user to run as")
	flags.StringVar(&s.workdir, "workdir", "", "the working directory")
	flags.Var((*list)(&s.layers), "layer", "a layer's archive")
	flags.Var((*list)(&s.env), "env", "an environment variable")
	flags.Var((*list)(&s.entrypoint), "entrypoint", "a word of the entry point")
	flags.Var((*list)(&s.cmd), "cmd", "a word of the command")
	flags.Var((*list)(&s.labels), "label", "a label")
	flags.StringVar(&s.platform, "platform", "linux/"+runtime.GOARCH, "the operating system and the architecture")
	flags.Int64Var(&s.created, "created", 0, "the time it was made, in seconds since 1970")
	flags.BoolVar(&s.gzip, "gzip", false, "pack the layers")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if s.name == "" || flags.NArg() > 0 {
		return fmt.Errorf("an image needs a name, and takes flags only: %q", flags.Args())
	}
	return s.build(out)
}

func buildIndex(out string, arguments []string) error {
	flags := flag.NewFlagSet("index", flag.ContinueOnError)
	name := flags.String("name", "", "the image's name")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *name == "" || flags.NArg() == 0 {
		return errors.New("an index needs a name and the images' folders")
	}
	return writeIndex(out, *name, flags.Args())
}
